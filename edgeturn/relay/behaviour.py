"""The four sockets of NAT behaviour discovery (RFC 5780 §6): two addresses of a family, two ports each.

Rule 1: the first address and port are those that clients ask; the second address is `alternate_address`, else the
        second one that `listen` names. A wildcard names none: which of a router's addresses clients reach isn't known.
"""

from edgeturn.protocol.address import IPV4_SIZE, IPV6_SIZE, ip_of, join, port_of
from edgeturn.protocol.discovery import Discovery

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.relay.configuration import Configuration

_LOOPBACKS = (127, 0)  # first bytes of 127.0.0.0/8 and of ::1


def served(settings: "Configuration", places: "list[bytes]") -> Discovery:
    """Return what the core has to know, of a relay that listens on some places."""
    return Discovery(bool(settings.values["nat_discovery"]), _others(settings, places))


def more(settings: "Configuration", places: "list[bytes]") -> "list[bytes]":
    """Return the places that have to be listened on besides."""
    return [place for place in sorted(_others(settings, places)) if place not in places]


def _others(settings: "Configuration", places: "list[bytes]") -> "dict[bytes, bytes]":
    """Return for each place the one of which address and port both differ."""
    found: dict[bytes, bytes] = {}
    if settings.values["nat_discovery"]:
        for size in (IPV4_SIZE, IPV6_SIZE):
            pair = _addresses(settings, [ip_of(place) for place in places], size)
            if pair:
                ports = [port_of(place) for place in places if ip_of(place) == pair[0]]
                found.update(_corners(pair, (ports[0], settings.number("alternate_port"))))
    return found


def _addresses(settings: "Configuration", listening: "list[bytes]", size: int) -> "tuple[bytes, bytes] | None":
    """Return first and second address of a family, None where there's only one."""
    written = [ip_of(each) for each in settings.items("listen") if isinstance(each, bytes)]
    named = [ip for ip in written if len(ip) == size and any(ip)]
    seconds = [ip for ip in settings.items("alternate_address") if isinstance(ip, bytes) and len(ip) == size]
    seconds += [ip for ip in named if ip != named[0]]
    mine = [ip for ip in listening if len(ip) == size and ip not in seconds[:1]]
    if not seconds or not mine:
        return None
    relaying = [ip for ip in settings.items("relay_address") if isinstance(ip, bytes)]
    public = [ip for ip in mine if ip[0] not in _LOOPBACKS]
    firsts = [ip for ip in named + relaying + public + mine if ip in mine]
    return firsts[0], seconds[0]


def _corners(ips: "tuple[bytes, bytes]", ports: "tuple[int, int]") -> "dict[bytes, bytes]":
    return {join(ips[at], ports[port]): join(ips[1 - at], ports[1 - port]) for at in (0, 1) for port in (0, 1)}
