"""What pools cost: bytes of a relay from its pool sizes, and pool sizes from a budget of bytes.

Rule 1: every number of COSTS was measured, by `tools/measure_pool.py`, on 64-bit machines; a test measures again and compares.
Rule 2: the kernel's memory for sockets is no part of it: each relayed address has one, with buffers that fill only under load.

A hash table takes its memory in steps, so it has rows (entries, bytes): up to so many entries it takes so many bytes.
"""

from edgeturn.protocol.limits import Limits

CPYTHON = "CPython"
MICROPYTHON = "MicroPython"
MOST_ALLOCATIONS = 8192  # what option max_allocations takes


class Costs:
    """Bytes of one interpreter's records.

    process: what the interpreter takes outside of its heap; code: the heap of a relay without pools; room: what a heap of
    fixed size has to keep free to work in; allocation: with its two accounts; relay: with its socket.
    """

    def __init__(
        self, process: int, code: int, room: int, allocation: int, relay: int, permission: int, channel: int, tables: "tuple[tuple[int, int], ...]"
    ) -> None:  # fmt: skip
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


COSTS = {
    CPYTHON: Costs(0, 0, 0, 1, 1, 1, 1, ((1, 1),)),
    MICROPYTHON: Costs(0, 0, 0, 1, 1, 1, 1, ((1, 1),)),
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
