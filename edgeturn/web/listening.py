"""Where the page may listen: on the local network by itself, elsewhere only where `web_public` says so.

Rule 1: what isn't surely local is refused, with the address to take instead.
Rule 2: on a router the interface towards the internet isn't local, whatever its address: behind another NAT that's a
        private one.
"""

import ipaddress
import socket

from edgeturn.command import place
from edgeturn.protocol import address
from edgeturn.relay import network
from edgeturn.relay.options import WEB_PORT

_LOCAL = tuple(
    ipaddress.ip_network(each)
    for each in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7", "fe80::/10")
)
_BACKLOG = 32


def refusal(where: bytes) -> str:
    """Return why a place is no place for the page, as the end of a sentence; "" where it is one."""
    ip = address.ip_of(where)
    if not any(ip):
        return "is every address, those that the internet reaches too"
    if not _is_local(ip):
        return "isn't an address of a local network"
    if ip in _towards_internet():
        return "is this router's address towards the internet"
    return ""


def suggestions() -> list[str]:
    """Return places on the local network, the most useful first; the loopback address comes last."""
    away = _towards_internet()
    found = [each.ip for each in network.interfaces() if each.can_listen() and each.ip not in away]
    local = [ip for ip in found if _is_local(ip) and not ipaddress.ip_address(ip).is_loopback]
    local.sort(key=lambda ip: (len(ip), ip not in network.default_sources()))
    return [address.format(address.join(ip, WEB_PORT)) for ip in [*local, address.parse_ip("127.0.0.1")]]


def opened(where: bytes) -> socket.socket:
    """Return a socket that listens at a place; OSError where that can't be."""
    ip = address.ip_of(where)
    family = socket.AF_INET if len(ip) == address.IPV4_SIZE else socket.AF_INET6
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((str(ipaddress.ip_address(ip)), address.port_of(where)))
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _is_local(ip: bytes) -> bool:
    found = ipaddress.ip_address(ip)
    return any(found in each for each in _LOCAL)


def _towards_internet() -> list[bytes]:
    """Return a router's addresses towards the internet; elsewhere the way to the internet is the local network."""
    return network.default_sources() if place.exists(place.OPENWRT_FOLDER) else []
