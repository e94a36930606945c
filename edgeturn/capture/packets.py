"""Packets of a capture: from frames of the links that people capture on to UDP, TCP and ICMP over IP.

Rule 1: a frame that isn't understood, or is cut too short, is no packet; nothing in a frame can raise.
Rule 2: a fragment is noted, not put together: the first has the ports, the others have only addresses.
Rule 3: what the capture cut off a datagram of UDP counts as zeros, so that sizes are right.
Rule 4: a capture on all interfaces has what is forwarded twice; a packet that was just seen is left out.
Source: LINKTYPE_ values of tcpdump.org; RFC 791, 8200, 768, 9293, 792, 4443, 2516.
"""

import socket
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edgeturn.capture.blocks import Record, records

UDP, TCP, ICMP = "udp", "tcp", "icmp"
WHOLE, FIRST_PIECE, LATER_PIECE = 0, 1, 2  # of a packet that was fragmented

FIN, SYN, RESET, ACK = 0x01, 0x02, 0x04, 0x10

_IPV4, _IPV6, _PPPOE = 0x0800, 0x86DD, 0x8864
_VLAN = (0x8100, 0x88A8, 0x9100)
_PPP_IPV4, _PPP_IPV6 = 0x0021, 0x0057
_EXTENSIONS = (0, 43, 60)  # hop-by-hop, routing, destination options
_FRAGMENT, _AUTHENTICATION = 44, 51
_PROTOCOLS = {1: ICMP, 58: ICMP, 17: UDP, 6: TCP}
_MOST_HEADERS = 8  # VLAN tags or extension headers, one inside the other
_TWICE_WITHIN = 0.005  # seconds; retransmissions are at least a hundred times rarer
_REMEMBERED = 4096
_ANY = (113, 276)  # links of a capture on all interfaces


@dataclass
class Packet:
    """A packet; source and destination are ADDRESS:PORT, [v6]:PORT, an address alone of ICMP and later fragments."""

    at: float
    protocol: str
    source: str
    destination: str
    payload: bytes = b""
    comments: tuple[str, ...] = ()
    size: int = 0  # of the IP packet
    piece: int = WHOLE
    flags: int = 0  # of TCP
    sequence: int = 0
    icmp: str = ""  # what an ICMP error says: one of ERRORS
    said_by: str = ""  # the address of who sent the ICMP error
    mtu: int = 0  # that came with too-big
    hops: int = 0  # that are left to it: TTL, hop limit


# ICMP errors by version, type and code; the code None stands for any other of the type.
ERRORS = {
    (4, 3, 0): "network-unreachable", (4, 3, 1): "host-unreachable", (4, 3, 3): "port-unreachable",
    (4, 3, 4): "too-big", (4, 3, 9): "prohibited", (4, 3, 10): "prohibited", (4, 3, 13): "prohibited",
    (4, 3, None): "host-unreachable", (4, 11, None): "time-exceeded",
    (6, 1, 0): "network-unreachable", (6, 1, 1): "prohibited", (6, 1, 3): "host-unreachable",
    (6, 1, 4): "port-unreachable", (6, 1, 5): "prohibited", (6, 1, None): "host-unreachable",
    (6, 2, None): "too-big", (6, 3, None): "time-exceeded",
}  # fmt: skip


def packets(data: bytes) -> Iterator[Packet]:
    """Yield the packets of a capture file; NoCapture where it is none."""
    recent: OrderedDict[tuple[object, ...], float] = OrderedDict()
    for record in records(data):
        packet = read(record)
        if packet is None:
            continue
        if record.link not in _ANY:
            yield packet
            continue
        key = (packet.source, packet.destination, packet.sequence, packet.flags, packet.payload)
        seen = recent.pop(key, None)
        recent[key] = packet.at
        if len(recent) > _REMEMBERED:
            recent.popitem(last=False)
        if seen is None or not 0 <= packet.at - seen < _TWICE_WITHIN:
            yield packet


def read(record: Record) -> Packet | None:
    """Return the packet in a frame, None where there's none that is understood."""
    link = _LINKS.get(record.link)
    found = link(record.data) if link else None
    if found is None:
        return None
    packet = _internet(found)
    if packet is not None:
        packet.at, packet.comments = record.at, record.comments
    return packet


def place(ip: bytes, port: int) -> str:
    """Return an address and port as people write them."""
    text = address(ip)
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}"


def address(ip: bytes) -> str:
    """Return an IP address of 4 or 16 bytes as text."""
    return socket.inet_ntop(socket.AF_INET if len(ip) == 4 else socket.AF_INET6, ip)


def host_of(where: str) -> str:
    """Return the address of a place."""
    return where[1 : where.index("]")] if where.startswith("[") else where.partition(":")[0]


# Links: what gives the IP packet of a frame.


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")


def _typed(kind_at: int, start: int) -> Callable[[bytes], bytes | None]:
    """Return the reader of a link whose header holds an EtherType."""

    def take(data: bytes) -> bytes | None:
        return _of_type(_number(data, kind_at), data[start:])

    return take


def _of_type(kind: int, data: bytes) -> bytes | None:
    for _ in range(_MOST_HEADERS):
        if kind in _VLAN:
            kind, data = _number(data, 2), data[4:]
        elif kind == _PPPOE:
            return _ppp(data[6:])
        else:
            return data if kind in (_IPV4, _IPV6) else None
    return None


def _ppp(data: bytes) -> bytes | None:
    if data[:2] == b"\xff\x03":  # address and control, where they aren't compressed
        data = data[2:]
    return data[2:] if _number(data, 0) in (_PPP_IPV4, _PPP_IPV6) else None


def _raw(data: bytes) -> bytes | None:
    return data


def _loopback(data: bytes) -> bytes | None:
    return data[4:]


_LINKS: dict[int, Callable[[bytes], bytes | None]] = {
    0: _loopback,  # NULL
    1: _typed(12, 14),  # Ethernet
    9: _ppp,
    12: _raw,
    14: _raw,
    50: _ppp,
    51: lambda data: _ppp(data[6:]),  # PPPoE
    101: _raw,
    108: _loopback,  # LOOP
    113: _typed(14, 16),  # Linux "any", as it was
    228: _raw,
    229: _raw,
    276: _typed(0, 20),  # Linux "any", as it is
}


# The internet layer.


@dataclass(frozen=True)
class _Datagram:
    """What an IP packet carries."""

    version: int
    protocol: str
    source: bytes
    destination: bytes
    payload: bytes
    size: int
    hops: int
    piece: int = WHOLE


def _internet(data: bytes) -> Packet | None:
    datagram = _datagram(data)
    if datagram is None:
        return None
    if datagram.piece == LATER_PIECE:
        ends = address(datagram.source), address(datagram.destination)
        return Packet(0.0, datagram.protocol, *ends, datagram.payload, size=datagram.size, piece=LATER_PIECE)
    packet = _TRANSPORTS[datagram.protocol](datagram)
    if packet is not None:
        packet.hops = datagram.hops
    return packet


def _datagram(data: bytes) -> _Datagram | None:
    version = data[0] >> 4 if data else 0
    if version == 4 and len(data) >= 20:
        return _version4(data)
    if version == 6 and len(data) >= 40:
        return _version6(data)
    return None


def _version4(data: bytes) -> _Datagram | None:
    start, size, fragment = 4 * (data[0] & 15), _number(data, 2), _number(data, 6)
    protocol = _PROTOCOLS.get(data[9])
    size = size or len(data)  # 0 where the network card cuts packets (TSO)
    if start < 20 or start > size or protocol is None:
        return None
    piece = LATER_PIECE if fragment & 0x1FFF else FIRST_PIECE if fragment & 0x2000 else WHOLE
    return _Datagram(4, protocol, data[12:16], data[16:20], data[start:size], size, data[8], piece)


def _version6(data: bytes) -> _Datagram | None:
    size = 40 + _number(data, 4)
    kind, at, piece = data[6], 40, WHOLE
    size = len(data) if size == 40 else size
    for _ in range(_MOST_HEADERS):
        if kind in _PROTOCOLS:
            return _Datagram(6, _PROTOCOLS[kind], data[8:24], data[24:40], data[at:size], size, data[7], piece)
        header = data[at : at + 8]
        if len(header) < 8 or kind not in (*_EXTENSIONS, _FRAGMENT, _AUTHENTICATION):
            return None
        if kind == _FRAGMENT:
            piece = LATER_PIECE if _number(header, 2) >> 3 else FIRST_PIECE if header[3] & 1 else WHOLE
        at += 8 if kind == _FRAGMENT else 4 * header[1] + 8 if kind == _AUTHENTICATION else 8 * header[1] + 8
        kind = header[0]
        if piece == LATER_PIECE and kind in _PROTOCOLS:
            return _Datagram(6, _PROTOCOLS[kind], data[8:24], data[24:40], data[at:size], size, data[7], piece)
    return None


# The transports.


def _udp(datagram: _Datagram) -> Packet | None:
    data = datagram.payload
    if len(data) < 8:
        return None
    size = _number(data, 4) or len(data)
    ends = place(datagram.source, _number(data, 0)), place(datagram.destination, _number(data, 2))
    return Packet(0.0, UDP, *ends, data[8:size].ljust(size - 8, b"\0"), size=datagram.size, piece=datagram.piece)


def _tcp(datagram: _Datagram) -> Packet | None:
    data = datagram.payload
    start = 4 * (data[12] >> 4) if len(data) >= 20 else 0
    if start < 20:
        return None
    ends = place(datagram.source, _number(data, 0)), place(datagram.destination, _number(data, 2))
    sequence = int.from_bytes(data[4:8], "big")
    return Packet(
        0.0, TCP, *ends, data[start:], size=datagram.size, piece=datagram.piece, flags=data[13], sequence=sequence
    )


def _icmp(datagram: _Datagram) -> Packet | None:
    """Return an ICMP error as a packet from the one who sent the quoted packet to whom it was for."""
    data = datagram.payload
    if len(data) < 8:
        return None
    kind = datagram.version, data[0], data[1]
    error = ERRORS.get(kind) or ERRORS.get((*kind[:2], None))
    quoted = _quoted(data[8:]) if error else None
    if error is None or quoted is None:
        return None
    mtu = int.from_bytes(data[6:8] if datagram.version == 4 else data[4:8], "big") if error == "too-big" else 0
    return Packet(0.0, ICMP, *quoted, size=datagram.size, icmp=error, said_by=address(datagram.source), mtu=mtu)


def _quoted(data: bytes) -> tuple[str, str] | None:
    """Return the ends of the packet that an ICMP error is about; it's cut, so its sizes count for nothing."""
    inner = _datagram(data)
    if inner is None or inner.protocol == ICMP or len(inner.payload) < 4 or inner.piece == LATER_PIECE:
        return None
    ports = inner.payload
    return place(inner.source, _number(ports, 0)), place(inner.destination, _number(ports, 2))


_TRANSPORTS: dict[str, Callable[[_Datagram], Packet | None]] = {UDP: _udp, TCP: _tcp, ICMP: _icmp}
