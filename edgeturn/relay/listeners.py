"""Where a relay listens: the addresses that a configuration asks for, and opening one.

Rule 1: a wildcard is every address of its family, one socket each, so that an answer leaves from the address that was
        asked (RFC 8489 §6.3.1.2).
"""

from edgeturn import seam
from edgeturn.protocol import address
from edgeturn.relay import options, sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.relay.configuration import Configuration
    from edgeturn.relay.network import Interface


def wanted(settings: "Configuration") -> "list[bytes]":
    """Return the port||ip that are written, wildcards as they stand; without any, the wildcard of each family."""
    written = [each for each in settings.items("listen") if isinstance(each, bytes)]
    port = options.DEFAULT_PORT
    return written or [address.join(bytes(size), port) for size in (address.IPV4_SIZE, address.IPV6_SIZE)]


def addresses(settings: "Configuration", interfaces: "list[Interface]") -> "list[bytes]":
    """Return the port||ip of every listener that a configuration asks for on a machine with these addresses."""
    found: list[bytes] = []
    for each in wanted(settings):
        found += [one for one in _expand(each, interfaces) if one not in found]
    return found


def _expand(place: bytes, interfaces: "list[Interface]") -> "list[bytes]":
    ip = address.ip_of(place)
    if any(ip):
        return [place]
    mine = [each.ip for each in interfaces if len(each.ip) == len(ip) and each.can_listen()]
    return [address.join(each, address.port_of(place)) for each in mine]


def open_at(place: bytes) -> "seam.Socket":
    """Return a socket bound to a port||ip; OSError where it can't be."""
    sock: seam.Socket = sockets.udp_socket(address.ip_of(place))
    try:
        sock.bind(seam.native(place))
    except OSError:
        sock.close()
        raise
    return sock
