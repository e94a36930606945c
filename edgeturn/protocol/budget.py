"""Rates: bytes a second, events a window, and requests of strangers.

Rule 1: a cell is counted in windows of whole seconds, by comparison and without timers.
Rule 2: a rate of 0 is unlimited.
Rule 3: all cells are made at start, in one table, that may be exchanged for one which the kernel draws from too.
Rule 4: what strangers can cause to be remembered is a table of fixed size; prefixes with one counter share a budget.
"""

from edgeturn.protocol.address import IPV4_SIZE, ip_of
from edgeturn.protocol.limits import PREFIX_TABLE_SIZE

UNLIMITED = 1 << 24  # what one draw gives where nothing limits; a small integer on 32 bits
_SMALLEST_DRAW = 2048
_DRAWS_A_WINDOW = 16
STRANGER_WINDOW = 4  # seconds
_ZEROS = bytes(256)  # as many as are cleared at a time


class Budgets:
    """So much in every window of so many seconds, for each of many cells; a cell is one direction of whoever has it."""

    def __init__(self, count: int, seconds: int = 1) -> None:
        """Make so many cells."""
        self._seconds = seconds
        self._rates = [0] * count
        self._windows = [-1] * count  # that `left` is of
        self._left = [0] * count

    def rate(self, cell: int) -> int:
        """Return the amount of one window; 0 is unlimited."""
        return self._rates[cell]

    def reset(self, cell: int, rate: int) -> None:
        """Begin anew with a rate."""
        self._rates[cell] = rate
        self._windows[cell] = -1

    def set_rate(self, cell: int, rate: int) -> None:
        """Take another rate, that counts from the next window on."""
        self._rates[cell] = rate

    def draw_size(self, cell: int) -> int:
        """Return how much is drawn at a time: small against the rate, large against a packet."""
        rate = self._rates[cell]
        return max(_SMALLEST_DRAW, rate // _DRAWS_A_WINDOW) if rate else UNLIMITED

    def left(self, cell: int, now: int) -> int:
        """Return what the current window still holds."""
        rate, window = self._rates[cell], now // self._seconds
        if window != self._windows[cell]:
            self._windows[cell] = window
            self._left[cell] = rate
        return self._left[cell] if rate else UNLIMITED

    def take(self, cell: int, amount: int, now: int) -> bool:
        """Take an amount if the current window holds it."""
        if self.left(cell, now) < amount:
            return False
        self._left[cell] -= amount
        return True

    def give_back(self, cell: int, amount: int) -> None:
        """Take back what was drawn and not used; where the window is over it's forgotten anyway."""
        self._left[cell] = min(self._left[cell] + amount, self._rates[cell])

    def draw(self, cells: "tuple[int, ...]", at_least: int, now: int) -> int:
        """Take the same amount out of every cell and return it; 0 where one of them holds less than the least."""
        amount = min([min(self.draw_size(cell), self.left(cell, now)) for cell in cells])
        amount = max(amount, at_least)
        for cell in cells:
            if self.left(cell, now) < amount:
                return 0
        for cell in cells:
            self.take(cell, amount, now)
        return amount


class Strangers:
    """Requests without valid credentials, counted per source prefix (IPv4 /24, IPv6 /56)."""

    def __init__(self, rate: int, seed: bytes) -> None:
        """Take the requests a second that a prefix has, and 8 random bytes that place prefixes unpredictably."""
        self._seed = int.from_bytes(seed[:8], "big") | 1
        self._counts = bytearray(2 * PREFIX_TABLE_SIZE)
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
            for at in range(0, len(self._counts), len(_ZEROS)):
                self._counts[at : at + len(_ZEROS)] = _ZEROS
        ip = ip_of(source)
        prefix = ip[:3] if len(ip) == IPV4_SIZE else ip[:7]
        mixed = int.from_bytes(prefix + bytes([len(prefix)]), "big") * self._seed & 0xFFFFFFFFFFFFFFFF
        return 2 * ((mixed >> 40) % PREFIX_TABLE_SIZE)
