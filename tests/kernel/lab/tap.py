"""
A packet tap: every UDP packet that an interface receives, judged down to its last checksum.

The kernel says of each packet whether its checksum was left to the device (PACKET_AUXDATA) and where the device would
put it (the header that PACKET_VNET_HDR brings): both must fit the packet, for a real device would write there.
"""

import socket
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from struct import unpack_from

from tests.kernel.lab.packets import ETHERNET_SIZE, HEADER_SIZE, Packet, parse
from tests.kernel.lab.topology import WITHIN, Node

_EVERY_PROTOCOL = 3
_SOL_PACKET, _AUXDATA, _VNET_HEADER = 263, 8, 15
_VNET_HEADER_SIZE = 10
_CHECKSUM_NOT_READY, _VLAN_VALID = 1 << 3, 1 << 4
_OUTGOING = 4
_CHECKSUM_IN_UDP = 6
_IP = (b"\x08\x00", b"\x86\xdd")


@dataclass(frozen=True)
class Sight:
    """A packet that was seen, with its link header; partial: its checksum was left to the device."""

    link: bytes
    packet: Packet
    partial: bool


@dataclass(frozen=True)
class Frame:
    """A frame as the tap's socket gave it."""

    data: bytes
    status: int
    outgoing: bool


class Tap:
    """What passes an interface; a context manager."""

    def __init__(self, node: Node, device: str, link_size: int = ETHERNET_SIZE) -> None:
        self._link_size = link_size
        self._sock = node.packet(device, _EVERY_PROTOCOL)
        self._sock.setsockopt(_SOL_PACKET, _AUXDATA, 1)
        self._sock.setsockopt(_SOL_PACKET, _VNET_HEADER, 1)
        self._kept: deque[Frame] = deque()

    def __enter__(self) -> "Tap":
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()

    def next(self) -> Sight:
        """Return the next UDP packet that comes in."""
        return self._find(outgoing=False)

    def sent(self) -> Sight:
        """Return the next UDP packet that goes out."""
        return self._find(outgoing=True)

    def forget_sent(self) -> None:
        """Forget what has gone out so far; it may have been wrong on purpose."""
        self._kept = deque(frame for frame in self._waiting() if not frame.outgoing)

    def waiting(self) -> list[Packet]:
        """Return what has come in, without waiting."""
        sights = [self._judge(frame) for frame in self._waiting() if not frame.outgoing]
        return [sight.packet for sight in sights if sight]

    def _find(self, outgoing: bool) -> Sight:
        deadline = time.monotonic() + WITHIN
        while time.monotonic() < deadline:
            try:
                frame = self._kept.popleft() if self._kept else self._read()
            except TimeoutError:
                break
            found = self._judge(frame) if frame.outgoing is outgoing else None
            if found:
                return found
        raise AssertionError("nothing arrived at the tap")

    def _waiting(self) -> Iterator[Frame]:
        """Take all frames that are there."""
        while self._kept:
            yield self._kept.popleft()
        self._sock.setblocking(False)
        try:
            while True:
                yield self._read()
        except BlockingIOError:
            return
        finally:
            self._sock.settimeout(WITHIN)

    def _read(self) -> Frame:
        """Return the next frame."""
        data, control, flags, place = self._sock.recvmsg(65535, 64)
        assert not flags & socket.MSG_TRUNC
        return Frame(data, unpack_from("I", control[0][2])[0], place[2] == _OUTGOING)

    def _judge(self, frame: Frame) -> Sight | None:
        """Return what a frame is, None if it's none that is ours to judge; a wrong one is an AssertionError."""
        data = frame.data[_VNET_HEADER_SIZE:]
        link, ip = data[: self._link_size], data[self._link_size :]
        if self._link_size and link[12:] not in _IP:
            return None
        assert not frame.status & _VLAN_VALID, "a VLAN tag"
        partial = bool(frame.status & _CHECKSUM_NOT_READY)
        packet = parse(ip, not partial)
        if packet is None:
            return None
        needs_checksum, segments, _, _, start, offset = unpack_from("BBHHHH", frame.data)
        assert segments == 0, "several packets in one"
        if partial:
            assert needs_checksum & 1
            assert (start, offset) == (self._link_size + HEADER_SIZE[packet.family], _CHECKSUM_IN_UDP), (start, offset)
        return Sight(link, packet, partial)
