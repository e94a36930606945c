"""Many dialogues at once from one thread: allocations per second with full authentication, each from a port of its own.

One cycle is what a client does: Allocate, 401, Allocate with proof, Refresh with lifetime 0.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from tools.bench.bench import Bench, progress
from tools.bench.figures import Samples, Section, ratios, spread
from tools.bench.running import Running
from tools.bench.systems import COTURN, CPYTHON, CREDENTIALS, MICRO
from tools.bench.turn_client import PATIENCE, Address, Dialogue, Refused, Session

IN_FLIGHT = 16
CYCLES, QUICK_CYCLES = 1500, 300
MOST_SILENCES = 20
MOST_SECONDS = 20.0


@dataclass
class Slot:
    """One dialogue under way."""

    client: socket.socket
    dialogue: Dialogue[None]
    request: bytes


class Storm:
    """Runs a number of dialogues, so many at a time, against one server."""

    def __init__(self, server: Address, begin: Callable[[], Dialogue[None]]) -> None:
        self.server = server
        self.begin = begin
        self.waiter = select.epoll()
        self.slots: dict[int, Slot] = {}
        self.done = self.refused = self.repeated = 0

    def open(self) -> None:
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.connect(self.server)
        client.setblocking(False)
        dialogue = self.begin()
        slot = self.slots[client.fileno()] = Slot(client, dialogue, next(dialogue))
        self.waiter.register(client.fileno(), select.EPOLLIN)
        client.send(slot.request)

    def close(self, slot: Slot) -> None:
        del self.slots[slot.client.fileno()]
        slot.client.close()

    def advance(self, slot: Slot) -> None:
        """Hand the answer to the dialogue and send what it says next."""
        answer = slot.client.recv(2048)
        if answer[8:20] != slot.request[8:20]:
            return
        try:
            slot.request = slot.dialogue.send(answer)
            slot.client.send(slot.request)
        except StopIteration:
            self.done += 1
            self.close(slot)
        except Refused:
            self.refused += 1
            self.close(slot)

    def repeat(self) -> None:
        self.repeated += len(self.slots)
        for slot in self.slots.values():
            slot.client.send(slot.request)

    def run(self, cycles: int, most: float) -> float:
        """Run that many dialogues, or as many as fit into some seconds; return the seconds they took."""
        started, silences, start = 0, 0, time.monotonic()
        while self.done + self.refused < cycles and silences < MOST_SILENCES and time.monotonic() - start < most:
            while started < cycles and len(self.slots) < IN_FLIGHT:
                self.open()
                started += 1
            events = self.waiter.poll(PATIENCE)
            for descriptor, _ in events:
                self.advance(self.slots[descriptor])
            if not events:
                silences += 1
                self.repeat()
        for slot in list(self.slots.values()):
            self.close(slot)
        return time.monotonic() - start


@dataclass(frozen=True)
class Stormed:
    per_second: float
    cpu: float
    """Microseconds of the relay's CPU time per cycle."""
    done: int
    refused: int
    repeated: int


def storm(bench: Bench, running: Running, cycles: int, each: int = 1, most: float = MOST_SECONDS) -> Stormed:
    """Allocate and release so many times, `each` times from a port before the next one."""
    storming = Storm(running.server, lambda: Session(CREDENTIALS).allocate_and_release(each))
    before = running.process.cpu_time()
    with bench.lab.inside("client"):
        seconds = storming.run(cycles // each, most)
    spent = running.process.cpu_time() - before
    done = storming.done * each
    return Stormed(done / seconds, spent / max(done, 1) / 1000, done, storming.refused, storming.repeated)


def collect(bench: Bench, systems: list[Running]) -> dict[str, list[Stormed]]:
    table: dict[str, list[Stormed]] = {running.system.name: [] for running in systems}
    for repetition in range(bench.repetitions):
        progress(f"allocations, repetition {repetition + 1} of {bench.repetitions}")
        for running in systems:
            with bench.tolerating(running.system):
                table[running.system.name].append(storm(bench, running, QUICK_CYCLES if bench.quick else CYCLES))
    return table


def measure(bench: Bench) -> list[Section]:
    section = Section(
        "Allocations",
        f"Allocate, 401, Allocate with proof, Refresh 0; each from a new port, {IN_FLIGHT} in flight; "
        "a rate near the generator's own limit is judged by the relay's CPU time",
        ("relay", "allocations/s", "us CPU/allocation", "CPU of coturn"),
    )
    systems = bench.running(COTURN, CPYTHON, MICRO)
    table = collect(bench, systems)
    cost: dict[str, Samples] = {name: [run.cpu for run in runs] for name, runs in table.items()}
    for running in systems:
        name = running.system.name
        rate = [run.per_second for run in table[name]]
        section.samples.update({f"{name} per second": rate, f"{name} us": cost[name]})
        against = spread(ratios(cost[name], cost.get(COTURN.name, [])))
        section.rows.append((running.system.label, spread(rate, ".0f"), spread(cost[name], ".0f"), against))
        section.notes += faults(running.system.label, table[name])
    return [section]


def faults(label: str, runs: list[Stormed]) -> list[str]:
    refused, repeated = sum(run.refused for run in runs), sum(run.repeated for run in runs)
    return [f"{label}: {refused} refused, {repeated} requests repeated"] if refused or repeated else []
