"""What pools cost: bytes of a relay from its pool sizes, and pool sizes from a budget of bytes.

Rule 1: every number of COSTS was measured, by `tools/measure_pool.py`, on 64-bit machines; a test measures again.
        Our firmware knows its own, which for 32 bits were measured on mipsel.
Rule 2: the kernel's memory for sockets is no part of it: each relayed address has one, its buffers fill under load.

A hash table takes its memory in steps, so it has rows (entries, bytes): up to so many entries it takes so many bytes.
"""

import struct

from edgeturn import seam
from edgeturn.protocol.limits import ANSWER_ROOM, MOST_ALLOCATIONS, SURE_CHANNELS, Limits

CPYTHON = "CPython"
MICROPYTHON = "MicroPython"
_OTHER_FILES = 40


class Costs:
    """Bytes of one interpreter's records.

    process: what a relay without pools takes, on MicroPython outside of its heap; code: on MicroPython its heap;
    room: what a heap of fixed size has to keep free; allocation: with its accounts; relay: with its socket;
    connection: without its buffers; tcp_peer: a TCP connection with a peer.
    """

    def __init__(
        self,
        process: int,
        code: int,
        room: int,
        allocation: int,
        relay: int,
        channel: int,
        connection: int,
        tcp_peer: int,
        tables: "tuple[tuple[int, int], ...]",
    ) -> None:
        """Take a row."""
        self.process = process
        self.code = code
        self.room = room
        self.allocation = allocation
        self.relay = relay
        self.channel = channel
        self.connection = connection
        self.tcp_peer = tcp_peer
        self.tables = tables

    def table(self, entries: int) -> int:
        """Return the bytes of a hash table."""
        for most, size in self.tables:
            if entries <= most:
                return size
        return self.tables[-1][1] * entries // self.tables[-1][0]


# What comes and goes in a heap of fixed size: each datagram is received into 64 KB in one piece, between scattered ones
_ROOM = 5 * 65536
_FIRMWARE_ROOM = 2 * 65536  # what is received stands outside of the heap; the garbage of requests is collected early

# (entries, bytes) of a hash table on MicroPython, with 64 and with 32 bits
_TABLES_64 = (
    (2, 73),
    (4, 105),
    (6, 137),
    (12, 233),
    (17, 329),
    (29, 521),
    (47, 809),
    (73, 1225),
    (127, 2089),
    (167, 2729),
    (256, 4745),
)
_TABLES_32 = (
    (2, 36),
    (4, 51),
    (6, 67),
    (12, 113),
    (17, 161),
    (29, 254),
    (47, 394),
    (73, 597),
    (127, 1019),
    (167, 1332),
    (256, 2316),
)

COSTS = {
    CPYTHON: Costs(
        15810000,
        0,
        0,
        638,
        521,
        117,
        2900,
        890,
        ((5, 234), (10, 362), (21, 642), (42, 1178), (85, 2274), (170, 4698), (256, 9314)),
    ),
    MICROPYTHON: Costs(
        3100000,
        502000,
        _ROOM,
        1004,
        589,
        206,
        1120,
        586,
        _TABLES_64,
    ),
}
if seam.FIRMWARE and struct.calcsize("P") == 8:
    COSTS[MICROPYTHON] = Costs(547000, 195000, _FIRMWARE_ROOM, 1012, 584, 205, 1120, 586, _TABLES_64)
elif seam.FIRMWARE:
    COSTS[MICROPYTHON] = Costs(600000, 109000, _FIRMWARE_ROOM, 472, 326, 103, 560, 293, _TABLES_32)


class Estimate:
    """What a relay with certain limits takes."""

    def __init__(self, interpreter: str, limits: Limits, families: int) -> None:
        """Compute: interpreter is CPYTHON or MICROPYTHON; families is how many address families are relayed."""
        costs = COSTS[interpreter]
        self.pool = _pool(costs, limits, families, limits.max_allocations)
        self.each = self.pool // limits.max_allocations
        self.streams = _streams(costs, limits)
        self.heap = costs.code + self.pool + self.streams + costs.room
        self.total = costs.process + self.heap
        self.sockets = limits.max_allocations * families


def _pool(costs: Costs, limits: Limits, families: int, allocations: int) -> int:
    """Return the bytes of so many allocations with everything that belongs to them."""
    channels = costs.table(limits.usual_channels())
    own = costs.allocation + channels + families * (costs.relay + costs.table(limits.max_permissions) + channels)
    shared = limits.spare_channels(allocations) * _growth(costs, limits)
    each = own + -(-(limits.all_channels(allocations) * costs.channel + shared) // allocations)
    return allocations * each


def _growth(costs: Costs, limits: Limits) -> int:
    """Return by how much the two tables that a channel stands in may grow for a shared one, at the most."""
    usual, sizes = limits.usual_channels(), range(limits.usual_channels() + 1, limits.max_channels + 1)
    grown = [2 * (costs.table(size) - costs.table(usual)) // (size - SURE_CHANNELS) for size in sizes]
    return max(grown or [0])


def _streams(costs: Costs, limits: Limits) -> int:
    """Return the bytes of all connections over TCP and TLS; what a library keeps of TLS comes on top."""
    with_peers = limits.max_tcp_peers * costs.tcp_peer if limits.tcp_relay else 0
    return with_peers + limits.max_connections * (costs.connection + 2 * limits.stream_buffer + ANSWER_ROOM)


def fitting(interpreter: str, limits: Limits, families: int, memory: int) -> int:
    """Return how many allocations fit into so many bytes, 0 where not even one does."""
    costs = COSTS[interpreter]
    left = memory - costs.process - costs.code - costs.room - _streams(costs, limits)
    least, most = 0, MOST_ALLOCATIONS
    while least < most:
        middle = (least + most + 1) // 2
        if _pool(costs, limits, families, middle) <= left:
            least = middle
        else:
            most = middle - 1
    return least


def open_files(limits: Limits, families: int) -> int:
    """Return how many open files a relay needs: its sockets, and some for listeners, control and standard streams."""
    tcp = 2 * limits.max_allocations * families + limits.max_tcp_peers if limits.tcp_relay else 0  # held, listening
    return limits.max_allocations * families + tcp + limits.max_connections + limits.max_spliced + _OTHER_FILES


def held_files(limits: Limits, families: int) -> int:
    """Return how many more a relay may need after a restart, for the addresses that the kernel still carries."""
    return limits.max_allocations * families


def holds(limits: Limits, families: int) -> str:
    """Return the log line that says what this relay can hold, and in how many bytes."""
    estimate = Estimate(seam.INTERPRETER.split(" ")[0], limits, families)
    return (
        f"holds allocations={limits.max_allocations} permissions={limits.max_permissions}"
        f" channels={limits.max_channels} connections={limits.max_connections} bytes={estimate.total}"
        f" pools={estimate.pool + estimate.streams}"
    )
