"""
Reading captures: every file format, link and family gives the same exchanges, and no file makes it fail.

Rule 1: the frames are those of a real capture, put into other links and files here.
Rule 2: hostile files are cut and changed ones; reading them ends in time, with sides or Unreadable.
"""

import random
import struct
import time
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from edgeturn.capture import blocks
from edgeturn.capture.blocks import Record, records
from edgeturn.capture.packets import FIRST_PIECE, LATER_PIECE, TCP, packets, read
from edgeturn.diagnose.evidence import Side
from edgeturn.diagnose.reading import Unreadable, capture
from edgeturn.diagnose.reading.dialogue import MOST_FLOWS
from edgeturn.protocol import stun

CAPTURES = Path(__file__).parent / "captures"
FRAMES = list(records((CAPTURES / "wrong-password.pcap").read_bytes()))
EXPECTED = [("Allocate", 401, False), ("Allocate", 401, True)]
WITHIN = 20.0  # seconds for a hostile file, on any machine

Frames = list[tuple[float, bytes]]


def pcap(frames: Frames, link: int = 1, order: str = "<", magic: int = 0xA1B2C3D4) -> bytes:
    scale = 1e9 if magic == 0xA1B23C4D else 1e6
    rows = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link)]
    for at, frame in frames:
        time_of = divmod(round(at * scale), int(scale))
        rows.append(struct.pack(order + "IIII", *time_of, len(frame), len(frame)) + frame)
    return b"".join(rows)


def block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack(order + "II", kind, len(body) + 12) + body + struct.pack(order + "I", len(body) + 12)


def option(order: str, kind: int, value: bytes) -> bytes:
    return struct.pack(order + "HH", kind, len(value)) + value + bytes(-len(value) % 4)


def pcapng(frames: Frames, order: str = "<", resolution: int = 6, comment: str = "", simple: bool = False) -> bytes:
    made = [block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))]
    made.append(block(order, 1, struct.pack(order + "HHI", 1, 0, 65535) + option(order, 9, bytes([resolution]))))
    made.append(block(order, 0x0BAD, b"of somebody"))
    ticks = 2 ** (resolution & 127) if resolution & 128 else 10**resolution
    for at, frame in frames:
        padded = frame + bytes(-len(frame) % 4)
        if simple:
            made.append(block(order, 3, struct.pack(order + "I", len(frame)) + frame))
            continue
        count = int(at * ticks)
        head = struct.pack(order + "IIIII", 0, count >> 32, count & 0xFFFFFFFF, len(frame), len(frame))
        made.append(block(order, 6, head + padded + (option(order, 1, comment.encode()) if comment else b"")))
    return b"".join(made)


def exchanges(sides: list[Side]) -> list[tuple[str, int, bool]]:
    assert len(sides) == 1
    return [(each.method, each.code, each.signed) for each in sides[0].exchanges]


def framed(wrap: Callable[[bytes], bytes]) -> Frames:
    """Return the frames with another link's header."""
    return [(frame.at, wrap(frame.data)) for frame in FRAMES]


def ipv6(frame: bytes, extension: bytes = b"", protocol: int = 17) -> bytes:
    """Return the same over IPv6, addresses numbered alike."""
    ip = frame[14:]
    addresses = b"".join(bytes.fromhex("20010db8") + bytes(8) + ip[at : at + 4] for at in (12, 16))
    body = extension + ip[20:]
    header = struct.pack("!IHBB", 6 << 28, len(body), protocol, 64) + addresses
    return frame[:12] + b"\x86\xdd" + header + body


LINKS: tuple[tuple[str, int, Callable[[bytes], bytes]], ...] = (
    ("Ethernet", 1, lambda frame: frame),
    ("VLAN", 1, lambda frame: frame[:12] + b"\x81\x00\x00\x07" + frame[12:]),
    ("two VLANs", 1, lambda frame: frame[:12] + b"\x88\xa8\x00\x07\x81\x00\x00\x08" + frame[12:]),
    ("PPPoE", 1, lambda frame: frame[:12] + b"\x88\x64\x11\x00\x00\x01\x00\x00\x00\x21" + frame[14:]),
    ("PPPoE in a VLAN", 1, lambda frame: frame[:12] + b"\x81\x00\0\7\x88\x64\x11\0\0\1\0\0\0\x21" + frame[14:]),
    ("raw", 101, lambda frame: frame[14:]),
    ("IPv4", 228, lambda frame: frame[14:]),
    ("BSD loopback", 0, lambda frame: b"\2\0\0\0" + frame[14:]),
    ("PPP", 9, lambda frame: b"\xff\x03\x00\x21" + frame[14:]),
    ("any", 113, lambda frame: bytes(14) + b"\x08\x00" + frame[14:]),
    ("any, as it is", 276, lambda frame: b"\x08\x00" + bytes(18) + frame[14:]),
    ("IPv6", 1, ipv6),
    ("IPv6 with options", 1, lambda frame: ipv6(frame, b"\x3c\0" + bytes(6) + b"\x11\0" + bytes(6), 0)),
    ("IPv6 in a single fragment", 1, lambda frame: ipv6(frame, b"\x11\0\0\0" + bytes(4), 44)),
    ("raw IPv6", 101, lambda frame: ipv6(frame)[14:]),
)


@pytest.mark.parametrize(("name", "link", "wrap"), LINKS, ids=[row[0] for row in LINKS])
def test_every_link(name: str, link: int, wrap: Callable[[bytes], bytes]) -> None:
    found = capture.read("file", pcap(framed(wrap), link))
    assert exchanges(found) == EXPECTED
    assert found[0].exchanges[0].at == pytest.approx(FRAMES[0].at, abs=0.01)
    assert found[0].exchanges[0].server == ("[2001:db8::c000:201]:3478" if "IPv6" in name else "192.0.2.1:3478")


FILES = (
    ("little", pcap(framed(bytes))),
    ("big", pcap(framed(bytes), order=">")),
    ("nanoseconds", pcap(framed(bytes), magic=0xA1B23C4D)),
    ("big nanoseconds", pcap(framed(bytes), order=">", magic=0xA1B23C4D)),
    ("pcapng", pcapng(framed(bytes))),
    ("big pcapng", pcapng(framed(bytes), ">", 9)),
    ("pcapng in powers of two", pcapng(framed(bytes), resolution=0x80 | 20)),
    ("two sections", pcapng(framed(bytes)[:2]) + pcapng(framed(bytes)[2:], ">")),
)


@pytest.mark.parametrize(("name", "data"), FILES, ids=[row[0] for row in FILES])
def test_every_file(name: str, data: bytes) -> None:
    found = capture.read("file", data)
    assert exchanges(found) == EXPECTED
    assert found[0].exchanges[0].at == pytest.approx(FRAMES[0].at, abs=0.01)


def test_packets_without_a_time() -> None:
    assert exchanges(capture.read("file", pcapng(framed(bytes), simple=True))) == EXPECTED


def test_a_comment_of_the_relay_is_the_reason() -> None:
    data = pcapng(framed(bytes), comment="Allocate: 401, unknown user\x1b[31m")
    assert "unknown user\N{REPLACEMENT CHARACTER}[31m" in capture.read("file", data)[0].exchanges[1].reason


def test_what_is_forwarded_counts_once() -> None:
    """On all interfaces a router captures a packet twice."""
    frames = [(at + gap, b"\x08\x00" + bytes(18) + frame[14:]) for at, frame in framed(bytes) for gap in (0, 0.0005)]
    found = capture.read("file", pcap(frames, 276))
    assert exchanges(found) == EXPECTED
    assert [each.tries for each in found[0].exchanges] == [1, 1]


def test_a_cut_packet_keeps_its_size() -> None:
    name = "relayed-call-client.pcap"
    whole = capture.read("file", (CAPTURES / name).read_bytes())
    cut = [
        Record(each.at, each.link, each.data[:180], size=len(each.data))
        for each in records((CAPTURES / name).read_bytes())
    ]
    rows = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)]
    rows += [
        struct.pack("<IIII", int(each.at), int(each.at % 1 * 1e6), len(each.data), each.size) + each.data
        for each in cut
    ]
    found = capture.read("file", b"".join(rows))
    assert found[0].media == whole[0].media
    assert found[0].media.sent_packets == 40


# What a side is made of.


def sides(name: str) -> list[Side]:
    return capture.read(name, (CAPTURES / f"{name}.pcap").read_bytes())


def test_a_call_through_the_relay() -> None:
    (side,) = sides("relayed-call-client")
    assert [each.method for each in side.exchanges] == ["Allocate", "Allocate", "ChannelBind", "Refresh"]
    assert [(each.kind, each.relay_transport) for each in side.candidates] == [("host", ""), ("relay", "udp")]
    (pair,) = side.pairs
    assert pair.state == "succeeded"
    assert pair.nominated
    assert pair.local is not None
    assert pair.local.kind == "relay"
    assert pair.checks_answered
    assert pair.checks_received
    assert (side.media.sent_packets, side.media.received_packets) == (40, 40)
    assert pair.bytes_sent == side.media.sent_bytes == sum(20 + number * 11 for number in range(40))


def test_a_call_from_the_peers_end() -> None:
    (side,) = sides("relayed-call-peer")
    assert not side.exchanges
    assert side.controlling is False
    assert (side.media.sent_packets, side.media.received_packets) == (40, 40)


def test_a_call_at_the_relay_shows_both_of_its_ends() -> None:
    (side,) = sides("relayed-call-relay")
    flow = next(each for each in side.peer_flows if not each.channel)
    assert flow.left_relay > 40
    assert flow.reached_relay > 40


def halves(frame: bytes) -> tuple[bytes, bytes]:
    """Return a TCP segment as two."""
    start = 14 + 20 + 4 * (frame[46] >> 4)
    middle = start + (len(frame) - start) // 2
    sequence = (int.from_bytes(frame[38:42], "big") + middle - start) % 2**32
    first = frame[:16] + (middle - 14).to_bytes(2, "big") + frame[18:middle]
    second = frame[:16] + (len(frame) - 14 - middle + start).to_bytes(2, "big") + frame[18:38]
    return first, second + sequence.to_bytes(4, "big") + frame[42:start] + frame[middle:]


def test_what_is_inside_tls_is_said_not_to_be_seen() -> None:
    (side,) = sides("over-tls")
    assert [(each.kind, each.answered) for each in side.connections] == [("tls", True)]
    assert not side.exchanges
    assert "`edgeturn capture`" in side.notes[0]


def test_tcp_out_of_order_and_twice() -> None:
    """Segments that overtook each other, or came twice, give the same messages."""
    frames: Frames = []
    for each in records((CAPTURES / "silent-but-tcp.pcap").read_bytes()):
        packet = read(each)
        if packet is None or packet.protocol != TCP or not packet.payload:
            frames.append((each.at, each.data))
            continue
        first, second = halves(each.data)
        frames += [(each.at, segment) for segment in (second, second, first, first, second)]
    assert capture.read("silent-but-tcp", pcap(frames))[0].exchanges == sides("silent-but-tcp")[0].exchanges


@pytest.mark.parametrize(
    ("offset", "more", "piece"), [(0, 1, FIRST_PIECE), (184, 1, LATER_PIECE), (184, 0, LATER_PIECE)]
)
def test_fragments_of_ipv6(offset: int, more: int, piece: int) -> None:
    header = b"\x11\0" + (offset << 3 | more).to_bytes(2, "big") + bytes(4)
    packet = read(Record(0.0, 1, ipv6(FRAMES[0].data, header, 44)))
    assert packet is not None
    assert packet.piece == piece
    port = int.from_bytes(FRAMES[0].data[34:36], "big")
    assert packet.source == ("2001:db8::c0a8:10b" if piece == LATER_PIECE else f"[2001:db8::c0a8:10b]:{port}")


def test_fragments_are_noted() -> None:
    found = [packet.piece for packet in packets((CAPTURES / "too-big.pcap").read_bytes()) if packet.piece]
    assert found.count(FIRST_PIECE) == found.count(LATER_PIECE) == 4


# Hostile files.


def _mutated(data: bytes, seed: int) -> bytes:
    chance = random.Random(seed)
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 40)):
        changed[chance.randrange(24, len(changed))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
    return bytes(changed[: chance.choice((len(changed), chance.randrange(24, len(changed))))])


HOSTILE = ("too-big.pcap", "silent-but-tcp.pcap", "inspected.pcap", "own-refusals.pcapng", "rebinding-relay.pcap")


@pytest.mark.parametrize("name", HOSTILE)
def test_changed_files_are_read_or_refused(name: str) -> None:
    data = (CAPTURES / name).read_bytes()
    for seed in range(150):
        with suppress(Unreadable):
            capture.read(name, _mutated(data, seed))


@pytest.mark.parametrize("size", range(0, 700, 7))
def test_cut_files_are_read_or_refused(size: int) -> None:
    for data in (pcap(framed(bytes)), pcapng(framed(bytes))):
        try:
            capture.read("file", data[:size])
        except Unreadable as error:
            assert "file: " in str(error)


def test_a_flood_of_clients_is_bounded() -> None:
    """Very many clients, each asking once: few sides, in time."""
    frame = FRAMES[0].data
    frames = [(0.0, frame[:26] + number.to_bytes(4, "big") + frame[30:]) for number in range(20_000)]
    began = time.process_time()
    found = capture.read("file", pcap(frames))
    assert len(found) <= 64
    assert time.process_time() - began < WITHIN


def test_a_flood_of_peers_is_bounded() -> None:
    """Very many peers of one client: few flows, and nothing kept of what was sent to them."""
    frame, rows = FRAMES[0].data, []
    for number in range(5_200):
        peer = (stun.XOR_PEER_ADDRESS, stun.encode_xor_address(number.to_bytes(6, "big"), stun.COOKIE + bytes(12)))
        message = stun.encode(stun.SEND | stun.INDICATION, stun.COOKIE + bytes(12), [peer, (stun.DATA, bytes(4))])
        message = message[:2] + (10_000).to_bytes(2, "big") + message[4:-6] + (9_980).to_bytes(2, "big") + message[-4:]
        udp = frame[34:38] + (8 + 10_020).to_bytes(2, "big") + bytes(2) + message  # the capture cut 10 kB off each
        rows.append((0.0, frame[:16] + (20 + len(udp)).to_bytes(2, "big") + frame[18:34] + udp))
    tracemalloc.start()
    (side,) = capture.read("file", pcap(rows))
    assert tracemalloc.get_traced_memory()[1] < 35_000_000
    tracemalloc.stop()
    assert 1000 < len(side.peer_flows) <= MOST_FLOWS
    assert side.peer_flows[0].sent_largest > 9_000


def test_the_number_of_records_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "MOST_RECORDS", 2)
    assert exchanges(capture.read("file", pcap(framed(bytes)))) == EXPECTED[:1]


def test_what_has_no_call_in_it_says_so() -> None:
    for data, words in (
        (pcap([]), "without a single IP packet"),
        (pcap([(0.0, b"\0" * 60)]), "without a single IP packet"),
    ):
        with pytest.raises(Unreadable, match=words):
            capture.read("file", data)
    other = [(at, frame[:42] + bytes(len(frame) - 42)) for at, frame in framed(bytes)]
    with pytest.raises(Unreadable, match="neither STUN nor TURN"):
        capture.read("file", pcap(other))
