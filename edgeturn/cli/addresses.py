"""Where clients reach a relay: of its listening addresses the ones to tell to others."""

import ipaddress
from pathlib import Path

from edgeturn.cli import external
from edgeturn.cli.server import Server, Trust
from edgeturn.protocol import address, anycast, certificate
from edgeturn.protocol.listener import DTLS, TCP, TLS, UDP
from edgeturn.relay import listeners, network
from edgeturn.relay.configuration import Configuration

_FAMILIES = (address.IPV4, address.IPV6)


def best(settings: Configuration) -> list[bytes]:
    """Return for each family the listening port||ip that most clients reach over UDP."""
    return _best(listeners.addresses(settings, network.interfaces()))


def servers(settings: Configuration, trust: Trust | None = None) -> list[Server]:
    """Return a relay as its clients reach it: for each transport and family the place that most of them use."""
    listening = listeners.addresses(settings, network.interfaces())
    tls = [place for place in listening if listeners.is_asked(place, listeners.wanted_for_tls(settings))]
    places = {UDP: listening, TCP: [place for place in listening if listeners.serves_tcp(settings, place)], TLS: tls}
    places[DTLS] = tls if settings.values["dtls"] else []
    name = tls_name(settings)
    return [
        Server(place, transport, name if transport in (TLS, DTLS) else "", trust or Trust())
        for transport, found in places.items()
        for place in _best(found)
    ]


def tls_name(settings: Configuration) -> str:
    """Return the name that clients ask for over TLS: the first that is configured, else the certificate's own."""
    names = [str(each) for each in settings.items("tls_names")] or _certified_names(settings.text("certificate"))
    return next((name for name in names if "*" not in name), "")


def _certified_names(file: str) -> list[str]:
    """Return the domain names of a certificate; what is wrong with it is said elsewhere."""
    try:
        blocks = certificate.blocks(Path(file).read_bytes())
        shown = [certificate.Certificate(block.der) for block in blocks if block.is_certificate()]
    except (OSError, certificate.BadCertificate):
        return []
    return [name.decode("ascii", "replace") for each in shown[:1] for name in each.dns]


def _best(listening: list[bytes]) -> list[bytes]:
    sources = network.default_sources()
    chosen = []
    for family in _FAMILIES:
        places = [
            place
            for place in listening
            if address.family(address.ip_of(place)) == family and address.ip_of(place) not in anycast.ADDRESSES
        ]
        if places:
            chosen.append(min(places, key=lambda place: _rank(address.ip_of(place), sources)))
    far = [place for place in chosen if not _ip(place).is_loopback]
    return far or chosen


def announced(settings: Configuration, place: bytes) -> bytes:
    """Return the port||ip under which clients on the other side of a one-to-one NAT know a listening one."""
    external.learn(settings)
    return address.join(settings.announced(address.ip_of(place)), address.port_of(place))


def _rank(ip: bytes, sources: list[bytes]) -> int:
    known = ipaddress.ip_address(ip)
    if known.is_loopback:
        return 4
    if known.is_link_local:
        return 3
    if ip in sources:
        return 0
    return 1 if known.is_global else 2


def _ip(place: bytes) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(address.ip_of(place))
