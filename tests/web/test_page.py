"""The page in Chromium, against a real relay: what a person does with it, in the desktop's and the telephone's size.

Set EDGETURN_SCREENSHOTS to a folder to look at what it looks like.
"""

import json
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import segno

from tests.blackbox.client import Client
from tests.blackbox.relay import until
from tests.openwrt.luci.browser import DESKTOP, PHONE, Browser
from tests.web.served import TOKEN, Page

pytestmark = pytest.mark.timeout(300)  # a busy machine needs minutes for what takes seconds
NARROWEST = (360, 740)
VIEWS = ("overview", "sessions", "access", "connect", "test")
ALL = "performance.getEntriesByType('resource').map((each) => new URL(each.name).origin)"
UNNAMED = """[...document.querySelectorAll('button, input, select, a')]
    .filter((each) => !(each.textContent.trim() || each.getAttribute('aria-label') || each.labels?.length))
    .map((each) => each.outerHTML)"""
# The middles of the modules of the picture that is shown; around them are four of quiet zone.
MODULES = """(() => {
    const picture = document.querySelector('img.qr'), count = COUNT, step = 4;
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = (count + 8) * step;
    const brush = canvas.getContext('2d', { willReadFrequently: true });
    brush.drawImage(picture, 0, 0, canvas.width, canvas.height);
    const dark = (x, y) => brush.getImageData((x + 4.5) * step, (y + 4.5) * step, 1, 1).data[0] < 128;
    return [...Array(count).keys()].map((y) => [...Array(count).keys()].map((x) => dark(x, y)));
})()"""
ONLY = """document.querySelectorAll('#servers input').forEach((each, at) => {
    each.checked = at === 0;
    each.value = 'turn:PLACE?transport=tcp';
})"""
SOONER = """(() => {
    const later = setTimeout;
    globalThis.setTimeout = (work, milliseconds) => later(work, milliseconds === 15000 ? 900 : milliseconds);
})()"""
MODULE = "import('/page/trickle.js')"
# How a browser names a server, and how it's written.
TOLD = (
    ("stun:2001:db8::1:3478", "stun:[2001:db8::1]:3478"),
    ("turn:2001:db8::1:3478?transport=tcp", "turn:[2001:db8::1]:3478?transport=tcp"),
    ("stun:[2001:db8::1]:3478", "stun:[2001:db8::1]:3478"),
    ("turns:192.0.2.1:443?transport=tcp", "turns:192.0.2.1:443?transport=tcp"),
    ("stun:turn.example.org:3478", "stun:turn.example.org:3478"),
)
# A server, what came of it, in words, "" where those change at the end. Firefox names no server of candidates.
ANSWERS = (
    ("stun:192.0.2.1", "good", "srflx after 0.20 s"),
    ("turn:192.0.2.1?transport=udp", "bad", "refused with 401 after 0.30 s"),
    ("turn:192.0.2.1?transport=tcp", "good", "relay after 0.40 s"),
    ("turns:192.0.2.1?transport=tcp", "open", "relay after 0.50 s, from this one or another"),
    ("turns:192.0.2.2?transport=tcp", "open", "relay after 0.50 s, from this one or another"),
    ("turn:192.0.2.3?transport=tcp", "bad", "not reached in 2.5 s"),
    ("stun:192.0.2.3", "open", ""),
)
ERRORS = [{"url": "turn:192.0.2.1", "code": 401, "at": 0.3}, {"url": ANSWERS[5][0], "code": 701, "at": 2.5}]
CANDIDATES = [
    {"type": "srflx", "url": "stun:192.0.2.1", "relayProtocol": "", "at": 0.2},
    {"type": "relay", "url": "", "relayProtocol": "tcp", "at": 0.4},
    {"type": "relay", "url": "", "relayProtocol": "tls", "at": 0.5},
]
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


@pytest.fixture
def opened(browser: Browser, page: Page) -> Browser:
    """A page that somebody has logged in to, by the link that the tool prints."""
    browser.open(f"{page.url}#token={TOKEN}")
    browser.wait("#facts dl")
    return browser


def show(browser: Browser, view: str) -> None:
    """Go to a view."""
    browser.click(f'#nav a[href="#{view}"]')
    browser.wait(f"#view-{view}")


def shot(browser: Browser, name: str) -> None:
    """Take a picture where somebody wants to look."""
    folder = os.environ.get("EDGETURN_SCREENSHOTS")
    if folder:
        browser.shot(Path(folder) / f"{name}.png")


def test_logging_in(browser: Browser, page: Page) -> None:
    browser.open(page.url)
    shot(browser, "login")
    browser.fill("input[name=token]", "wrong")
    browser.click("button[type=submit]")
    browser.wait(".told.bad")
    assert "That isn't the token." in browser.text("main")
    assert browser.complaints() == ["Failed to load resource: the server responded with a status of 401 (Unauthorized)"]
    browser.fill("input[name=token]", TOKEN)
    browser.click("button[type=submit]")
    browser.wait("#facts dl")
    assert browser.evaluate("document.cookie") == "", "no script may read it"
    browser.evaluate("location.reload()")
    browser.wait("#facts dl")
    browser.click("#leave")
    browser.wait("input[name=token]")
    browser.evaluate("location.reload()")
    browser.wait("input[name=token]")
    assert browser.complaints() == []


SEEN = [(DESKTOP, False), (NARROWEST, True)]
LOOKED_AT = [(DESKTOP, True), (PHONE, True), (PHONE, False)] if os.environ.get("EDGETURN_SCREENSHOTS") else []


@pytest.mark.parametrize(("size", "dark"), SEEN + LOOKED_AT)
def test_every_view_stands_by_itself(browser: Browser, page: Page, size: tuple[int, int], dark: bool) -> None:
    browser.open(f"{page.url}#token={TOKEN}", size, dark)
    browser.wait("#facts dl")
    assert TOKEN not in browser.evaluate("location.href")
    with session(page):
        for view in VIEWS:
            show(browser, view)
            browser.wait(
                {"overview": "#charts svg", "sessions": "[data-kick]", "access": "#secrets td"}.get(view, "h1")
            )
            shot(browser, f"{view}-{size[0]}-{'dark' if dark else 'light'}")
            assert browser.evaluate(UNNAMED) == [], view
            assert browser.evaluate(TOO_WIDE) <= 0, view
    assert set(browser.evaluate(ALL)) == {page.url.rstrip("/")}, "nothing comes from elsewhere"
    assert browser.complaints() == []


@contextmanager
def session(page: Page) -> Iterator[None]:
    """Have an allocation on the relay for as long as a block lasts."""
    client = Client(page.relay.server())
    try:
        assert client.allocate().code == 0
        yield
    finally:
        client.close()
        for each in page.call("sessions")["sessions"]:
            page.call("kick", session=each["session"])


def test_a_session_is_kicked(opened: Browser, page: Page) -> None:
    with session(page):
        show(opened, "sessions")
        opened.wait("[data-kick]")
        assert "alice" in opened.text("#sessions")
        opened.click("[data-kick]")
        assert len(page.call("sessions")["sessions"]) == 1, "once is not enough"
        opened.click("[data-kick].armed")
        until(lambda: not page.call("sessions")["sessions"], "the session is ended")
        opened.wait("#sessions p")
    assert opened.complaints() == []


def test_users_and_secrets(opened: Browser, page: Page) -> None:
    show(opened, "access")
    opened.fill("#add-user input[name=name]", "<b>frank</b>")
    opened.click("#add-user button")
    opened.wait("#made pre")
    assert len(opened.text("#made pre")) == 32
    opened.wait('[aria-label="Remove user <b>frank</b>"]')
    assert opened.evaluate("document.querySelectorAll('#users b').length") == 0, "a name is text"
    opened.click('[aria-label="Remove user <b>frank</b>"]')
    opened.click('[aria-label="Remove user <b>frank</b>"].armed')
    until(lambda: "frank" not in page.relay.file.read_text(), "the user is gone")
    opened.click("#rotate")
    until(lambda: len(page.call("secrets")["secrets"]) == 2, "a second secret")
    assert opened.complaints() == []


def test_a_credential_is_minted_copied_and_drawn(opened: Browser) -> None:
    show(opened, "connect")
    opened.fill("#mint input[name=user]", "grace")
    opened.choose("#mint select", "3600")
    opened.click("#mint button")
    opened.wait("img.qr")
    drawn = opened.evaluate("document.querySelector('img.qr').dataset.text")
    assert ':grace"' in drawn and "turn:" in drawn
    opened.click("#minted [data-copies]")
    opened.wait("#said p")
    copied = opened.evaluate("navigator.clipboard.readText()")
    assert copied.replace(" ", "").replace("\n", "") == drawn.replace(" ", "")
    wanted = [[bool(dark) for dark in row] for row in segno.make(drawn, error="l", micro=False).matrix]
    assert opened.evaluate(MODULES.replace("COUNT", str(len(wanted)))) == wanted, "the picture is the text's"
    shot(opened, "minted")


@pytest.mark.parametrize("size", [DESKTOP, PHONE] if os.environ.get("EDGETURN_SCREENSHOTS") else [DESKTOP])
def test_the_browser_tests_the_relay(browser: Browser, page: Page, size: tuple[int, int]) -> None:
    browser.open(f"{page.url}#token={TOKEN}", size, size == PHONE)
    browser.wait("#facts dl")
    show(browser, "test")
    browser.click("#run")
    browser.wait("#diagnosis .told")
    shot(browser, f"tested-{size[0]}")
    candidates = browser.text("#candidates")
    for kind in ("host", "srflx", "relay"):
        assert re.search(rf"\b[1-9]\d* {kind}\b", candidates), candidates
    for transport in ("UDP", "TCP"):
        assert f"Media can flow by {transport}." in browser.text("#loop")
    assert browser.text("#loop").count("0 of 20 messages lost") == 2
    assert "the relay carries a call" in browser.text("#diagnosis")
    assert browser.complaints() == []
    until(lambda: not page.call("sessions")["sessions"], "the test gives back what it took")


def test_the_diagnosis_of_a_relay_that_is_away(browser: Browser, page: Page) -> None:
    """Nothing answers at the address that the page tells browsers: the diagnosis says so beside the candidates."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        browser.open(f"{page.url}#token={TOKEN}")
        browser.wait("#facts dl")
        show(browser, "test")
        browser.click("#servers summary")
        browser.wait("#servers input")
        browser.evaluate(ONLY.replace("PLACE", f"127.0.0.1:{silent.getsockname()[1]}"))
        browser.click("#run")
        browser.wait("#diagnosis .told")
        shot(browser, "away")
        assert "Not possible" in browser.text("#loop")
        assert "701" in browser.evaluate("document.querySelector('#candidates').textContent")
        browser.wait("#diagnosis [data-case]")
        assert str(page.relay.port) in browser.text("#diagnosis"), "it says where the relay listens instead"


def test_a_server_that_is_silent_is_seen_and_not_waited_for_for_ever(browser: Browser, page: Page) -> None:
    """The limit comes sooner here than it's said; a browser gives up later by itself, and says nothing until then."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        browser.open(f"{page.url}#token={TOKEN}")
        browser.wait("#facts dl")
        show(browser, "test")
        browser.click("#servers summary")
        browser.wait("#servers input")
        browser.evaluate(ONLY.replace("PLACE?transport=tcp", f"{place}?transport=udp"))
        browser.evaluate(SOONER)
        browser.click("#run")
        browser.wait("#candidates .state.open")
        said = " ".join(browser.text("#candidates").split())
        assert "at most 15 s; so far" in said and f"turn:{place}?transport=udp no answer for 0 s" in said
        browser.wait("#diagnosis [data-case]")
        said = " ".join(browser.text("#candidates").split())
        assert "it isn't waited for longer" in said and "701 no answer in 15 s" in said
        assert "Not possible" in browser.text("#loop") and str(page.relay.port) in browser.text("#diagnosis")
    assert browser.complaints() == []


def test_how_servers_are_named_and_what_came_of_them(browser: Browser, page: Page) -> None:
    browser.open(page.url)
    assert browser.evaluate(MODULE + f".then((it) => {json.dumps([told for told, _ in TOLD])}.map(it.bracketed))") == [
        whole for _, whole in TOLD
    ]
    report = {"servers": [{"uri": uri} for uri, _, _ in ANSWERS], "errors": ERRORS, "candidates": CANDIDATES}
    for seconds, last in ((None, "no answer for 3 s"), (9.5, "nothing that others didn't give, too")):
        over = {"seconds": seconds, "gathered_all": True} if seconds else {}
        given = json.dumps(report | {"so_far": 3.2} | over)
        wanted = [[uri, state, words or last] for uri, state, words in ANSWERS]
        assert browser.evaluate(MODULE + f".then((it) => it.answers({given}))") == wanted


def test_without_a_relay_the_page_says_so(browser: Browser, page: Page) -> None:
    page.relay.process.terminate()
    page.relay.ended()
    browser.open(f"{page.url}#token={TOKEN}")
    until(lambda: "not running" in browser.text("#state"), "the state")
    browser.wait("#view-overview .told.bad")
    shot(browser, "gone")
    assert "No relay is reached" in browser.text("#view-overview")
    show(browser, "sessions")
    browser.wait("#sessions p")
    show(browser, "access")
    browser.wait("#secrets td")
    assert browser.complaints() == []
