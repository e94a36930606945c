"""Rates: which cells of the budgets belong to an allocation, to its user's account and to the relay as a whole.

    0 nobody's | total up, down | each allocation up, down | each account up, down

Rule 1: what flows in one direction is drawn from three cells, and has to be there in all of them.
"""

from edgeturn.protocol.budget import Budgets
from edgeturn.protocol.limits import Limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.protocol.pool import Allocation

    Cells = tuple[int, int, int]  # of allocation, account and relay

NOBODY = 0
_TOTAL = 1
_FIRST = 3


class Rates:
    """The cells of a relay, up and down side by side."""

    def __init__(self, limits: Limits, accounts: int) -> None:
        """Make the cells for the allocations that there may be, and for so many accounts."""
        self._accounts = _FIRST + 2 * limits.max_allocations
        self.budgets = Budgets(self._accounts + 2 * accounts)
        self._set(_TOTAL, limits.total_bandwidth)

    def up(self, owner: "Allocation") -> "Cells":
        """Return the cells of the direction to the peers."""
        assert owner.account is not None
        return _FIRST + 2 * owner.slot, self._accounts + 2 * owner.account.slot, _TOTAL

    def down(self, owner: "Allocation") -> "Cells":
        """Return the cells of the direction to the client."""
        own, account, total = self.up(owner)
        return own + 1, account + 1, total + 1

    def open_allocation(self, slot: int, rate: int) -> None:
        """Begin anew for an allocation."""
        self._reset(_FIRST + 2 * slot, rate)

    def open_account(self, slot: int, rate: int) -> None:
        """Begin anew for an account."""
        self._reset(self._accounts + 2 * slot, rate)

    def set_allocation(self, slot: int, rate: int) -> None:
        """Give an allocation another rate."""
        self._set(_FIRST + 2 * slot, rate)

    def set_account(self, slot: int, rate: int) -> None:
        """Give an account another rate."""
        self._set(self._accounts + 2 * slot, rate)

    def set_total(self, rate: int) -> None:
        """Give the relay another rate."""
        self._set(_TOTAL, rate)

    def give_back(self, owner: "Allocation") -> None:
        """Give back what an allocation that ends has drawn and not used of what it shares with others."""
        for cell in self.up(owner)[1:]:
            self.budgets.give_back(cell, owner.up_credit)
        for cell in self.down(owner)[1:]:
            self.budgets.give_back(cell, owner.down_credit)

    def _set(self, cell: int, rate: int) -> None:
        self.budgets.set_rate(cell, rate)
        self.budgets.set_rate(cell + 1, rate)

    def _reset(self, cell: int, rate: int) -> None:
        self.budgets.reset(cell, rate)
        self.budgets.reset(cell + 1, rate)
