"""Maps that are dictionaries, for tests of who writes them; no pytest, it runs on both interpreters.

A map that is `broken` fails as the kernel does where it has no memory or no permission.
"""

from edgeturn.kernel import bpf, maps
from edgeturn.kernel.maps import Maps
from edgeturn.protocol.limits import Limits

CPUS = 2
E2BIG, EBUSY = 7, 16


class Imitation:
    """A hash, an array or a per-CPU array."""

    def __init__(self, kind: int, key_size: int, value_size: int, entries: int) -> None:
        self.kind, self.key_size, self.value_size, self.entries = kind, key_size, value_size, entries
        self.broken = 0  # errno
        self.no_memory = False  # for what the interpreter has to do with it
        self.stuck: set[bytes] = set()  # keys that can't be deleted
        self.calls = 0
        self.content: dict[bytes, bytes] = {}
        self._copies = CPUS if kind in bpf.PER_CPU else 1
        if kind in (bpf.ARRAY, bpf.PERCPU_ARRAY):
            for number in range(entries):
                self.content[bpf.index(number)] = bytes(value_size * self._copies)

    def get(self, key: bytes) -> "bytes | None":
        self._called(key)
        return self.content.get(key)

    def set(self, key: bytes, value: bytes) -> None:
        self._called(key)
        assert len(value) == self.value_size
        if key not in self.content and (len(self.content) >= self.entries or self.kind != bpf.HASH):
            raise OSError(E2BIG)
        self.content[key] = value * self._copies

    def delete(self, key: bytes) -> bool:
        self._called(key)
        assert self.kind == bpf.HASH
        if key in self.stuck:
            raise OSError(EBUSY)
        return self.content.pop(key, None) is not None

    def keys(self) -> "list[bytes]":
        if self.broken:
            raise OSError(self.broken)
        return list(self.content)

    def by_hand(self, key: bytes, value: bytes) -> None:
        """Write what only the program can: another value for each CPU."""
        assert key in self.content and len(value) == len(self.content[key])
        self.content[key] = value

    def close(self) -> None:
        self.broken = 9  # EBADF

    def _called(self, key: bytes) -> None:
        assert len(key) == self.key_size
        self.calls += 1
        if self.no_memory:
            raise MemoryError
        if self.broken:
            raise OSError(self.broken)


def imitate(limits: Limits) -> Maps:
    """Return the maps of a relay with certain limits."""
    entries = maps.sizes(limits)
    made = {}
    for name, kind, key_size, value_size in maps.TABLE:
        made[name] = Imitation(kind, key_size, value_size, entries[name])
    return Maps(made)  # type: ignore[arg-type]
