"""How HTTP is spoken: aiohttp's own protocol, but what it refuses by itself is JSON that names no library's version."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

if TYPE_CHECKING:
    from aiohttp.typedefs import Middleware  # new in 3.9, and Debian 12 has 3.8

    from edgeturn.serving.door import Connection

_SERVER_ERROR = 500
PLAIN = {"Cache-Control": "no-store", "Server": "edgeturn", "X-Content-Type-Options": "nosniff"}
_SENTENCES = {404: "there is nothing here", 405: "this is asked by another method"}
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def refusing(answer: Callable[[web.Request, int, str], web.Response]) -> "Middleware":
    """Return what puts an answer of ours in place of aiohttp's own, by status and sentence: there's no such path."""

    @web.middleware
    async def refuse(request: web.Request, handler: _Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            made = answer(request, error.status, _SENTENCES.get(error.status, "that can't be answered"))
            if "Allow" in error.headers:
                made.headers["Allow"] = error.headers["Allow"]
            return made

    return refuse


class Speaking(RequestHandler):
    """Speaks over one connection."""

    connection: "Connection | None" = None

    def keeps_much(self, requests: int, size: int) -> bool:
        """Say whether more requests wait, or more bytes after one that asks for another protocol, than may.

        aiohttp has no public name for either. One that keeps neither by these names is newer and has its own bounds.
        """
        return len(getattr(self, "_messages", ())) > requests or len(getattr(self, "_message_tail", b"")) > size

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Return the answer to what is no request, or to one that failed."""
        super().handle_error(request, status, exc, message)  # it logs it, and ends what was answered in part
        sentence = "that failed, and the log says where." if status >= _SERVER_ERROR else "that is no HTTP request."
        answer = web.json_response({"error": sentence}, status=status, headers=PLAIN)
        answer.force_close()
        return answer
