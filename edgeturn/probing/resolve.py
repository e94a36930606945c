"""From a URI to the addresses behind it (RFC 5928, for stun: and stuns: RFC 8489 §8).

Rule 1: an IP address or a port in the URI leaves nothing to SRV records (§3, first three points).
Rule 2: what the URI leaves open is asked in the order NAPTR, SRV, addresses; each step that has no answer goes on to
        the next. NAPTR and SRV need dnspython, a Python package; without it only addresses are asked.
"""

import ipaddress
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from edgeturn.command.failure import Failure
from edgeturn.probing.server import Server, Trust
from edgeturn.probing.uri import Uri
from edgeturn.protocol import address
from edgeturn.protocol.listener import DTLS, TCP, TLS, UDP

try:
    import dns.exception
    import dns.resolver
except ImportError:  # the extra isn't installed
    dns = None  # type: ignore[assignment]

_PATIENCE = 3  # seconds for one question
# NAPTR services (RFC 5928 §5) and SRV labels, by transport.
_SERVICES = {"RELAY:turn.udp": UDP, "RELAY:turn.tcp": TCP, "RELAY:turn.tls": TLS, "RELAY:turn.dtls": DTLS}
_LABELS = {UDP: "_udp", TCP: "_tcp", TLS: "_tcp", DTLS: "_udp"}


@dataclass(frozen=True)
class Found:
    """A server: port||ip, transport, and the name that its certificate has to bear."""

    place: bytes
    transport: str
    name: str

    def server(self, trust: Trust) -> Server:
        """Return it as what a client connects to."""
        return Server(self.place, self.transport, self.name, trust)


def resolve(uri: Uri) -> list[Found]:
    """Return the server behind a URI, one for each family it has; Failure where the name isn't known."""
    if not uri.port and not _is_ip(uri.host):
        for host, port, transport in _services(uri):
            found = _addresses(host, port, transport, uri.host)
            if found:
                return found
    port, transport = uri.port or uri.default_port, uri.transport or uri.default_transport
    found = _addresses(uri.host, port, transport, uri.host)
    if not found:
        raise Failure(f"the name '{uri.host}' can't be looked up; check its spelling and your DNS.")
    return found


def _services(uri: Uri) -> Iterator[tuple[str, int, str]]:
    """Yield host, port and transport that DNS names for a domain, the preferred first."""
    transport = uri.transport or uri.default_transport
    if uri.relays and not uri.transport:
        secure = (TLS, DTLS) if uri.scheme == "turns" else (UDP, TCP)
        for name, transport_named in _pointers(uri.host):
            if transport_named in secure:
                yield from ((host, port, transport_named) for host, port in _servers(name))
    label = f"_{uri.scheme}.{_LABELS[transport]}.{uri.host}"
    yield from ((host, port, transport) for host, port in _servers(label))


def _pointers(domain: str) -> Iterator[tuple[str, str]]:
    """Yield the SRV name and the transport of each NAPTR record with flag S, by order and preference."""
    for row in sorted(_ask(domain, "NAPTR"), key=lambda row: (row.order, row.preference)):
        transport = _SERVICES.get(row.service.decode())
        if transport and row.flags.decode().upper() == "S":
            yield str(row.replacement), transport


def _servers(name: str) -> Iterator[tuple[str, int]]:
    """Yield host and port of each SRV record, by priority and weight (RFC 2782; the heavier first)."""
    for row in sorted(_ask(name, "SRV"), key=lambda row: (row.priority, -row.weight)):
        if str(row.target) != ".":
            yield str(row.target).rstrip("."), row.port


def _ask(name: str, kind: str) -> list:  # type: ignore[type-arg]
    if dns is None:
        return []
    try:
        return list(dns.resolver.resolve(name, kind, lifetime=_PATIENCE))
    except (dns.exception.DNSException, OSError):
        return []


def _addresses(host: str, port: int, transport: str, name: str) -> list[Found]:
    try:
        known = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):  # UnicodeError: it's no name, such as one with a part of 64 letters
        return []
    places: dict[int, bytes] = {}
    for family, _, _, _, where in known:
        places.setdefault(family, address.join(address.parse_ip(str(where[0]).partition("%")[0]), port))
    return [Found(place, transport, name) for place in places.values()]


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
