"""Memory stays flat: resident memory over a million relayed packets and a hundred thousand allocate/release cycles.

The first half of each is warm-up (MicroPython touches its whole heap once before it first collects, bounded tables
fill); flat is what the second half adds.
"""

from __future__ import annotations

from collections.abc import Callable

from tools.bench.bench import Bench, progress
from tools.bench.figures import Goal, Samples, Section, judge
from tools.bench.running import Running, up
from tools.bench.storm import storm
from tools.bench.systems import CPYTHON, MICRO, PEER_PORT
from tools.bench.throughput import WINDOWS

PACKETS, CYCLES = 1_000_000, 100_000
QUICK_PACKETS, QUICK_CYCLES = 100_000, 10_000
STEPS = (0.1, 0.25, 0.5, 0.75, 1.0)
HALF = 1 + STEPS.index(0.5)
POOL = 64
EACH = 10  # cycles from one port
SIZE = 200
MOST_SECONDS = 240  # for one kind of work on one relay; what is not done by then is told
KILOBYTE = 1024
FLAT = Goal(128)

Work = Callable[[Bench, Running, int, float], int]


def relay_packets(bench: Bench, running: Running, count: int, seconds: float) -> int:
    with bench.lab.socket("peer", PEER_PORT) as peer, running.flows(1, SIZE) as flows:
        answer = bench.load.run("flood", seconds, SIZE, WINDOWS[SIZE], count, plan=up(flows, peer))
    return int(answer["received"])


def release_cycles(bench: Bench, running: Running, count: int, seconds: float) -> int:
    return storm(bench, running, count, EACH, seconds).done


def heap(running: Running) -> str:
    """Return what the relay itself says about its heap, if it does."""
    figures = (f"{key} {value}" for key, value in running.status().items() if "memory" in key)
    return ", ".join(figures)


def endure(bench: Bench, running: Running, work: Work, total: int) -> tuple[int, Samples]:
    """Do the work in steps; return how much was done and resident KB before and after each step."""
    samples, done, behind = [running.process.memory().resident / KILOBYTE], 0, 0
    for step in STEPS:
        ahead = int(total * step)
        done += work(bench, running, ahead - behind, MOST_SECONDS * (ahead - behind) / total)
        behind = ahead
        samples.append(running.process.memory().resident / KILOBYTE)
    return done, samples


def add(bench: Bench, section: Section, running: Running) -> None:
    rows: tuple[tuple[str, Work, int], ...] = (
        ("packets", relay_packets, QUICK_PACKETS if bench.quick else PACKETS),
        ("cycles", release_cycles, QUICK_CYCLES if bench.quick else CYCLES),
    )
    for what, work, total in rows:
        progress(f"endurance, {running.system.label}: {total} {what}")
        name = f"{running.system.name} {what}"
        done, samples = endure(bench, running, work, total)
        section.samples[name] = samples
        grown = judge(section, name, [samples[-1] - samples[HALF]], FLAT)
        section.rows.append((f"{running.system.label}, {done} {what}", *(f"{s:.0f}" for s in samples), grown))
    if said := heap(running):
        section.notes.append(f"{running.system.label} says of itself: {said}")


def measure(bench: Bench) -> list[Section]:
    section = Section(
        "Memory over time",
        f"resident KB before, and after a part of the work; {POOL} allocations configured; the last column is what the "
        "second half added",
        ("relay and work", "start", *(f"{step:.0%}" for step in STEPS), "KB added"),
    )
    for system in bench.possible((CPYTHON, MICRO)):
        with bench.tolerating(system), bench.fresh(system, POOL) as running:
            add(bench, section, running)
    return [section]
