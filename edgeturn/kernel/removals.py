"""Removals: flows that are over, until the kernel has let go of them.

Rule 1: a flow whose deletion fails is tried again until it's gone, or until another flow is written at its key.
Rule 2: a place is given back once no flow counts there, and a relayed address is let go once no flow leads there.
"""

from edgeturn.kernel.bpf import Map
from edgeturn.kernel.counters import Places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class _Removal:
    """What is waited for with some flows of one channel."""

    __slots__ = ("count", "place", "relayed")

    def __init__(self, place: int, relayed: bytes) -> None:
        self.count = 0  # of its flows that are still there
        self.place = place
        self.relayed = relayed


class Removals:
    """Deletes the flows of channels."""

    def __init__(self, table: Map, places: Places, failed: "Callable[[], None]") -> None:
        """Take the flows, the places, and whom to tell where a deletion fails for the first time."""
        self.gone: "Callable[[bytes], None]" = lambda relayed: None  # told of a channel's relayed address
        self._table = table
        self._places = places
        self._failed = failed
        self._left: dict[bytes, _Removal] = {}
        self._tried = 0  # second of the last time

    def count(self) -> int:
        """Return how many flows couldn't be deleted yet."""
        return len(self._left)

    def delete(self, keys: "tuple[bytes, ...]", place: int, relayed: bytes = b"") -> None:
        """Delete a channel's flows; relayed: an address that is held for them."""
        removal: _Removal | None = None
        for key in keys:
            if self._delete(key):
                self.forget(key)
            elif key not in self._left:
                removal = removal or _Removal(place, relayed)
                self._left[key] = removal
                removal.count += 1
        if removal is None:
            self._end(place, relayed)
        else:
            self._failed()

    def retry(self, now: int) -> None:
        """Try again what failed, once a second."""
        if not self._left or now == self._tried:
            return
        self._tried = now
        for key in list(self._left):
            if self._delete(key):
                self.forget(key)

    def forget(self, key: bytes) -> None:
        """Wait no longer for a key, which holds nothing now or another flow."""
        removal = self._left.pop(key, None)
        if removal is None:
            return
        removal.count -= 1
        if not removal.count:
            self._end(removal.place, removal.relayed)

    def _delete(self, key: bytes) -> bool:
        try:
            self._table.delete(key)
        except (OSError, MemoryError):
            return False
        return True

    def _end(self, place: int, relayed: bytes) -> None:
        self._places.give(place)
        if relayed:
            self.gone(relayed)
