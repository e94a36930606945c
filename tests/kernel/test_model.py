"""The model against packets that were made by hand, and checksums that are added up word by word."""

from dataclasses import replace
from random import Random

import pytest

from tests.kernel import hostile
from tests.kernel.hostile import PARTIAL, Draft
from tests.kernel.model import (
    CARRIED,
    DROPPED,
    IDENTIFICATION,
    LINK_ADDRESSES,
    PASSED,
    Budget,
    Entry,
    Flow,
    Model,
    Way,
    World,
)  # fmt: skip
from tests.kernel.scene import pack_ip

ENTRY = Entry(1, bytes.fromhex("020000000001"))
LINK = bytes.fromhex("02000000000a02000000000b")
CLIENT, PEER = {4: "198.51.100.7", 6: "2001:db8:1::7"}, {4: "203.0.113.9", 6: "2001:db8:2::9"}
OURS = {4: "192.0.2.1", 6: "2001:db8::1"}
CHANNEL = 0x4001
PAIRS = [(4, 4), (6, 6), (4, 6), (6, 4)]
IPV4_REQUEST = bytes.fromhex(
    "020000000001020000000077 0800"
    "45b80025abcd40004011a206 c6336407 c0000201"  # TOS b8, 37 bytes, DF, TTL 64
    "c3500d960011bed0"
    "4001000568656c6c6f"
)
IPV4_ANSWER = bytes.fromhex(
    "02000000000a02000000000b 080045b80021abcd40003f11913b c0000201 cb007109c0012328000ddacc68656c6c6f"
)
IPV6_ANSWER = bytes.fromhex(
    "02000000000a02000000000b 86dd"
    "6b800000000d113f 20010db8000000000000000000000001 20010db8000200000000000000000009"
    "c0012328000d7d5a"
    "68656c6c6f"
)


def end(text: str, port: int) -> tuple[bytes, int]:
    return pack_ip(text), port


def world(client: int = 4, peer: int = 4) -> World:
    """Return a world with one channel between families."""
    made = World(1000)
    listener, relayed = end(OURS[client], 3478), end(OURS[peer], 49153)
    there, here = end(PEER[peer], 9000), end(CLIENT[client], 50000)
    made.flows[listener, here, CHANNEL] = Flow(relayed, there, 0, 1001, 1)
    made.flows[relayed, there, 0] = Flow(listener, here, CHANNEL, 1001, 2)
    made.ways.update({ip: Way("", 1500, LINK) for ip in (here[0], there[0])})
    made.ways.update({pack_ip(ip): Way("local") for ip in OURS.values()})
    made.ports.update((3478, 49153))
    return made


def drafts(client: int, peer: int, data: bytes) -> list[Draft]:
    """Return a packet of the client and one of the peer."""
    message = CHANNEL.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data
    up = Draft(end(CLIENT[client], 50000), end(OURS[client], 3478), message, ENTRY.link, traffic=0xB8)
    return [up, Draft(end(PEER[peer], 9000), end(OURS[peer], 49153), data, ENTRY.link, traffic=0x02)]


def added(data: bytes) -> int:
    """Add up words in one's complement, the slow way."""
    total = 0
    for at in range(0, len(data), 2):
        total += int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big")
        total = (total & 0xFFFF) + (total >> 16)
    return total


def sums(frame: bytes) -> tuple[int, int]:
    """Return what header and datagram add up to: 0xFFFF where the checksum is right."""
    if frame[12:14] == b"\x08\x00":
        header, datagram = frame[14:34], frame[34:]
        return added(header), added(header[12:20] + bytes([0, 17]) + len(datagram).to_bytes(2, "big") + datagram)
    datagram = frame[54:]
    return 0xFFFF, added(frame[22:54] + len(datagram).to_bytes(4, "big") + bytes([0, 0, 0, 17]) + datagram)


def outcome(model: Model) -> str:
    """Return the only thing that was counted."""
    (name,) = [name for name, (packets, _) in model.tallies.items() if packets]
    return name


def test_known_packets() -> None:
    assert sums(IPV4_REQUEST) == sums(IPV4_ANSWER) == sums(IPV6_ANSWER) == (0xFFFF, 0xFFFF)
    for family, expected in ((4, IPV4_ANSWER), (6, IPV6_ANSWER)):
        model = Model(world(4, family), xdp=True)
        answer = model.run(IPV4_REQUEST, ENTRY)
        assert (answer.verdict, answer.frame.hex(), answer.free) == (CARRIED, expected.hex(), 0)
        assert model.tallies["carried"] == model.world.counters[1] == (1, 5)


@pytest.mark.parametrize("xdp", [False, True], ids=["tc", "XDP"])
@pytest.mark.parametrize(("client", "peer"), PAIRS)
def test_right_checksums_stay_right_and_what_passes_is_the_payload(client: int, peer: int, xdp: bool) -> None:
    for size in (0, 1, 3, 4, 172, 1199, 1200):
        data = Random(size).randbytes(size)
        for draft, family in zip(drafts(client, peer, data), (peer, client), strict=True):
            answer = Model(world(client, peer), xdp).run(draft.frame(), ENTRY)
            assert answer.verdict == CARRIED
            assert sums(answer.frame) == (0xFFFF, 0xFFFF)
            header = 42 if family == 4 else 62
            message = b"" if draft.payload != data else CHANNEL.to_bytes(2, "big") + size.to_bytes(2, "big")
            assert answer.frame[:12] == LINK and answer.frame[header:] == message + data
            assert answer.frame[22 if family == 4 else 21] == 63
            assert bool(answer.free & LINK_ADDRESSES) is not xdp


def test_wrong_checksums_stay_as_wrong() -> None:
    """The packet's sum is off by the same amount before and after."""
    for client, peer in PAIRS:
        for draft in drafts(client, peer, b"off by some"):
            draft.checksum, draft.checksum_word, draft.header_fault = hostile.WRONG, 0xABCD, 0x1234
            frame = draft.frame()
            answer = Model(world(client, peer), xdp=True).run(frame, ENTRY)
            before, after = sums(frame), sums(answer.frame)
            assert before[1] % 0xFFFF == after[1] % 0xFFFF != 0
            if client == peer == 4:
                assert before[0] == after[0] == 0x1234


def test_what_a_local_sender_leaves_to_its_device() -> None:
    """XDP makes it whole; in a test run of tc nobody knows that it isn't, so it stays as wrong."""
    draft = drafts(4, 4, b"partial")[0]
    draft.checksum = PARTIAL
    right = [sums(Model(world(), xdp).run(draft.frame(), ENTRY).frame)[1] == 0xFFFF for xdp in (True, False)]
    assert right == [True, False]


def test_no_checksum_stays_none_over_ipv4_and_goes_up_to_ipv6() -> None:
    for client, peer in PAIRS:
        for draft in drafts(client, peer, b"unchecked"):
            draft.checksum = hostile.NONE
            model = Model(world(client, peer), xdp=True)
            answer = model.run(draft.frame(), ENTRY)
            if client == peer == 4:
                assert answer.verdict == CARRIED and answer.frame[40:42] == bytes(2)
            else:
                assert (answer.verdict, outcome(model)) == (PASSED, "checksum")


def test_a_checksum_of_zero_is_written_as_ones() -> None:
    draft = drafts(4, 4, bytes(2))[0]
    answer = Model(world(), xdp=True).run(draft.frame(), ENTRY)
    checksum = answer.frame[40:42]
    draft = drafts(4, 4, checksum)[0]  # which so takes it away from what it was
    assert Model(world(), xdp=True).run(draft.frame(), ENTRY).frame[40:42] == b"\xff\xff"


@pytest.mark.parametrize(("size", "free", "flags"), [(1232, IDENTIFICATION, 0), (1233, 0, 0x4000)])
def test_what_may_be_fragmented_after_translation(size: int, free: int, flags: int) -> None:
    """1260 bytes of IPv4, and one more (RFC 7915 section 5.1)."""
    answer = Model(world(6, 4), xdp=True).run(drafts(6, 4, bytes(size))[0].frame(), ENTRY)
    assert (answer.free, int.from_bytes(answer.frame[20:22], "big")) == (free, flags)


Change = dict[str, object]
FAULTS: list[tuple[str, Change, str]] = [
    ("options", {"options": b"\1\1\1\1"}, "options"),
    ("a first fragment", {"flags": 0x2000}, "fragment"),
    ("a later fragment", {"flags": 1}, ""),
    ("several packets", {"segments": True}, "segments"),
    ("another protocol", {"protocol": 6}, ""),
    ("another version", {"version": 5}, ""),
    ("a header of 16 bytes", {"header_words": 4}, ""),
    ("bytes behind", {"behind": bytes(1)}, "length"),
    ("a total length too small", {"total": 36}, "length"),
    ("a length of UDP too large", {"udp_size": 18}, "length"),
    ("a length of UDP below its header", {"udp_size": 7}, "length"),
    ("the last hop", {"hops": 1}, "hops"),
    ("a tag", {"tag": b"\x81\0\0\1"}, ""),
    ("a port that isn't ours", {"destination": end(OURS[4], 3479)}, ""),
    ("somebody else", {"source": end(CLIENT[4], 50001)}, "no_flow"),
    ("another channel", {"payload": b"\x40\2\0\1x"}, "no_flow"),
    ("padding", {"payload": b"\x40\1\0\1x\0\0\0"}, "length"),
    ("a channel's length too large", {"payload": b"\x40\1\0\2x"}, "length"),
    ("no whole channel header", {"payload": b"\x40\1\0"}, "no_flow"),
    ("STUN", {"payload": b"\0\1\0\0\x21\x12\xa4\x42"}, "no_flow"),
    ("a broadcast", {"link": b"\xff" * 6}, ""),
]


@pytest.mark.parametrize(("change", "expected"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_in_doubt_a_packet_goes_up_as_it_came(change: Change, expected: str) -> None:
    draft = replace(drafts(4, 4, b"hello")[0], **change)  # type: ignore[arg-type]
    for xdp in (False, True):
        if xdp and draft.segments:
            continue  # XDP comes before
        model = Model(world(), xdp)
        answer = model.run(draft.frame(), ENTRY, draft.segments)
        assert (answer.verdict, answer.frame) == (PASSED, draft.frame())
        counted = [(name, count) for name, count in model.tallies.items() if count[0]]
        assert counted == ([(expected, (1, len(draft.frame())))] if expected else [])


@pytest.mark.parametrize("family", [4, 6])
def test_every_truncation_goes_up(family: int) -> None:
    for draft in drafts(family, 4, b"hello world"):
        frame = draft.frame()
        for size in range(14, len(frame)):
            for xdp in (False, True):
                assert Model(world(family, 4), xdp).run(frame[:size], ENTRY).verdict == PASSED


def test_ipv6_that_says_it_is_ipv4() -> None:
    """flow.h writes IPv4 addresses so; who sends them is not who has them."""
    draft = drafts(4, 4, b"hello")[0]
    hostile.disguise(Random(1), draft)
    model = Model(world(), xdp=True)
    assert model.run(draft.frame(), ENTRY).verdict == PASSED and outcome(model) == "no_flow"


def test_time_routes_and_rates() -> None:
    """Each with one change of the world."""
    destination = pack_ip(PEER[4])
    outside = Way("", 1500, LINK, xdp=False)
    for way, expected in (
        (Way("route"), "route"),
        (Way("", 32, LINK), "mtu"),
        (Way(), "neighbour"),
        (outside, "device"),
    ):
        made = world()
        made.ways[destination] = way
        model = Model(made, xdp=True)
        assert model.run(IPV4_REQUEST, ENTRY).verdict == PASSED and outcome(model) == expected
    made = world()
    made.now = 1001
    model = Model(made, xdp=True)
    assert model.run(IPV4_REQUEST, ENTRY).verdict == PASSED and outcome(model) == "expired"
    made = world()
    made.budgets[7] = Budget(100, 9)
    next(iter(made.flows.values())).budgets = (7, 0, 0)
    model = Model(made, xdp=True)
    assert [model.run(IPV4_REQUEST, ENTRY).verdict for _ in range(3)] == [CARRIED, DROPPED, DROPPED]
    assert made.budgets[7].left == 4 and model.tallies["bandwidth"] == (2, 10)


def test_from_client_to_client() -> None:
    """Channel to channel, a single hop, counted for both."""
    made = world()
    listener, one, other = end(OURS[4], 3478), end(CLIENT[4], 50000), end(PEER[4], 50001)
    mine, theirs = end(OURS[6], 49153), end(OURS[6], 49154)
    made.flows[listener, one, CHANNEL] = Flow(mine, theirs, 0, 1001, 1)
    made.flows[theirs, mine, 0] = Flow(listener, other, 0x4ABC, 1001, 2)
    model = Model(made, xdp=True)
    answer = model.run(IPV4_REQUEST, ENTRY)
    assert answer.verdict == CARRIED and sums(answer.frame) == (0xFFFF, 0xFFFF)
    assert answer.frame[22] == 63 and answer.frame[26:34] == listener[0] + other[0]
    assert answer.frame[42:] == bytes.fromhex("4abc0005") + b"hello"
    assert made.counters == {1: (1, 5), 2: (1, 5)} and model.tallies["carried"] == (1, 5)
