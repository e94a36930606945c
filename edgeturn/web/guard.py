"""Who may ask: by which name, from which page, and with which session or token.

Rule 1: a token is compared by its hash in constant time, and a source that guesses has to wait.
Rule 2: a request comes under one of our names or an IP address (DNS rebinding), and what changes anything comes from a
        page of ours (CSRF): JSON, same origin, a cookie that other sites' requests don't carry.
Rule 3: nothing grows: sessions, one-time codes and sources that guessed are few, and the oldest gives way.
"""

import hmac
import ipaddress
import secrets
import time
from collections.abc import Callable

from aiohttp import web

from edgeturn.serving.source import source
from edgeturn.web.site import Site, hash_of

COOKIE = "edgeturn"
SESSION_SECONDS = 12 * 3600
CODE_SECONDS = 120
MOST_SESSIONS, MOST_CODES, MOST_SOURCES = 64, 4, 256
GUESSES, GUESS_SECONDS = 10, 60  # of one source in this time
_LONGEST_TOKEN = 512
Clock = Callable[[], float]

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "edgeturn",
}


class Refusal(Exception):
    """A request that gets no more than a status and one sentence."""

    def __init__(self, status: int, sentence: str, headers: dict[str, str] | None = None) -> None:
        """Take the three."""
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = headers

    def answer(self) -> web.Response:
        """Return it as it is sent."""
        return web.json_response({"error": self.sentence}, status=self.status, headers=self.headers)


class Passing:
    """Secrets that let somebody in for a time: sessions, one-time codes."""

    def __init__(self, most: int, seconds: float, clock: Clock) -> None:
        """Take how many there are at most, and how long each lasts."""
        self._most, self._seconds, self._clock = most, seconds, clock
        self._until: dict[str, float] = {}  # by hash, oldest first

    def issue(self) -> str:
        """Return a new one; the oldest gives way."""
        made = secrets.token_urlsafe(24)
        while len(self._until) >= self._most:
            del self._until[next(iter(self._until))]
        self._until[hash_of(made)] = self._clock() + self._seconds
        return made

    def holds(self, given: str) -> bool:
        """Say whether one is good."""
        return self._until.get(hash_of(given), 0) > self._clock()

    def end(self, given: str) -> bool:
        """Forget one, and say whether it was good."""
        return self._until.pop(hash_of(given), 0) > self._clock()


class Guesses:
    """Wrong tokens by source."""

    def __init__(self, clock: Clock) -> None:
        """Take the clock."""
        self._clock = clock
        self._wrong: dict[str, tuple[float, int]] = {}  # until when, how many; oldest first

    def seconds_to_wait(self, address: str) -> int:
        """Return how many seconds an address has to wait until it may try again."""
        until, count = self._wrong.get(source(address), (0.0, 0))
        return max(0, int(until - self._clock()) + 1) if count >= GUESSES and until > self._clock() else 0

    def note(self, address: str) -> None:
        """Count a wrong one from an address."""
        name = source(address)
        until, count = self._wrong.pop(name, (0.0, 0))
        fresh = until > self._clock()
        while len(self._wrong) >= MOST_SOURCES:
            del self._wrong[next(iter(self._wrong))]
        self._wrong[name] = (until, count + 1) if fresh else (self._clock() + GUESS_SECONDS, 1)


class Guard:
    """Lets requests in, or raises the Refusal that they get instead."""

    def __init__(self, site: Site, clock: Clock = time.monotonic) -> None:
        """Take what the page is."""
        self._site = site
        self.sessions = Passing(MOST_SESSIONS, SESSION_SECONDS, clock)
        self.codes = Passing(MOST_CODES, CODE_SECONDS, clock)
        self._guesses = Guesses(clock)

    def check_place(self, request: web.Request) -> None:
        """Refuse a request under a name that isn't ours, or that another site's page has made."""
        host = _host(request.headers.get("Host", ""))
        # Who has the token to send along is no browser that was led here: Prometheus asks by any name.
        if not (_is_ip(host) or host in self._site.names or _bearer(request)):
            raise Refusal(
                421, f"this page isn't known as '{host[:80]}': use its address, or add the name to tls_names."
            )
        if request.method in ("GET", "HEAD"):
            return
        if request.content_type != "application/json":
            raise Refusal(415, "send JSON.")
        origin = request.headers.get("Origin")
        foreign = request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none")
        if foreign or (origin is not None and origin != f"{self._site.scheme}://{request.headers.get('Host', '')}"):
            raise Refusal(403, "another site's page has asked.")

    def is_logged_in(self, request: web.Request) -> bool:
        """Say whether a request has a session's cookie."""
        return self.sessions.holds(request.cookies.get(COOKIE, ""))

    def check_session(self, request: web.Request) -> None:
        """Refuse whoever isn't logged in."""
        if not self.is_logged_in(request):
            self._check_bearer(request, (self._site.token_hash,))

    def check_metrics(self, request: web.Request) -> None:
        """Refuse whoever is neither logged in nor has the token for metrics."""
        if not self.is_logged_in(request):
            self._check_bearer(request, (self._site.token_hash, self._site.metrics_hash))

    def log_in(self, request: web.Request, token: str, code: str) -> web.Response:
        """Return the answer that begins a session, for the token or a one-time code."""
        if not (code and self.codes.end(code)):
            self._check_token(request, token, (self._site.token_hash,))
        answer = web.json_response({"seconds": SESSION_SECONDS})
        self._set_cookie(answer, self.sessions.issue(), SESSION_SECONDS)
        return answer

    def log_out(self, request: web.Request) -> web.Response:
        """Return the answer that ends a session."""
        self.sessions.end(request.cookies.get(COOKIE, ""))
        answer = web.json_response({})
        self._set_cookie(answer, "", 0)
        return answer

    def _set_cookie(self, answer: web.Response, value: str, seconds: int) -> None:
        secure = self._site.scheme == "https"
        answer.set_cookie(COOKIE, value, max_age=seconds, httponly=True, samesite="Strict", secure=secure)

    def _check_bearer(self, request: web.Request, hashes: tuple[str, ...]) -> None:
        token = _bearer(request)
        if not token:
            raise Refusal(401, "log in first.")
        self._check_token(request, token, hashes)

    def _check_token(self, request: web.Request, token: str, hashes: tuple[str, ...]) -> None:
        address = request.remote or ""
        wait = self._guesses.seconds_to_wait(address)
        if wait:
            raise Refusal(429, f"too many wrong tokens; try again in {wait} s.", {"Retry-After": str(wait)})
        given = hash_of(token[:_LONGEST_TOKEN])
        if sum(hmac.compare_digest(given, each) for each in hashes) == 0:
            self._guesses.note(address)
            raise Refusal(401, "that isn't the token.")


def _bearer(request: web.Request) -> str:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def _host(header: str) -> str:
    """Return the host of a Host header, without port and brackets."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].lower().rstrip(".")


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
