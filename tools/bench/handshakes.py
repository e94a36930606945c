"""TLS handshakes per second, and the relay's CPU time for one: full handshakes one after the other, none resumed."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tools.bench.bench import Bench, progress
from tools.bench.figures import Section, ratios, spread
from tools.bench.running import Running
from tools.bench.stream_systems import COTURN_STREAMS, CPYTHON_STREAMS, MICRO_STREAMS
from tools.bench.streams import connect

HANDSHAKES, QUICK_HANDSHAKES = 300, 60


@dataclass(frozen=True)
class Shaken:
    """Handshakes per second, and microseconds of the relay's CPU time for one."""

    per_second: float
    cpu: float


def shake(running: Running, count: int) -> Shaken:
    before, start = running.process.cpu_time(), time.monotonic()
    for _ in range(count):
        connect(running, True).close()
    seconds = time.monotonic() - start
    return Shaken(count / seconds, (running.process.cpu_time() - before) / count / 1000)


def measure(bench: Bench) -> list[Section]:
    section = Section(
        "TLS handshakes",
        "TLS 1.3 where both sides have it, P-256, one after the other, closed after the handshake",
        ("relay", "handshakes/s", "us CPU/handshake", "CPU of coturn"),
    )
    systems = bench.running(COTURN_STREAMS, CPYTHON_STREAMS, MICRO_STREAMS, allocations=200)
    table: dict[str, list[Shaken]] = {running.system.name: [] for running in systems}
    for repetition in range(bench.repetitions):
        progress(f"handshakes, repetition {repetition + 1} of {bench.repetitions}")
        for running in systems:
            with bench.tolerating(running.system):
                count = QUICK_HANDSHAKES if bench.quick else HANDSHAKES
                table[running.system.name].append(shake(running, count))
    reference = [run.cpu for run in table.get(COTURN_STREAMS.name, [])]
    for running in systems:
        rate = [run.per_second for run in table[running.system.name]]
        cost = [run.cpu for run in table[running.system.name]]
        section.samples.update({f"{running.system.name} per second": rate, f"{running.system.name} us": cost})
        section.rows.append(
            (running.system.label, spread(rate, ".0f"), spread(cost, ".0f"), spread(ratios(cost, reference)))
        )
    return [section]
