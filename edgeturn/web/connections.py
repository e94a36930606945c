"""The connections of the page: so many and no more, and one that asks nothing in time makes room.

Rule 1: a connection counts from its being accepted, TLS handshake included, until it's lost.
"""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MOST = 48
ASKS_WITHIN = 8.0  # seconds until a connection's first request, headers and all


class Doorkeeper:
    """Makes the protocol of each new connection, or of one too many one that closes it."""

    def __init__(self) -> None:
        """Begin without connections; `open` comes before the first."""
        self._server: web.Server | None = None
        self._open: dict[RequestHandler, _Connection] = {}

    def open(self, runner: web.AppRunner) -> None:
        """Take the runner, which is set up."""
        self._server = runner.server

    def __call__(self) -> asyncio.Protocol:
        """Return what asyncio hands a connection to."""
        if self._server is None or len(self._open) >= MOST:
            return _Closed()
        handler = self._server()
        self._open[handler] = made = _Connection(self, handler)
        return made

    @web.middleware
    async def hear(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Note that a connection has asked something."""
        connection = self._open.get(request.protocol)
        if connection is not None:
            connection.timer.cancel()
        return await handler(request)

    def lost(self, handler: RequestHandler) -> None:
        """Forget a connection."""
        self._open.pop(handler, None)


class _Connection(asyncio.Protocol):
    """Passes all on to aiohttp's own protocol."""

    def __init__(self, keeper: Doorkeeper, handler: RequestHandler) -> None:
        self._keeper = keeper
        self._handler = handler
        self.timer = asyncio.get_running_loop().call_later(ASKS_WITHIN, self._end)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._handler.connection_made(transport)

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
        self._keeper.lost(self._handler)
        self._handler.connection_lost(exc)

    def _end(self) -> None:
        if self._handler.transport is not None:
            self._handler.transport.abort()  # connection_lost comes of it
        else:
            self._keeper.lost(self._handler)  # its TLS handshake never ended


class _Closed(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
