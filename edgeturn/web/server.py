"""The application: one row a path, what it needs, and what answers.

Rule 1: nothing is answered before the guard has looked; files of the page hold no secret and need no session.
Rule 2: what a request brings is bounded in size and time; what it asks of the relay goes through the parent's methods.
Rule 3: what goes wrong is one sentence as {"error": …}.
"""

import asyncio
import contextlib
import io
import json
import time
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from edgeturn.diagnose import conclusion, report
from edgeturn.diagnose.evidence import OwnRelay
from edgeturn.serving.packages import command_for
from edgeturn.serving.speaking import refusing
from edgeturn.web import browser, metrics
from edgeturn.web.answering import EVERY_SESSION
from edgeturn.web.asking import Asking, Refused
from edgeturn.web.guard import HEADERS, Guard, Refusal
from edgeturn.web.history import EVERY, History
from edgeturn.web.site import Site

if TYPE_CHECKING:
    from edgeturn.tokens.granting import Service

try:
    import segno
except ImportError:  # a router may lack it: the page is whole without the pictures
    segno = None  # type: ignore[assignment]

PAGE = Path(__file__).with_name("page")
KINDS = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
LARGEST_REQUEST = 262144
_PATIENCE = 20  # seconds for a request's body
_FRESH = 0.5  # seconds that a status is told again instead of asked anew
_LONGEST_QR = 1800  # bytes; more makes a picture that no telephone reads
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """The page's handlers, over one parent that is asked."""

    def __init__(self, site: Site, asking: Asking) -> None:
        """Take what the page is and whom to ask."""
        self._site = site
        self.asking = asking
        self._guard = Guard(site)
        self._history = History()
        self._status: dict[str, Any] = {}
        self._trouble = "the relay hasn't been asked yet."
        self._looked_at = -_FRESH
        self._tokens: Service | None = None
        self._diagnosing = asyncio.Semaphore(1)
        self._files = {file.name: (file.read_bytes(), KINDS[file.suffix]) for file in PAGE.iterdir()}

    def application(self) -> web.Application:
        """Return it with all its paths."""
        made = web.Application(client_max_size=LARGEST_REQUEST, middlewares=[refusing(_astray)])
        guard = self._guard
        rows = (
            ("GET", "/", None, self._index),
            ("GET", "/page/{name}", None, self._file),
            ("GET", "/api/session", None, self._session),
            ("POST", "/api/login", None, self._log_in),
            ("POST", "/api/logout", None, self._log_out),
            ("POST", "/api/code", guard.check_session, self._code),
            ("GET", "/api/live", guard.check_session, self._live),
            ("POST", "/api/call/{method}", guard.check_session, self._call),
            ("POST", "/api/qr", guard.check_session, self._qr),
            ("POST", "/api/diagnose", guard.check_session, self._diagnose),
            ("GET", "/metrics", guard.check_metrics, self._metrics),
        )
        for method, path, check, handler in rows:
            made.router.add_route(method, path, self._guarded(handler, check))
        self._add_tokens(made)
        made.on_response_prepare.append(_add_headers)
        return made

    async def sample(self) -> None:
        """Ask the relay every few seconds, for ever: what the charts show was there before anybody looked."""
        pause = 1.0  # the first rate needs two totals, and somebody may wait for it
        while True:
            await self._look()
            self._history.add(time.time(), self._status or None)
            await asyncio.sleep(pause)
            pause = EVERY

    async def _look(self) -> None:
        """Learn the relay's status as it is now."""
        if time.monotonic() - self._looked_at < _FRESH:
            return
        self._looked_at = time.monotonic()
        try:
            self._status, self._trouble = await self.asking.call("status"), ""
        except Refused as error:
            self._status, self._trouble = {}, str(error)

    def _add_tokens(self, made: web.Application) -> None:
        """Mount what hands out iceServers to applications, which have keys of their own."""
        if not self._site.tokens:
            return
        from edgeturn.relay.configuration import Configuration
        from edgeturn.tokens.granting import Service, log_to_stderr
        from edgeturn.tokens.routes import routes

        log_to_stderr()
        self._tokens = Service(Configuration(self._site.tokens, self._site.file), find=self._uris)
        made.add_routes(routes(self._tokens))
        self.asking.told = self._mint_by

    def _mint_by(self, told: dict[str, Any]) -> None:
        """Take another configuration to mint by."""
        from edgeturn.relay.configuration import Configuration

        if self._tokens is not None:
            self._tokens.reload(Configuration(told["tokens"], self._site.file))

    async def _uris(self) -> list[str]:
        """Return the relay's URIs, which the parent knows better: it may read certificates and ask the relay."""
        with contextlib.suppress(Refused):
            found: list[str] = (await self.asking.call("credentials"))["urls"]
            return found
        return []

    def _guarded(self, handler: Handler, check: Callable[[web.Request], None] | None) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                self._guard.check_place(request)
                if check is not None:
                    check(request)
                return await handler(request)
            except Refusal as refusal:
                return refusal.answer()
            except Refused as error:
                return web.json_response({"error": str(error)}, status=409)
            except UnicodeEncodeError:  # half a character, in a token, a cookie or a text
                return Refusal(400, "the request isn't UTF-8.").answer()
            except (TimeoutError, web.HTTPRequestEntityTooLarge):
                return web.json_response({"error": "the request is too large or too slow."}, status=413)
            except Exception as error:  # whoever asks gets an answer
                if isinstance(error, web.HTTPException):
                    raise
                traceback.print_exc()
                return web.json_response(
                    {"error": "that failed, and the log of `edgeturn web` says where."}, status=500
                )

        return guarded

    async def _index(self, request: web.Request) -> web.Response:
        return self._sent("index.html")

    async def _file(self, request: web.Request) -> web.Response:
        return self._sent(request.match_info["name"])

    def _sent(self, name: str) -> web.Response:
        if name not in self._files:
            raise Refusal(404, "there is no such file.")
        body, kind = self._files[name]
        return web.Response(body=body, content_type=kind, charset="utf-8", headers={"Cache-Control": "no-cache"})

    async def _session(self, request: web.Request) -> web.Response:
        """Say whether somebody is logged in; that is no error, and no line in a browser's console."""
        return web.json_response({"open": self._guard.is_logged_in(request)})

    async def _log_in(self, request: web.Request) -> web.Response:
        given = await _body(request)
        return self._guard.log_in(request, str(given.get("token", "")), str(given.get("code", "")))

    async def _log_out(self, request: web.Request) -> web.Response:
        return self._guard.log_out(request)

    async def _code(self, request: web.Request) -> web.Response:
        """Return a link's one-time code, by which another device of the same person logs in."""
        return web.json_response({"code": self._guard.codes.issue()})

    async def _live(self, request: web.Request) -> web.Response:
        """Return the relay's status, why there's none, and the points behind `since`."""
        try:
            since = float(request.query.get("since", "0"))
        except ValueError:
            raise Refusal(400, "'since' is a Unix time.") from None
        await self._look()
        return web.json_response(
            {
                "status": self._status or None,
                "trouble": self._trouble,
                "points": self._history.since(since),
                "every": EVERY,
            }
        )

    async def _call(self, request: web.Request) -> web.Response:
        return web.json_response(await self.asking.call(request.match_info["method"], await _body(request)))

    async def _qr(self, request: web.Request) -> web.Response:
        """Return a text as a picture that a telephone's camera reads."""
        text = (await _body(request)).get("text")
        if segno is None:
            raise Refusal(501, f"pictures need the Python package segno: `{command_for('segno')}`.")
        if not isinstance(text, str) or not 0 < len(text.encode()) <= _LONGEST_QR:
            raise Refusal(400, f"'text' has 1 to {_LONGEST_QR} bytes.")
        picture = io.BytesIO()
        segno.make(text, error="l", micro=False).save(picture, kind="svg", scale=4, border=4, light="#fff", dark="#000")
        return web.Response(body=picture.getvalue(), content_type="image/svg+xml")

    async def _diagnose(self, request: web.Request) -> web.Response:
        """Return what the cases of `edgeturn diagnose` say of a browser's own report."""
        document = await _body(request)
        async with self._diagnosing:
            sessions = await self._sessions()
            relay = OwnRelay(self._status, sessions) if self._status else None
            try:
                found = browser.evidence(document, relay, time.time())
            except ValueError as error:
                raise Refusal(400, f"{error}.") from None
            findings = await asyncio.to_thread(conclusion.conclude, found)
        return web.json_response(report.as_json(found, findings))

    async def _sessions(self) -> list[dict[str, Any]]:
        with contextlib.suppress(Refused):
            found: list[dict[str, Any]] = (await self.asking.call(EVERY_SESSION))["sessions"]
            return found
        return []

    async def _metrics(self, request: web.Request) -> web.Response:
        await self._look()
        sessions = await self._sessions() if self._status else []
        text = metrics.text(self._status, sessions, self._tokens.counts() if self._tokens else None)
        return web.Response(body=text.encode(), headers={"Content-Type": metrics.CONTENT_TYPE})


async def _body(request: web.Request) -> dict[str, Any]:
    """Return a request's JSON object."""
    async with asyncio.timeout(_PATIENCE):
        text = await request.read()
    try:
        found = json.loads(text or b"{}")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Refusal(400, "the request is no JSON object.")
    return found


def _astray(request: web.Request, status: int, sentence: str) -> web.Response:
    return web.json_response({"error": f"{sentence}."}, status=status)


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = HEADERS["Server"]
