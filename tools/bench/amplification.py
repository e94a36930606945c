"""Bytes answered per byte asked without credentials: what a forged source address could multiply."""

from __future__ import annotations

import os
from contextlib import suppress

from tools.bench.bench import Bench
from tools.bench.figures import Goal, Section, judge
from tools.bench.running import Running
from tools.bench.systems import COTURN, CPYTHON, MICRO, TERSE
from tools.bench.turn_client import ALLOCATE, BINDING, REQUESTED_TRANSPORT, UDP, Attribute, Silent, encode, exchange

PORTS = 5
QUESTIONS: tuple[tuple[str, int, list[Attribute]], ...] = (
    ("Binding, 20 B", BINDING, []),
    ("Allocate, 20 B", ALLOCATE, []),
    ("Allocate, 28 B", ALLOCATE, [(REQUESTED_TRANSPORT, UDP)]),
)


def ratio(running: Running, method: int, attributes: list[Attribute]) -> float:
    """Ask from a few ports: coturn is silent to one whose last allocation it is still taking down."""
    request = encode(method, os.urandom(12), attributes)
    for _ in range(PORTS):
        with running.client() as client, suppress(Silent):
            return len(exchange(client, request, tries=2)) / len(request)
    raise Silent("the relay does not answer")


def measure(bench: Bench) -> list[Section]:
    section = Section(
        "Bytes answered per byte asked, without credentials",
        "UDP payload; the same realm everywhere; the goal is coturn with every option that shortens its answers",
        ("relay", *(what for what, _, _ in QUESTIONS)),
    )
    bounds: dict[str, Goal] = {}
    for running in bench.running(COTURN, TERSE, CPYTHON, MICRO):
        cells = []
        for what, method, attributes in QUESTIONS:
            name, found = f"{running.system.name} {what}", []
            with bench.tolerating(running.system):
                found = [ratio(running, method, attributes)]
            section.samples[name] = found
            cells.append(judge(section, name, found, bounds.get(what)))
            if found and running.system is TERSE:
                bounds[what] = Goal(round(found[0], 2))
        section.rows.append((running.system.label, *cells))
    return [section]
