"""Who comes in over HTTP: connections are bounded in number, and in how long they may say nothing.

Rule 1: a connection that has asked nothing within seconds is ended; after its first request aiohttp looks after it.
Rule 2: where there are too many, the one that has asked nothing for longest gives way to a new one: a stranger who
        keeps all of them open keeps nobody out.
Rule 3: a connection counts from its being accepted, TLS handshake included. One in its handshake can't be ended
        earlier than its time; where there's nothing but those, a new one is closed before its handshake begins.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

if TYPE_CHECKING:
    from aiohttp.typedefs import Middleware  # new in 3.9, and Debian 12 has 3.8

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Door:
    """What asyncio gets a protocol from for each new connection."""

    def __init__(self, most: int, asks_within: float) -> None:
        """Take how many there are at most, and the seconds until one has asked something."""
        self._most, self._asks_within = most, asks_within
        self._open: dict[RequestHandler, _Connection] = {}  # the one that has asked nothing for longest first
        self._server: web.Server | None = None

    def middleware(self) -> "Middleware":
        """Return what notes that a connection has asked something."""

        @web.middleware
        async def hear(request: web.Request, handler: _Handler) -> web.StreamResponse:
            connection = self._open.pop(request.protocol, None)
            if connection is not None:
                connection.timer.cancel()
                self._open[request.protocol] = connection
            return await handler(request)

        return hear

    def open(self, runner: web.AppRunner) -> None:
        """Take the runner, which is set up."""
        self._server = runner.server

    def __call__(self) -> asyncio.Protocol:
        """Return what speaks with a new connection; without one asyncio closes it at once."""
        assert self._server is not None
        if len(self._open) >= self._most and not self._make_room():
            raise ConnectionAbortedError
        handler = self._server()
        self._open[handler] = made = _Connection(self, handler, self._asks_within)
        return made

    def lost(self, handler: RequestHandler) -> None:
        """Forget a connection."""
        self._open.pop(handler, None)

    def _make_room(self) -> bool:
        """End the connection that has asked nothing for longest, if there's one that can be ended."""
        for handler, connection in self._open.items():
            if handler.transport is not None:
                connection.end()
                return True
        return False


class _Connection(asyncio.Protocol):
    """Passes all on to aiohttp's own protocol."""

    def __init__(self, door: Door, handler: RequestHandler, asks_within: float) -> None:
        self._door = door
        self._handler = handler
        self.timer = asyncio.get_running_loop().call_later(asks_within, self.end)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._handler.connection_made(transport)
        if self.timer.when() <= asyncio.get_running_loop().time():  # its TLS handshake took all the time
            self.end()

    def data_received(self, data: bytes) -> None:
        self._handler.data_received(data)

    def eof_received(self) -> None:
        self._handler.eof_received()

    def pause_writing(self) -> None:
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        self._handler.resume_writing()

    def connection_lost(self, exc: BaseException | None) -> None:
        self.timer.cancel()
        self._door.lost(self._handler)
        self._handler.connection_lost(exc)

    def end(self) -> None:
        """End it, whatever it does."""
        self._door.lost(self._handler)
        if self._handler.transport is not None:  # else its TLS handshake never ended
            self._handler.transport.abort()
