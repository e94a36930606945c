"""Places in the map `counters`: a pair for each channel that the kernel carries, up and down, side by side.

Rule 1: places are numbered from 1; 0 is none.
Rule 2: a place has one owner at a time, also when that is what a relay before this one left behind.
Rule 3: they're given in turn, so that a CPU that is late with what it counted finds nobody new there.
"""

NONE = 0


def up(place: int) -> int:
    """Return the counter of the flow from client to peer."""
    return 2 * place - 2


def down(place: int) -> int:
    """Return the counter of the flow from peer to client."""
    return 2 * place - 1


class Places:
    """Which places are taken: a bit for each."""

    def __init__(self, count: int) -> None:
        """Take how many there are."""
        self._bits = bytearray((count + 7) // 8)
        self._count = count
        self._next = 0  # where the search begins, from 0
        for beyond in range(count, 8 * len(self._bits)):
            self._bits[beyond >> 3] |= 1 << (beyond & 7)

    def take(self) -> int:
        """Return a free place, NONE where there's none."""
        bits, at = self._bits, self._next >> 3
        skipped = (1 << (self._next & 7)) - 1  # of the first eight, those that come last
        for _ in range(len(bits) + 1):
            taken = bits[at] | skipped
            if taken != 0xFF:
                free = ~taken & (taken + 1)  # the lowest bit that isn't set
                bits[at] |= free
                self._next = (8 * at + len(bin(free)) - 2) % self._count
                return self._next or self._count
            skipped = 0
            at = (at + 1) % len(bits)
        return NONE

    def claim(self, place: int) -> bool:
        """Take one certain place; say whether it was free."""
        at, bit = (place - 1) >> 3, 1 << (place - 1 & 7)
        if not 0 < place <= self._count or self._bits[at] & bit:
            return False
        self._bits[at] |= bit
        return True

    def give(self, place: int) -> None:
        """Take a place back."""
        self._bits[(place - 1) >> 3] &= 0xFF ^ (1 << (place - 1 & 7))
