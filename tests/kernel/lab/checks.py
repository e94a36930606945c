"""
What a carried packet must be, said once, and the dialogue of a packet that is sent and looked for at both ends.

    sent from a real socket ──► router ──► tap at the far interface, every field ──► a real socket there

Rule 1: a carried packet is its own in all that isn't rewritten: TTL one less, DSCP, ECN and a missing checksum kept.
Rule 2: a packet that isn't carried arrives at the router's ordinary socket: the same bytes from the same sender.
"""

import socket
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace

from tests.kernel.lab.kernel import Binding
from tests.kernel.lab.packets import ETHERNET_SIZE, HEADER_SIZE, MTU, UDP_SIZE, Address, Packet, family_of
from tests.kernel.lab.tap import Sight, Tap
from tests.kernel.lab.topology import WITHIN, Node

ATOMIC = 1260  # RFC 7915 section 5.1: from an IPv6 packet no larger, an IPv4 packet without DF
IP_MTU_DISCOVER, PMTUDISC_DONT, PMTUDISC_DO = 10, 0, 2
IPV6_MTU_DISCOVER = 23
UDP_NO_CHECK6_TX, UDP_NO_CHECK6_RX = 101, 102
SO_NO_CHECK = 11


@dataclass(frozen=True)
class Way:
    """One direction of a binding: what is sent from where, and what it becomes."""

    binding: Binding
    up: bool

    @property
    def sent(self) -> tuple[int, int]:
        """The family in which packets come, and the bytes that they have before the payload."""
        family = family_of((self.binding.client if self.up else self.binding.peer)[0])
        return family, HEADER_SIZE[family] + UDP_SIZE + (4 if self.up else 0)

    @property
    def carried(self) -> tuple[int, int]:
        """The same of what they become."""
        family = family_of((self.binding.peer if self.up else self.binding.client)[0])
        return family, HEADER_SIZE[family] + UDP_SIZE + (0 if self.up else 4)

    @property
    def largest(self) -> int:
        """The largest payload that fits on both sides."""
        return MTU - max(self.sent[1], self.carried[1])

    def datagram(self, data: bytes) -> bytes:
        """Return what is sent for some data to arrive."""
        return self.binding.message(data) if self.up else data

    def delivered(self, data: bytes) -> bytes:
        """Return what arrives for it."""
        return data if self.up else self.binding.message(data)

    def before(self, data: bytes) -> Packet:
        """Return the packet on its way in, with a sender's defaults."""
        binding = self.binding
        ends = (binding.client, binding.listener) if self.up else (binding.peer, binding.relayed)
        return Packet(*ends, self.datagram(data))

    def after(self, sent: Packet, data: bytes) -> Packet:
        """Return what a packet that was seen on its way in must have become."""
        binding = self.binding
        ends = (binding.relayed, binding.peer) if self.up else (binding.listener, binding.client)
        packet = Packet(*ends, self.delivered(data), sent.hops - 1, sent.traffic_class, checksum=sent.checksum)
        if packet.family == 6:
            return packet
        if sent.family == 4:
            return replace(packet, dont_fragment=sent.dont_fragment, mark=sent.mark)
        return replace(packet, dont_fragment=packet.size > ATOMIC)


@dataclass(frozen=True)
class Marks:
    """What a sender sets besides the payload."""

    hops: int = 64
    traffic_class: int = 0
    dont_fragment: bool = False
    checksum: bool = True


PLAIN = Marks()
MARKED = Marks(hops=7, traffic_class=0xB8 | 0b01, dont_fragment=True)  # EF, ECT(1)
UNCHECKED = Marks(checksum=False)


def mark(sock: socket.socket, marks: Marks) -> None:
    """Set what a socket's packets carry."""
    discover = PMTUDISC_DO if marks.dont_fragment else PMTUDISC_DONT
    if sock.family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, marks.hops)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, marks.traffic_class)
        sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, discover)
        sock.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, not marks.checksum)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, marks.hops)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, marks.traffic_class)
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, discover)
        sock.setsockopt(socket.IPPROTO_UDP, UDP_NO_CHECK6_TX, not marks.checksum)


@dataclass(frozen=True)
class Place:
    """Where one end of a binding lives."""

    node: Node
    device: str = "uplink"
    link_size: int = ETHERNET_SIZE

    def tap(self) -> Tap:
        return Tap(self.node, self.device, self.link_size)


class Ends:
    """Real sockets at all four ends of a binding, taps at client and peer; a context manager."""

    def __init__(self, binding: Binding, client: Place, relay: Node, peer: Place) -> None:
        self.binding = binding
        self._open = ExitStack()
        enter = self._open.enter_context
        self.client = enter(client.node.udp(binding.client))
        self.listener = enter(relay.udp(binding.listener))
        self.relayed = enter(relay.udp(binding.relayed))
        self.peer = enter(peer.node.udp(binding.peer))
        for sock in (self.listener, self.relayed):
            if sock.family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_UDP, UDP_NO_CHECK6_RX, 1)
        self.taps = {True: enter(client.tap()), False: enter(peer.tap())}

    def __enter__(self) -> "Ends":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def way(self, up: bool) -> Way:
        return Way(self.binding, up)

    def send(self, up: bool, datagram: bytes, marks: Marks = PLAIN) -> None:
        """Send a datagram as it stands."""
        sock, to = (self.client, self.binding.listener) if up else (self.peer, self.binding.relayed)
        mark(sock, marks)
        sock.sendto(datagram, to)

    def assert_carried(self, up: bool, data: bytes, marks: Marks = PLAIN) -> Sight:
        """Send data and look at it on its way in, on its way out and in the real socket; return how it came out."""
        way = self.way(up)
        self.taps[up].forget_sent()
        self.send(up, way.datagram(data), marks)
        sent = self.taps[up].sent().packet
        before = replace(way.before(data), hops=marks.hops, traffic_class=marks.traffic_class, checksum=marks.checksum)
        family_marks = replace(before, mark=sent.mark, dont_fragment=marks.dont_fragment and before.family == 4)
        assert differences(sent, family_marks) == {}
        assert sent.family == 4 or sent.mark, "no flow label on the way in"
        arrived = self.taps[not up].next()
        expected = way.after(sent, data)
        if (sent.family, expected.family) == (6, 4):
            expected = replace(expected, mark=arrived.packet.mark)  # a new one, where it isn't zero
        assert differences(arrived.packet, expected) == {}
        sock, source = (self.peer, self.binding.relayed) if up else (self.client, self.binding.listener)
        assert received(sock) == (way.delivered(data), source)
        return arrived

    def assert_passed(self, up: bool, datagram: bytes, marks: Marks = PLAIN) -> None:
        """Send a datagram and see it at the router's own socket, untouched."""
        self.send(up, datagram, marks)
        self.assert_at_relay(up, datagram)

    def assert_at_relay(self, up: bool, datagram: bytes) -> None:
        """Receive a datagram at the router's own socket."""
        sock, source = (self.listener, self.binding.client) if up else (self.relayed, self.binding.peer)
        assert received(sock) == (datagram, source)

    def assert_silent(self) -> None:
        """Nothing else arrived anywhere."""
        for sock in (self.client, self.listener, self.relayed, self.peer):
            assert waiting(sock) == []
        for tap in self.taps.values():
            assert tap.waiting() == []


def differences(seen: Packet, expected: Packet) -> dict[str, tuple[object, object]]:
    """Return the fields in which two packets differ; the payload is named only, for it may be long."""
    found: dict[str, tuple[object, object]] = {}
    for name in (field.name for field in fields(Packet)):
        one, other = getattr(seen, name), getattr(expected, name)
        if one != other:
            found[name] = (len(one), len(other)) if name == "payload" else (one, other)
    return found


def received(sock: socket.socket) -> tuple[bytes, Address]:
    """Return the next datagram and its source."""
    data, place = sock.recvfrom(65535)
    return data, (place[0], place[1])


def waiting(sock: socket.socket) -> list[bytes]:
    """Return what has arrived, without waiting."""
    found = []
    sock.setblocking(False)
    try:
        while True:
            found.append(sock.recv(65535))
    except BlockingIOError:
        return found
    finally:
        sock.settimeout(WITHIN)
