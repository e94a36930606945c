"""What pools cost: bytes of a relay from its pool sizes, and pool sizes from a budget of bytes.

Rule 1: every number of COSTS was measured, by `tools/measure_pool.py`, on 64-bit machines; a test measures again.
Rule 2: the kernel's memory for sockets is no part of it: each relayed address has one, its buffers fill under load.

A hash table takes its memory in steps, so it has rows (entries, bytes): up to so many entries it takes so many bytes.
"""

from edgeturn import seam
from edgeturn.protocol.limits import MOST_ALLOCATIONS, Limits

CPYTHON = "CPython"
MICROPYTHON = "MicroPython"
_OTHER_FILES = 40


class Costs:
    """Bytes of one interpreter's records.

    process: what a relay without pools takes, on MicroPython outside of its heap; code: on MicroPython its heap;
    room: what a heap of fixed size has to keep free; allocation: with its two accounts; relay: with its socket.
    """

    def __init__(
        self,
        process: int,
        code: int,
        room: int,
        allocation: int,
        relay: int,
        permission: int,
        channel: int,
        tables: "tuple[tuple[int, int], ...]",
    ) -> None:
        """Take a row."""
        self.process = process
        self.code = code
        self.room = room
        self.allocation = allocation
        self.relay = relay
        self.permission = permission
        self.channel = channel
        self.tables = tables

    def table(self, entries: int) -> int:
        """Return the bytes of a hash table."""
        for most, size in self.tables:
            if entries <= most:
                return size
        return self.tables[-1][1] * entries // self.tables[-1][0]


# What comes and goes in a heap of fixed size: each datagram is received into 64 KB in one piece, between scattered ones
_ROOM = 5 * 65536

COSTS = {
    CPYTHON: Costs(
        13620000,
        0,
        0,
        605,
        665,
        55,
        104,
        ((5, 234), (10, 362), (21, 642), (42, 1178), (85, 2274), (170, 4698), (256, 9314)),
    ),
    MICROPYTHON: Costs(
        3100000,
        305000,
        _ROOM,
        910,
        560,
        78,
        206,
        (
            (2, 73),
            (6, 137),
            (12, 233),
            (17, 329),
            (29, 521),
            (47, 809),
            (73, 1225),
            (127, 2089),
            (167, 2729),
            (256, 4745),
        ),
    ),
}


class Estimate:
    """What a relay with certain limits takes."""

    def __init__(self, interpreter: str, limits: Limits, families: int) -> None:
        """Compute: interpreter is CPYTHON or MICROPYTHON; families is how many address families are relayed."""
        costs = COSTS[interpreter]
        self.each = _each(costs, limits, families)
        self.pool = self.each * limits.max_allocations
        self.heap = costs.code + self.pool + costs.room
        self.total = costs.process + self.heap
        self.sockets = limits.max_allocations * families


def _each(costs: Costs, limits: Limits, families: int) -> int:
    """Return the bytes of one allocation with everything that belongs to it."""
    permissions, channels = limits.max_permissions, limits.max_channels
    size = costs.allocation + permissions * costs.permission + channels * costs.channel + costs.table(channels)
    return size + families * (costs.relay + costs.table(permissions) + costs.table(channels))


def fitting(interpreter: str, limits: Limits, families: int, memory: int) -> int:
    """Return how many allocations fit into so many bytes, 0 where not even one does."""
    costs = COSTS[interpreter]
    left = memory - costs.process - costs.code - costs.room
    return max(0, min(left // _each(costs, limits, families), MOST_ALLOCATIONS))


def open_files(limits: Limits, families: int) -> int:
    """Return how many open files a relay needs: its sockets, and some for listeners, control and standard streams."""
    return limits.max_allocations * families + _OTHER_FILES


def held_files(limits: Limits, families: int) -> int:
    """Return how many more a relay may need after a restart, for the addresses that the kernel still carries."""
    return limits.max_allocations * families


def holds(limits: Limits, families: int) -> str:
    """Return the log line that says what this relay can hold, and in how many bytes."""
    estimate = Estimate(seam.INTERPRETER.split(" ")[0], limits, families)
    return (
        f"holds allocations={limits.max_allocations} permissions={limits.max_permissions}"
        f" channels={limits.max_channels} bytes={estimate.total} pools={estimate.pool}"
    )
