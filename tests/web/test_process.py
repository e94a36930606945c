"""The two processes: who has which rights, what starts them again, and what ends them."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from edgeturn.cli import web_unit
from edgeturn.cli.service_unit import Places
from edgeturn.relay import options
from edgeturn.relay.configuration import Configuration
from edgeturn.web import listening, site, supervision
from tests.blackbox import certificates
from tests.blackbox.relay import DEADLINE, ROOT, Relay, free_port, until
from tests.tokens.process import ID, KEY, section
from tests.web.served import HOST, TOKEN, TOOL, Answer, Page, is_alive, processes, tool

BEARER = {"Authorization": f"Bearer {TOKEN}"}


def test_who_speaks_http_has_no_rights_and_knows_no_secret(page: Page) -> None:
    status = Path(f"/proc/{page.child()}/status").read_text()
    if os.geteuid() == 0:
        assert "Uid:\t0" not in status and "Groups:\t \n" in status
        assert "CapEff:\t0000000000000000" in status and "NoNewPrivs:\t1" in status
    seen = Path(f"/proc/{page.child()}/environ").read_bytes() + Path(f"/proc/{page.child()}/cmdline").read_bytes()
    assert TOKEN.encode() not in seen and b"one-shared-secret" not in seen


def test_a_process_that_dies_is_started_again(page: Page) -> None:
    child = page.child()
    os.kill(child, signal.SIGKILL)
    until(lambda: not is_alive(child), "it is dead")
    page.wait()
    assert page.child() != child


def test_another_token_and_keys_of_applications_take_effect_by_themselves(page: Page) -> None:
    held, old, key = page.log_in(), page.bearer(), {"Authorization": f"Bearer {KEY}"}
    page.token = "another-token-of-the-tests-42"
    page.relay.configure(web_token=page.token)
    page.relay.file.write_text(page.relay.file.read_text() + section())

    def ask() -> Answer:
        return page.post(f"/v1/turn/keys/{ID}/credentials/generate-ice-servers", {"ttl": 600}, **key)

    page.becomes(201, ask)
    assert f"turn:{HOST}:{page.relay.port}?transport=udp" in str(ask().json)
    assert page.get("/api/live", **page.bearer()).status == 200
    for headers in (held, old, key):  # a key of an application opens no page
        assert page.get("/api/live", **headers).status == 401
    assert b"edgeturn_tokens_minted_total{" in page.get("/metrics", **page.bearer()).body
    assert "minted" in page.log.read_text() and KEY not in page.log.read_text()


def test_who_adds_a_user_stays_logged_in(page: Page) -> None:
    if section() not in page.relay.file.read_text():
        page.relay.file.write_text(page.relay.file.read_text() + section())
    key = {"Authorization": f"Bearer {KEY}"}
    page.becomes(201, lambda: page.post(f"/v1/turn/keys/{ID}/credentials/generate-ice-servers", {"ttl": 600}, **key))
    wanted, child = _wanted(page), page.child()
    page.call("user_add", name="grandmother")
    assert "grandmother" in page.relay.file.read_text() and _wanted(page) == wanted
    assert "grandmother" not in wanted.tokens and page.child() == child


def test_another_option_of_the_relay_and_keys_of_applications_log_nobody_out(page: Page) -> None:
    if section() not in page.relay.file.read_text():
        page.relay.file.write_text(page.relay.file.read_text() + section())
    key, other = {"Authorization": f"Bearer {KEY}"}, {"Authorization": f"Bearer {KEY[::-1]}"}
    path = f"/v1/turn/keys/{ID}/credentials/generate-ice-servers"
    page.becomes(201, lambda: page.post(path, {"ttl": 600}, **key))
    held, wanted, child, before = page.log_in(), _wanted(page), page.child(), page.relay.file.read_text()
    page.relay.file.write_text(
        before.replace("config relay 'main'\n", "config relay 'main'\n\toption user_quota '7'\n")
    )
    assert page.relay.file.read_text() != before and _wanted(page) == wanted
    assert page.call("secret_rotate")["fingerprint"]
    text = page.relay.file.read_text().replace(section(), "")
    page.relay.file.write_text(text + section("second", ID[::-1], KEY[::-1]))
    page.becomes(201, lambda: page.post(path.replace(ID, ID[::-1]), {"ttl": 600}, **other))
    assert page.post(path, {"ttl": 600}, **key).status in (401, 429)
    assert page.child() == child and page.get("/api/live", **held).status == 200


def test_a_wrong_file_changes_nothing(page: Page) -> None:
    child, right = page.child(), page.relay.file.read_text()
    page.relay.file.write_text("nonsense")
    until(lambda: page.post("/api/call/users", **page.bearer()).status == 409, "the file is wrong")
    assert page.get("/").status == 200 and page.child() == child
    page.relay.file.write_text(right)


def test_the_token_for_metrics_reads_metrics_only_and_without_a_relay_it_says_so(page: Page) -> None:
    metrics = {"Authorization": f"Bearer {site.metrics_token(page.token)}"}
    assert b"\nedgeturn_up 1\n" in page.get("/metrics", **metrics).body
    assert page.get("/api/live", **metrics).status == 401
    page.relay.process.terminate()
    page.relay.ended()
    until(lambda: b"\nedgeturn_up 0\n" in page.get("/metrics", **metrics).body, "it is told to be gone")
    told = page.get("/api/live", **page.bearer()).json
    assert told["status"] is None and "no relay is reached" in told["trouble"]
    assert page.call("users")["users"], "what is in the file can be seen nevertheless"


def test_taking_web_listen_away_ends_it(page: Page) -> None:
    del page.relay.settings["web_listen"]
    page.relay.configure()
    assert page.process.wait(DEADLINE) == 0


def test_tls_with_the_certificate_of_the_relay(tmp_path: Path) -> None:
    made = certificates.make(tmp_path)
    given = {"certificate": str(made.certificate), "key": str(made.key), "kernel": "off"}
    trust = ssl.create_default_context(cafile=str(made.certificate))
    with Relay(TOOL[:1], tmp_path, dict(given)) as relay, Page(relay, tls=trust) as page:
        silent = [socket.create_connection((HOST, page.port), DEADLINE, ("127.0.0.66", 0)) for _ in range(60)]
        answer = page.post("/api/login", {"token": TOKEN})
        for each in silent:
            each.close()
        assert answer.status == 200 and "Secure" in answer.headers["Set-Cookie"]
        assert page.post("/api/call/users", **BEARER, Origin=page.url.rstrip("/")).status == 200
        assert (
            page.post("/api/call/users", **BEARER, Origin=page.url.rstrip("/").replace("https", "http")).status == 403
        )


def test_run_starts_it_and_it_ends_with_the_relay(tmp_path: Path) -> None:
    file, port, web = tmp_path / "edgeturn.conf", free_port(), free_port()
    file.write_text(
        f"config relay 'main'\n\tlist listen '{HOST}:{port}'\n\tlist relay_address '{HOST}'\n\toption kernel 'off'\n"
        f"\tlist secret 'x'\n\toption control '{tmp_path}/control.sock'\n\tlist web_listen '{HOST}:{web}'\n"
    )
    file.chmod(0o600)
    out = tmp_path / "out"
    with out.open("w") as stream:
        relay = subprocess.Popen([*TOOL, "run", "-c", str(file)], cwd=ROOT, stdout=stream, stderr=stream)
    try:
        until(lambda: "edgeturn ready" in out.read_text(), "the relay is ready")
        assert f"http://{HOST}:{web}/" in out.read_text()
        assert "web_token" in file.read_text() and "#token=" not in out.read_text()
        mine = until(lambda: processes(f"--beside {relay.pid} "), "the page's parent")
        (child,) = until(lambda: _children(mine[0]), "the page")
        relay.kill()
        relay.wait(10)
        until(lambda: not is_alive(mine[0]) and not is_alive(child), "both have ended with the relay")
    finally:
        relay.kill()
        relay.wait(10)


def _wanted(page: Page) -> site.Site:
    return site.of(Configuration(page.relay.file.read_text(), str(page.relay.file)))


def _children(process: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("127.0.0.1", ""),
        ("192.168.1.1", ""),
        ("10.1.2.3:80", ""),
        ("172.31.0.1", ""),
        ("[fd00::1]:8478", ""),
        ("[::1]:8478", ""),
        ("[fe80::1]:8478", ""),
        ("0.0.0.0", "every address"),
        ("[::]:8478", "every address"),
        ("203.0.113.5", "isn't an address of a local network"),
        ("100.64.0.1", "isn't an address of a local network"),
        ("172.32.0.1", "isn't an address of a local network"),
        ("[2001:db8::1]:8478", "isn't an address of a local network"),
    ],
)
def test_where_it_may_listen(where: str, reason: str) -> None:
    told = listening.refusal(options.place(8478)(where))
    assert told == "" if not reason else reason in told


def test_a_routers_address_towards_the_internet_is_not_local(monkeypatch: pytest.MonkeyPatch) -> None:
    ip = options.ip("192.168.7.2")  # behind another router
    monkeypatch.setattr(listening, "_towards_internet", lambda: [ip])
    assert "towards the internet" in listening.refusal(options.place(8478)("192.168.7.2"))


def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "edgeturn.conf"
    file.write_text("config relay 'main'\n\tlist secret 'x'\n")
    with socket.create_server((HOST, 0)) as other:
        where = f"{HOST}:{other.getsockname()[1]}"
        done = tool("web", "--listen", where, file=file)
    assert (done.returncode, done.stdout) == (1, "") and done.stderr.startswith("Error: can't listen on ")
    assert f"{where}: address already in use; " in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_beside_a_relay_a_port_that_is_taken_is_said_and_waited_for(tmp_path: Path) -> None:
    from edgeturn.cli import web

    file = tmp_path / "edgeturn.conf"
    with socket.create_server((HOST, 0)) as other:
        where = f"{HOST}:{other.getsockname()[1]}"
        file.write_text(f"config relay 'main'\n\tlist secret 'x'\n\tlist web_listen '{where}'\n")
        (said,) = web.start_beside(Configuration(file.read_text(), str(file)), file)
        assert said.startswith(f"No page yet: can't listen on {where}: address already in use; held by python")
        (mine,) = until(lambda: processes(f"--beside {os.getpid()} -c {file}"), "the page's parent")
    try:
        until(lambda: _children(mine), "the page, now that the port is free")
    finally:
        os.kill(mine, signal.SIGTERM)
        os.waitpid(mine, 0)


ROWS: list[tuple[list[str], str, int, str]] = [
    ([], "", 1, "the page is off: nothing says where to listen; `edgeturn config add web_listen"),
    (["--listen", "0.0.0.0"], "", 2, "the internet reaches too: take "),
    (["--listen", "x"], "", 2, "--listen x: must be an address"),
    (["--listen", HOST], "\toption web_token 'short'\n", 2, "`edgeturn web --make-token"),
    (["--listen", HOST], "\toption web_key '/nothing'\n", 2, "belong together"),
    (["--listen", HOST], "\toption web_certificate '/nothing'\n\toption web_key '/nothing'\n", 1, "no such file"),
]


@pytest.mark.parametrize(("words", "more", "code", "sentence"), ROWS)
def test_what_a_person_gets_wrong(tmp_path: Path, words: list[str], more: str, code: int, sentence: str) -> None:
    file = tmp_path / "edgeturn.conf"
    file.write_text(f"config relay 'main'\n\tlist secret 'x'\n{more}")
    done = tool("web", *words, file=file)
    assert (done.returncode, done.stdout) == (code, ""), done
    assert sentence in done.stderr and done.stderr.count("\n") <= 2, done.stderr


def test_tokens_are_made_kept_and_hidden(tmp_path: Path) -> None:
    file = tmp_path / "edgeturn.conf"
    file.write_text("config relay 'main'\n\tlist secret 'x'\n\tlist web_listen '127.0.0.1:8478'\n")
    file.chmod(0o600)
    link = tool("web", "--link", file=file).stdout
    token = link.strip().removeprefix("http://127.0.0.1:8478/#token=")
    assert len(token) == 32 and token in file.read_text()
    assert tool("web", "--link", file=file).stdout == link
    assert token not in tool("config", "show", file=file).stdout + tool("config", "show", "--json", file=file).stdout
    assert tool("web", "--metrics-token", file=file).stdout.strip() == site.metrics_token(token)
    assert token not in tool("web", "--make-token", file=file).stdout
    assert token not in file.read_text()


def test_web_public_allows_every_address(tmp_path: Path) -> None:
    file = tmp_path / "edgeturn.conf"
    file.write_text("config relay 'main'\n\tlist secret 'x'\n\tlist web_listen '0.0.0.0:8478'\n")
    refused = tool("web", "--link", file=file)
    assert refused.returncode == 2 and "config set web_public 1" in refused.stderr
    file.write_text(file.read_text() + "\toption web_public '1'\n")
    assert tool("web", "--link", file=file).stdout.startswith("http://0.0.0.0:8478/#token=")


def test_who_started_us_is_gone_already(tmp_path: Path) -> None:
    file = tmp_path / "edgeturn.conf"
    file.write_text("config relay 'main'\n\tlist secret 'x'\n")
    done = tool("web", "--beside", str(1 << 22), file=file)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is missing (package systemd)")
def test_the_unit_is_one_for_systemd(tmp_path: Path) -> None:
    file = tmp_path / "edgeturn.conf"
    file.write_text("config relay 'main'\n\tlist secret 'x'\n\tlist web_listen '127.0.0.1:8478'\n")
    places = Places("/usr/bin/true", "/usr/lib")
    made = web_unit.text(file, places)
    (tmp_path / web_unit.NAME).write_text(made)
    (tmp_path / "edgeturn.service").write_text("[Service]\nExecStart=/usr/bin/true\n")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / web_unit.NAME)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert web_unit.NAME not in done.stderr, done.stderr
    assert f"ReadWritePaths={tmp_path}\n" in made and "CAP_SYS_ADMIN" not in made


def test_a_file_is_read_when_whoever_saves_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """An editor empties a file before it writes it: what is wanted in between isn't what anybody wants."""
    stamps = [[(0, each)] for each in (1, 2, 3, 3, 3, 4, 4)]
    looks: list[object] = []
    read_after: list[int] = []
    same = site.Site("", (), "", "", (), "", "", (), "", "")
    other = replace(same, user="another")

    def look(site: object) -> list[tuple[int, int]]:
        looks.append(site)
        return stamps[len(looks) - 1]

    def read() -> site.Site:
        read_after.append(len(looks))
        return same if len(read_after) == 1 else other

    monkeypatch.setattr(supervision, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(supervision, "_stamps", look)
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            assert supervision._watched(process, same, read, lambda told: None) == (other, False)
        finally:
            process.kill()
    assert read_after == [4, 7]
