"""`make footprint`: that its bytes are those of xz, and its goals judge what they say."""

import subprocess
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from tools.bench.figures import Section
from tools.bench.lab import LabError
from tools.bench.running import Running
from tools.bench.systems import COTURN
from tools.footprint import memory, sizes
from tools.footprint.memory import FEW, MANY, Firmware, Memory, Taken


def test_bytes_are_as_xz_packs_them(tmp_path: Path) -> None:
    file = tmp_path / "binary"
    file.write_bytes(Path("/bin/ls").read_bytes())
    xz = subprocess.run(["xz", "-9e", "--check=crc32", "--stdout", file], capture_output=True, check=True).stdout
    assert abs(sizes.packed(file) - len(xz)) <= 16


def test_every_binary_that_is_there_has_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "FOLDER", tmp_path)
    for name, content in (("mips-tls", bytes(1000)), ("x86_64-plain", bytes(10))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "edgeturn").write_bytes(content)
    section = sizes.measure()
    assert [row[:2] for row in section.rows[:2]] == [("mips-tls", "1000"), ("x86_64-plain", "10")]
    assert section.rows[0][3].endswith("<=300 met") and "mips-plain" in section.notes[0]


def taken(base: int, each: int) -> Taken:
    """Return what a system took that needs a base and so much for each allocation, in KB."""
    found = Taken(heaps={FEW: FEW * each * 1024, MANY: MANY * each * 1024})
    for state, count in (("idle", 0), ("few", FEW), ("loaded", FEW), ("idle many", 0), ("many", MANY)):
        size = (base + each * count) * 1024
        found.states[state] = Memory(size, size, size, size)
    return found


@pytest.mark.parametrize(("base", "each", "met"), [(900, 1, [True, True, True]), (1100, 2, [False, True, False])])
def test_goals_are_the_firmwares(base: int, each: int, met: list[bool]) -> None:
    section = Section("", "", ())
    cells = memory.cells(section, Firmware("tls"), taken(base, each))
    assert list(section.verdicts.values()) == met
    assert cells["each allocation, by its own count of the heap, KB"] == f"{each}.00"
    memory.cells(section, COTURN, taken(base, each))
    assert len(section.verdicts) == len(met)


@pytest.mark.parametrize(("sizes_read", "rests_at"), [([5, 5], 5), ([5, 6, 7, 7, 9], 7), (range(99), None)])
def test_a_state_is_read_once_it_rests(
    sizes_read: Iterable[int], rests_at: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    coming = iter(sizes_read)
    monkeypatch.setattr(memory, "SETTLE", 0)
    monkeypatch.setattr(memory, "_reading", lambda _: Memory(next(coming), 0, 0, 0))
    running = cast(Running, SimpleNamespace(system=COTURN))
    if rests_at is not None:
        assert memory.memory(running).resident == rests_at
        return
    with pytest.raises(LabError, match="doesn't come to rest"):
        memory.memory(running)
