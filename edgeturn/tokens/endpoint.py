"""What a format of a hosted service is made of: what was asked, what was minted, what is answered or refused.

Rule 1: a format is rows of Endpoint and pure functions; it sees no socket, no clock and no HTTP library.
Rule 2: what goes wrong is a Refusal; each format says it in its service's own words and codes.
Rule 3: a lifetime that was asked for is put into the key's bounds only where the answer says which one it became;
        elsewhere a longer one than the key allows is refused. A shorter one than the least becomes the least anywhere.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

_LONGEST_NAME = 64
_MOST_DIGITS = 12


class Refusal(Exception):
    """A request that isn't granted: HTTP status, one sentence, and seconds to wait where waiting helps."""

    def __init__(self, status: int, reason: str, retry_after: int = 0) -> None:
        """Take the three."""
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after


@dataclass(frozen=True)
class Asked:
    """A request as formats see it: parts of the path, query, fields of the body, and the Authorization header."""

    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, object] = field(default_factory=dict)
    authorization: str = ""

    def first(self, *names: str) -> object:
        """Return what stands in body or query under one of some names, None where nothing does."""
        for name in names:
            for fields in (self.body, self.query):
                if fields.get(name) not in (None, ""):
                    return fields[name]
        return None


@dataclass(frozen=True)
class Proof:
    """What a caller proves itself with: the key, and the id or name that goes with it where the format has one."""

    key: str
    id: str | None = None


@dataclass(frozen=True)
class Wish:
    """What is asked for: seconds (None for the key's own), and whom the credential is for ("" where nobody says)."""

    ttl: int | None
    user: str = ""


@dataclass(frozen=True)
class Minted:
    """A credential with everything that an answer may say of it; times are Unix seconds."""

    username: str
    password: str
    ttl: int
    expires: int
    at: int
    urls: tuple[str, ...]

    def stun(self) -> list[str]:
        """Return the URIs that need no credential."""
        return [url for url in self.urls if url.startswith("stun")]

    def turn(self) -> list[str]:
        """Return the URIs that need one."""
        return [url for url in self.urls if not url.startswith("stun")]


Document = dict[str, object]


@dataclass(frozen=True)
class Endpoint:
    """A row: word of option `format`, HTTP method, path, and what turns a request into an answer."""

    format: str
    method: str
    path: str
    proof: Callable[[Asked], Proof | None]
    wish: Callable[[Asked], Wish]
    answer: Callable[[Asked, Minted], Document]
    refusal: Callable[[Asked, Refusal], Document]
    status: int = 200
    says_ttl: bool = False
    alone: bool = False  # whether it's served only where nothing else is served beside it


def basic(asked: Asked) -> Proof | None:
    """Return what HTTP Basic says (RFC 7617)."""
    scheme, _, given = asked.authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, key = base64.b64decode(given.strip(), validate=True).decode().partition(":")
    except ValueError:  # no base64, no ASCII, no UTF-8
        return None
    return Proof(key, name) if colon and key else None


def bearer(asked: Asked) -> Proof | None:
    """Return what a Bearer token says (RFC 6750)."""
    scheme, _, key = asked.authorization.partition(" ")
    return Proof(key.strip()) if scheme.lower() == "bearer" and key.strip() else None


def seconds(value: object) -> int | None:
    """Return a lifetime that was asked for, as number or as text; None where none was."""
    if value is None:
        return None
    text = str(value)
    if isinstance(value, bool) or not text.isdecimal() or not text.isascii() or not 0 < len(text) <= _MOST_DIGITS:
        raise Refusal(400, "the lifetime is no whole number of seconds")
    return int(text)


def user(value: object) -> str:
    """Return whom a credential is for, "" where nobody says; Refusal where it can't be part of a username."""
    text = "" if value is None else str(value)
    if len(text) > _LONGEST_NAME or not text.isascii() or not text.isprintable():
        raise Refusal(400, f"the name of a user has up to {_LONGEST_NAME} printable ASCII characters")
    return text
