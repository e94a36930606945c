"""Resident memory: idle, above an empty interpreter, and per allocation.

A relay with pools takes its memory at start: "pool" is what one more configured allocation costs an idle relay, "use"
what one that lives costs on top. A relay without pools has only the second.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass

from tools.bench.bench import Bench, progress
from tools.bench.figures import Goal, Section, judge, middle
from tools.bench.process import Memory, start
from tools.bench.running import Running
from tools.bench.systems import COTURN, CPYTHON, FEW_ALLOCATIONS, MANY_ALLOCATIONS, MICRO, SYSTEM_CPYTHON, System

FILLED = 1000
QUICK_FILLED = 200
SETTLE = 0.3
REPETITIONS = 2
MEGABYTE, KILOBYTE = 1 << 20, 1 << 10
IDLE_GOALS = {CPYTHON.name: Goal(16.0)}
ABOVE_GOALS = {MICRO.name: Goal(1.5)}
ALLOCATION_GOALS = {MICRO.name: Goal(1.5)}


@dataclass(frozen=True)
class Held:
    """Memory of one system in its states."""

    empty: Memory | None
    idle: Memory
    idle_many: Memory
    filled: Memory
    count: int
    heap: int
    """What the larger pool takes of the heap, by the relay's own count."""

    @property
    def pool(self) -> float:
        return (self.idle_many.resident - self.idle.resident) / (MANY_ALLOCATIONS - FEW_ALLOCATIONS)

    @property
    def counted(self) -> float:
        return self.heap / (MANY_ALLOCATIONS - FEW_ALLOCATIONS)

    @property
    def use(self) -> float:
        return (self.filled.resident - self.idle_many.resident) / self.count


def empty(system: System) -> Memory | None:
    if not (command := system.empty()):
        return None
    process = start(command, system.cpus)
    try:
        time.sleep(SETTLE)
        return process.memory()
    finally:
        process.stop()


def idle(bench: Bench, system: System) -> tuple[Memory, int]:
    """Return memory, and the relay's own count of its heap (0: it has none)."""
    with bench.fresh(system, FEW_ALLOCATIONS) as running:
        time.sleep(SETTLE)
        return running.process.memory(), heap(running)


def heap(running: Running) -> int:
    return int(running.status().get("memory_bytes", 0)) if running.system is MICRO else 0


def filled(bench: Bench, system: System, count: int) -> tuple[Memory, int, Memory]:
    """Return memory and heap before that many allocations, each with a channel, and memory after them."""
    with bench.fresh(system, MANY_ALLOCATIONS) as running, ExitStack() as flows:
        time.sleep(SETTLE)
        before, counted = running.process.memory(), heap(running)
        for _ in range(count):
            flows.callback(running.open(200).client.close)
        return before, counted, running.process.memory()


def hold(bench: Bench, system: System) -> Held:
    count = QUICK_FILLED if bench.quick else FILLED
    few, few_heap = idle(bench, system)
    many, many_heap, full = filled(bench, system, count)
    return Held(empty(system), few, many, full, count, many_heap - few_heap)


def cells(section: Section, system: System, runs: list[Held]) -> dict[str, str]:
    """Return the figures of one system, by what they are."""
    name = system.name
    resident = [run.idle.resident / MEGABYTE for run in runs]
    shared = [run.idle.proportional / MEGABYTE for run in runs]
    blank = [run.empty.resident / MEGABYTE for run in runs if run.empty]
    above = [(run.idle.resident - run.empty.resident) / MEGABYTE for run in runs if run.empty]
    pool, use = [run.pool / KILOBYTE for run in runs], [run.use / KILOBYTE for run in runs]
    counted = [run.counted / KILOBYTE for run in runs if run.heap]
    both = [a + b for a, b in zip(pool, use, strict=True)]
    section.samples.update({f"{name} idle MB": resident, f"{name} above empty MB": above})
    section.samples.update({f"{name} pool KB": pool, f"{name} use KB": use})
    return {
        "empty interpreter, MB": middle(blank),
        "idle, MB": judge(section, f"{name} idle MB", resident, IDLE_GOALS.get(name)),
        "idle, Pss, MB": middle(shared),
        "idle above the empty one, MB": judge(section, f"{name} above MB", above, ABOVE_GOALS.get(name)),
        "each, taken at start, KB": middle(pool),
        "each, by its own count, KB": middle(counted),
        "each, taken in use, KB": middle(use),
        "each allocation in all, KB": judge(section, f"{name} KB each", both, ALLOCATION_GOALS.get(name)),
    }


def fill_in(section: Section, columns: list[tuple[System, dict[str, str]]]) -> None:
    section.header = ("", *(system.label.removeprefix("edgeturn, ") for system, _ in columns))
    section.rows = [(what, *(column[what] for _, column in columns)) for what in (columns[0][1] if columns else ())]


def compared() -> tuple[System, ...]:
    """Return the systems; the distribution's Python, too, where it isn't the one that runs here."""
    same = os.path.samefile(sys.executable, SYSTEM_CPYTHON.interpreter)
    return (COTURN, CPYTHON, MICRO) if same else (COTURN, CPYTHON, SYSTEM_CPYTHON, MICRO)


def measure(bench: Bench) -> list[Section]:
    section = Section(
        "Resident memory",
        f"idle: {FEW_ALLOCATIONS} allocations configured; each: what one allocation adds, from {MANY_ALLOCATIONS} "
        f"configured and {QUICK_FILLED if bench.quick else FILLED} of them in use with a channel",
        ("",),
    )
    systems = bench.possible(compared())
    table: dict[str, list[Held]] = {system.name: [] for system in systems}
    for repetition in range(min(REPETITIONS, bench.repetitions)):
        progress(f"memory, repetition {repetition + 1}")
        for system in systems:
            with bench.tolerating(system):
                table[system.name].append(hold(bench, system))
    fill_in(section, [(s, cells(section, s, table[s.name])) for s in systems if table[s.name]])
    return [section]
