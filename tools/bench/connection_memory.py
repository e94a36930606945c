"""Resident memory of connections: what each costs a relay that holds many, idle and after some media.

A pool of fixed size is taken at start: "pool" is what one more configured connection costs a relay that is idle, "use"
what one that lives, with an allocation and a channel, adds. A relay without pools has only the second.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass

from tools.bench.bench import Bench, progress
from tools.bench.figures import Goal, Section, judge, middle, ratios
from tools.bench.memory import KILOBYTE, SETTLE
from tools.bench.running import Running
from tools.bench.stream_systems import (
    COTURN_STREAMS,
    CPYTHON_STREAMS,
    MICRO_STREAMS,
    SMALL_POOL,
    StreamEdgeturn,
)
from tools.bench.streams import SECURE, open_flow
from tools.bench.systems import System

COUNT, QUICK_COUNT = 400, 100
GOAL = Goal(1.0)
REPETITIONS = 2


@dataclass(frozen=True)
class Held:
    """Bytes of one connection: taken at start, and in use."""

    pool: float
    use: float


def hold(bench: Bench, system: System, secure: bool, count: int) -> Held:
    pool = 0.0
    if isinstance(system, StreamEdgeturn):
        pool = resident(bench, system, count) - resident(bench, SMALL_POOL[system.name], count)
        pool /= system.connections - SMALL_POOL[system.name].connections
    with bench.fresh(system, count) as running, ExitStack() as opened:
        warm_up(running, secure)
        before = running.process.memory().resident
        for _ in range(count):
            opened.callback(open_flow(running, secure).client.close)
        time.sleep(SETTLE)
        return Held(pool, (running.process.memory().resident - before) / count)


def resident(bench: Bench, system: System, allocations: int) -> float:
    with bench.fresh(system, allocations) as running:
        time.sleep(SETTLE)
        return running.process.memory().resident


def warm_up(running: Running, secure: bool) -> None:
    """Have loaded what the first connection loads."""
    open_flow(running, secure).client.close()
    time.sleep(SETTLE)


def measure(bench: Bench) -> list[Section]:
    count = QUICK_COUNT if bench.quick else COUNT
    section = Section(
        "Memory of connections",
        f"{count} connections, each with an allocation and a channel; KB of resident memory for one",
        ("", "taken at start", "taken in use", "in all", "of coturn"),
    )
    systems = bench.possible((COTURN_STREAMS, CPYTHON_STREAMS, MICRO_STREAMS))
    for transport, secure in SECURE.items():
        runs: dict[str, list[Held]] = {system.name: [] for system in systems}
        for repetition in range(min(REPETITIONS, bench.repetitions)):
            progress(f"memory of {transport} connections, repetition {repetition + 1}")
            for system in systems:
                with bench.tolerating(system):
                    runs[system.name].append(hold(bench, system, secure, count))
        section.rows.append((transport, "", "", "", ""))
        reference = [(run.pool + run.use) / KILOBYTE for run in runs.get(COTURN_STREAMS.name, [])]
        for system in systems:
            pool = [run.pool / KILOBYTE for run in runs[system.name]]
            use = [run.use / KILOBYTE for run in runs[system.name]]
            both = [a + b for a, b in zip(pool, use, strict=True)]
            name = f"{system.name} {transport} KB"
            section.samples[name] = both
            goal = GOAL if secure and system is CPYTHON_STREAMS else None
            share = judge(section, f"{name} of coturn", ratios(both, reference), goal)
            section.rows.append((f"  {system.label}", middle(pool), middle(use), middle(both), share))
    return [section]
