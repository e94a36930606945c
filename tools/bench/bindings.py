"""How many bindings a second the kernel's map takes, and what a ChannelBind costs a relay that writes them there."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from edgeturn.kernel import maps
from edgeturn.protocol.limits import Limits
from tools.bench.bench import Bench, progress
from tools.bench.figures import Samples, Section, spread
from tools.bench.lab import LabError
from tools.bench.process import RELAY_CPU, settled
from tools.bench.running import CHANNEL, Running
from tools.bench.storm import MOST_SECONDS, Storm
from tools.bench.systems import COTURN, CPYTHON, CREDENTIALS, KERNEL_MICRO, KERNEL_TC, MICRO, PEER_PORT, ROOT
from tools.bench.turn_client import Dialogue, Session

PAIRS, QUICK_PAIRS = 5000, 1000
CYCLES, QUICK_CYCLES = 200, 60
CHANNELS = 16
WORKS = ("written", "written again", "deleted")
PATIENCE = 60
PEERS = "198.51.100.1"  # and two digits


def write_pairs(bench: Bench, folder: Path, interpreter: str, count: int) -> list[float]:
    """Return pairs a second: written, written again, deleted."""
    command = (interpreter, str(Path(__file__).with_name("pairs.py")), str(folder), str(count))
    paths = {"PYTHONPATH": str(ROOT), "MICROPYPATH": f"{ROOT}:.frozen"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=PATIENCE, preexec_fn=settled({RELAY_CPU}),
        env={**os.environ, **paths},
    )  # fmt: skip
    if done.returncode:
        raise LabError(f"writing flows failed: {(done.stderr or done.stdout).strip()[-300:]}")
    return [count / int(line) * 1e6 for line in done.stdout.split()]


def rates(bench: Bench) -> Section:
    section = Section(
        "Pairs of flows that the kernel's map takes in a second",
        "two entries with 40 bytes of key and 64 of value, made and written by the relay's code from one CPU",
        ("", *WORKS),
    )
    limits = Limits()
    limits.max_channels, limits.max_allocations = 1, PAIRS
    folder = bench.pins() / "pairs"
    maps.create_all(str(folder), limits).close()
    table: dict[str, list[list[float]]] = {}
    for repetition in range(bench.repetitions):
        progress(f"bindings, repetition {repetition + 1} of {bench.repetitions}")
        for system in bench.possible((CPYTHON, MICRO)):
            with bench.tolerating(system):
                found = write_pairs(bench, folder, system.interpreter, QUICK_PAIRS if bench.quick else PAIRS)
                table.setdefault(system.label, []).append(found)
    for label, runs in table.items():
        columns = [list(column) for column in zip(*runs, strict=True)]
        section.samples.update({f"{label} {work}": column for work, column in zip(WORKS, columns, strict=True)})
        section.rows.append((label, *(spread(column, ".0f") for column in columns)))
    return section


def dialogue(channels: int) -> Dialogue[None]:
    """Allocate, bind so many channels to a peer each, release."""
    session = Session(CREDENTIALS)
    yield from session.allocate()
    for number in range(channels):
        yield from session.bind_channel(CHANNEL + number, (f"{PEERS}{number:02}", PEER_PORT))
    yield from session.refresh(0)


def cost(bench: Bench, running: Running, begin: Callable[[], Dialogue[None]], cycles: int) -> float:
    """Return the microseconds of the relay's CPU time for a dialogue."""
    storming = Storm(running.server, begin)
    before = running.process.cpu_time()
    with running.lab.inside("client"):
        storming.run(cycles, MOST_SECONDS)
    if not storming.done:
        raise LabError(f"{running.system.label} binds no channel")
    return (running.process.cpu_time() - before) / storming.done / 1000


def costs(bench: Bench) -> Section:
    section = Section(
        "CPU time of a ChannelBind",
        f"us of the relay's process, its end included: what an allocation with {CHANNELS} channels costs more",
        ("relay", "us"),
    )
    systems = bench.running(COTURN, CPYTHON, KERNEL_TC, MICRO, KERNEL_MICRO)
    table: dict[str, Samples] = {running.system.label: [] for running in systems}
    cycles = QUICK_CYCLES if bench.quick else CYCLES
    for _ in range(bench.repetitions):
        for running in systems:
            with bench.tolerating(running.system):
                with_channels = cost(bench, running, lambda: dialogue(CHANNELS), cycles)
                without = cost(bench, running, lambda: dialogue(0), cycles)
                table[running.system.label].append((with_channels - without) / CHANNELS)
    for label, samples in table.items():
        section.samples[label] = samples
        section.rows.append((label, spread(samples, ".0f")))
    return section


def measure(bench: Bench) -> list[Section]:
    return [rates(bench), costs(bench)]
