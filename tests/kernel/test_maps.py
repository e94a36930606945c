"""The set of a relay's maps: created once, found again, replaced where its sizes change, removed without a trace."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeturn.kernel import bpf, maps
from edgeturn.kernel.bpf import index
from edgeturn.kernel.flows import BUDGET_SIZE, COUNTER_SIZE, FLOW_SIZE, HOOK_SIZE, HOOKS, KEY_SIZE, OUTCOMES
from edgeturn.kernel.maps import Maps
from edgeturn.protocol.limits import Limits
from edgeturn.relay.options import OPTIONS

NAMES = [name for name, _, _, _ in maps.TABLE]
DEPEND_ON_LIMITS = ["flows", "counters", "budgets"]


def limits(allocations: int = 4, channels: int = 3) -> Limits:
    made = Limits()
    made.max_allocations = allocations
    made.max_channels = channels
    return made


def numbers(of: Maps) -> dict[str, bytes]:
    """Return the kernel's number of each map."""
    return {name: bpf.information(each.file, 8)[4:] for name, each in of.by_name.items()}


def open_files() -> list[str]:
    return os.listdir("/proc/self/fd")


@pytest.fixture
def folder(pins: Path) -> Iterator[str]:
    """Return where maps may be pinned; what is there at the end is removed."""
    yield str(pins)
    if pins.exists():
        maps.remove_all(str(pins))


def test_each_map_is_as_the_table_says(folder: str) -> None:
    made = maps.create_all(folder, limits(4, 3))
    entries = maps.sizes(limits(4, 3))
    assert list(made.by_name) == NAMES == list(entries)
    for name, kind, key_size, value_size in maps.TABLE:
        found = made.by_name[name]
        expected = (kind, key_size, value_size, entries[name])
        assert (found.kind, found.key_size, found.value_size, found.entries) == expected
        if name != "scratch":  # the program's own
            assert getattr(made, name) is found
    made.close()


def test_sizes() -> None:
    entries = maps.sizes(limits(4, 3))
    assert entries["flows"] == entries["counters"] == 24
    assert entries["budgets"] == 27
    assert entries["ports"] * 64 == 65536
    assert entries["tallies"] == HOOKS * len(OUTCOMES)
    assert entries["hooks"] == entries["devices"] == HOOKS


def test_maps_that_are_pinned_are_used_again_with_what_is_in_them(folder: str) -> None:
    first = maps.create_all(folder, limits())
    first.hooks.set(index(5), b"h" * HOOK_SIZE)
    again = maps.create_all(folder, limits())
    opened = maps.open_all(folder)
    assert numbers(first) == numbers(again) == numbers(opened)
    assert again.hooks.get(index(5)) == opened.hooks.get(index(5)) == b"h" * HOOK_SIZE
    for each in (first, again, opened):
        each.close()


def test_maps_of_another_size_are_replaced_and_the_others_kept(folder: str) -> None:
    first = maps.create_all(folder, limits())
    files = len(open_files())
    larger = maps.create_all(folder, limits(channels=4))
    assert len(open_files()) == files + len(NAMES)
    before, after = numbers(first), numbers(larger)
    assert [name for name in NAMES if before[name] != after[name]] == ["flows", "counters"]
    assert larger.flows.entries == 32
    more = maps.create_all(folder, limits(5, 4))
    assert [name for name in NAMES if after[name] != numbers(more)[name]] == DEPEND_ON_LIMITS
    assert numbers(maps.open_all(folder)) == numbers(more)
    for each in (first, larger, more):
        each.close()


def test_a_larger_map_takes_over_what_was_in_it_and_none_gets_smaller(folder: str) -> None:
    small = maps.create_all(folder, limits())
    key, value = bytes(range(KEY_SIZE)), bytes(range(FLOW_SIZE))
    small.flows.set(key, value)
    small.budgets.set(index(3), b"b" * BUDGET_SIZE)
    small.counters.set(index(1), b"c" * COUNTER_SIZE)
    larger = maps.create_all(folder, limits(9, 4))
    assert larger.flows.keys() == [key] and larger.flows.get(key) == value
    assert larger.budgets.get(index(3)) == b"b" * BUDGET_SIZE
    assert not any(larger.counters.get(index(1)) or b"?"), "flows that are live count anew"
    again = maps.create_all(folder, limits())
    assert numbers(again) == numbers(larger)
    for each in (small, larger, again):
        each.close()


def test_a_relay_opens_what_it_writes_and_nothing_else(folder: str) -> None:
    maps.create_all(folder, limits()).close()
    os.chmod(folder, 0o755)
    os.remove(f"{folder}/hooks")
    opened = maps.open_all(folder, maps.RELAYS)
    assert tuple(opened.by_name) == maps.RELAYS
    opened.close()


def test_a_map_of_another_version_is_not_opened_and_is_replaced(folder: str) -> None:
    maps.create_all(folder, limits()).close()
    os.remove(f"{folder}/hooks")
    old = bpf.create(bpf.ARRAY, 4, 2 * HOOK_SIZE, HOOKS)
    bpf.pin(old.file, f"{folder}/hooks")
    with pytest.raises(OSError, match="hooks is of another version"):
        maps.open_all(folder)
    made = maps.create_all(folder, limits())
    assert made.hooks.value_size == HOOK_SIZE
    made.close()
    old.close()


@pytest.mark.parametrize("missing", ["flows", "scratch"])
def test_what_fails_leaves_no_file_open(missing: str, folder: str) -> None:
    maps.create_all(folder, limits()).close()
    os.remove(f"{folder}/{missing}")
    before = open_files()
    with pytest.raises(FileNotFoundError):
        maps.open_all(folder)
    assert open_files() == before


def test_closing_leaves_no_file_open(folder: str) -> None:
    before = open_files()
    made = maps.create_all(folder, limits())
    assert len(open_files()) == len(before) + len(NAMES)
    made.close()
    assert open_files() == before


def test_only_root_may_look_at_pins(folder: str) -> None:
    maps.create_all(folder, limits()).close()
    assert os.stat(folder).st_mode & 0o077 == 0


def test_removing_leaves_nothing(folder: str) -> None:
    maps.create_all(folder, limits()).close()
    maps.remove_all(folder)
    assert not os.path.exists(folder)


def test_another_file_system_is_told_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"isn't in a BPF file system: mount -t bpf bpf /sys/fs/bpf"):
        maps.create_all(str(tmp_path / "pins" / "edgeturn"), limits())
    assert not (tmp_path / "pins").exists()


def test_a_relay_is_known_by_its_control_socket() -> None:
    (default,) = [option.default for option in OPTIONS if option.name == "control"]
    assert default and maps.instance(default) == "edgeturn"
    other = maps.instance("/run/other.sock")
    assert other == "edgeturn-b2caa980"
    assert other != maps.instance("/run/another.sock")
    assert maps.folder("/sys/fs/bpf/edgeturn", other) == "/sys/fs/bpf/edgeturn/edgeturn-b2caa980"
