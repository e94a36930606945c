"""Who holds connections keeps nobody out: strangers that are silent, from one address and from many, before TLS too."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from edgeturn.protocol import address
from edgeturn.relay.configuration import Configuration
from edgeturn.serving import door as doors
from edgeturn.serving.door import Door
from edgeturn.tokens.granting import Service
from edgeturn.tokens.process import _opened
from edgeturn.tokens.routes import application
from tests.blackbox import certificates
from tests.blackbox.relay import HOST
from tests.tokens.process import KEY, configuration, section

ATTACKER = "127.0.0.66"
PATIENCE = 10  # seconds; each answer takes milliseconds


@contextlib.asynccontextmanager
async def served(door: Door, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve behind a door; give the port."""
    settings = Configuration(configuration(section(), relay=("list ice_uri 'turn:x.example'",)), "x")
    with _opened(address.parse(f"{HOST}:0", 0)) as listener:
        await door.open(application(Service(settings)), [listener], tls)
        yield listener.getsockname()[1]
        await door.close()


class Asker:
    """A connection that asks, or doesn't."""

    async def connect(self, port: int, source: str = HOST, tls: ssl.SSLContext | None = None) -> "Asker":
        self._reader, self._writer = await asyncio.wait_for(
            asyncio.open_connection(HOST, port, local_addr=(source, 0), ssl=tls), PATIENCE
        )
        return self

    async def sends(self, request: bytes) -> tuple[bytes, object]:
        """Send a request; return the head of the answer, and what its JSON is."""
        self._writer.write(request)
        head = await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), PATIENCE)
        return head, json.loads(await self._reader.readuntil(b"}"))

    async def asks(self) -> bool:
        """Ask once, and say whether that was granted."""
        head, _ = await self.sends(f"GET /turn?key={KEY} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return head.startswith(b"HTTP/1.1 200 OK")

    async def is_ended(self) -> bool:
        """Wait until the other end closes; say whether nothing came before that."""
        with contextlib.suppress(ConnectionResetError):
            return await asyncio.wait_for(self._reader.read(), PATIENCE) == b""
        return True

    def close(self) -> None:
        self._writer.close()


async def connected(count: int, port: int, source: str = HOST) -> list[Asker]:
    return [await Asker().connect(port, source) for _ in range(count)]


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The server's TLS and a client's."""
    made = certificates.make(Path(tmp_path_factory.mktemp("certificate")))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(str(made.certificate), str(made.key))
    trust = ssl.create_default_context(cafile=str(made.certificate))
    trust.check_hostname = False
    return tls, trust


def test_who_asks_nothing_soon_is_ended_and_who_asked_stays() -> None:
    async def dialogue() -> None:
        async with served(Door(8, 1.0)) as port:
            asking, silent = await connected(2, port)
            assert await asking.asks() and await silent.is_ended() and await asking.asks()
            asking.close()

    asyncio.run(dialogue())


def test_who_asked_nothing_gives_way_and_then_who_asked_longest_ago() -> None:
    async def dialogue() -> None:
        async with served(Door(4, 60)) as port:
            held = []
            for _ in range(3):
                held += await connected(1, port)
                assert await held[-1].asks()
            held += await connected(1, port)
            assert await held[0].asks()
            for gives_way in (3, 1):
                held += await connected(1, port)
                assert await held[-1].asks() and await held[gives_way].is_ended()
            assert await held[0].asks()
            for each in held:
                each.close()

    asyncio.run(dialogue())


Attack = Callable[[int], Awaitable[list[Asker]]]


async def _one(port: int) -> list[Asker]:
    return await connected(40, port, ATTACKER)


async def _many(port: int) -> list[Asker]:
    return [each for number in range(10, 30) for each in await connected(2, port, f"127.0.0.{number}")]


async def _half(port: int) -> list[Asker]:
    held = await connected(40, port, ATTACKER)
    for each in held:
        with contextlib.suppress(ConnectionError):
            each._writer.write(b"\x16\x03\x01\x02\x00")  # the beginning of a ClientHello
            await each._writer.drain()
    return held


@pytest.mark.parametrize("attack", [_one, _many, _half])
def test_tls_handshakes_that_never_end_keep_nobody_out(
    attack: Attack, contexts: tuple[ssl.SSLContext, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "_SHAKES_WITHIN", 60.0)

    async def dialogue() -> None:
        async with served(Door(8, 60), contexts[0]) as port:
            before = await Asker().connect(port, tls=contexts[1])
            assert await before.asks()
            held = await attack(port)
            during = await Asker().connect(port, tls=contexts[1])
            assert await during.asks() and await before.asks()
            assert await held[0].is_ended()
            for each in [before, during, *held]:
                each.close()

    asyncio.run(dialogue())


def test_one_source_has_its_part_of_those_that_ask_nothing() -> None:
    async def dialogue() -> None:
        async with served(Door(12, 60)) as port:
            other = await connected(1, port)
            held = await connected(4, port, ATTACKER)
            assert await held[0].is_ended()
            assert await held[1].asks() and await other[0].asks()
            for each in [*held, *other]:
                each.close()

    asyncio.run(dialogue())


def test_a_handshake_has_less_time_than_a_request(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "_SHAKES_WITHIN", 0.2)

    async def dialogue() -> None:
        async with served(Door(8, 60), contexts[0]) as port:
            (silent,) = await connected(1, port)
            assert await silent.is_ended()

    asyncio.run(dialogue())


@pytest.mark.parametrize("request_", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nbad header\r\n\r\n"])
def test_what_is_no_request_is_told_nothing_of_who_answers(request_: bytes) -> None:
    async def dialogue() -> None:
        async with served(Door(8, 60)) as port:
            (asker,) = await connected(1, port)
            head, told = await asker.sends(request_)
            assert head.startswith(b"HTTP/1.") and b" 400 " in head and b"Server: edgeturn\r\n" in head
            assert told == {"error": "that is no HTTP request."}
            asker.close()

    asyncio.run(dialogue())


ASKS = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LEAVES = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


@contextlib.asynccontextmanager
async def waiting() -> AsyncIterator[tuple[Asker, asyncio.Event]]:
    """Serve what answers `{}` once it may; give who asks and what lets it answer."""
    may = asyncio.Event()

    async def answer(_: web.Request) -> web.Response:
        await may.wait()
        return web.json_response({})

    door, served_ = Door(8, 60), web.Application()
    served_.router.add_get("/", answer)
    with _opened(address.parse(f"{HOST}:0", 0)) as listener:
        await door.open(served_, [listener], None)
        asker = await Asker().connect(listener.getsockname()[1])
        yield asker, may
        asker.close()
        may.set()
        await door.close()


@pytest.mark.parametrize("flood", [ASKS * 4000, LEAVES + bytes(1 << 20)])
def test_who_sends_on_and_waits_for_no_answer_is_ended(flood: bytes) -> None:
    async def dialogue() -> None:
        async with waiting() as (asker, _):
            asker._writer.write(flood)
            assert await asker.is_ended()

    asyncio.run(dialogue())


def test_a_handful_of_requests_at_once_is_answered() -> None:
    async def dialogue() -> None:
        async with waiting() as (asker, may):
            asker._writer.write(ASKS * 8)
            may.set()
            for _ in range(8):
                head, told = await asker.sends(b"")
                assert head.startswith(b"HTTP/1.1 200 OK") and told == {}

    asyncio.run(dialogue())
