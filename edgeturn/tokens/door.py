"""Who comes in over HTTP: connections are bounded in number, and in how long they may say nothing.

Rule 1: a connection that has asked nothing within seconds is ended; after its first request aiohttp looks after it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

if TYPE_CHECKING:
    from aiohttp.typedefs import Middleware  # new in 3.9, and Debian 12 has 3.8

MOST = 512
ASKS_WITHIN = 10.0  # seconds

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Door:
    """What asyncio gets a protocol from for each new connection."""

    def __init__(self, most: int = MOST, asks_within: float = ASKS_WITHIN) -> None:
        """Take the bounds."""
        self._most, self._asks_within = most, asks_within
        self._silent: set[object] = set()
        self._server: web.Server | None = None

    def middleware(self) -> "Middleware":
        """Return what notes that a connection has asked something."""

        @web.middleware
        async def hear(request: web.Request, handler: _Handler) -> web.StreamResponse:
            self._silent.discard(request.protocol)
            return await handler(request)

        return hear

    def open(self, runner: web.AppRunner) -> None:
        """Take the runner, which is set up."""
        self._server = runner.server

    def __call__(self) -> asyncio.Protocol:
        """Return what speaks with a new connection, or what closes it where there are too many."""
        assert self._server is not None
        if len(self._server.connections) >= self._most:
            return _Closed()
        handler = self._server()
        self._silent.add(handler)
        asyncio.get_running_loop().call_later(self._asks_within, self._end, handler)
        return handler

    def _end(self, handler: RequestHandler) -> None:
        if handler in self._silent:
            self._silent.remove(handler)
            if handler.transport is not None:
                handler.transport.abort()


class _Closed(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
