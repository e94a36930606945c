"""The formats over HTTP, in this process: statuses, headers, origins, bodies, proxies."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer

from edgeturn.relay.configuration import Configuration
from edgeturn.relay.options import TOKEN_FORMATS
from edgeturn.tokens.endpoint import Refusal
from edgeturn.tokens.formats import ENDPOINTS
from edgeturn.tokens.granting import Service
from edgeturn.tokens.routes import BODY_SIZE, application, fields, routes
from tests.tokens.process import ID, KEY, SID, configuration, section

TestClient.__test__ = TestServer.__test__ = False
Client = TestClient[Any, Any]
BEARER = {"Authorization": f"Bearer {KEY}"}
PAGE = {"Origin": "https://a.example"}
TWILIO = f"/2010-04-01/Accounts/{SID}/Tokens.json"


def ask(dialogue: Callable[[Client], Awaitable[None]], *lines: str, relay: tuple[str, ...] = ()) -> Service:
    """Have a dialogue with the application, whose only key has some options; return its service."""
    text = configuration(section("shop", ID, KEY, *lines), relay=("list ice_uri 'turn:x.example'", *relay))
    service = Service(Configuration(text, "tokens.conf"), clock=lambda: 100.0)  # so that no budget grows meanwhile

    async def talk() -> None:
        async with TestClient(TestServer(application(service))) as client:
            await dialogue(client)

    asyncio.run(talk())
    return service


async def shown(answer: ClientResponse) -> Any:
    return json.loads(await answer.text())


def test_no_answer_is_kept_and_none_names_the_library() -> None:
    async def dialogue(client: Client) -> None:
        for answer in (await client.get("/turn", headers=BEARER), await client.get("/turn")):
            assert answer.headers["Cache-Control"] == "no-store" and answer.headers["Server"] == "edgeturn"
            assert answer.content_type == "application/json"

    ask(dialogue)


def test_each_format_challenges_in_its_own_way() -> None:
    async def dialogue(client: Client) -> None:
        basic, bearer = await client.post(TWILIO), await client.get("/_matrix/client/r0/voip/turnServer")
        assert (basic.status, basic.headers["WWW-Authenticate"]) == (401, 'Basic realm="edgeturn"')
        assert (bearer.status, bearer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert (await shown(bearer))["errcode"] == "M_MISSING_TOKEN"

    ask(dialogue)


def test_another_method_is_refused_in_the_services_words() -> None:
    async def dialogue(client: Client) -> None:
        answer = await client.get(TWILIO)
        assert (answer.status, answer.headers["Allow"], (await shown(answer))["code"]) == (405, "POST", 20004)
        answer = await client.get("/_turn/channel")
        assert (answer.status, await shown(answer)) == (405, {"v": "this is asked by PUT", "s": "error"})

    ask(dialogue)


def test_too_many_are_told_when_to_come_again() -> None:
    async def dialogue(client: Client) -> None:
        assert (await client.get("/turn", headers=BEARER)).status == 200
        answer = await client.get("/turn", headers=BEARER)
        assert answer.status == 429 and 0 < int(answer.headers["Retry-After"]) <= 60

    service = ask(dialogue, "option per_minute 1")
    assert (service.minted, service.refused) == ({"shop": 1}, {429: 1})


def test_pages_of_the_keys_origins_may_read_and_no_others() -> None:
    async def dialogue(client: Client) -> None:
        asked = {**PAGE, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
        preflight = await client.options("/turn", headers=asked)
        assert preflight.status == 204 and preflight.headers["Access-Control-Allow-Origin"] == PAGE["Origin"]
        assert preflight.headers["Access-Control-Allow-Methods"] == "GET, POST"
        assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
        answer = await client.get("/turn", headers=BEARER | PAGE)
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, PAGE["Origin"])
        assert answer.headers["Vary"] == "Origin"
        wrong = await client.get("/turn", headers=PAGE)
        assert (wrong.status, wrong.headers["Access-Control-Allow-Origin"]) == (401, PAGE["Origin"])
        for method in ("OPTIONS", "GET"):
            other = await client.request(method, "/turn", headers=BEARER | {"Origin": "https://b.example"})
            assert "Access-Control-Allow-Origin" not in other.headers and other.headers["Vary"] == "Origin"

    ask(dialogue, f"list origin '{PAGE['Origin']}'")


ASTRAY = (
    ("GET", "/nothing", 404, {"error"}),
    ("GET", "/v1/turn/keys/x", 404, {"success", "errors", "messages", "result"}),
    ("GET", "/2010-04-01/Accounts", 404, {"code", "message", "more_info", "status"}),
    ("GET", "/_matrix/client/v9/voip/turnServer", 404, {"errcode", "error"}),
    ("DELETE", "/2010-04-01/Accounts/AC1/Tokens.json", 405, {"code", "message", "more_info", "status"}),
)


@pytest.mark.parametrize(("method", "path", "status", "fields_"), ASTRAY)
def test_what_is_not_there_is_refused_in_the_formats_own_words(
    method: str, path: str, status: int, fields_: set[str]
) -> None:
    async def dialogue(client: Client) -> None:
        answer = await client.request(method, path)
        text = await answer.text()
        assert (answer.status, set(json.loads(text)), answer.headers["Server"]) == (status, fields_, "edgeturn")
        assert "thon" not in text + str(answer.headers) and "aiohttp" not in text + str(answer.headers)

    ask(dialogue)


def test_without_origins_no_page_reads_anything() -> None:
    async def dialogue(client: Client) -> None:
        for method in ("OPTIONS", "GET"):
            answer = await client.request(method, "/turn", headers=BEARER | PAGE)
            assert "Access-Control-Allow-Origin" not in answer.headers

    ask(dialogue)


def test_the_client_is_who_named_proxies_say(caplog: pytest.LogCaptureFixture) -> None:
    async def dialogue(client: Client) -> None:
        await client.get("/turn", headers=BEARER | {"X-Forwarded-For": "203.0.113.1"})

    with caplog.at_level("INFO", "edgeturn.tokens"):
        ask(dialogue, relay=("list forwarded_from '127.0.0.1'",))
        ask(dialogue)
    assert [line.rpartition("client=")[2] for line in caplog.messages] == ["203.0.113.1", "127.0.0.1"]


def test_a_large_body_is_refused() -> None:
    async def dialogue(client: Client) -> None:
        answer = await client.post("/turn", headers=BEARER, data=b"x" * (BODY_SIZE + 1))
        assert answer.status == 413 and "bytes" in (await shown(answer))["error"]

    ask(dialogue)


def test_xirsyss_own_script_asks_by_a_form() -> None:
    """Its browser library isn't on npm; this is what it sends: PUT, ?type=ice, a form, HTTP Basic."""

    async def dialogue(client: Client) -> None:
        login = {"Authorization": "Basic " + base64.b64encode(f"shop:{KEY}".encode()).decode()}
        answer = await client.put("/_turn/my/path?type=ice", headers=login, data={"format": "urls", "expire": "60"})
        found = await shown(answer)
        assert (answer.status, found["s"]) == (200, "ok") and found["v"]["iceServers"]["urls"] == ["turn:x.example"]

    ask(dialogue)


def test_a_stranger_writes_no_log(caplog: pytest.LogCaptureFixture) -> None:
    async def dialogue(client: Client) -> None:
        packed = await client.post("/turn", headers={"Content-Encoding": "gzip"}, data=b"garbage")
        assert packed.status == 400 and "body" in (await shown(packed))["error"]
        _, writer = await asyncio.open_connection("127.0.0.1", client.port or 0)
        writer.write(b"POST /turn HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
        await writer.drain()
        writer.transport.abort()
        for _ in range(25):
            await client.get("/turn")

    service = ask(dialogue)
    ours = [record for record in caplog.records if record.name == "edgeturn.tokens"]  # aiohttp's own is switched off
    assert not any(record.exc_info for record in ours) and len(ours) == service.refused[401] <= 20


BODIES: tuple[tuple[bytes, str, dict[str, object] | None], ...] = (
    (b"", "application/octet-stream", {}),
    (b"", "application/json", {}),
    (b"Ttl=60&x=1", "application/x-www-form-urlencoded", {"Ttl": "60", "x": "1"}),
    (b'{"ttl": 60}', "application/json", {"ttl": 60}),
    (b'{"ttl": 60}', "application/x-www-form-urlencoded", {"ttl": 60}),  # as curl sends it if nobody says otherwise
    (b"[1]", "application/json", None),
    (b"{", "application/json", None),
    (b"[" * 16000, "application/json", None),
    (b"\xff", "text/plain", None),
    (b"&".join([b"a=1"] * 100), "application/x-www-form-urlencoded", None),
)


@pytest.mark.parametrize(("data", "kind", "expected"), BODIES)
def test_bodies(data: bytes, kind: str, expected: dict[str, object] | None) -> None:
    if expected is not None:
        assert fields(data, kind) == expected
        return
    with pytest.raises(Refusal):
        fields(data, kind)


def test_what_goes_wrong_inside_is_said_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def find() -> list[str]:
        raise OSError("no such interface")

    service = Service(Configuration(configuration(section()), "x"), find=find)

    async def dialogue() -> tuple[int, Any]:
        async with TestClient(TestServer(application(service))) as client:
            answer = await client.get("/turn", headers=BEARER)
            assert (await client.get("/turn", headers=BEARER)).status == 503  # it has no address to tell
            return answer.status, await shown(answer)

    assert asyncio.run(dialogue()) == (500, {"error": "that failed, and the log says where"})
    assert "no such interface" in caplog.text and KEY not in caplog.text


def test_beside_a_page_the_root_is_left_alone() -> None:
    settings = Configuration(configuration(section()), "x")
    paths = {each.path for each in routes(settings)}
    assert "/" not in paths and {each.path for each in ENDPOINTS} - paths == {"/"}
    assert "/" in {each.path for each in routes(settings, alone=True)}


def test_the_options_words_are_the_tables_formats() -> None:
    assert {each.format for each in ENDPOINTS} == set(TOKEN_FORMATS)
