"""bpf(2): maps, what is in them and their pins, for both interpreters.

Rule 1: attributes end with the last field that a call uses: an older kernel refuses those that it doesn't know.
Rule 2: buffers whose addresses the kernel is given are made once for a map and live as long as it does.
Rule 3: a failed call is an OSError with the kernel's number; only "not there" is an answer.

Source: linux/bpf.h, union bpf_attr; bpf(2).
"""

from errno import EADDRINUSE
from struct import pack, unpack_from

from edgeturn.seam import bpf, call, memory_address

HASH, ARRAY, PERCPU_ARRAY, DEVMAP_HASH = 1, 2, 6, 25  # enum bpf_map_type
PER_CPU = (5, PERCPU_ARRAY, 10, 21)
NAME_SIZE = 16  # BPF_OBJ_NAME_LEN, with a zero at the end
EPERM, ENOENT = 1, 2

_CREATE, _LOOKUP, _UPDATE, _DELETE, _NEXT_KEY, _PIN, _OPEN, _INFORMATION = 0, 1, 2, 3, 4, 6, 7, 15  # enum bpf_cmd
_LOCKED_MEMORY = 9 if EADDRINUSE == 125 else 8  # RLIMIT_MEMLOCK; on MIPS the other
_NO_LIMIT = b"\xff" * 16  # struct rlimit
_ELEMENT = "I4xQQQ"  # file, key, value or next key, flags
_POSSIBLE = "/sys/devices/system/cpu/possible"


def index(number: int) -> bytes:
    """Return the key of an array's entry."""
    return pack("I", number)


class Map:
    """A map of the kernel; a per-CPU map's values are those of all CPUs in a row, each rounded up to 8 bytes."""

    def __init__(self, file: int, kind: int, key_size: int, value_size: int, entries: int) -> None:
        """Take an open map and what it was created with."""
        self.file = file
        self.kind = kind
        self.key_size = key_size
        self.value_size = value_size
        self.entries = entries
        self._padding = bytes(-value_size % 8) if kind in PER_CPU else b""
        self._copies = possible_cpus() if kind in PER_CPU else 1
        self._key = bytearray(key_size)
        self._value = bytearray((value_size + len(self._padding)) * self._copies)
        self._following = bytearray(key_size)
        key = memory_address(self._key)
        self._element = bytearray(pack(_ELEMENT, file, key, memory_address(self._value), 0))
        self._removal = bytearray(pack(_ELEMENT, file, key, 0, 0))  # a field that isn't used must be zero
        self._first = bytearray(pack(_ELEMENT, file, 0, memory_address(self._following), 0))
        self._next = bytearray(pack(_ELEMENT, file, key, memory_address(self._following), 0))

    def get(self, key: bytes) -> "bytes | None":
        """Return the value of a key, None where there's none."""
        self._put_key(key)
        return bytes(self._value) if _found(_LOOKUP, self._element) else None

    def set(self, key: bytes, value: bytes) -> None:
        """Write the value of a key, whether it's there or not; in a per-CPU map for each CPU the same."""
        if len(value) != self.value_size:
            raise ValueError("size of the value")
        self._put_key(key)
        self._value[:] = (value + self._padding) * self._copies
        bpf(_UPDATE, self._element)

    def delete(self, key: bytes) -> bool:
        """Remove a key and return whether it was there."""
        self._put_key(key)
        return _found(_DELETE, self._removal)

    def keys(self) -> "list[bytes]":
        """Return all keys, each once: where another removes one meanwhile, the kernel begins anew."""
        found: set[bytes] = set()
        more = _found(_NEXT_KEY, self._first)
        while more and len(found) < self.entries:
            self._key[:] = self._following
            found.add(bytes(self._key))
            more = _found(_NEXT_KEY, self._next)
        return list(found)

    def close(self) -> None:
        """Close the map; its pins and programs keep it."""
        if self.file >= 0:
            close(self.file)
        self.file = -1

    def _put_key(self, key: bytes) -> None:
        if len(key) != self.key_size:  # it would move the buffer away from where the kernel looks
            raise ValueError("size of the key")
        self._key[:] = key


def _found(command: int, attributes: bytearray) -> bool:
    """Call bpf(2) and return whether it found what it was to find."""
    try:
        bpf(command, attributes)
    except OSError as error:
        if error.args[0] != ENOENT:
            raise
        return False
    return True


def create(kind: int, key_size: int, value_size: int, entries: int, flags: int = 0, name: str = "") -> Map:
    """Create a map; the name, at most 15 letters, digits or underscores, is for those who list maps."""
    numbers = (kind, key_size, value_size, entries, flags, 0, 0)
    attributes = bytearray(pack("7I", *numbers) + name.encode() + bytes(NAME_SIZE - len(name)))
    return Map(charge(_CREATE, attributes), kind, key_size, value_size, entries)


def pin(file: int, path: str) -> None:
    """Give a map or program a name in a BPF file system, which keeps it when all processes are gone."""
    name = bytearray(path.encode() + b"\0")
    bpf(_PIN, bytearray(pack("QII", memory_address(name), file, 0)))


def open_pinned(path: str) -> Map:
    """Open a pinned map, for reading and writing."""
    name = bytearray(path.encode() + b"\0")
    file = bpf(_OPEN, bytearray(pack("QII", memory_address(name), 0, 0)))
    try:
        kind, _, key_size, value_size, entries = unpack_from("5I", information(file, 20))
        return Map(file, kind, key_size, value_size, entries)
    except OSError:
        close(file)
        raise


def information(file: int, size: int) -> bytes:
    """Return the beginning of what the kernel says of an open map or program: struct bpf_map_info, bpf_prog_info."""
    answer = bytearray(size)
    bpf(_INFORMATION, bytearray(pack("IIQ", file, size, memory_address(answer))))
    return bytes(answer)


def close(file: int) -> None:
    """Close a file by its number, which MicroPython's os can't."""
    open(file, "rb", 0).close()


def charge(command: int, attributes: bytearray) -> int:
    """Call bpf(2) for what takes memory: before Linux 5.11 that counts as locked, and the limit of that is small."""
    try:
        return bpf(command, attributes)
    except OSError as error:
        if error.args[0] != EPERM or not _lift_limit():
            raise
    return bpf(command, attributes)


def _lift_limit() -> bool:
    """Lift the limit of locked memory and return whether that changed something."""
    try:
        import resource  # not on MicroPython
    except ImportError:
        return _lift_by_call()
    try:
        if resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY:
            return False
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (OSError, ValueError):
        return False
    return True


def _lift_by_call() -> bool:
    """Lift the limit through the C library; where a limit has half the size, only the first half is looked at."""
    limits = bytearray(len(_NO_LIMIT))
    try:
        call("getrlimit", _LOCKED_MEMORY, limits)
        if limits == _NO_LIMIT:
            return False
        call("setrlimit", _LOCKED_MEMORY, _NO_LIMIT)
    except OSError:
        return False
    return True


def possible_cpus() -> int:
    """Return how many CPUs a per-CPU value has: those that this machine could ever have."""
    with open(_POSSIBLE) as stream:
        text = stream.read()
    count = 0
    for part in text.split(","):
        first, _, last = part.partition("-")
        count += int(last or first) - int(first) + 1
    return count
