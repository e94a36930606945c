"""
The packets that the kernel carries are right to the last bit, in every combination that one can set up.

    client ──── router ──── peer        tests/kernel/lab/topology.py: Line

One test is one hook and one pair of families; it goes through sender checksum offload, egress checksum offload, both
directions and all lengths. "on" as the sender's offload is CHECKSUM_PARTIAL at the program, "off" is a whole checksum.
"""

import random
from collections.abc import Iterator
from itertools import product

import pytest

from tests.kernel.lab.checks import ATOMIC, MARKED, PLAIN, UNCHECKED, Ends, Marks, Place, Way
from tests.kernel.lab.kernel import Kernel, added, binding_of
from tests.kernel.lab.packets import pseudo_sum, with_checksum
from tests.kernel.lab.topology import Line

OFFLOAD = "tx-checksum-ip-generic"
LENGTHS = (0, 1, 3, 4, 172, 1200)
PAIRS = {"44": (4, 4), "66": (6, 6), "46": (4, 6), "64": (6, 4)}
RANDOM = random.Random(5)


@pytest.fixture(params=PAIRS)
def ends(request: pytest.FixtureRequest, line: Line, kernel: Kernel) -> Iterator[Ends]:
    binding = binding_of(*PAIRS[request.param])
    kernel.bind(binding)
    with Ends(binding, Place(line.client), line.relay, Place(line.peer)) as made:
        yield made


def offloads(line: Line) -> Iterator[tuple[bool, bool]]:
    """Set up, and name, every combination of the sender's and the egress's checksum offload."""
    for sender, egress in product((True, False), repeat=2):
        for node in (line.client, line.peer):
            node.feature("uplink", OFFLOAD, sender)
        for device in (line.lan, line.wan):
            line.relay.feature(device, OFFLOAD, egress)
        yield sender, egress


def rows(way: Way) -> Iterator[tuple[bytes, Marks]]:
    """Yield what is sent one way."""
    for length in (*LENGTHS, way.largest):
        yield RANDOM.randbytes(length), PLAIN
    if (way.sent[0], way.carried[0]) == (6, 4):  # on both sides of the limit for DF
        yield bytes(ATOMIC - way.carried[1]), PLAIN
        yield bytes(ATOMIC - way.carried[1] + 1), PLAIN
    yield RANDOM.randbytes(172), MARKED
    yield RANDOM.randbytes(way.largest), MARKED
    if way.sent[0] == way.carried[0] == 4:
        yield RANDOM.randbytes(173), UNCHECKED
    yield checksum_of_ones(way), PLAIN
    yield looks_partial(way), PLAIN


def checksum_of_ones(way: Way) -> bytes:
    """Return data whose packet has the checksum zero when it is carried: it must stand there as all ones."""
    data = RANDOM.randbytes(174)
    return with_checksum(way.after(way.before(data), data), 0).payload[-174:]


def looks_partial(way: Way) -> bytes:
    """Return data whose packet's whole checksum is, by chance, the pseudo header's sum."""
    packet = way.before(RANDOM.randbytes(174))
    return with_checksum(packet, pseudo_sum(packet)).payload[-174:]


def test_every_packet_is_right(line: Line, kernel: Kernel, ends: Ends, hook: str) -> None:
    sent = 0
    before = kernel.outcomes(), kernel.outcomes(hook)
    for sender, egress in offloads(line):
        for up in (True, False):
            for data, marks in rows(ends.way(up)):
                arrived = ends.assert_carried(up, data, marks)
                if not egress or not sender:
                    assert not arrived.partial, "a checksum is left to a device that doesn't make it"
                sent += 1
    assert added(before[0], kernel.outcomes()) == added(before[1], kernel.outcomes(hook)) == {"carried": sent}
    ends.assert_silent()
