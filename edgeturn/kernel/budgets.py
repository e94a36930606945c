"""Rates that the kernel's program and Python share: budgets whose cells are those of the map `budgets`.

Rule 1: both take from what a cell has left; a second begins with the first who takes something after the one before.
Rule 2: Python draws in pieces as ever, a few calls of bpf(2) a second; what both take in one moment may count once.
Rule 3: a flow has no cell where the rate is unlimited; one that still has it finds more there than it can use.
"""

from struct import pack, unpack

from edgeturn.kernel.bpf import Map, index
from edgeturn.kernel.flows import SECOND
from edgeturn.protocol.budget import UNLIMITED, Budgets
from edgeturn.protocol.rates import NOBODY

_CELL = "QQq"  # rate, end of the second, left: below nothing where two CPUs took the last of it
_ENDLESS = 1 << 62


class SharedBudgets(Budgets):
    """So much in every second, for the kernel and Python together."""

    def __init__(self, cells: Map) -> None:
        """Take the map; what its cells hold stays until somebody gets them."""
        self._rates = [0] * cells.entries
        self._cells = cells

    def reset(self, cell: int, rate: int) -> None:
        self._rates[cell] = rate
        if rate:
            self._write(cell, rate, 0, 0)

    def set_rate(self, cell: int, rate: int) -> None:
        before = self._rates[cell]
        self._rates[cell] = rate
        if not rate and before:
            self._write(cell, _ENDLESS, 0, 0)
        elif rate != before:
            _, ends, left = self._read(cell)
            self._write(cell, rate, ends if before else 0, left)

    def left(self, cell: int, now: int) -> int:
        return self._look(cell, now)[1] if self._rates[cell] else UNLIMITED

    def take(self, cell: int, amount: int, now: int) -> bool:
        rate = self._rates[cell]
        if not rate:
            return True
        ends, left = self._look(cell, now)
        if left < amount:
            return False
        self._write(cell, rate, ends, left - amount)
        return True

    def give_back(self, cell: int, amount: int) -> None:
        rate = self._rates[cell]
        if rate:
            _, ends, left = self._read(cell)
            self._write(cell, rate, ends, min(left + amount, rate))

    def _look(self, cell: int, now: int) -> "tuple[int, int]":
        """Return when the second ends and what it still holds; a new one ends with the clock's, no sooner than due."""
        _, ends, left = self._read(cell)
        if now * SECOND >= ends:
            return (now + 1) * SECOND, self._rates[cell]
        return ends, left

    def _read(self, cell: int) -> "tuple[int, int, int]":
        value = self._cells.get(index(cell))
        assert value is not None  # an array has all of its entries
        rate, ends, left = unpack(_CELL, value)
        return rate, ends, left

    def _write(self, cell: int, rate: int, ends: int, left: int) -> None:
        self._cells.set(index(cell), pack(_CELL, rate, ends, left))


def shared(own: Budgets, cells: Map, count: int) -> SharedBudgets:
    """Return budgets with the same rates whose cells are the map's, which may have more."""
    made = SharedBudgets(cells)
    _copy(own, made, count)
    return made


def unshared(budgets: Budgets, count: int) -> Budgets:
    """Return budgets with the same rates whose cells are Python's own."""
    made = Budgets(count)
    _copy(budgets, made, count)
    return made


def in_flow(budgets: Budgets, cells: "tuple[int, int, int]") -> "tuple[int, int, int]":
    """Return the cells that a flow draws from."""
    own, account, total = [cell if budgets.rate(cell) else NOBODY for cell in cells]
    return own, account, total


def _copy(source: Budgets, target: Budgets, count: int) -> None:
    for cell in range(1, count):
        target.reset(cell, source.rate(cell))
