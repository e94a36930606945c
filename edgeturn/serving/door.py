"""Who comes in over HTTP: connections are bounded in number, for each source too, and in how long they may be silent.

Rule 1: a connection that has asked nothing within seconds is ended; after its first request aiohttp looks after it. A
        TLS handshake counts, and has still fewer seconds.
Rule 2: of those that have asked nothing a source has a fourth of the places at most: beyond that its own first one
        gives way, so that one attacker fills nothing.
Rule 3: where all places are taken, the source that has most of them gives way, of several one that has asked nothing:
        by the connection that has asked nothing for longest, else by the one that asked longest ago.
Rule 4: connections are taken here and not by asyncio's own server, for whoever is in a handshake there can't be ended.
Rule 5: a connection is ended when more than a few of its requests wait, or much of what follows one that would leave
        HTTP: before 3.14 aiohttp keeps all of that, and a stranger who reads no answers would fill the memory.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from aiohttp import web

from edgeturn.serving.source import source
from edgeturn.serving.speaking import Speaking

if TYPE_CHECKING:
    from aiohttp.typedefs import Middleware  # new in 3.9, and Debian 12 has 3.8

_SHAKES_WITHIN = 4.0  # seconds of a TLS handshake; two round trips
_PART = 4
_PIECE = 4096  # bytes that aiohttp gets at once, for it makes requests of all of them
_MOST_WAITING = 16  # requests; browsers don't pipeline, and libraries that do send a handful
_MOST_KEPT = 65536  # bytes after a request to leave HTTP
_PAUSE = 0.1  # seconds until there may be descriptors again
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Door:
    """Takes connections and has them speak HTTP."""

    def __init__(self, most: int, asks_within: float, **speaking: Any) -> None:
        """Take how many there are at most, the seconds until one has asked something, and aiohttp's own options."""
        self._most, self._asks_within, self._speaking = most, asks_within, speaking
        self._each = max(most // _PART, 1)
        self._crowds: dict[str, _Crowd] = {}
        self._count = 0
        self._runner: web.AppRunner | None = None
        self._accepting: list[asyncio.Task[None]] = []

    async def open(
        self, application: web.Application, sockets: Sequence[socket.socket], tls: ssl.SSLContext | None
    ) -> None:
        """Begin to take connections from sockets that listen."""
        application.middlewares.append(self._middleware())
        self._runner = web.AppRunner(application, **self._speaking)
        await self._runner.setup()
        self._accepting = [asyncio.create_task(self._accept(each, tls)) for each in sockets]

    async def close(self) -> None:
        """Take no connection any more, and end those that are there once they have their answers."""
        for task in self._accepting:
            task.cancel()
        for each in [each for crowd in self._crowds.values() for each in crowd.silent]:
            each.end()
        if self._runner is not None:
            await self._runner.cleanup()

    def lost(self, connection: "Connection") -> None:
        """Forget a connection."""
        crowd = self._crowds.get(connection.source)
        if crowd is not None and crowd.forgets(connection):
            self._count -= 1
            if not crowd.size():
                del self._crowds[connection.source]

    def _middleware(self) -> "Middleware":
        """Return what notes that a connection has asked something."""

        @web.middleware
        async def hear(request: web.Request, handler: _Handler) -> web.StreamResponse:
            connection = getattr(request.protocol, "connection", None)
            if connection is not None and connection.source in self._crowds:
                self._crowds[connection.source].hears(connection)
            return await handler(request)

        return hear

    async def _accept(self, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        while True:
            try:
                sock, place = await loop.sock_accept(listener)
            except OSError:
                await asyncio.sleep(_PAUSE)
                continue
            self._take(sock, source(place[0]), tls)
            await asyncio.sleep(0)  # or a flood of them keeps all others waiting

    def _take(self, sock: socket.socket, name: str, tls: ssl.SSLContext | None) -> None:
        assert self._runner is not None and self._runner.server is not None
        self._make_room(name)
        handler = Speaking(self._runner.server, loop=asyncio.get_running_loop(), **self._speaking)
        handler.connection = made = Connection(self, handler, name)
        self._crowds.setdefault(name, _Crowd()).silent[made] = None
        self._count += 1
        made.begin(sock, tls, self._asks_within)

    def _make_room(self, name: str) -> None:
        """End a connection, where there has to be one less for a source's next one."""
        mine = self._crowds.get(name)
        if mine is not None and len(mine.silent) >= self._each:
            mine.first().end()
        elif self._count >= self._most:
            max(self._crowds.values(), key=_Crowd.weight).first().end()


class _Crowd:
    """The connections of one source, the one that waits for longest first."""

    def __init__(self) -> None:
        self.silent: dict[Connection, None] = {}
        self._asked: dict[Connection, None] = {}

    def size(self) -> int:
        return len(self.silent) + len(self._asked)

    def weight(self) -> tuple[int, int]:
        return self.size(), len(self.silent)

    def first(self) -> "Connection":
        return next(iter(self.silent or self._asked))

    def hears(self, connection: "Connection") -> None:
        if self.forgets(connection):
            connection.timer.cancel()
            self._asked[connection] = None

    def forgets(self, connection: "Connection") -> bool:
        for each in (self.silent, self._asked):
            if connection in each:
                del each[connection]
                return True
        return False


class Connection(asyncio.Protocol):
    """A connection, from its being accepted on; passes all on to aiohttp's own protocol."""

    timer: asyncio.TimerHandle

    def __init__(self, door: Door, handler: Speaking, source: str) -> None:
        """Take who counts it, who speaks, and from where it comes."""
        self.source = source
        self._door, self._handler = door, handler
        self._meeting: asyncio.Task[None] | None = None

    def begin(self, sock: socket.socket, tls: ssl.SSLContext | None, asks_within: float) -> None:
        """Shake hands, where there's TLS, and speak."""
        self.timer = asyncio.get_running_loop().call_later(asks_within, self.end)
        self._meeting = asyncio.create_task(self._meet(sock, tls))

    async def _meet(self, sock: socket.socket, tls: ssl.SSLContext | None) -> None:
        within = _SHAKES_WITHIN if tls else None
        try:
            with contextlib.suppress(OSError):
                await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: self, sock, ssl=tls, ssl_handshake_timeout=within
                )
        finally:
            if self._handler.transport is None:  # it was none
                self._forget()
                sock.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to speak."""
        self._handler.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Pass it on, as long as it's taken."""
        for begin in range(0, len(data), _PIECE):
            self._handler.data_received(data[begin : begin + _PIECE])
            if self._handler.transport is None or self._handler.keeps_much(_MOST_WAITING, _MOST_KEPT):
                self.end()
                return

    def eof_received(self) -> None:
        """Pass it on."""
        self._handler.eof_received()

    def pause_writing(self) -> None:
        """Pass it on."""
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self._handler.resume_writing()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Pass it on, and be forgotten."""
        self._forget()
        self._handler.connection_lost(exc)

    def end(self) -> None:
        """End it, whatever it does."""
        self._forget()
        if self._handler.transport is not None:
            self._handler.transport.abort()
        elif self._meeting is not None:
            self._meeting.cancel()

    def _forget(self) -> None:
        self.timer.cancel()
        self._door.lost(self)
