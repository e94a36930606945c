"""Proof that an attached XDP program is run: drivers accept programs that they never call.

It comes before the place where edgeturn/kernel/direct/probe.py puts its frame: neighbours are asked for an answer, and
the program counts ARP and ICMPv6 that come in.

Rule 1: only what was counted after the question is a proof.
Rule 2: what is asked is what a machine asks its neighbours anyway: ARP, neighbour solicitations, an echo to all nodes.

Source: RFC 826; RFC 4861 sections 4.3 and 7.1.1; RFC 4443 section 4.1; linux/neighbour.h.
"""

import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from struct import pack, unpack_from
from typing import NamedTuple

from edgeturn.kernel.direct import interfaces
from edgeturn.kernel.direct.interfaces import Link, Route
from edgeturn.kernel.direct.netlink import Netlink, attributes
from edgeturn.protocol.address import IPV4_SIZE, format_ip
from edgeturn.relay import network

PATIENCE = 1.0  # seconds
CARRIER_PATIENCE = 5.0  # seconds; drivers start a port anew for XDP, and a cable takes seconds to come up
_ROUND = 0.01  # seconds
_ASK_AGAIN = 0.25  # seconds
_MOST_NEIGHBOURS = 16  # of each family

_FAILED, _NO_ARP = 0x20, 0x40  # linux/neighbour.h
_ARP = 0x0806
_SOLICITATION, _ECHO = 135, 128
_ALL_NODES = "ff02::1"
_HOPS = 255  # RFC 4861: what came from afar is no neighbour's
_BROADCAST = b"\xff" * 6
_GET_NEIGHBOUR, _NEIGHBOUR, _NEIGHBOUR_SIZE, _DESTINATION = 30, "BxxxiHBB", 12, 1  # struct ndmsg, NDA_DST


class Neighbours(NamedTuple):
    """Whom to ask at an interface: IPv4 addresses, our own one to ask as, and IPv6 addresses."""

    ipv4: list[str]
    own: str
    ipv6: list[str]


def prove_xdp(netlink: Netlink, links: list[Link], seen: Callable[[Link], int]) -> set[int]:
    """Ask the neighbours of all interfaces at once, and return the numbers of those whose program saw an answer."""
    _wait(lambda: _all_have_carrier(netlink, links), CARRIER_PATIENCE)
    before = {link.number: seen(link) for link in links}
    known = {link.number: neighbours(netlink, link) for link in links}
    proven: set[int] = set()
    ends = time.monotonic() + PATIENCE
    while len(proven) < len(links) and time.monotonic() < ends:
        for link in links:
            if link.number not in proven:
                ask(link, known[link.number])
        _wait(lambda: all(seen(link) != before[link.number] for link in links), _ASK_AGAIN)
        proven = {link.number for link in links if seen(link) != before[link.number]}
    return proven


def neighbours(netlink: Netlink, link: Link) -> Neighbours:
    """Return who is known at an interface: neighbours, gateways, and what a route leads to without one."""
    known = []
    for body in netlink.dump(_GET_NEIGHBOUR, bytes(_NEIGHBOUR_SIZE)):
        _, number, state, _, _ = unpack_from(_NEIGHBOUR, body)
        if number == link.number and not state & (_FAILED | _NO_ARP):
            known.append(dict(attributes(body[_NEIGHBOUR_SIZE:])).get(_DESTINATION, b""))
    leading = [route for route in interfaces.routes(netlink) if link.number in route.interfaces]
    known += [route.gateway or _single(route) for route in leading]
    return Neighbours(_some(known, 4), _own(link), _some(known, 16))


def ask(link: Link, known: Neighbours) -> None:
    """Send all questions once; what can't be sent isn't answered."""
    with suppress(OSError):
        _ask_ipv4(link, known)
    with suppress(OSError):
        _ask_ipv6(link, known)


def _ask_ipv4(link: Link, known: Neighbours) -> None:
    if not known.own:
        return
    mac, own = link.mac, socket.inet_aton(known.own)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((link.name, 0))
        for other in known.ipv4:
            request = pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, mac, own, bytes(6), socket.inet_aton(other))
            sock.send(_BROADCAST + mac + _ARP.to_bytes(2, "big") + request)


def _ask_ipv6(link: Link, known: Neighbours) -> None:
    """Send an echo request to all nodes and solicit each neighbour; the kernel adds the checksum."""
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sock:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, _HOPS)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, _HOPS)
        sock.sendto(pack("!BBHHH", _ECHO, 0, 0, 0, 0), (_ALL_NODES, 0, 0, link.number))
        for other in known.ipv6:
            wanted = socket.inet_pton(socket.AF_INET6, other)
            solicitation = pack("!BBHI16sBB6s", _SOLICITATION, 0, 0, 0, wanted, 1, 1, link.mac)
            with suppress(OSError):
                sock.sendto(solicitation, (other, 0, 0, link.number))


def _own(link: Link) -> str:
    here = [each.ip for each in network.interfaces() if each.number == link.number and len(each.ip) == IPV4_SIZE]
    return format_ip(here[0]) if here else ""


def _single(route: Route) -> bytes:
    """Return the address of a route that leads to one host."""
    return route.destination if route.length == 8 * len(route.destination) else b""


def _some(known: Iterable[bytes], size: int) -> list[str]:
    """Return each address of a family once, as many as are asked."""
    return [format_ip(ip) for ip in dict.fromkeys(known) if len(ip) == size][:_MOST_NEIGHBOURS]


def _all_have_carrier(netlink: Netlink, links: list[Link]) -> bool:
    now = interfaces.read(netlink)
    return all(now[link.number].has_carrier for link in links if link.number in now)


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    """Return whether a condition came true in time."""
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            return False
        time.sleep(_ROUND)
    return True
