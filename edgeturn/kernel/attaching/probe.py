"""Proof that an attached program is run: drivers accept programs that they never call.

tc: a frame of our own is put at the interface's ingress, and tc's program counts it. XDP comes before that place: there
neighbours are asked for an answer, and the program counts ARP and ICMPv6 that come in.

Rule 1: only what was counted after the question is a proof.
Rule 2: what is asked is what a machine asks its neighbours anyway: ARP, neighbour solicitations, an echo to all nodes.

Source: RFC 826; RFC 4861 sections 4.3 and 7.1.1; RFC 4443 section 4.1; linux/bpf.h, struct __sk_buff.
"""

import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from struct import pack
from typing import Any, NamedTuple

from pyroute2 import IPRoute

from edgeturn.kernel import flows
from edgeturn.kernel.attaching import interfaces
from edgeturn.kernel.attaching.interfaces import Link
from edgeturn.kernel.attaching.loader import Program

PATIENCE = 1.0  # seconds
CARRIER_PATIENCE = 5.0  # seconds; drivers start a port anew for XDP, and a cable takes seconds to come up
_AT_ONCE = 0.2  # seconds; the frame for tc is in the queue when the call comes back
_ROUND = 0.01  # seconds
_ASK_AGAIN = 0.25  # seconds
_MOST_NEIGHBOURS = 16  # of each family

_FAILED, _NO_ARP = 0x20, 0x40  # linux/neighbour.h
_ARP = 0x0806
_SOLICITATION, _ECHO = 135, 128
_ALL_NODES = "ff02::1"
_HOPS = 255  # RFC 4861: what came from afar is no neighbour's
_BROADCAST = b"\xff" * 6
_PAYLOAD = 46  # bytes, of the shortest Ethernet frame
_CONTEXT_SIZE = 256  # more than struct __sk_buff has, for the kernel wants room for all of it


class Neighbours(NamedTuple):
    """Whom to ask at an interface: IPv4 addresses, our own one to ask as, and IPv6 addresses."""

    ipv4: list[str]
    own: str
    ipv6: list[str]


def prove_filter(program: Program, interface: int, seen: Callable[[], int]) -> bool:
    """Put a frame at the ingress of an interface and return whether it was seen; program: the loaded `probe`."""
    before = seen()
    frame = bytes(12) + flows.PROBE.to_bytes(2, "big") + bytes(_PAYLOAD)
    program.test(frame, pack("III", 0, 0, interface) + bytes(_CONTEXT_SIZE - 12))  # its third field is the mark
    return _wait(lambda: seen() != before, _AT_ONCE)


def prove_xdp(netlink: IPRoute, links: list[Link], seen: Callable[[Link], int]) -> set[int]:
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


def neighbours(netlink: IPRoute, link: Link) -> Neighbours:
    """Return who is known at an interface: neighbours, gateways, and what a route leads to without one."""
    known = [
        each.get_attr("NDA_DST")
        for each in netlink.get_neighbours()
        if each["ifindex"] == link.number and not each["state"] & (_FAILED | _NO_ARP)
    ]
    for route, number in interfaces.routes(netlink):
        if number == link.number:
            known.append(route.get_attr("RTA_GATEWAY") or _single(route))
    return Neighbours(_some(known, "."), _own(netlink, link), _some(known, ":"))


def ask(link: Link, known: Neighbours) -> None:
    """Send all questions once; what can't be sent isn't answered."""
    with suppress(OSError):
        _ask_ipv4(link, known)
    with suppress(OSError):
        _ask_ipv6(link, known)


def _ask_ipv4(link: Link, known: Neighbours) -> None:
    if not known.own:
        return
    mac, own = bytes.fromhex(link.mac.replace(":", "")), socket.inet_aton(known.own)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((link.name, 0))
        for other in known.ipv4:
            request = pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, mac, own, bytes(6), socket.inet_aton(other))
            sock.send(_BROADCAST + mac + _ARP.to_bytes(2, "big") + request)


def _ask_ipv6(link: Link, known: Neighbours) -> None:
    """Send an echo request to all nodes and solicit each neighbour; the kernel adds the checksum."""
    mac = bytes.fromhex(link.mac.replace(":", ""))
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sock:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, _HOPS)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, _HOPS)
        sock.sendto(pack("!BBHHH", _ECHO, 0, 0, 0, 0), (_ALL_NODES, 0, 0, link.number))
        for other in known.ipv6:
            wanted = socket.inet_pton(socket.AF_INET6, other)
            solicitation = pack("!BBHI16sBB6s", _SOLICITATION, 0, 0, 0, wanted, 1, 1, mac)
            with suppress(OSError):
                sock.sendto(solicitation, (other, 0, 0, link.number))


def _own(netlink: IPRoute, link: Link) -> str:
    for each in netlink.get_addr(family=socket.AF_INET):
        if each["index"] == link.number:
            return str(each.get_attr("IFA_LOCAL"))
    return ""


def _single(route: Any) -> str | None:
    """Return the address of a route that leads to one host."""
    length: int = route["dst_len"]
    family: int = route["family"]
    single = length == (32 if family == socket.AF_INET else 128)
    return route.get_attr("RTA_DST") if single else None


def _some(known: Iterable[str | None], mark: str) -> list[str]:
    """Return each address of a family once, as many as are asked."""
    return list(dict.fromkeys(ip for ip in known if ip and mark in ip))[:_MOST_NEIGHBOURS]


def _all_have_carrier(netlink: IPRoute, links: list[Link]) -> bool:
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
