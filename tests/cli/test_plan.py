"""`plan`'s numbers are the measured ones: the records of both interpreters, and the growth of running daemons.

Tolerances: 20 % for the bytes of records (object sizes differ a little between versions of an interpreter), 25 % for
resident memory (the allocators round, and what the start left free is used first).
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgeturn.protocol.limits import USUAL_CHANNELS, Limits
from edgeturn.relay.plan import CPYTHON, MICROPYTHON, Estimate, fitting
from tests.blackbox.relay import HOST, ROOT, Relay, Value
from tests.cli.conftest import Call

RECORDS, RESIDENT = 0.20, 0.25
SIZES = ((1, 1, 1), (16, 16, 2), (40, 6, 2))
MICRO = ROOT / ".build" / "micropython" / "bin" / "micropython"
STREAMS = 32
FEW, MANY = 256, 896  # so many that they use up what the start left free, and below 1024 open files
SETTLED = 0.3  # seconds; the last garbage of the start is collected

needs_micropython = pytest.mark.skipif(not MICRO.exists(), reason="`make micropython` fetches it")
INTERPRETERS = (
    pytest.param(CPYTHON, [sys.executable], id="cpython"),
    pytest.param(MICROPYTHON, [str(MICRO), "-X", "heapsize=16M"], id="micropython", marks=needs_micropython),
)


def limits(allocations: int, permissions: int = 16, channels: int = 16) -> Limits:
    made = Limits()
    made.max_allocations, made.max_permissions, made.max_channels = allocations, permissions, channels
    made.max_connections = STREAMS
    return made


def close(measured: int, computed: int, tolerance: float) -> bool:
    return abs(measured - computed) <= tolerance * measured


def resident(command: list[str], folder: Path, allocations: int) -> int:
    """Return the resident bytes of an idle relay."""
    folder.mkdir()
    settings: dict[str, Value] = {
        "max_allocations": allocations,
        "max_connections": STREAMS,
        "relay_address": [HOST],
        "log_level": "info",
    }
    with Relay(command, folder, settings) as relay:
        time.sleep(SETTLED)
        lines = Path(f"/proc/{relay.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024


@pytest.mark.parametrize(("name", "command"), INTERPRETERS)
def test_records_cost_what_was_measured(name: str, command: list[str]) -> None:
    for permissions, channels, families in SIZES:
        words = [*command, "tools/measure_pool.py", str(permissions), str(channels), str(families)]
        measured = int(subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
        computed = Estimate(name, limits(80, permissions, channels), families).each  # as many as are measured
        assert close(measured, computed, RECORDS), (permissions, channels, families, measured, computed)


def test_a_daemon_grows_as_planned(tmp_path: Path) -> None:
    command = [sys.executable, "-S"]
    few, many = resident(command, tmp_path / "few", FEW), resident(command, tmp_path / "many", MANY)
    # As many channels as each has at the start: tables grow for shared ones later.
    grown = Estimate(CPYTHON, limits(MANY - FEW, channels=USUAL_CHANNELS), 1).pool
    assert close(many - few, grown, RESIDENT), (many - few, grown)
    assert close(many, Estimate(CPYTHON, limits(MANY), 1).total, RESIDENT), many


@needs_micropython
def test_micropython_works_in_the_heap_that_is_planned(tmp_path: Path, call: Call) -> None:
    estimate = Estimate(MICROPYTHON, limits(64), 2)
    folder = tmp_path / "relay"
    folder.mkdir()
    with Relay([str(MICRO), "-X", f"heapsize={estimate.heap}"], folder, {"max_allocations": 64}) as relay:
        for _ in range(3):
            call("check", "-c", str(relay.file))
        lines = Path(f"/proc/{relay.process.pid}/status").read_text().splitlines()
    taken = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024
    assert close(taken, estimate.total, RESIDENT), (taken, estimate.total)


def test_what_fits_takes_no_more_than_the_budget() -> None:
    for name in (CPYTHON, MICROPYTHON):
        for memory in (4 << 20, 16 << 20, 64 << 20):
            count = fitting(name, limits(1), 2, memory)
            assert not count or Estimate(name, limits(count), 2).total <= memory
            assert count == 8192 or Estimate(name, limits(count + 1), 2).total > memory


def test_plan_prints_both_directions(call: Call, tmp_path: Path) -> None:
    nowhere = ("-c", str(tmp_path / "none"))
    said = call("plan", "--memory", "6M", *nowhere)
    assert "max_allocations that fit into 6.0 MB" in said and "CPython alone, without pools, takes" in said
    said = call("plan", "--allocations", "64", *nowhere)
    assert "64 allocations, each with 16 permissions and 16 channels at most (256 channels in all), relayed" in said
    assert "-X heapsize=" in said
    costs = json.loads(call("plan", "--allocations", "64", "--json", *nowhere))
    assert costs[MICROPYTHON]["pool"] == 64 * costs[MICROPYTHON]["each"]
    rows = json.loads(call("plan", "--memory", "6M", "--permissions", "8", "--channels", "8", "--json", *nowhere))
    assert [(row["max_permissions"], row["max_channels"]) for row in rows] == [(8, 8)]


def test_too_little_memory_says_what_the_least_is(call: Call, tmp_path: Path) -> None:
    nowhere = ("-c", str(tmp_path / "none"))
    said = call("plan", "--memory", "1", "--permissions", "1", "--channels", "2", *nowhere, code=2)
    words = said.split()
    least = int(words[words.index("bytes,") - 1])
    assert "for one allocation with 1 permission and 2 channels on MicroPython" in said
    call("plan", "--memory", str(least - 1), "--permissions", "1", "--channels", "2", *nowhere, code=2)
    call("plan", "--memory", str(least), "--permissions", "1", "--channels", "2", *nowhere)
    assert "4 permissions and 4 channels" in call("plan", "--memory", "1", "--json", *nowhere, code=2)


def test_one_is_singular(call: Call, tmp_path: Path) -> None:
    words = ("--allocations", "1", "--permissions", "1", "--channels", "1", "-c", str(tmp_path / "none"))
    assert "1 allocation, each with 1 permission and 1 channel, relayed" in call("plan", *words)


def test_wrong_sizes_are_usage(call: Call) -> None:
    assert "such as 125000 or 2M" in call("plan", "--memory", "lots", code=2)
    assert "exclude each other" in call("plan", "--memory", "4M", "--allocations", "3", code=2)
