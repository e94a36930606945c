"""Cost per packet with 1, 10, 100 and 1000 live allocations, the traffic spread over all: it has to stay flat."""

from __future__ import annotations

from statistics import median

from tools.bench.bench import Bench, progress
from tools.bench.figures import Goal, Samples, Section, judge, middle, ratios
from tools.bench.running import Running
from tools.bench.systems import COTURN, CPYTHON, MANY_ALLOCATIONS, MICRO
from tools.bench.throughput import carry

COUNTS = (1, 10, 100, 1000)
SIZE = 200
SECONDS = 0.5
REPETITIONS = 2
FLAT = 1.25  # or what coturn's cost grows by, where that is more: a thousand sockets cost the kernel more, too

Table = dict[tuple[str, str, int], Samples]


def collect(bench: Bench, systems: list[Running]) -> Table:
    table: Table = {}
    for repetition in range(min(REPETITIONS, bench.repetitions)):
        progress(f"live allocations, repetition {repetition + 1}")
        for way in ("up", "down"):
            for running in systems:
                for count in COUNTS:
                    with bench.tolerating(running.system):
                        cost = carry(bench, running, way, SIZE, count, SECONDS).cpu
                        table.setdefault((running.system.name, way, count), []).append(cost)
    return table


def flat_enough(table: Table, way: str) -> float:
    """Return the growth from one to most allocations that still counts as flat."""
    growth = ratios(table.get((COTURN.name, way, COUNTS[-1]), []), table.get((COTURN.name, way, COUNTS[0]), []))
    return round(max(FLAT, median(growth or [0])), 2)


def measure(bench: Bench) -> list[Section]:
    systems = bench.running(COTURN, CPYTHON, MICRO, allocations=MANY_ALLOCATIONS)
    table = collect(bench, systems)
    section = Section(
        "Cost per packet with many live allocations",
        f"{SIZE} B, traffic round robin over all; us of CPU per packet, in brackets the ratio to one allocation",
        ("relay", *(str(count) for count in COUNTS), "1000 to 1"),
    )
    for running in systems:
        for way in ("up", "down"):
            name = running.system.name
            costs = [table.get((name, way, count), []) for count in COUNTS]
            section.samples.update({f"{name} {way} {count}": cost for count, cost in zip(COUNTS, costs, strict=True)})
            shown = [f"{middle(cost, '.1f')} ({middle(ratios(cost, costs[0]))})" for cost in costs]
            growth = ratios(costs[-1], costs[0])
            goal = None if running.system is COTURN else Goal(flat_enough(table, way))
            verdict = judge(section, f"{name} {way} 1000 to 1", growth, goal)
            section.rows.append((f"{running.system.label}, {way}", *shown, verdict))
    return [section]
