"""Maps on the kernel that runs: what is written is read again, and what the kernel refuses is said."""

import errno
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from struct import pack

import pytest

from edgeturn import seam
from edgeturn.kernel import bpf
from edgeturn.kernel.bpf import ARRAY, DEVMAP_HASH, HASH, PERCPU_ARRAY, Map, index

KEYS = [bytes([number]) * 6 for number in range(1, 6)]
Make = Callable[..., Map]
_DELETE = 3  # BPF_MAP_DELETE_ELEM


@pytest.fixture
def make(pins: Path) -> Iterator[Make]:
    """Return what creates maps, which are closed at the end; it skips where the kernel takes no maps at all."""
    made: list[Map] = []

    def create(*arguments: object) -> Map:
        made.append(bpf.create(*arguments))  # type: ignore[arg-type]
        return made[-1]

    yield create
    for each in made:
        each.close()


def test_what_is_set_is_got_until_it_is_deleted(make: Make) -> None:
    table = make(HASH, 6, 12, 8)
    assert table.get(KEYS[0]) is None
    table.set(KEYS[0], b"first value!")
    table.set(KEYS[1], b"second value")
    assert (table.get(KEYS[0]), table.get(KEYS[1])) == (b"first value!", b"second value")
    table.set(KEYS[0], b"third value.")
    assert table.get(KEYS[0]) == b"third value."
    assert table.delete(KEYS[0])
    assert not table.delete(KEYS[0])
    assert (table.get(KEYS[0]), table.get(KEYS[1])) == (None, b"second value")


def test_keys_of_a_hash(make: Make) -> None:
    table = make(HASH, 6, 1, 8)
    assert table.keys() == []
    for key in KEYS:
        table.set(key, b"!")
    assert sorted(table.keys()) == KEYS
    table.delete(KEYS[2])
    assert sorted(table.keys()) == [*KEYS[:2], *KEYS[3:]]


def test_each_key_once_though_another_deletes_meanwhile(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    table = make(HASH, 6, 1, 8)
    for key in KEYS:
        table.set(key, b"!")
    calls = 0

    def delete_behind(command: int, attributes: bytearray) -> int:
        """Delete the third key as soon as it was told, so that the kernel doesn't find it and begins anew."""
        nonlocal calls
        answer = seam.bpf(command, attributes)
        calls += 1
        if calls == 3:
            third = bytearray(table._following)
            seam.bpf(_DELETE, bytearray(pack("I4xQQQ", table.file, seam.memory_address(third), 0, 0)))
        return int(answer)

    monkeypatch.setattr(bpf, "bpf", delete_behind)
    found = table.keys()
    assert calls > len(KEYS) + 1, "the kernel didn't begin anew"
    assert sorted(found) == KEYS


def test_an_array_has_all_its_keys_from_the_start(make: Make) -> None:
    table = make(ARRAY, 4, 8, 3)
    assert sorted(table.keys()) == sorted([index(0), index(1), index(2)])
    assert table.get(index(2)) == bytes(8)
    assert table.get(index(3)) is None


@pytest.mark.parametrize(
    ("what", "kind", "action", "number"),
    [
        ("an array's end", ARRAY, lambda table: table.set(index(3), bytes(8)), errno.E2BIG),
        ("an array's entry can't go", ARRAY, lambda table: table.delete(index(0)), errno.EINVAL),
        ("a device that isn't there", DEVMAP_HASH, lambda table: table.set(index(0), index(0x7FFFFFFF)), errno.EINVAL),
    ],
)
def test_refusals_are_errors(what: str, kind: int, action: Callable[[Map], object], number: int, make: Make) -> None:
    table = make(kind, 4, 4 if kind == DEVMAP_HASH else 8, 3)
    with pytest.raises(OSError) as refused:
        action(table)
    assert refused.value.errno == number, what


def test_a_full_hash_refuses_the_next_key_and_keeps_the_others(make: Make) -> None:
    table = make(HASH, 6, 1, 4)
    for key in KEYS[:4]:
        table.set(key, b"!")
    with pytest.raises(OSError) as refused:
        table.set(KEYS[4], b"!")
    assert refused.value.errno == errno.E2BIG
    assert sorted(table.keys()) == KEYS[:4]


@pytest.mark.parametrize("size", [8, 12, 1])
def test_a_value_for_each_cpu(size: int, make: Make) -> None:
    table = make(PERCPU_ARRAY, 4, size, 2)
    value = bytes(range(1, size + 1))
    table.set(index(1), value)
    each = value + bytes(-size % 8)
    assert table.get(index(1)) == each * bpf.possible_cpus()
    assert table.get(index(0)) == bytes(len(each)) * bpf.possible_cpus()


@pytest.mark.parametrize("wrong", [b"", b"12345", b"1234567"])
def test_wrong_sizes_never_reach_the_kernel(wrong: bytes, make: Make) -> None:
    table = make(HASH, 6, 6, 8)
    table.set(KEYS[0], b"value!")
    actions: tuple[Callable[[], object], ...] = (
        lambda: table.get(wrong),
        lambda: table.set(wrong, b"value!"),
        lambda: table.set(KEYS[1], wrong),
        lambda: table.delete(wrong),
    )
    for action in actions:
        with pytest.raises(ValueError, match="size of the"):
            action()
    assert table.keys() == [KEYS[0]]
    assert table.get(KEYS[0]) == b"value!"


def test_a_pinned_map_is_opened_with_its_sizes(make: Make, pins: Path) -> None:
    pins.mkdir(exist_ok=True)
    path = str(pins / "some_map")
    table = make(HASH, 6, 12, 9)
    bpf.pin(table.file, path)
    try:
        opened = bpf.open_pinned(path)
        assert (opened.kind, opened.key_size, opened.value_size, opened.entries) == (HASH, 6, 12, 9)
        opened.set(KEYS[0], b"through one.")
        assert table.get(KEYS[0]) == b"through one."
        opened.close()
        with pytest.raises(FileExistsError):
            bpf.pin(table.file, path)
    finally:
        os.remove(path)
    with pytest.raises(FileNotFoundError):
        bpf.open_pinned(path)


def test_a_map_has_its_name(make: Make) -> None:
    table = make(HASH, 4, 4, 1, 0, "fifteen_letters")
    assert bpf.information(table.file, 40)[24:] == b"fifteen_letters\0"


def test_closing_twice_closes_nobody_elses_file(make: Make) -> None:
    table = make(ARRAY, 4, 4, 1)
    number = table.file
    table.close()
    again = os.dup(0)
    try:
        assert again == number, "another file has the number now"
        table.close()
        os.fstat(again)
    finally:
        os.close(again)


def test_files_are_not_inherited(make: Make) -> None:
    assert not os.get_inheritable(make(ARRAY, 4, 4, 1).file)


@pytest.mark.parametrize(("text", "count"), [("0\n", 1), ("0-1\n", 2), ("0-3,8-11\n", 8), ("0,2,4-5\n", 4)])
def test_possible_cpus(text: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "possible").write_text(text)
    monkeypatch.setattr(bpf, "_POSSIBLE", str(tmp_path / "possible"))
    assert bpf.possible_cpus() == count


class Memory:
    """The limit of locked memory, as small as it is before Linux 5.11, and a kernel that counts maps under it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, refusal: int, may_lift: bool) -> None:
        self.soft = 65536
        self.calls = 0
        self._refusal = refusal
        self._may_lift = may_lift
        monkeypatch.setattr(resource, "getrlimit", lambda which: (self.soft, self.soft))
        monkeypatch.setattr(resource, "setrlimit", self._lift)
        monkeypatch.setattr(bpf, "bpf", self._call)

    def _lift(self, which: int, limits: tuple[int, int]) -> None:
        assert which == resource.RLIMIT_MEMLOCK
        if not self._may_lift:
            raise ValueError("not allowed to raise maximum limit")
        self.soft = limits[0]

    def _call(self, command: int, attributes: bytearray) -> int:
        self.calls += 1
        if self.soft == resource.RLIM_INFINITY:
            return 7
        raise OSError(self._refusal, "no")


def test_the_limit_of_locked_memory_is_lifted_where_maps_count(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = Memory(monkeypatch, errno.EPERM, may_lift=True)
    assert bpf.charge(0, bytearray(4)) == 7
    assert memory.calls == 2


@pytest.mark.parametrize(
    ("what", "refusal", "may_lift"), [("nobody may", errno.EPERM, False), ("not memory", errno.EINVAL, True)]
)
def test_other_refusals_change_no_limit(
    what: str, refusal: int, may_lift: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = Memory(monkeypatch, refusal, may_lift)
    with pytest.raises(OSError, match="no") as refused:
        bpf.charge(0, bytearray(4))
    assert (refused.value.errno, memory.soft, memory.calls) == (refusal, 65536, 1), what


def test_an_unlimited_kernel_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = Memory(monkeypatch, errno.EPERM, may_lift=True)
    monkeypatch.setattr(resource, "getrlimit", lambda which: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    with pytest.raises(PermissionError):
        bpf.charge(0, bytearray(4))
    assert memory.calls == 1
