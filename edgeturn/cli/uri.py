"""The URIs of STUN and TURN servers (RFC 7064, RFC 7065), and the addresses behind them."""

import socket
from dataclasses import dataclass

from edgeturn.cli.failure import Failure, Wrong
from edgeturn.protocol import address
from edgeturn.relay.options import DEFAULT_PORT

_LATER = "this version checks UDP only"


@dataclass(frozen=True)
class Uri:
    """A server: whether it should relay, where it is."""

    turn: bool
    host: str
    port: int


def parse(text: str) -> Uri:
    """Return what a URI says; Wrong where it is none that can be checked."""
    scheme, colon, rest = text.partition(":")
    if not colon or scheme.lower() not in ("stun", "turn", "stuns", "turns"):
        raise Wrong(f"'{text}' is no URI such as turn:turn.example.org:3478 or stun:192.0.2.1.")
    if scheme.lower().endswith("s"):
        raise Wrong(f"'{text}' means TLS; {_LATER}, such as turn:{rest.partition('?')[0]}.")
    place, _, query = rest.partition("?")
    if query not in ("", "transport=udp"):
        raise Wrong(f"'{text}' asks for '{query}'; {_LATER}, such as turn:{place}?transport=udp.")
    host, port = _split(place, text)
    return Uri(scheme.lower() == "turn", host, port)


def _split(place: str, text: str) -> tuple[str, int]:
    if place.startswith("["):
        host, bracket, rest = place[1:].partition("]")
        host, number = host if bracket else "", rest.removeprefix(":")
    else:
        host, _, number = place.partition(":")
    try:
        port = address.parse_port(number) if number else DEFAULT_PORT
    except ValueError:
        port = 0
    if not host or not port:
        raise Wrong(f"'{text}' has no host and port such as 192.0.2.1:3478 or [2001:db8::1]:3478.")
    return host, port


def resolve(uri: Uri) -> list[bytes]:
    """Return the port||ip of a server, one for each family it has; Failure where the name isn't known."""
    try:
        found = socket.getaddrinfo(uri.host, uri.port, type=socket.SOCK_DGRAM)
    except OSError as error:
        said = (error.strerror or str(error)).lower()
        raise Failure(f"the name '{uri.host}' can't be looked up: {said}; check its spelling and your DNS.") from None
    places: dict[int, bytes] = {}
    for family, _, _, _, where in found:
        places.setdefault(family, address.join(address.parse_ip(str(where[0]).partition("%")[0]), uri.port))
    return list(places.values())
