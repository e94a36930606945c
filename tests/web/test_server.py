"""The page over HTTP: who gets in, what is refused, and with which sentence."""

import json
import socket
import stat

import pytest

from tests.blackbox.relay import DEADLINE, until
from tests.web.served import HOST, TOKEN, Page

BEARER = {"Authorization": f"Bearer {TOKEN}"}
OPEN = ("/", "/page/app.js", "/page/style.css", "/page/icon.svg", "/api/session")
CLOSED = (
    ("GET", "/api/live"),
    ("GET", "/metrics"),
    ("POST", "/api/code"),
    ("POST", "/api/call/status"),
    ("POST", "/api/call/secret_show"),
    ("POST", "/api/qr"),
    ("POST", "/api/diagnose"),
)
OTHER = "127.0.0.77"  # a source that the other tests don't come from


@pytest.mark.parametrize("path", OPEN)
def test_what_anybody_may_see_holds_no_secret(page: Page, path: str) -> None:
    answer = page.get(path)
    assert answer.status == 200
    assert TOKEN.encode() not in answer.body and b"one-shared-secret" not in answer.body


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_the_rest_wants_a_login(page: Page, method: str, path: str) -> None:
    answer = page.get(path) if method == "GET" else page.post(path)
    assert (answer.status, answer.json) == (401, {"error": "log in first."})


def test_a_login_gives_a_cookie_that_no_script_and_no_other_site_has(page: Page) -> None:
    answer = page.post("/api/login", {"token": TOKEN})
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Secure" not in cookie
    held = {"Cookie": cookie.partition(";")[0]}
    assert page.get("/api/live", **held).json["status"]["realm"] == "example.org"
    assert page.get("/api/session", **held).json == {"open": True}
    assert page.post("/api/logout", **held).status == 200
    assert page.get("/api/live", **held).status == 401


def test_a_wrong_token_is_refused_and_guessing_bounded(page: Page) -> None:
    for _ in range(10):
        answer = page.post("/api/login", {"token": "wrong"}, OTHER)
        assert (answer.status, answer.json["error"]) == (401, "that isn't the token.")
    for token in ("wrong", TOKEN):
        answer = page.post("/api/login", {"token": token}, OTHER)
        assert answer.status == 429 and 0 < int(answer.headers["Retry-After"]) <= 61
    assert page.get("/api/live", OTHER, **BEARER).status == 429
    assert page.post("/api/login", {"token": TOKEN}).status == 200, "others may"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:1", 200),
        ("[::1]", 200),
        ("192.0.2.9", 200),
        ("localhost", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example:8478", 421),
        ("", 421),
    ],
)
def test_only_by_names_of_ours(page: Page, host: str, status: int) -> None:
    held = page.log_in()
    assert page.get("/", Host=host).status == status
    assert page.get("/api/live", Host=host, **held).status == status
    assert page.get("/metrics", Host=host, **BEARER).status == 200, (
        "who has the token isn't a browser that was led here"
    )


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_no_other_site_changes_anything(page: Page, headers: dict[str, str], status: int) -> None:
    held = page.log_in()
    given = {"Content-Type": "application/json"} | {each.replace("_", "-"): value for each, value in headers.items()}
    assert page.ask("POST", "/api/call/users", b"{}", HOST, **given, **held).status == status


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("PUT", "/api/login", 405)])
def test_what_is_not_there_is_a_sentence_of_ours(page: Page, method: str, path: str, status: int) -> None:
    answer = page.ask(method, path, b"", HOST)
    assert (answer.status, answer.headers["Server"]) == (status, "edgeturn")
    assert answer.json["error"].endswith(".") and ("Allow" in answer.headers) == (status == 405)


def test_headers(page: Page) -> None:
    for answer in (page.get("/"), page.get("/api/live"), page.get("/nothing")):
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Server"] == "edgeturn"
    assert page.get("/api/live", **BEARER).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/call/users", b"[]", 400),
        ("/api/call/users", b"{", 400),
        ("/api/call/users", b"[" * 100000, 400),
        ("/api/call/users", b" " * 300000, 413),
        ("/api/call/nothing", b"{}", 409),
        ("/api/call/users", b'{"method": 1}', 409),
        ("/api/call/users", b'{"a": "%s"}' % (b"x" * 70000), 409),
        ("/api/call/users", b'{"a": "%s"}' % ("é" * 12000).encode(), 409),  # six times as long between the processes
        ("/api/call/kick", b'{"session": "1"}', 409),
        ("/api/call/kick", b'{"self": 1}', 409),
        ("/api/qr", b'{"text": 1}', 400),
        ("/api/qr", b'{"text": "\\ud800"}', 400),
        ("/api/login", b'{"token": "\\ud800"}', 400),
        ("/api/login", b'{"code": "\\ud800"}', 400),
        ("/api/qr", json.dumps({"text": "x" * 2000}).encode(), 400),
        ("/api/diagnose", b'{"candidates": 1}', 400),
        ("/api/diagnose", b'{"candidates": [1]}', 400),
    ],
)
def test_what_is_no_request_gets_a_sentence(page: Page, path: str, body: bytes, status: int) -> None:
    answer = page.post(path, body, **BEARER)
    assert answer.status == status
    assert answer.json["error"].endswith(".")


@pytest.mark.parametrize("header", [{"Authorization": "Bearer \xff"}, {"Cookie": "edgeturn=\xff"}])
def test_a_stranger_writes_no_log(page: Page, header: dict[str, str]) -> None:
    """`Page` looks for traces at its end; http.client sends these as bytes that are no UTF-8."""
    assert page.get("/api/live", **header).status == 400


def test_files_are_those_of_the_page_and_no_others(page: Page) -> None:
    for path in (
        "/page/../server.py",
        "/page/..%2fserver.py",
        "/page/%2e%2e/wish.py",
        "/page/",
        "/page/x",
        "/etc/passwd",
    ):
        assert page.get(path).status == 404, path


def test_a_one_time_code_logs_in_once(page: Page) -> None:
    code = page.post("/api/code", **BEARER).json["code"]
    held = page.log_in(code=code)
    assert page.get("/api/live", **held).status == 200
    assert page.post("/api/login", {"code": code}, "127.0.0.78").status == 401


def test_users_and_secrets_are_those_of_the_command_line(page: Page) -> None:
    made = page.call("user_add", name="carol")
    assert made["applied"] is True and len(made["password"]) == 32
    assert "carol" in [each["name"] for each in page.call("users")["users"]]
    assert "config user 'carol'" in page.relay.file.read_text()
    assert page.call("user_remove", name="carol", kick=True)["applied"] is True
    rotated = page.call("secret_rotate")
    shown = page.call("secret_show", fingerprint=rotated["fingerprint"])["secret"]
    assert shown in page.relay.file.read_text()
    login = page.call("credentials", user="dave", ttl=60)
    assert login["username"].endswith(":dave")
    assert page.call("secret_remove", fingerprint=rotated["fingerprint"])["applied"] is True
    answer = page.post("/api/call/credentials", {"ttl": -1}, **BEARER)
    assert (answer.status, "'ttl'" in answer.json["error"]) == (409, True)


def test_the_file_keeps_its_mode(page: Page) -> None:
    page.relay.file.chmod(0o600)
    page.call("user_add", name="erin", password="x" * 20)
    page.call("user_remove", name="erin", kick=False)
    assert stat.S_IMODE(page.relay.file.stat().st_mode) == 0o600


def test_points_come_by_themselves(page: Page) -> None:
    def points() -> list[dict[str, float]]:
        return list(page.get("/api/live", **BEARER).json["points"])

    found = until(points, "a point")
    assert {"at", "up", "down", "kernel", "refused", "dropped", "sessions"} <= set(found[-1])
    assert page.get(f"/api/live?since={found[-1]['at'] + 1000}", **BEARER).json["points"] == []
    assert page.get("/api/live?since=x", **BEARER).status == 400


def test_connections_are_bounded(page: Page) -> None:
    """Whoever opens many and asks nothing keeps nobody out, and takes no memory: the first ones give way."""
    opened = []
    try:
        for _ in range(60):
            sock = socket.create_connection((HOST, page.port), DEADLINE)
            opened.append(sock)
        ended = 0
        for sock in opened[:10]:
            ended += sock.recv(1) == b""
        assert ended == 10
    finally:
        for sock in opened:
            sock.close()
    page.wait()
