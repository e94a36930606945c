"""The maps of a relay: their table, and creating, pinning and opening the whole set in one folder.

Rule 1: a relay is known by its control socket; its instance names the folder of its pins.
Rule 2: the attaching process creates maps; the daemon, on both interpreters, opens those that it writes: RELAYS.
Rule 3: a map that is too small for its limits gives way to a larger one with all that was in it; none gets smaller.
"""

import os
from errno import EOPNOTSUPP

from edgeturn.kernel import bpf, flows
from edgeturn.kernel.bpf import Map
from edgeturn.seam import crc32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.protocol.limits import Limits

DEFAULT_CONTROL = "/run/edgeturn/control.sock"  # as in the options; its relay has the plain name
PORTS = 1024  # entries of the bitmap, 64 ports each

# Name, type, size of key and value. A hash has all its memory from the start.
TABLE = (
    ("flows", bpf.HASH, flows.KEY_SIZE, flows.FLOW_SIZE),
    ("counters", bpf.PERCPU_ARRAY, 4, flows.COUNTER_SIZE),
    ("budgets", bpf.ARRAY, 4, flows.BUDGET_SIZE),
    ("ports", bpf.ARRAY, 4, flows.PORTS_SIZE),
    ("tallies", bpf.PERCPU_ARRAY, 4, flows.TALLY_SIZE),
    ("hooks", bpf.ARRAY, 4, flows.HOOK_SIZE),
    ("devices", bpf.DEVMAP_HASH, 4, 4),
    ("scratch", bpf.PERCPU_ARRAY, 4, flows.SCRATCH_SIZE),
)
NAMES = tuple([row[0] for row in TABLE])
RELAYS = ("flows", "counters", "budgets", "ports")  # what the relay writes, and its user may
_COPIED = ("flows", "budgets")  # a larger map takes these over; counters of flows that are live begin anew
FILE_SYSTEM = "bpf"
_EINVAL = 22


def instance(control: str) -> str:
    """Return the name of the relay that has this control socket."""
    return "edgeturn" if control == DEFAULT_CONTROL else f"edgeturn-{crc32(control.encode()):08x}"


def folder(pins: str, instance: str) -> str:
    """Return where a relay's maps are pinned."""
    return f"{pins}/{instance}"


def sizes(limits: "Limits") -> "dict[str, int]":
    """Return how many entries each map has."""
    size = limits.max_allocations
    # Twice what there can be, for there may be as many of the relay that was here before.
    flow_count = 2 * min(2 * limits.all_channels(size), size * limits.max_channels)
    return {
        "flows": flow_count,
        "counters": flow_count,
        "budgets": 6 * limits.max_allocations + 3,
        "ports": PORTS,
        "tallies": flows.HOOKS * len(flows.OUTCOMES),
        "hooks": flows.HOOKS,
        "devices": flows.HOOKS,
        "scratch": 1,
    }


class Maps:
    """The maps of one relay that are open, by name and as attributes."""

    flows: Map
    counters: Map
    budgets: Map
    ports: Map
    tallies: Map
    hooks: Map
    devices: Map

    def __init__(self, opened: "dict[str, Map]") -> None:
        """Take them by name."""
        self.by_name = opened
        for name in opened:
            setattr(self, name, opened[name])

    def __enter__(self) -> "Maps":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close them all; pins and programs keep them."""
        _close(self.by_name)


def open_all(folder: str, names: "tuple[str, ...]" = NAMES) -> Maps:
    """Open pinned maps of a folder; OSError where one isn't there or isn't what this version takes."""
    opened: "dict[str, Map]" = {}
    try:
        for name, kind, key_size, value_size in TABLE:
            if name in names:
                opened[name] = found = bpf.open_pinned(f"{folder}/{name}")
                if (found.kind, found.key_size, found.value_size) != (kind, key_size, value_size):
                    raise OSError(_EINVAL, f"{folder}/{name} is of another version")
    except OSError:
        _close(opened)
        raise
    return Maps(opened)


def create_all(folder: str, limits: "Limits") -> Maps:
    """Open a relay's maps, and create and pin those that aren't there or are of another size."""
    from edgeturn.kernel import mounts  # here, for the relay creates none

    if mounts.mount_of(folder).kind != FILE_SYSTEM:
        raise OSError(EOPNOTSUPP, f"{folder} isn't in a BPF file system: mount -t bpf bpf /sys/fs/bpf")
    mounts.make(folder, 0o700)
    opened: dict[str, Map] = {}
    entries = sizes(limits)
    try:
        for name, kind, key_size, value_size in TABLE:
            opened[name] = _create(f"{folder}/{name}", name, (kind, key_size, value_size, entries[name]))
    except OSError:
        _close(opened)
        raise
    return Maps(opened)


def remove_all(folder: str) -> None:
    """Remove a relay's pins and their folder; what is attached keeps its maps until it is detached."""
    remove_pins(folder)
    os.rmdir(folder)


def remove_pins(folder: str) -> None:
    """Remove a relay's pins."""
    found = os.listdir(folder)
    for name in NAMES:
        if name in found:
            os.remove(f"{folder}/{name}")


def _create(path: str, name: str, wanted: "tuple[int, int, int, int]") -> Map:
    """Return the map that is pinned at a path if it will do, else a new one in its place with what was in it."""
    found = _find(path)
    if found is None:
        return _pinned(path, name, wanted)
    same_layout = (found.kind, found.key_size, found.value_size) == wanted[:3]
    if same_layout and found.entries >= wanted[3]:
        return found
    os.remove(path)
    try:
        made = _pinned(path, name, wanted)
        if same_layout and name in _COPIED:
            _copy(found, made)
        return made
    finally:
        found.close()


def _find(path: str) -> "Map | None":
    try:
        return bpf.open_pinned(path)
    except OSError as error:
        if error.args[0] != bpf.ENOENT:
            raise
        return None


def _pinned(path: str, name: str, wanted: "tuple[int, int, int, int]") -> Map:
    """Create a map and pin it at a path."""
    kind, key_size, value_size, entries = wanted
    made = bpf.create(kind, key_size, value_size, entries, 0, name)
    try:
        bpf.pin(made.file, path)
    except OSError:
        made.close()
        raise
    return made


def _copy(found: Map, made: Map) -> None:
    """Write what is in one map into another."""
    listed = found.keys()
    for key in listed:
        value = found.get(key)
        if value is not None:
            made.set(key, value)


def _close(opened: "dict[str, Map]") -> None:
    for each in opened.values():
        each.close()
