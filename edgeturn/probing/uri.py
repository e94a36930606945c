"""The URIs of STUN and TURN servers (RFC 7064, RFC 7065): scheme, host, port and transport.

stun:HOST[:PORT]    turn:HOST[:PORT][?transport=udp|tcp]      port 3478
stuns:HOST[:PORT]   turns:HOST[:PORT][?transport=tcp|udp]     port 5349; tcp is TLS, udp is DTLS
"""

from dataclasses import dataclass

from edgeturn.command.failure import Wrong
from edgeturn.protocol import address
from edgeturn.protocol.listener import DTLS, TCP, TLS, UDP
from edgeturn.relay.options import DEFAULT_PORT, TLS_PORT

# Scheme and query -> transport; None asks for nothing.
_TRANSPORTS = {
    ("stun", None): UDP,
    ("stuns", None): TLS,
    ("turn", None): UDP,
    ("turn", "udp"): UDP,
    ("turn", "tcp"): TCP,
    ("turns", None): TLS,
    ("turns", "tcp"): TLS,
    ("turns", "udp"): DTLS,
}
SCHEMES = ("stun", "stuns", "turn", "turns")
_QUERY = "transport="


@dataclass(frozen=True)
class Uri:
    """A server as it is named; port 0 and transport "" where the URI leaves them to DNS (RFC 5928 §3)."""

    scheme: str
    host: str
    port: int
    transport: str

    @property
    def relays(self) -> bool:
        """Whether it should relay."""
        return self.scheme.startswith("turn")

    @property
    def default_port(self) -> int:
        """The port where neither URI nor DNS names one."""
        return TLS_PORT if self.scheme.endswith("s") else DEFAULT_PORT

    @property
    def default_transport(self) -> str:
        """The transport where neither URI nor DNS names one."""
        return TLS if self.scheme.endswith("s") else UDP


def parse(text: str) -> Uri:
    """Return what a URI says; Wrong where it is none."""
    if not text.isprintable():
        raise Wrong("a URI has letters in it that can't be shown; is that the right file?")
    scheme, colon, rest = text.partition(":")
    scheme = scheme.lower()
    if not colon or scheme not in SCHEMES:
        raise Wrong(f"'{text}' is no URI such as turn:turn.example.org:3478, turns:turn.example.org or stun:192.0.2.1.")
    place, mark, query = rest.partition("?")
    asked = query.removeprefix(_QUERY).lower() if mark else None
    transport = _TRANSPORTS.get((scheme, asked))
    if transport is None or (mark and not query.startswith(_QUERY)):
        known = " or ".join(f"?{_QUERY}{word}" for kind, word in _TRANSPORTS if kind == scheme and word)
        raise Wrong(f"'{text}' asks for '{query}'; behind {scheme}: stands {known or 'nothing'}.")
    host, port = _split(place, text)
    return Uri(scheme, host, port, transport if mark else "")


def _split(place: str, text: str) -> tuple[str, int]:
    if place.startswith("["):
        host, bracket, rest = place[1:].partition("]")
        host, number = host if bracket and (not rest or rest[0] == ":") else "", rest.removeprefix(":")
    else:
        host, _, number = place.partition(":")
    try:
        port = address.parse_port(number) if number else 0
    except ValueError:
        host = ""
    if not host or (number and not port) or any(each in host for each in "/@ "):
        raise Wrong(f"'{text}' has no host and port such as 192.0.2.1:3478 or [2001:db8::1]:3478.")
    return host, port
