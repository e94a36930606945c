"""What the page is to be, as a configuration says: where, with which token and certificate, and who may name it.

Rule 1: whatever changes it, a renewed certificate too, gives another Site, and that another process; where nothing but
        the keys of applications and what they mint by has changed, the process is told instead, and nobody logged out.
Rule 2: a process is told the token's hash and not the token.
"""

import hashlib
import hmac
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from edgeturn.command import place
from edgeturn.command.failure import Failure, Wrong
from edgeturn.protocol import address
from edgeturn.relay import options, uci
from edgeturn.relay.configuration import Configuration
from edgeturn.web import listening

SHORTEST = 16  # characters of a token: a guess of 95 bits takes for ever at the rate that is allowed
_SUFFIXES = (".lan", ".local", ".home.arpa", ".internal")  # no public name ends so


class Off(Failure):
    """Nothing says where to listen: no page is wanted."""


@dataclass(frozen=True)
class Site:
    """What a process is started for."""

    file: str
    places: tuple[str, ...]
    token_hash: str
    metrics_hash: str
    names: tuple[str, ...]  # under which a browser may ask, beside the addresses
    certificate: str
    key: str
    made_at: tuple[int, ...]  # times of change of what is read beside the configuration
    user: str
    tokens: str  # a configuration to mint by, where there are keys of applications: who speaks HTTP mints for them

    @property
    def scheme(self) -> str:
        """Return how it's spoken to."""
        return "https" if self.certificate else "http"

    def differs_in_tokens_only(self, other: "Site") -> bool:
        """Say whether a process that serves this one needs no more than to be told what the other one mints by."""
        return bool(self.tokens and other.tokens) and replace(self, tokens=other.tokens) == other

    def order(self) -> str:
        """Return it as one line for the process."""
        return json.dumps(asdict(self))


def of(settings: Configuration, named: tuple[str, ...] = (), public: bool = False) -> Site:
    """Return what a configuration wants; named and public: what the command line says besides."""
    certificate, key = _certificate(settings)
    token = _token(settings)
    return Site(
        file=settings.file,
        places=tuple(_places(settings, named, public or bool(settings.values["web_public"]))),
        token_hash=hash_of(token),
        metrics_hash=hash_of(metrics_token(token)),
        names=tuple(_names(settings)),
        certificate=certificate,
        key=key,
        made_at=tuple(os.stat(each).st_mtime_ns if os.path.exists(each) else 0 for each in (certificate, key) if each),
        user=settings.text("user"),
        tokens=_minting(place.read_text(settings.file)) if settings.api_keys else "",
    )


def _minting(text: str) -> str:
    """Return of a configuration what mints: a password is none of the page's business, nor what else changes there."""
    found = []
    for section in uci.parse(text, ""):
        if section.kind == "api_key":
            found.append((section, section.entries))
        elif section.kind == "relay":
            entries = [each for each in section.entries if each.name in ("ice_uri", "forwarded_from")]
            found.append((section, [each for each in section.entries if each.name == "secret"][:1] + entries))
    return "".join(_written(section, entries) for section, entries in found)


def _written(section: uci.Section, entries: list[uci.Entry]) -> str:
    head = f"config {section.kind} {uci.quote(section.name)}\n"
    kinds = ("option", "list")
    return head + "".join(f"\t{kinds[each.is_list]} {each.name} {uci.quote(each.value)}\n" for each in entries)


def hash_of(token: str) -> str:
    """Return what a token is recognised by."""
    return hashlib.sha256(token.encode()).hexdigest()


def metrics_token(token: str) -> str:
    """Return the token that reads /metrics and nothing else, made from the page's."""
    return hmac.new(token.encode(), b"edgeturn metrics", hashlib.sha256).hexdigest()[:32]


def links(site: Site, token: str = "") -> list[str]:
    """Return the addresses of the page, with the token if it's given."""
    return [f"{site.scheme}://{each}/" + (f"#token={token}" if token else "") for each in site.places]


def _token(settings: Configuration) -> str:
    token, again = settings.text("web_token"), place.command("web --make-token", settings.file)
    if not token:
        raise Failure(f"there is no token to log in to the page with; `{again}` makes one.")
    if len(token) < SHORTEST:
        raise Wrong(f"web_token has to have {SHORTEST} characters at least; `{again}` makes a good one.")
    return token


def _places(settings: Configuration, named: tuple[str, ...], public: bool) -> Iterator[str]:
    """Return where to listen; a person is told where that may be if it's nowhere or not there."""
    wanted = [_parsed(each) for each in named] or settings.items("web_listen")
    suggested = listening.suggestions()[0]
    if not wanted:
        raise Off(
            "the page is off: nothing says where to listen; "
            f"`{place.command('config add web_listen', settings.file, suggested)}` does."
        )
    for each in wanted:
        assert isinstance(each, bytes)
        why = "" if public else listening.refusal(each)
        if why:
            raise Wrong(
                f"the page doesn't listen on {address.format(each)}, which {why}: take {suggested}, or "
                f"`{place.command('config set web_public 1', settings.file)}` if you mean it."
            )
        yield address.format(each)


def _parsed(text: str) -> bytes:
    try:
        return options.place(options.WEB_PORT)(text)
    except ValueError as error:
        raise Wrong(f"--listen {text}: {error}.") from None


def _certificate(settings: Configuration) -> tuple[str, str]:
    """Return the files with certificate and key, the relay's unless the page has its own; empty for none."""
    own = settings.text("web_certificate"), settings.text("web_key")
    if any(own) and not all(own):
        raise Wrong("web_certificate and web_key belong together: set both or none.")
    found = own if all(own) else (settings.text("certificate"), settings.text("key"))
    for each in found:
        if each and not Path(each).is_file():
            raise Failure(f"{each}: there is no such file; the page needs it for HTTPS.")
    return found


def _names(settings: Configuration) -> Iterator[str]:
    """Return the names that a browser may ask by: what else resolves to here may be DNS rebinding."""
    yield "localhost"
    yield from (str(each).lower() for each in settings.items("tls_names"))
    host = socket.gethostname().lower()
    yield host
    yield from (host.partition(".")[0] + suffix for suffix in _SUFFIXES)
