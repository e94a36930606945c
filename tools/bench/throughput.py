"""Relayed packets per second and the relay's CPU time per packet.

The generator keeps so many packets under way that the relay always has work and no queue overflows, so what arrives is
what the relay can carry without loss; the relay's CPU time comes from the scheduler's own account.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tools.bench.bench import Bench, progress
from tools.bench.figures import Goal, Row, Samples, Section, judge, ratios, spread
from tools.bench.running import WAYS, Running
from tools.bench.systems import BARE, COTURN, COTURN_THREADS, CPYTHON, MARKS, MICRO, PEER_PORT, System

SECONDS, QUICK_SECONDS = 0.6, 0.4
WINDOWS = {200: 128, 1200: 80}  # packets under way that fit into a socket's default queue of 212992 bytes
GOALS = {CPYTHON.name: (Goal(0.55, at_least=True), Goal(1.2))}
NO_GOALS = (None, None)
WARM_UP_SECONDS = 0.1


@dataclass(frozen=True)
class Carried:
    """What one run of the generator through one relay gave."""

    per_second: float
    cpu: float
    """Microseconds of the relay's CPU time per packet."""
    lost: int
    wrong: int


def carry(bench: Bench, running: Running, way: str, size: int, flows: int = 1, seconds: float = SECONDS) -> Carried:
    """Flood one relay for a moment."""
    with bench.lab.socket("peer", PEER_PORT) as peer, running.flows(flows, size) as opened:
        plan = WAYS[way](opened, peer)
        bench.load.run("flood", WARM_UP_SECONDS, size, WINDOWS[size], plan=plan)
        before = running.process.cpu_time()
        answer = bench.load.run("flood", seconds, size, WINDOWS[size], plan=plan)
        spent = running.process.cpu_time() - before
    arrived = answer["received"] + answer["overflowed"]
    return Carried(
        answer["in_time"] / answer["seconds"],
        spent / max(arrived, 1) / 1000,
        max(answer["sent"] - arrived, 0),
        answer["wrong"],
    )


Table = dict[tuple[str, str, int], list[Carried]]


def cases(bench: Bench) -> Iterator[tuple[str, int]]:
    for size in (200,) if bench.quick else (200, 1200):
        for way in WAYS:
            yield way, size


def collect(bench: Bench, systems: Sequence[Running]) -> Table:
    table: Table = {}
    seconds = QUICK_SECONDS if bench.quick else SECONDS
    for repetition in range(bench.repetitions):
        progress(f"throughput, repetition {repetition + 1} of {bench.repetitions}")
        for way, size in cases(bench):
            for running in systems:
                with bench.tolerating(running.system):
                    carried = carry(bench, running, way, size, seconds=seconds)
                    table.setdefault((running.system.name, way, size), []).append(carried)
    return table


def packets(table: Table, system: System, way: str, size: int) -> Samples:
    return [carried.per_second / 1000 for carried in table.get((system.name, way, size), ())]


def cpu(table: Table, system: System, way: str, size: int) -> Samples:
    return [carried.cpu for carried in table.get((system.name, way, size), ())]


def row(section: Section, table: Table, system: System, way: str, size: int) -> Row:
    case = f"{system.name} {size} {way}"
    rate, cost = packets(table, system, way, size), cpu(table, system, way, size)
    section.samples.update({f"{case} kpps": rate, f"{case} us": cost})
    of_coturn, of_bare = GOALS.get(system.name, NO_GOALS)
    return (
        system.label,
        spread(rate, ".0f"),
        spread(cost, ".1f"),
        judge(section, f"{case} of coturn", ratios(cpu(table, COTURN, way, size), cost), of_coturn),
        judge(section, f"{case} to bare", ratios(cost, cpu(table, BARE, way, size)), of_bare),
    )


def faults(table: Table) -> list[str]:
    """Name what was lost or altered on the way: a figure with many losses is not one."""
    parts = []
    for (name, way, size), runs in table.items():
        wrong, lost = sum(run.wrong for run in runs), sum(run.lost for run in runs)
        if wrong or lost:
            parts.append(f"{name} {size} B {way} {lost}" + (f" and {wrong} altered" if wrong else ""))
    return [f"Packets lost in all runs: {', '.join(parts)}"] if parts else []


def measure(bench: Bench) -> list[Section]:
    compared = (COTURN, COTURN_THREADS, BARE, MARKS, CPYTHON, MICRO)
    table = collect(bench, bench.running(*compared))
    section = Section(
        "Relayed packets",
        "UDP ChannelData, IPv4, relay pinned to one CPU; 'of coturn': packets per second of CPU time against "
        "coturn -m 1, 'to bare': CPU time per packet against the bare loop, each within its repetition",
        ("", "1000 packets/s", "us CPU/packet", "of coturn", "to bare"),
    )
    for way, size in cases(bench):
        section.rows.append((f"{size} B {way}", "", "", "", ""))
        for system in compared:
            if packets(table, system, way, size):
                label, *cells = row(section, table, system, way, size)
                section.rows.append((f"  {label}", *cells))
    section.notes += faults(table)
    return [section]
