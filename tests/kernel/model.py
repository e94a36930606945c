"""What the kernel's program makes of a packet, written from the rules and not from program.c; they only share flow.h.

    frame ──► read ──► our port? ──► flow? ──► checks in their order ──► way out ──► rates ──► the packet, rewritten
                └────────┴────────────┴──────────┴────────────────────────┴──► Up: as it came, counted by its outcome

Rule 1: nothing is incremental. Checksums are sums over the whole packet before and after; by as much as the old one was
        wrong, the new one is (RFC 1624).
Rule 2: addresses are as long as their family's, so that IPv4 isn't mistaken for the IPv6 that flow.h writes it as.
Rule 3: what the rules leave to the program (an identification) is said in `Answer.free`, and not compared.
Rule 4: devices have Ethernet; a test run can't do as if a packet came from one without.
"""

from dataclasses import dataclass, field

from edgeturn.kernel.flows import OUTCOMES

NUMBERS = {name: number for number, (name, _) in enumerate(OUTCOMES)}
FRAGMENTED = 44
EXTENSIONS = (0, 43, FRAGMENTED, 60)  # RFC 8200 section 4: hop-by-hop, routing, fragment, destination options
PASSED, CARRIED, DROPPED = 0, 1, 2  # verdicts
IDENTIFICATION = 1  # any will do, with the header checksum that belongs to it
LINK_ADDRESSES = 2  # may still be those that it came with: the kernel writes them after the program

ETHERNET, IPV4, IPV6, UDP_HEADER, CHANNEL_HEADER = 14, 20, 40, 8, 4
UDP, ICMPV6 = 17, 58
IPV4_TYPE, IPV6_TYPE, ARP_TYPE, PROBE_TYPE = b"\x08\x00", b"\x86\xdd", b"\x08\x06", b"\x88\xb5"
MORE_FRAGMENTS, OFFSET, DONT_FRAGMENT = 0x2000, 0x1FFF, 0x4000
CHANNELS = range(0x4000, 0x8000)
TRANSLATED_SIZE = 1260  # RFC 7915 section 5.1: larger ones aren't to be fragmented
ONES = 0xFFFF  # one's complement arithmetic is arithmetic modulo this

End = tuple[bytes, int]  # IP address, port
Key = tuple[End, End, int]  # local, remote, channel


class Up(Exception):
    """Up to user space with it, counted by an outcome or not at all."""

    def __init__(self, outcome: str = "") -> None:
        self.outcome = outcome


class Undecided(Exception):
    """What happens depends on the moment, so nobody can compare it."""


@dataclass
class Way:
    """Where the routes lead: out of a device, or why not (the outcome's name, or "local")."""

    hindrance: str = ""
    mtu: int = 1500
    link: bytes = b""  # destination and source, where the next hop's is known
    xdp: bool = True  # the device is one of `devices`


@dataclass(eq=False)
class Entry:
    """The device that packets come in by."""

    interface: int
    link: bytes
    forwarding: bool = True


@dataclass
class Budget:
    """What is left of a rate in this second, which doesn't end; a fleeting one begins anew with every second."""

    rate: int
    left: int
    fleeting: bool = False

    def holds(self, size: int) -> bool:
        if self.fleeting and 0 < size <= self.rate:
            raise Undecided
        return size <= (self.rate if self.fleeting else self.left)


@dataclass
class Flow:
    """What becomes of a flow's packets, and what they may."""

    source: End
    destination: End
    channel: int
    expires: int  # seconds
    counter: int
    budgets: tuple[int, ...] = (0, 0, 0)
    forwarding: bool = True  # where its packets come in
    inside: bool = False  # of a peer that is a relayed address here: nobody sends from there by wire


@dataclass
class Packet:
    """A datagram that has been read."""

    family: int
    source: End
    destination: End
    traffic: int  # TOS or traffic class
    hops: int
    checksum: int
    payload: bytes
    size: int  # the length field of UDP
    identification: int = 0
    flags: int = 0
    header_checksum: int = 0


@dataclass
class Answer:
    """What is expected of the program."""

    verdict: int
    frame: bytes
    free: int = 0


@dataclass
class World:
    """What both hooks share: the maps, as the relay wrote them and as the program has to leave them, and the routes."""

    now: int
    flows: dict[Key, Flow] = field(default_factory=dict)
    ways: dict[bytes, Way] = field(default_factory=dict)
    ports: set[int] = field(default_factory=set)
    budgets: dict[int, Budget] = field(default_factory=dict)
    counters: dict[int, tuple[int, int]] = field(default_factory=dict)


class Model:
    """The program at one hook."""

    def __init__(self, world: World, xdp: bool) -> None:
        self.world = world
        self.xdp = xdp
        self.tallies = dict.fromkeys(NUMBERS, (0, 0))

    def run(self, frame: bytes, entry: Entry, segments: bool = False) -> Answer:
        """Return what is done with a frame that comes in there, and count it."""
        try:
            packet, right = self.read(frame, entry)
            flow = self.find(packet)
            if segments and not self.xdp:
                raise Up("segments")
            if not right:
                raise Up("length")
            return self.carry(frame, packet, flow, entry)
        except Up as reason:
            if reason.outcome:
                self.count(reason.outcome, len(frame))
            return Answer(PASSED, frame)

    def count(self, outcome: str, size: int) -> None:
        packets, before = self.tallies[outcome]
        self.tallies[outcome] = packets + 1, before + size

    # Reading.

    def read(self, frame: bytes, entry: Entry) -> tuple[Packet, bool]:
        """Return a datagram to one of our ports, and whether its lengths are right."""
        kind = frame[12:14]
        if self.proves(frame, kind):
            raise Up("seen")
        if frame[0] & 1 if self.xdp else frame[:6] != entry.link:
            raise Up  # not for us, or not for us alone (RFC 1812 section 5.3.4)
        if kind == IPV4_TYPE:
            return self.read_ipv4(frame[ETHERNET:])
        if kind == IPV6_TYPE:
            return self.read_ipv6(frame[ETHERNET:])
        raise Up

    def proves(self, frame: bytes, kind: bytes) -> bool:
        """Tell what proves an attachment: tc is sent a probe, XDP sees answers."""
        if not self.xdp:
            return kind == PROBE_TYPE
        icmp = kind == IPV6_TYPE and len(frame) >= ETHERNET + IPV6 and frame[ETHERNET + 6] == ICMPV6
        return icmp or kind == ARP_TYPE

    def read_ipv4(self, packet: bytes) -> tuple[Packet, bool]:
        if len(packet) < IPV4 or packet[0] >> 4 != 4 or packet[0] & 15 < 5 or packet[9] != UDP:
            raise Up
        header = (packet[0] & 15) * 4
        flags = word(packet, 6)
        if flags & OFFSET:
            raise Up  # no ports to tell by
        read = self.read_udp(4, packet[header:], packet[12:16], packet[16:20])
        read.traffic, read.identification, read.flags = packet[1], word(packet, 4), flags
        read.hops, read.header_checksum = packet[8], word(packet, 10)
        if header != IPV4:
            raise Up("options")
        if flags & MORE_FRAGMENTS:
            raise Up("fragment")
        return read, word(packet, 2) == len(packet) and read.size == len(packet) - IPV4

    def read_ipv6(self, packet: bytes) -> tuple[Packet, bool]:
        if len(packet) < IPV6 or packet[0] >> 4 != 6:
            raise Up
        if packet[6] in EXTENSIONS:
            self.refuse_extended(packet[6], packet[IPV6:])
        if packet[6] != UDP:
            raise Up
        read = self.read_udp(6, packet[IPV6:], packet[8:24], packet[24:40])
        read.traffic, read.hops = word(packet, 0) >> 4 & 0xFF, packet[7]
        return read, word(packet, 4) == len(packet) - IPV6 == read.size

    def refuse_extended(self, kind: int, extended: bytes) -> None:
        """Tell a packet to one of our ports with one extension header before UDP; others are nobody's."""
        if len(extended) < 8 or extended[0] != UDP:
            raise Up
        if kind == FRAGMENTED and word(extended, 2) & 0xFFF8:
            raise Up  # not the first one: no ports to tell by
        size = 8 if kind == FRAGMENTED else 8 * (extended[1] + 1)
        if len(extended) < size + UDP_HEADER or word(extended, size + 2) not in self.world.ports:
            raise Up
        raise Up("fragment" if kind == FRAGMENTED else "options")

    def read_udp(self, family: int, data: bytes, source: bytes, destination: bytes) -> Packet:
        if len(data) < UDP_HEADER or word(data, 2) not in self.world.ports:
            raise Up
        ends = (source, word(data, 0)), (destination, word(data, 2))
        return Packet(family, *ends, 0, 0, word(data, 6), data[UDP_HEADER:], word(data, 4))

    # Deciding.

    def find(self, packet: Packet) -> Flow:
        """Return the flow of a client's channel, or else that of a peer."""
        flows = self.world.flows
        ends = packet.destination, packet.source
        channel = word(packet.payload, 0) if len(packet.payload) >= CHANNEL_HEADER else 0
        flow = flows.get((*ends, channel)) if channel in CHANNELS else None
        flow = flow or flows.get((*ends, 0))
        if flow is None or flow.inside:
            raise Up("no_flow")
        return flow

    def carry(self, frame: bytes, packet: Packet, flow: Flow, entry: Entry) -> Answer:
        """Return the packet on its way, where nothing hinders it."""
        payload = packet.payload
        if not flow.channel:  # a client's
            if word(payload, 2) != len(payload) - CHANNEL_HEADER:
                raise Up("length")
            payload = payload[CHANNEL_HEADER:]
        if flow.expires <= self.world.now:
            raise Up("expired")
        flows = [flow]
        way = self.way(packet, flow, entry)
        if way.hindrance == "local" and not flow.channel:
            flows.append(self.other(flow))
            way = self.way(packet, flows[1], entry)
        new = self.written(packet, flows[-1], payload)
        self.check(way, len(new.payload) + UDP_HEADER + header_size(new))
        if not self.charge(flows, len(payload)):
            return Answer(DROPPED, frame)
        return self.answer(frame, packet, new, way)

    def other(self, flow: Flow) -> Flow:
        """Return the flow to the client that has the relayed address which a flow leads to."""
        other = self.world.flows.get((flow.destination, flow.source, 0))
        if other is None or other.expires <= self.world.now:
            raise Up("route")
        return other

    def way(self, packet: Packet, flow: Flow, entry: Entry) -> Way:
        """Return the way to a flow's destination."""
        if not packet.checksum and (packet.family == 6 or len(flow.destination[0]) == 16):
            raise Up("checksum")
        if packet.hops <= 1:
            raise Up("hops")
        if entry.forwarding != flow.forwarding:
            raise Undecided  # by a route that is remembered for a moment
        if not entry.forwarding:
            raise Up("forwarding")
        return self.world.ways.get(flow.destination[0]) or Way("route")

    def check(self, way: Way, size: int) -> None:
        """Go up where the way out doesn't take a packet of that size from this hook."""
        if way.hindrance:
            raise Up("route")
        if size > way.mtu:
            raise Up("mtu")
        if self.xdp and not way.link:
            raise Up("neighbour")
        if self.xdp and not way.xdp:
            raise Up("device")

    def charge(self, flows: list[Flow], size: int) -> bool:
        """Count the payload, if all rates hold it."""
        budgets = [self.world.budgets[place] for flow in flows for place in flow.budgets if place]
        if not all(budget.holds(size) for budget in budgets):
            self.count("bandwidth", size)
            return False
        for budget in budgets:
            budget.left -= size
        for flow in flows:
            packets, before = self.world.counters.get(flow.counter, (0, 0))
            self.world.counters[flow.counter] = packets + 1, before + size
        self.count("carried", size)
        return True

    # Writing.

    def written(self, packet: Packet, flow: Flow, payload: bytes) -> Packet:
        """Return the new packet, its checksums not yet."""
        family = 4 if len(flow.destination[0]) == 4 else 6
        header = flow.channel.to_bytes(2, "big") + len(payload).to_bytes(2, "big") if flow.channel else b""
        new = Packet(family, flow.source, flow.destination, packet.traffic, packet.hops - 1, 0, header + payload, 0)
        new.size = UDP_HEADER + len(new.payload)
        if packet.family == family == 4:
            new.identification, new.flags = packet.identification, packet.flags
        elif family == 4 and IPV4 + new.size > TRANSLATED_SIZE:
            new.flags = DONT_FRAGMENT
        return new

    def answer(self, frame: bytes, old: Packet, new: Packet, way: Way) -> Answer:
        """Return the frame that leaves."""
        free = 0
        if new.family == 4:
            new.header_checksum = -header_sum(new) % ONES
            if old.family == 4:
                new.header_checksum = (old.header_checksum + header_sum(old) - header_sum(new)) % ONES
            elif not new.flags:
                free = IDENTIFICATION
        new.checksum = self.udp_checksum(old, new)
        data = ipv4_header(new) if new.family == 4 else ipv6_header(new)
        data += words(new.source[1], new.destination[1], new.size, new.checksum) + new.payload
        if not self.xdp:
            free |= LINK_ADDRESSES
        return Answer(CARRIED, (way.link or frame[:12]) + (IPV4_TYPE if new.family == 4 else IPV6_TYPE) + data, free)

    def udp_checksum(self, old: Packet, new: Packet) -> int:
        if not old.checksum:
            return 0
        if self.xdp and old.checksum % ONES == pseudo_sum(old) % ONES:
            return -udp_sum(new) % ONES or ONES  # the sender left it to its device, which XDP's redirect won't ask
        return (old.checksum + udp_sum(old) - udp_sum(new)) % ONES or ONES


def word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")


def words(*numbers: int) -> bytes:
    return b"".join([number.to_bytes(2, "big") for number in numbers])


def header_size(packet: Packet) -> int:
    return IPV4 if packet.family == 4 else IPV6


def ipv4_header(packet: Packet) -> bytes:
    first = words(0x4500 | packet.traffic, IPV4 + packet.size, packet.identification, packet.flags)
    second = words(packet.hops << 8 | UDP, packet.header_checksum)
    return first + second + packet.source[0] + packet.destination[0]


def ipv6_header(packet: Packet) -> bytes:
    first = words(0x6000 | packet.traffic << 4, 0, packet.size, UDP << 8 | packet.hops)  # flow label 0
    return first + packet.source[0] + packet.destination[0]


def header_sum(packet: Packet) -> int:
    """Return the sum of an IPv4 header's words but its checksum."""
    return int.from_bytes(ipv4_header(packet), "big") - packet.header_checksum


def pseudo_sum(packet: Packet) -> int:
    """Return the sum of the pseudo header (RFC 768, RFC 8200 section 8.1)."""
    return int.from_bytes(packet.source[0] + packet.destination[0], "big") + packet.size + UDP


def udp_sum(packet: Packet) -> int:
    """Return the sum of all that UDP's checksum covers but itself."""
    padded = packet.payload + bytes(len(packet.payload) & 1)
    ports = packet.source[1] + packet.destination[1]
    return pseudo_sum(packet) + ports + packet.size + int.from_bytes(padded, "big")
