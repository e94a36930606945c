"""Rates: bytes a second, events a window, and requests of strangers.

Rule 1: a budget is counted in windows of whole seconds, by comparison and without timers.
Rule 2: a rate of 0 is unlimited.
Rule 3: what strangers can cause to be remembered is a table of fixed size; prefixes with one counter share a budget.
"""

from edgeturn.protocol.address import IPV4_SIZE, ip_of
from edgeturn.protocol.limits import PREFIX_TABLE_SIZE

UNLIMITED = 1 << 24  # what one draw gives where nothing limits; a small integer on 32 bits
_SMALLEST_DRAW = 2048
_DRAWS_A_WINDOW = 16
STRANGER_WINDOW = 4  # seconds
_ZEROS = bytes(2 * PREFIX_TABLE_SIZE)


class Budget:
    """So much in every window of so many seconds."""

    def __init__(self, rate: int, seconds: int = 1) -> None:
        """Take the amount of one window; 0 is unlimited."""
        self.rate = rate
        self._seconds = seconds
        self._window = -1
        self._left = 0

    def draw_size(self) -> int:
        """Return how much is drawn at a time: small against the rate, large against a packet."""
        if not self.rate:
            return UNLIMITED
        return max(_SMALLEST_DRAW, self.rate // _DRAWS_A_WINDOW)

    def left(self, now: int) -> int:
        """Return what the current window still holds."""
        window = now // self._seconds
        if window != self._window:
            self._window = window
            self._left = self.rate
        return self._left if self.rate else UNLIMITED

    def take(self, amount: int, now: int) -> bool:
        """Take an amount if the current window holds it."""
        if self.left(now) < amount:
            return False
        self._left -= amount
        return True

    def give_back(self, amount: int) -> None:
        """Take back what was drawn and not used; where the window is over it's forgotten anyway."""
        self._left = min(self._left + amount, self.rate)


def draw(budgets: "tuple[Budget, ...]", at_least: int, now: int) -> int:
    """Take the same amount out of every budget and return it; 0 where one of them holds less than the least."""
    amount = min([min(budget.draw_size(), budget.left(now)) for budget in budgets])
    amount = max(amount, at_least)
    for budget in budgets:
        if budget.left(now) < amount:
            return 0
    for budget in budgets:
        budget.take(amount, now)
    return amount


class Strangers:
    """Requests without valid credentials, counted per source prefix (IPv4 /24, IPv6 /56)."""

    def __init__(self, rate: int, seed: bytes) -> None:
        """Take the requests a second that a prefix has, and 8 random bytes that place prefixes unpredictably."""
        self._seed = int.from_bytes(seed[:8], "big") | 1
        self._counts = bytearray(_ZEROS)
        self._window = -1
        self.set_rate(rate)

    def set_rate(self, rate: int) -> None:
        """Take another rate; 0 is unlimited."""
        self._most = min(rate * STRANGER_WINDOW, 0xFFFF)

    def admits(self, source: bytes, now: int) -> bool:
        """Say whether the prefix of port||ip has budget left."""
        return not self._most or self._count(self._place(source, now)) < self._most

    def charge(self, source: bytes, now: int) -> bool:
        """Count one request; say whether it was within the budget."""
        if not self._most:
            return True
        at = self._place(source, now)
        count = self._count(at)
        if count >= self._most:
            return False
        count += 1
        self._counts[at] = count >> 8
        self._counts[at + 1] = count & 0xFF
        return True

    def _count(self, at: int) -> int:
        return self._counts[at] << 8 | self._counts[at + 1]

    def _place(self, source: bytes, now: int) -> int:
        """Return where the counter of a prefix stands, by multiplicative hashing; clear the table for a new window."""
        window = now // STRANGER_WINDOW
        if window != self._window:
            self._window = window
            self._counts[:] = _ZEROS
        ip = ip_of(source)
        prefix = ip[:3] if len(ip) == IPV4_SIZE else ip[:7]
        mixed = int.from_bytes(prefix + bytes([len(prefix)]), "big") * self._seed & 0xFFFFFFFFFFFFFFFF
        return 2 * ((mixed >> 40) % PREFIX_TABLE_SIZE)
