"""Packets that nobody would send, and some that everybody does: a good one is drafted, then spoilt.

Rule 1: whatever isn't spoilt is right, so that a packet comes as far as its one fault.
Rule 2: faults of fields are made before the packet is written, faults of bytes afterwards.
Rule 3: the kernel's test runs take no frame without an Ethernet header, and those of tc no IP without a whole header.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.kernel.model import ETHERNET, IPV4_TYPE, IPV6_TYPE, ONES, UDP, End, words

SMALLEST = ETHERNET
LARGEST = 1600
SIZES = (0, 1, 2, 3, 4, 5, 12, 16, 20, 64, 160, 172, 173, 1200, 1228, 1232, 1236, 1248, 1252, 1256)
# Around what fits a way of 1500 or 1280 bytes, of either family, with a header more or less.
EDGES = tuple(
    mtu - header - 8 + by for mtu in (1280, 1500) for header in (20, 40) for by in (-5, -4, -3, -1, 0, 1, 4, 5)
)
NAMELESS = b"\x02\0\0\0\0\x77"  # the sender on the link
LENGTHS = (0, 1, 7, 8, 9, 19, 20, 21, 27, 28, 29, 40, 1500, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF)
EXTENSIONS = (0, 43, 44, 50, 51, 60, 135, 139, 140, 59)
TYPES = (0x0800, 0x86DD, 0x0806, 0x88B5, 0x8100, 0x88A8, 0x8864, 0x002E, 0x0801)
OPTIONS = (b"\x01\x01\x01\x01", b"\x44\x01\x01\x01", b"\x94\x04\0\0", b"\0\x01\x01\x01")
FRAGMENTS = ((0x2000, 0), (0x2000, 0), (0, 1), (0, 185), (0x2000, 0x1FFF), (0, 0x1FFF), (0x6000, 0))
RIGHT, NONE, PARTIAL, WRONG = range(4)  # checksums


@dataclass
class Draft:
    """A datagram before it's written; where a length is None, it's the right one."""

    source: End
    destination: End
    payload: bytes
    link: bytes  # of the receiver
    traffic: int = 0
    hops: int = 64
    identification: int = 0
    flags: int = 0
    flow_label: int = 0
    version: int = 0
    header_words: int | None = None
    options: bytes = b""  # of IPv4
    total: int | None = None
    protocol: int = UDP
    extension: bytes = b""
    udp_size: int | None = None
    checksum: int = RIGHT
    checksum_word: int = 0
    header_fault: int = 0
    kind: bytes = b""
    tag: bytes = b""
    behind: bytes = b""
    segments: bool = False
    spoil: "Callable[[Random, bytes], bytes] | None" = None

    def family(self) -> int:
        return 4 if len(self.source[0]) == 4 else 6

    def datagram(self) -> bytes:
        """Return UDP header and payload."""
        size = 8 + len(self.payload)
        shown = size if self.udp_size is None else self.udp_size
        body = words(self.source[1], self.destination[1], shown, 0) + self.payload
        pseudo = int.from_bytes(self.source[0] + self.destination[0], "big") + shown + UDP
        return body[:6] + self._checksum(pseudo, body).to_bytes(2, "big") + body[8:]

    def _checksum(self, pseudo: int, body: bytes) -> int:
        if self.checksum in (NONE, WRONG):
            return self.checksum_word
        if self.checksum == PARTIAL:
            return pseudo % ONES or ONES
        return -(pseudo + int.from_bytes(body + bytes(len(body) & 1), "big")) % ONES or ONES

    def frame(self) -> bytes:
        """Return the whole packet."""
        ip = self._ipv4() if self.family() == 4 else self._ipv6()
        kind = self.kind or (IPV4_TYPE if self.family() == 4 else IPV6_TYPE)
        return self.link + NAMELESS + self.tag + kind + ip + self.behind

    def _ipv4(self) -> bytes:
        data = self.extension + self.datagram()
        header_words = 5 + len(self.options) // 4 if self.header_words is None else self.header_words
        total = 20 + len(self.options) + len(data) if self.total is None else self.total
        first = ((self.version or 4) << 4 | header_words) << 8 | self.traffic
        header = words(first, total, self.identification, self.flags, self.hops << 8 | self.protocol)
        addresses = self.source[0] + self.destination[0] + self.options
        checksum = (self.header_fault - int.from_bytes(header + addresses, "big")) % ONES
        return header + checksum.to_bytes(2, "big") + addresses + data

    def _ipv6(self) -> bytes:
        data = self.extension + self.datagram()
        size = len(data) if self.total is None else self.total
        first = (self.version or 6) << 28 | self.traffic << 20 | self.flow_label
        header = first.to_bytes(4, "big") + words(size, self.protocol << 8 | self.hops)
        return header + self.source[0] + self.destination[0] + data


# Faults of fields.


def spoil_total(random: Random, draft: Draft) -> None:
    draft.total = near(random, len(draft.payload) + (28 if draft.family() == 4 else 8))


def spoil_udp_size(random: Random, draft: Draft) -> None:
    draft.udp_size = near(random, len(draft.payload) + 8)


def spoil_both_sizes(random: Random, draft: Draft) -> None:
    """Lie twice with one voice."""
    by = random.choice((-8, -4, -1, 1, 4, 8, 100))
    draft.udp_size = max(0, len(draft.payload) + 8 + by)
    draft.total = draft.udp_size + (20 if draft.family() == 4 else 0)


def spoil_header_words(random: Random, draft: Draft) -> None:
    draft.header_words = random.randrange(16)


def add_options(random: Random, draft: Draft) -> None:
    draft.options = random.choice(OPTIONS) * random.randint(1, 10)


def spoil_version(random: Random, draft: Draft) -> None:
    draft.version = random.randrange(16)


def spoil_protocol(random: Random, draft: Draft) -> None:
    draft.protocol = random.choice((*EXTENSIONS, 1, 4, 6, 33, 41, 58, 132, 136, 255, random.randrange(256)))


def add_extension(random: Random, draft: Draft) -> None:
    """Put an extension header before UDP, of a length that may be true."""
    draft.protocol = random.choice(EXTENSIONS)
    draft.extension = bytes([random.choice((UDP, UDP, 0, 44)), random.choice((0, 0, 0, 1, 255))])
    draft.extension += random.randbytes(random.choice((6, 6, 14, 2)))


def make_fragment(random: Random, draft: Draft) -> None:
    more, offset = random.choice(FRAGMENTS)
    draft.flags = more | offset | random.choice((0, 0, 0x4000))


def spoil_flags(random: Random, draft: Draft) -> None:
    draft.flags = random.randrange(0x10000)


def spoil_hops(random: Random, draft: Draft) -> None:
    draft.hops = random.choice((0, 1, 1, 2, 255))


def spoil_checksum(random: Random, draft: Draft) -> None:
    draft.checksum, draft.checksum_word = WRONG, random.choice((1, 0xFFFF, 0xFFFE, random.randrange(0x10000)))


def spoil_header_checksum(random: Random, draft: Draft) -> None:
    draft.header_fault = random.randrange(0x10000)


def spoil_channel_size(random: Random, draft: Draft) -> None:
    size = near(random, max(0, len(draft.payload) - 4))
    draft.payload = draft.payload[:2] + size.to_bytes(2, "big")[: len(draft.payload[2:4])] + draft.payload[4:]


def pad(random: Random, draft: Draft) -> None:
    """Pad as ChannelData over TCP is padded."""
    draft.payload += bytes(random.randint(1, 3))


def spoil_channel(random: Random, draft: Draft) -> None:
    number = random.choice((0, 1, 0x3FFF, 0x4000, 0x4001, 0x4FFF, 0x7FFF, 0x8000, 0xFFFF, random.randrange(0x10000)))
    draft.payload = number.to_bytes(2, "big")[: len(draft.payload)] + draft.payload[2:]


def cut_payload(random: Random, draft: Draft) -> None:
    draft.payload = draft.payload[: random.randrange(6)]


def spoil_port(random: Random, draft: Draft) -> None:
    port = random.choice((0, 53, 3478, 3479, 49152, 49153, 65535, draft.source[1] ^ 1, random.randrange(0x10000)))
    if random.random() < 0.5:
        draft.source = draft.source[0], port
    else:
        draft.destination = draft.destination[0], port


def spoil_address(random: Random, draft: Draft) -> None:
    """Change a byte of an address."""
    ip, port = random.choice((draft.source, draft.destination))
    at = random.randrange(len(ip))
    other = ip[:at] + bytes([ip[at] ^ 1 << random.randrange(8)]) + ip[at + 1 :]
    if ip == draft.source[0]:
        draft.source = other, port
    else:
        draft.destination = other, port


def swap_ends(random: Random, draft: Draft) -> None:
    draft.source, draft.destination = draft.destination, draft.source


def disguise(random: Random, draft: Draft) -> None:
    """Write IPv4 addresses as IPv6 has them, which flow.h does too; on the wire they are nobody's."""
    if draft.family() == 4:
        prefix = bytes(10) + b"\xff\xff"
        draft.source = prefix + draft.source[0], draft.source[1]
        draft.destination = prefix + draft.destination[0], draft.destination[1]
        draft.flags = 0


def spoil_type(random: Random, draft: Draft) -> None:
    draft.kind = random.choice(TYPES).to_bytes(2, "big")


def add_tag(random: Random, draft: Draft) -> None:
    draft.tag = random.choice((b"\x81\0", b"\x88\xa8")) + random.randbytes(2)


def add_behind(random: Random, draft: Draft) -> None:
    draft.behind = bytes(random.choice((1, 2, 3, 4, 8, 18, 46)))


def spoil_link(random: Random, draft: Draft) -> None:
    draft.link = random.choice((b"\xff" * 6, b"\x33\x33\0\0\0\1", b"\1\0\x5e\0\0\1", b"\2\1\2\3\4\5", bytes(6)))


def make_segments(random: Random, draft: Draft) -> None:
    draft.segments = True


# Faults of bytes.


def truncated(random: Random, data: bytes) -> bytes:
    return data[: random.randrange(SMALLEST, len(data) + 1)]


def truncated_early(random: Random, data: bytes) -> bytes:
    return data[: random.randrange(SMALLEST, 70)]


def flipped(random: Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        changed[random.randrange(min(len(data), 66))] ^= 1 << random.randrange(8)
    return bytes(changed)


def overwritten(random: Random, data: bytes) -> bytes:
    at = random.randrange(12, min(len(data), 66))
    new = random.choice((b"\0\0", b"\xff\xff", random.randbytes(1), random.randbytes(4)))
    return data[:at] + new + data[at + len(new) :]


def extended(random: Random, data: bytes) -> bytes:
    return data + random.randbytes(random.randint(1, 40))


def nonsense(random: Random, data: bytes) -> bytes:
    """Keep the beginning only."""
    kept = random.choice((0, 12, 14, 14, 24, 34, 42, 54))
    return data[:kept] + random.randbytes(random.randint(max(1, SMALLEST - kept), 200))


FIELDS = (
    spoil_total, spoil_udp_size, spoil_both_sizes, spoil_header_words, add_options, spoil_version, spoil_protocol,
    add_extension, make_fragment, spoil_flags, spoil_hops, spoil_checksum, spoil_header_checksum, spoil_channel_size,
    spoil_channel_size, pad, spoil_channel, cut_payload, spoil_port, spoil_address, swap_ends, disguise, spoil_type,
    add_tag, add_behind, spoil_link, make_segments,
)  # fmt: skip
BYTES = (truncated, truncated, truncated_early, flipped, flipped, overwritten, extended, nonsense)


def near(random: Random, number: int) -> int:
    """Return another length: a little wrong, or by a lot."""
    if random.random() < 0.6:
        return max(0, number + random.choice((-8, -4, -3, -2, -1, 1, 2, 3, 4, 8)))
    return random.choice((*LENGTHS, random.randrange(0x10000), number << 8 & 0xFFFF))


def payload_size(random: Random) -> int:
    chance = random.random()
    if chance < 0.5:
        return random.choice(SIZES)
    return random.choice(EDGES) if chance < 0.7 else random.randrange(1501)


def vary(random: Random, draft: Draft) -> None:
    """Give fields any of the values that are right."""
    draft.traffic, draft.hops = random.randrange(256), random.randint(2, 255)
    if draft.family() == 4:
        draft.identification = random.randrange(0x10000)
        draft.flags = random.choice((0, 0x4000, 0x4000, 0x8000))
    else:
        draft.flow_label = random.choice((0, random.randrange(1 << 20)))
    chance = random.random()
    if chance < 0.1:
        draft.checksum = PARTIAL
    elif chance < 0.2:
        draft.checksum = NONE


def spoil(random: Random, draft: Draft) -> None:
    """Spoil nothing, something or much of it."""
    chance = random.random()
    if chance < 0.3:
        return
    if chance < 0.8:
        random.choice(FIELDS)(random, draft)
    if chance > 0.72:
        draft.spoil = random.choice(BYTES)
    if chance > 0.92:
        for _ in range(random.randint(1, 3)):
            random.choice(FIELDS)(random, draft)


def smallest(frame: bytes) -> int:
    """Return how long a frame must be for a test run of tc."""
    return ETHERNET + {IPV4_TYPE: 20, IPV6_TYPE: 40}.get(frame[12:14], 0)


def write(random: Random, draft: Draft) -> bytes:
    """Return the packet with all its faults."""
    data = draft.frame()
    if draft.spoil:
        data = draft.spoil(random, data)
    return data[:LARGEST].ljust(SMALLEST, b"\0")
