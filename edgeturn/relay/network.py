"""The machine's addresses and routes, asked from the kernel by rtnetlink, the same way on both interpreters.

Who listens to `events` hears when it's worth asking again.

Source: linux/netlink.h, linux/if_addr.h, linux/rtnetlink.h. All header fields are in the machine's own byte order.
"""

import socket
from struct import pack, unpack_from

from edgeturn import seam
from edgeturn.protocol.address import IPV4_SIZE, network, parse_ip

_RTM_NEWADDR, _RTM_GETADDR = 20, 22
_RTM_NEWROUTE, _RTM_DELROUTE, _RTM_GETROUTE = 24, 25, 26
_RTM_NEWLINK, _RTM_DELLINK = 16, 17
_GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400  # links, addresses and routes of IPv4 and IPv6
_NLM_REQUEST, _NLM_DUMP = 1, 0x300
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_HEADER = "IHHII"
_HEADER_SIZE = 16
_ADDRESS_SIZE = 8  # struct ifaddrmsg
_ROUTE_SIZE = 12  # struct rtmsg
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_RTA_DST, _RTA_SRC, _RTA_GATEWAY, _RTA_PREFSRC = 1, 2, 5, 7
_GATEWAYS = (5, 9, 18)  # RTA_GATEWAY, RTA_MULTIPATH, RTA_VIA
_UNICAST = 1
_ANSWER_SIZE = 8192  # the kernel splits a dump to fit what is asked for; NLMSG_GOODSIZE is the least
_answer = seam.room(_ANSWER_SIZE)  # of what is being read: a heap of fixed size may have no such piece later
_UNUSABLE = 0x40 | 0x08  # IFA_F_TENTATIVE, IFA_F_DADFAILED
_PASSING = 0x01 | 0x20  # IFA_F_TEMPORARY, IFA_F_DEPRECATED
_IP_SIZES = {int(socket.AF_INET): 4, int(socket.AF_INET6): 16}
_SHORTEST = {int(socket.AF_INET): 8, int(socket.AF_INET6): 16}

# Somewhere on the internet, never contacted: a route towards it is the default route.
_FAR_AWAY = ("1.1.1.1", "2606:4700::1111")


class Interface:
    """One address of this machine with the length of its subnet.

    usable: it can be bound to; lasting: it's neither deprecated nor a temporary one (RFC 4862, RFC 8981).
    """

    def __init__(self, number: int, ip: bytes, remote: bytes, length: int, flags: int) -> None:
        """Take the interface's number, IP address, that of the other end (else the same), prefix length and flags."""
        self.number = number
        self.ip = ip
        self.length = length
        self.usable = not flags & _UNUSABLE
        self.lasting = self.usable and (len(ip) == IPV4_SIZE or not flags & _PASSING)  # 0x01 is "secondary" of IPv4
        self._remote = remote

    def can_listen(self) -> bool:
        """Say whether the address can be listened on by itself: a link-local one needs an interface beside it."""
        link_local = len(self.ip) > IPV4_SIZE and self.ip[0] == 0xFE and self.ip[1] & 0xC0 == 0x80
        return self.usable and not link_local

    def subnet(self) -> "tuple[bytes, int]":
        """Return first address and length of the subnet that it is connected to."""
        return network(self._remote, self.length).to_bytes(len(self.ip), "big"), self.length


def interfaces() -> "list[Interface]":
    """Return the addresses of this machine."""
    found = []
    for kind, body in _ask(_RTM_GETADDR, _NLM_DUMP, bytes(_ADDRESS_SIZE)):
        if kind != _RTM_NEWADDR:
            continue
        family, length, flags, _, number = unpack_from("BBBBI", body)
        attributes = _attributes(body, _ADDRESS_SIZE)
        if _IFA_FLAGS in attributes:
            flags = unpack_from("I", attributes[_IFA_FLAGS])[0]
        remote = attributes.get(_IFA_ADDRESS, b"")  # of a point-to-point link the other end, and the prefix is its
        ip = attributes.get(_IFA_LOCAL, remote)
        if family in _IP_SIZES and len(ip) == _IP_SIZES[family]:
            found.append(Interface(number, ip, remote or ip, length, flags))
    return found


def connected_routes() -> "list[tuple[bytes, int]]":
    """Return the prefixes that are reached without a gateway, as first address and length.

    Routes that stand in for the default route, such as 0.0.0.0/1 of a VPN, are none.
    """
    found = []
    for kind, body in _ask(_RTM_GETROUTE, _NLM_DUMP, bytes(_ROUTE_SIZE)):
        family, length, route_type = body[0], body[1], body[7]
        attributes = _attributes(body, _ROUTE_SIZE)
        prefix = attributes.get(_RTA_DST, b"")
        if kind != _RTM_NEWROUTE or route_type != _UNICAST or len(prefix) != _IP_SIZES.get(family, 0):
            continue
        if length >= _SHORTEST[family] and not any(gateway in attributes for gateway in _GATEWAYS):
            found.append((prefix, length))
    return found


def default_sources() -> "list[bytes]":
    """Return the address of each family from which this machine speaks to the internet; none where it has no route."""
    sources = []
    for text in _FAR_AWAY:
        source = _route_source(parse_ip(text))
        if source:
            sources.append(source if len(source) == IPV4_SIZE else lasting(source, interfaces()))
    return sources


def lasting(ip: bytes, known: "list[Interface]") -> bytes:
    """Return an IPv6 address that stays, in place of a temporary or deprecated one of the same interface and kind."""
    numbers = [each.number for each in known if each.ip == ip and not each.lasting]
    others = [each.ip for each in known if each.number in numbers and each.lasting and each.can_listen()]
    alike = [other for other in others if len(other) == len(ip) and other[0] >> 5 == ip[0] >> 5]  # global, or not
    return ([other for other in alike if other[:8] == ip[:8]] or alike or [ip])[0]


def events() -> "seam.Socket":
    """Return a socket that gets a datagram when links, addresses or routes change; OSError where there's none."""
    link = socket.socket(seam.AF_NETLINK, socket.SOCK_RAW, 0)
    try:
        link.setblocking(False)
        link.bind(seam.netlink_name(_GROUPS))
    except OSError:
        link.close()
        raise
    return link


def is_news(link: "seam.Socket") -> bool:
    """Read an event; say whether it may change what this module says: no route by a gateway does, but the default one.

    OSError where there's none, or where some were lost.
    """
    return any(_matters(kind, body) for kind, body in _split(seam.receive(link, _answer))[0])


def _matters(kind: int, body: bytes) -> bool:
    if kind in (_RTM_NEWLINK, _RTM_DELLINK):
        return body[0] == 0  # the others are bridges' ports, and what IPv6 notes beside a link
    if kind in (_RTM_NEWROUTE, _RTM_DELROUTE) and body[1]:
        return not any(gateway in _attributes(body, _ROUTE_SIZE) for gateway in _GATEWAYS)
    return True


def gateway(source: bytes) -> bytes:
    """Return the next router from one of this machine's addresses towards the internet, b"" where there's none."""
    return _route(parse_ip(_FAR_AWAY[len(source) > IPV4_SIZE]), source).get(_RTA_GATEWAY, b"")


def _route_source(ip: bytes) -> bytes:
    """Return the source address that the kernel would choose towards an IP address, b"" where there is no route."""
    return _route(ip).get(_RTA_PREFSRC, b"")


def _route(ip: bytes, source: bytes = b"") -> "dict[int, bytes]":
    """Return the attributes of the route towards an IP address, from any source or a certain one; none without one."""
    family, bits = socket.AF_INET if len(ip) == IPV4_SIZE else socket.AF_INET6, 8 * len(source)
    request = pack("BBBBBBBBI", family, 8 * len(ip), bits, 0, 0, 0, 0, 0, 0) + pack("HH", 4 + len(ip), _RTA_DST) + ip
    if source:
        request += pack("HH", 4 + len(source), _RTA_SRC) + source
    for kind, body in _ask(_RTM_GETROUTE, 0, request):
        if kind == _RTM_NEWROUTE:
            return _attributes(body, _ROUTE_SIZE)
    return {}


def _ask(kind: int, flags: int, body: bytes) -> "list[tuple[int, bytes]]":
    """Send one request to rtnetlink; return type and body of the answers, none where the kernel says error."""
    link = socket.socket(seam.AF_NETLINK, socket.SOCK_RAW, 0)
    try:
        link.send(pack(_HEADER, _HEADER_SIZE + len(body), kind, _NLM_REQUEST | flags, 1, 0) + body)
        answers: list[tuple[int, bytes]] = []
        while True:
            more, ended = _split(seam.receive(link, _answer))
            answers += more
            if ended or not flags:
                return answers
    finally:
        link.close()


def _split(data: "memoryview | bytes") -> "tuple[list[tuple[int, bytes]], bool]":
    """Return the messages of a datagram, and whether the last one ends the answer."""
    messages: list[tuple[int, bytes]] = []
    at = 0
    while at + _HEADER_SIZE <= len(data):
        size, kind = unpack_from("IH", data, at)
        if kind in (_NLMSG_ERROR, _NLMSG_DONE) or size < _HEADER_SIZE:
            return messages, True
        messages.append((kind, bytes(data[at + _HEADER_SIZE : at + size])))
        at += size + 3 & ~3
    return messages, False


def _attributes(body: bytes, at: int) -> "dict[int, bytes]":
    attributes = {}
    while at + 4 <= len(body):
        size, kind = unpack_from("HH", body, at)
        if size < 4:
            break
        attributes[kind] = body[at + 4 : at + size]
        at += size + 3 & ~3
    return attributes
