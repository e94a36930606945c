"""Both interpreters drive the same maps in the same way, by one clock; what isn't needed is not imported."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgeturn import seam
from edgeturn.kernel import flows, maps
from edgeturn.kernel.bpf import Map, index
from edgeturn.protocol.limits import Limits
from tests.kernel import pinned
from tools.suite import MICROPYTHON, ROOT

INTERPRETERS = {"cpython": [sys.executable], "micropython": [str(MICROPYTHON), "-X", "heapsize=16m"]}
both = pytest.mark.parametrize("interpreter", INTERPRETERS)


def run(interpreter: str, *arguments: str) -> str:
    """Return what a program prints; its failure is ours."""
    command = [*INTERPRETERS[interpreter], *arguments]
    paths = {"PYTHONPATH": str(ROOT), "MICROPYPATH": str(ROOT)}
    done = subprocess.run(command, env={**os.environ, **paths}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def content(of: Map) -> dict[bytes, bytes | None]:
    """Return keys and values of a map."""
    found = of.keys()
    return {key: of.get(key) for key in found}


def fill(opened: maps.Maps) -> None:
    """Write something to each map."""
    flow = flows.Flow(pinned.RELAYED, pinned.PEER, 0, 7000000, 2, (4, 5, 6))
    opened.flows.set(flows.key(pinned.LISTENER, pinned.CLIENT, 0x4001), flow.pack())
    opened.counters.set(index(3), bytes(range(flows.COUNTER_SIZE)))
    opened.budgets.set(index(7), bytes(range(flows.BUDGET_SIZE)))
    opened.ports.set(index(54), bytes(range(flows.PORTS_SIZE)))
    opened.tallies.set(index(17), bytes(range(flows.TALLY_SIZE)))
    opened.hooks.set(index(1), flows.Hook(3, flows.TC, flows.PROVEN, 0, 1, 99).pack())


def test_both_do_the_same_with_the_same_maps(pins: Path) -> None:
    said, left = {}, {}
    for interpreter in INTERPRETERS:
        made = maps.create_all(str(pins), Limits())
        fill(made)
        said[interpreter] = run(interpreter, pinned.__file__, str(pins))
        left[interpreter] = {name: content(each) for name, each in made.by_name.items()}
        made.close()
        maps.remove_all(str(pins))
    assert said["micropython"].splitlines() == said["cpython"].splitlines()
    assert left["micropython"] == left["cpython"]
    assert len(left["micropython"]["flows"]) == 21
    assert "deleted True False" in said["micropython"]
    assert said["micropython"].count("refused") == 4 and "not refused" not in said["micropython"]


@both
def test_the_clock_is_the_one_of_the_kernel(interpreter: str) -> None:
    before = time.clock_gettime(time.CLOCK_MONOTONIC)
    told = int(run(interpreter, "-c", "from edgeturn import seam\nprint(seam.clock())"))
    assert int(before) <= told <= time.clock_gettime(time.CLOCK_MONOTONIC)


@both
def test_this_machine_has_the_system_call(interpreter: str) -> None:
    assert run(interpreter, "-c", "from edgeturn import seam\nprint(seam.BPF)") == "True\n"


def test_the_maps_are_imported_without_what_takes_memory() -> None:
    program = "import sys\nimport edgeturn.kernel.maps\nprint([n for n in ('ctypes', 'resource') if n in sys.modules])"
    assert run("cpython", "-c", program) == "[]\n"


@pytest.mark.parametrize(
    ("machine", "number"),
    [
        ("x86_64", 321),
        ("aarch64", 280),
        ("riscv64", 280),
        ("loongarch64", 280),
        ("mips64", 5315),
        ("s390x", 351),
        ("ppc64le", 361),
        ("sparc64", 0),
    ],
)
def test_numbers_of_the_system_call(machine: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seam.struct, "calcsize", {"P": 8}.get)
    assert seam.bpf_number(machine) == number


@pytest.mark.parametrize(
    ("machine", "number"),
    [("x86_64", 357), ("i686", 357), ("armv7l", 386), ("aarch64", 386), ("mips", 4355), ("mips64", 4355), ("ppc", 361)],
)
def test_numbers_of_the_system_call_with_32_bits(machine: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seam.struct, "calcsize", {"P": 4}.get)
    assert seam.bpf_number(machine) == number
