"""
The views in headless Chromium, against a stand-in of LuCI's client and of rpcd, the real plugin and a real relay.

    Chromium ──HTTP──► stand-in of uhttpd, rpcd and UCI ──► plugin ──► edgeturn rpcd ──Unix socket──► relay
"""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from edgeturn.command import ice
from edgeturn.relay import uci
from edgeturn.relay.configuration import Configuration
from tests.blackbox.client import Client
from tests.blackbox.relay import HOST, SECRET, Relay, until
from tests.openwrt.luci.browser import DESKTOP, PHONE, Browser
from tests.openwrt.luci.conftest import COMMANDS, make_rpcd
from tests.openwrt.luci.router import READER, ROOT, Router

pytestmark = pytest.mark.timeout(300)  # a busy machine needs minutes for what takes seconds
VIEWS = ("overview", "sessions", "access", "check", "snippet", "settings")
HOSTILE = "<img/src=x/onerror=document.title='broken'>"


def time_limited(secret: str, name: str) -> tuple[str, str]:
    """Return username and password of a credential."""
    login = ice.mint(secret, name, 60)
    return login.username, login.password


class Place:
    """A relay, the router that looks after it, and the browser that looks at the router."""

    def __init__(self, relay: Relay, router: Router, url: str, browser: Browser, stack: ExitStack) -> None:
        self.relay, self.router, self.url, self.browser, self._stack = relay, router, url, browser, stack

    def open(self, view: str, session: str = ROOT, size: tuple[int, int] = DESKTOP, dark: bool = False) -> Browser:
        """Open a view; return the browser."""
        path = view if "/" in view else f"edgeturn/{view}"
        self.browser.open(f"{self.url}/{session}/{path}", size, dark)
        return self.browser

    def client(self, user: str, password: str | None = None) -> Client:
        client = Client(self.relay.server(HOST), user, password)
        self._stack.callback(client.close)
        return client

    def login(self, user: str, password: str) -> int:
        """Return the error code of an Allocate, 0 for none."""
        return self.client(user, password).allocate().code


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


@pytest.fixture
def place(relay: Relay, browser: Browser, tmp_path: Path) -> Iterator[Place]:
    router = Router(make_rpcd(COMMANDS["CPython"], tmp_path), relay.file)
    with ExitStack() as stack, router.served() as url:
        yield Place(relay, router, url, browser, stack)
        assert browser.complaints() == []


@pytest.mark.parametrize(("size", "dark"), [(DESKTOP, False), (PHONE, True)], ids=("desktop", "phone, dark"))
def test_every_view_fits_and_complains_of_nothing(
    place: Place, tmp_path: Path, size: tuple[int, int], dark: bool
) -> None:
    place.client("alice").allocate()
    for view in (*VIEWS, "status/include/75_edgeturn"):
        browser = place.open(view, size=size, dark=dark)
        browser.shot(tmp_path / f"{view.rsplit('/')[-1]}.png")
        assert browser.evaluate("document.documentElement.scrollWidth") <= size[0], view
        assert browser.complaints() == [], view


def test_the_overview_follows_the_relay(place: Place) -> None:
    browser = place.open("overview")
    assert "example.org" in browser.text() and f"{HOST}:{place.relay.port}" in browser.text()
    browser.wait('[title="0 of 8"]')
    place.client("alice").allocate()
    browser.wait('[title="1 of 8"]')


def test_the_widget_says_how_full_it_is(place: Place) -> None:
    place.client("alice").allocate()
    place.open("status/include/75_edgeturn").wait('[title="1 of 8"]')


def test_a_relay_that_is_gone_is_told_and_not_an_empty_page(place: Place) -> None:
    browser = place.open("overview")
    place.relay.process.terminate()
    place.relay.ended()
    browser.wait(".alert-message.warning")
    for view in ("overview", "sessions", "status/include/75_edgeturn"):
        assert "no relay is reached" in place.open(view).text()


def test_a_session_is_ended(place: Place) -> None:
    for user in ("alice", "bob"):
        place.client(user).allocate()
    ends, stays = (each["session"] for each in place.relay.sessions())
    browser = place.open("sessions")
    browser.click(f"#edgeturn-end-{ends}")
    until(lambda: "alice" not in browser.text(), "the row is gone")
    assert [each["session"] for each in place.relay.sessions()] == [stays]
    assert "bob" in browser.text()


def test_a_name_that_is_html_is_text(place: Place) -> None:
    username, password = time_limited(SECRET, HOSTILE)
    assert place.login(username, password) == 0
    browser = place.open("sessions")
    assert "onerror" in browser.text()
    assert browser.evaluate("document.querySelectorAll('img').length") == 0
    browser = place.open("access")
    browser.fill("#edgeturn-for", HOSTILE)
    browser.fill("#edgeturn-user", HOSTILE)
    browser.click("button:text-is('Add user')")
    browser.wait(f'td:text-is("{HOSTILE}")')
    assert any(each.title() == HOSTILE for each in uci.parse(place.relay.file.read_text(), ""))
    assert browser.evaluate("document.getElementById('edgeturn-user').value") == ""
    browser.click("button:text-is('Mint')")
    browser.wait("#edgeturn-minted .td")
    assert "onerror" in browser.text("#edgeturn-minted"), "what was typed stays when a list is shown anew"
    browser.click("button:text-is('Add secret')")
    browser.wait("td:text-is('is accepted')")
    assert "onerror" in browser.text("#edgeturn-minted"), "and so does what was minted"
    assert browser.evaluate("document.querySelectorAll('img').length") == 0


def test_users(place: Place) -> None:
    browser = place.open("access")
    browser.fill("#edgeturn-user", "carol")
    browser.fill("#edgeturn-password", "pass<b>word")
    browser.click("button:text-is('Add user')")
    browser.wait("td:text-is('carol')")
    assert place.login("carol", "pass<b>word") == 0
    browser.click("tr:has(td:text-is('carol')) >> button:text-is('Remove')")
    browser.click("#edgeturn-confirm")
    until(
        lambda: not browser.evaluate("[...document.querySelectorAll('td')].some(td => td.innerText == 'carol')"), "gone"
    )
    assert place.login("carol", "pass<b>word") == 401
    assert not place.relay.sessions()


def test_a_password_is_made_where_none_is_given(place: Place) -> None:
    browser = place.open("access")
    browser.fill("#edgeturn-user", "carol")
    browser.click("button:text-is('Add user')")
    told = browser.text(".alert-message p")
    assert place.login("carol", told.rsplit(" ", 1)[-1]) == 0


def test_secrets(place: Place) -> None:
    browser = place.open("access")
    browser.click("button:text-is('Show')")
    browser.wait("#edgeturn-secret")
    assert browser.text("#edgeturn-secret") == SECRET
    browser.click("button:text-is('Close')")
    browser.click("button:text-is('Rotate')")
    browser.wait("td:text-is('is accepted')")
    browser.click("tr:has(td:text-is('is accepted')) >> button:text-is('Remove')")
    browser.click("#edgeturn-confirm")
    until(lambda: "is accepted" not in browser.text().replace("mints and is accepted", ""), "the old one is gone")
    assert place.login(*time_limited(SECRET, "carol")) == 401
    browser.click("button:text-is('Mint')")
    browser.wait("#edgeturn-minted .td")
    rows = browser.evaluate("[...document.querySelectorAll('#edgeturn-minted tr')].map(row => row.lastChild.innerText)")
    assert place.login(rows[0], rows[1]) == 0


def test_the_check(place: Place) -> None:
    browser = place.open("check")
    browser.click("#edgeturn-check")
    browser.wait("#edgeturn-verdict")
    assert browser.text("#edgeturn-verdict") == "It works."
    assert "Binding" in browser.text() and "relay to relay" in browser.text()


def test_the_check_of_a_relay_that_is_gone_says_what_to_do(place: Place) -> None:
    browser = place.open("check")
    place.relay.process.terminate()
    place.relay.ended()
    browser.click("#edgeturn-check")
    browser.wait("#edgeturn-verdict")
    assert browser.text("#edgeturn-verdict").startswith("It does not work yet")
    assert "see whether the relay runs" in browser.text()


def test_the_snippet_is_copied_and_works(place: Place) -> None:
    browser = place.open("snippet")
    browser.fill("#edgeturn-user", "carol")
    browser.choose("#edgeturn-lifetime", "3600")
    browser.click("#edgeturn-make")
    browser.click("#edgeturn-copy")
    browser.wait("text=Copied.")
    copied = browser.evaluate("navigator.clipboard.readText()")
    assert copied == browser.text("#edgeturn-snippet")
    (server,) = json.loads(copied)["iceServers"]
    assert f"turn:{HOST}:{place.relay.port}?transport=udp" in server["urls"]
    assert place.login(server["username"], server["credential"]) == 0
    assert browser.evaluate(
        "new RTCPeerConnection(JSON.parse(document.getElementById('edgeturn-snippet').innerText)) && 1"
    )
    assert browser.evaluate("document.querySelectorAll('#edgeturn-picture svg path').length") > 0


def test_the_browser_tests_the_relay(place: Place) -> None:
    browser = place.open("snippet")
    browser.click("#edgeturn-make")
    browser.click("#edgeturn-test")
    browser.wait("#edgeturn-tested")
    assert browser.text("#edgeturn-tested").startswith("Media can flow")
    rows = browser.evaluate("[...document.querySelectorAll('.table td:first-child')].map(cell => cell.innerText)")
    assert {"host", "relay"} <= set(rows)


def test_copying_without_a_secure_page(place: Place) -> None:
    browser = place.open("snippet")
    browser.click("#edgeturn-make")
    browser.wait("#edgeturn-copy")
    browser.evaluate("Object.defineProperty(window, 'isSecureContext', {value: false}) && 1")
    browser.click("#edgeturn-copy")
    browser.wait("text=Copied.")
    assert browser.evaluate("navigator.clipboard.readText()") == browser.text("#edgeturn-snippet")


def test_settings_are_judged_saved_and_taken(place: Place) -> None:
    browser = place.open("settings")
    browser.click('a[data-tab="limits"]')
    browser.fill('[id="cbid.user_quota"]', "many")
    browser.click("#save")
    browser.wait('[id="cbid.user_quota"].cbi-input-invalid')
    assert browser.complaints(), "the stand-in's save() throws, as LuCI's does"
    assert (
        browser.evaluate("document.getElementById('cbid.user_quota').title") == "must be a whole number from 0 to 65535"
    )
    assert ("uci", "set") not in place.router.calls
    browser.fill('[id="cbid.user_quota"]', "1")
    browser.click('a[data-tab="peers"]')
    browser.fill('[data-name="deny_peer"] input', "203.0.113.0/24")
    browser.click("#apply")
    browser.wait("text=Applied.")
    text = place.relay.file.read_text()
    assert (
        "option user_quota '1'" in text
        and "list deny_peer '203.0.113.0/24'" in text
        and f"list secret '{SECRET}'" in text
    )
    assert place.login("alice", "s3cret") == 0
    assert place.login("alice", "s3cret") == 486


def test_a_flag_that_is_spelled_otherwise_stays(place: Place) -> None:
    place.relay.configure(mobility="off", dtls="no", discovery="on")
    browser = place.open("settings")
    for name, on in (("mobility", False), ("dtls", False), ("discovery", True), ("tcp", True)):
        assert browser.evaluate(f"document.getElementById('cbid.{name}').checked") is on, name
    browser.click("#apply")
    browser.wait("text=Applied.")
    settings = Configuration(place.relay.file.read_text(), "edgeturn")
    assert [bool(settings.number(name)) for name in ("mobility", "dtls", "discovery", "tcp")] == [
        False,
        False,
        True,
        True,
    ]


def test_who_may_only_look_sees_no_more_than_that(place: Place) -> None:
    place.client("alice").allocate()
    assert [view for view, _ in place.router.views(READER)] == [
        "edgeturn/overview",
        "edgeturn/sessions",
        "edgeturn/check",
    ]
    browser = place.open("sessions", READER)
    assert "alice" in browser.text()
    assert browser.evaluate("document.querySelector('[id^=edgeturn-end]').disabled") is True
    assert place.open("check", READER).evaluate("document.getElementById('edgeturn-check').disabled") is True
    for target, method in (("edgeturn", "kick"), ("edgeturn", "secret_show"), ("edgeturn", "credentials")):
        assert "Access denied" in json.dumps(_ask(place, READER, target, method, {}))
    assert _ask(place, READER, "uci", "get", {"config": "edgeturn"})["result"] == [6]
    assert len(place.relay.sessions()) == 1


def _ask(place: Place, session: str, target: str, method: str, arguments: dict[str, str]) -> dict[str, object]:
    message = {"jsonrpc": "2.0", "id": 1, "method": "call", "params": [session, target, method, arguments]}
    request = urllib.request.Request(f"{place.url}/cgi-bin/luci/admin/ubus", json.dumps(message).encode())
    with urllib.request.urlopen(request, timeout=60) as reply:
        found: dict[str, object] = json.loads(reply.read())
    return found
