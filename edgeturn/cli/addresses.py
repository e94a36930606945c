"""Where clients reach a relay: of its listening addresses the ones to tell to others."""

import ipaddress

from edgeturn.protocol import address
from edgeturn.relay import listeners, network
from edgeturn.relay.configuration import Configuration

_FAMILIES = (address.IPV4, address.IPV6)


def best(settings: Configuration) -> list[bytes]:
    """Return for each family the listening port||ip that most clients reach."""
    sources = network.default_sources()
    listening = listeners.addresses(settings, network.interfaces())
    chosen = []
    for family in _FAMILIES:
        places = [place for place in listening if address.family(address.ip_of(place)) == family]
        if places:
            chosen.append(min(places, key=lambda place: _rank(address.ip_of(place), sources)))
    far = [place for place in chosen if not _ip(place).is_loopback]
    return far or chosen


def announced(settings: Configuration, place: bytes) -> bytes:
    """Return the port||ip under which clients on the other side of a one-to-one NAT know a listening one."""
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
