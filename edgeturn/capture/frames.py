"""Packets for what was seen above IP: headers of IP and UDP or TCP around a message, as if it had been captured.

Rule 1: checksums are right; of TCP each message is a segment of its own, and the numbers of a connection fit together.
Rule 2: connections are remembered up to MOST; the oldest begins anew.
Source: RFC 791, 8200, 768, 9293, 1071.
"""

from collections import OrderedDict
from struct import pack, unpack

from edgeturn.protocol import address
from edgeturn.protocol.address import IPV4_SIZE

MOST = 4096
LONGEST = 65400  # bytes of a message that still have a header in front of them
_UDP, _TCP = 17, 6
_TTL = 64
_DF = 0x4000
_PUSH_ACK = 0x18
_WINDOW = 65535
_WRAP = 1 << 32


class Frames:
    """Makes IP packets between places, which are port||ip."""

    def __init__(self) -> None:
        """Begin without connections."""
        self._numbers: OrderedDict[bytes, dict[bytes, int]] = OrderedDict()
        self._count = 0

    def frame(self, stream: bool, source: bytes, destination: bytes, message: bytes) -> bytes:
        """Return an IP packet with a message, over TCP where it came by a stream."""
        body = message[:LONGEST]
        make = self._segment if stream else _datagram
        protocol = _TCP if stream else _UDP
        return self._internet(protocol, source, destination, make(source, destination, body))

    def _internet(self, protocol: int, source: bytes, destination: bytes, body: bytes) -> bytes:
        ips = address.ip_of(source) + address.ip_of(destination)
        if len(ips) > 2 * IPV4_SIZE:
            return pack("!IHBB", 6 << 28, len(body), protocol, _TTL) + ips + body
        self._count = (self._count + 1) & 0xFFFF
        header = pack("!BBHHHBBH", 0x45, 0, 20 + len(body), self._count, _DF, _TTL, protocol, 0) + ips
        return header[:10] + checksum(header).to_bytes(2, "big") + header[12:] + body

    def _segment(self, source: bytes, destination: bytes, body: bytes) -> bytes:
        numbers = self._connection(source, destination)
        here, there = numbers[source], numbers[destination]
        numbers[source] = (here + len(body)) % _WRAP
        header = pack("!2s2sIIBBHHH", source[:2], destination[:2], here, there, 5 << 4, _PUSH_ACK, _WINDOW, 0, 0)
        return _summed(_TCP, 16, source, destination, header + body)

    def _connection(self, source: bytes, destination: bytes) -> dict[bytes, int]:
        """Return the next number of each end."""
        key = min(source, destination) + max(source, destination)
        if key not in self._numbers and len(self._numbers) >= MOST:
            self._numbers.popitem(last=False)
        return self._numbers.setdefault(key, {source: 1, destination: 1})


def _datagram(source: bytes, destination: bytes, body: bytes) -> bytes:
    header = pack("!2s2sHH", source[:2], destination[:2], 8 + len(body), 0)
    return _summed(_UDP, 6, source, destination, header + body)


def _summed(protocol: int, at: int, source: bytes, destination: bytes, body: bytes) -> bytes:
    """Return a datagram or segment with its checksum, which stands at an offset."""
    pseudo = address.ip_of(source) + address.ip_of(destination) + pack("!IxxxB", len(body), protocol)
    found = checksum(pseudo + body) or 0xFFFF
    return body[:at] + found.to_bytes(2, "big") + body[at + 2 :]


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    total: int = sum(unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
