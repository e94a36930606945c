"""Memory of relays in the same states, in one run: idle, in use, under load.

Rule 1: every state of a system is one process from its start on; systems go through the same states in turn.
Rule 2: a busy machine is slower and no more: a state is read once it rests, and a load that didn't come whole is named.
Rule 3: Rss counts shared pages whole, Pss divides them among who shares them, private leaves them out. Dirty is what
        was written: all that a system without swap can't take back; code can be read again from flash.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tools.bench.bench import Bench, progress
from tools.bench.figures import Goal, Section, judge, middle
from tools.bench.lab import LabError
from tools.bench.memory import heap
from tools.bench.running import Flow, Running, up
from tools.bench.systems import COTURN, CPYTHON, MICRO, PEER_PORT, Edgeturn, Place, System
from tools.bench.throughput import WINDOWS
from tools.footprint.sizes import built

KILOBYTE, MEGABYTE = 1 << 10, 1 << 20
FEW, MANY = 64, 256
SIZE = 200
SETTLE = 0.3
MOST_READINGS = 20  # of one state, until two follow each other alike
MOST_SECONDS = 270  # of a load, which nobody refreshes: a permission lasts 300 (RFC 8656 §9)
_SMALLER = "option max_permissions '4'\n\toption max_channels '4'\n\toption log_level"
# Resident memory of the firmware on the machine that measures; a router's processor has smaller pointers.
_IDLE, _LOADED, _EACH = Goal(1.0), Goal(1.5), Goal(1.5)
VIOLET = (
    "violet 0.5.4 with libjuice, not part of this run but measured in the same way before: idle 1.9 MB (Pss 0.34), "
    "with 500 allocations 5.0 MB, 6.3 KB each; its binary is 147 KB, stripped, without the C library."
)


class Firmware(Edgeturn):
    """Our own binary, for the processor of this machine."""

    def __init__(self, flavour: str, smaller: bool = False) -> None:
        """Take the flavour; smaller: 4 permissions and 4 channels an allocation instead of 16."""
        label = f"firmware, {flavour}" + ", 4 + 4" * smaller
        super().__init__(f"firmware-{flavour}" + "-smaller" * smaller, label, str(built("x86_64", flavour)))
        self._smaller = smaller

    def missing(self) -> str:
        return "" if Path(self.interpreter).exists() else "not built: make firmware ARCH=x86_64"

    def version(self) -> str:
        return ""

    def switches(self, allocations: int) -> list[str]:
        """Return none: its heap grows as far as it's used."""
        return []

    def empty(self) -> list[str]:
        return []

    def command(self, place: Place) -> list[str]:
        command = super().command(place)
        file = place.folder / "edgeturn.conf"
        if self._smaller:
            file.write_text(file.read_text().replace("option log_level", _SMALLER))
        return command


FIRMWARE = (Firmware("tls"), Firmware("plain"), Firmware("tls", smaller=True))
SYSTEMS: tuple[System, ...] = (*FIRMWARE, MICRO, CPYTHON, COTURN)


@dataclass(frozen=True)
class Memory:
    """Bytes."""

    resident: int
    proportional: int
    private: int
    dirty: int


@dataclass
class Taken:
    """What a system took, by state; and what its pools take by its own count, by configured allocations."""

    states: dict[str, Memory] = field(default_factory=dict)
    heaps: dict[int, int] = field(default_factory=dict)
    packets: int = 0


def memory(running: Running) -> Memory:
    """Read what a relay takes, once it takes the same twice."""
    before = None
    for _ in range(MOST_READINGS):
        time.sleep(SETTLE)
        now = _reading(running)
        if now.resident == before:
            return now
        before = now.resident
    raise LabError(f"{running.system.label} doesn't come to rest: {before} bytes and moving")


def _reading(running: Running) -> Memory:
    lines = (running.process.path / "smaps_rollup").read_text().splitlines()[1:]
    rows = {name: int(rest.split()[0]) * KILOBYTE for name, rest in (line.split(":", 1) for line in lines)}
    private = rows["Private_Clean"] + rows["Private_Dirty"]
    return Memory(rows["Rss"], rows["Pss"], private, rows["Private_Dirty"] + rows["Shared_Dirty"])


def own_count(running: Running) -> int:
    """Return the heap that a relay on MicroPython says it uses, 0 of others."""
    if isinstance(running.system, Firmware):
        return int(running.status().get("memory_bytes", 0))
    return heap(running)


def fill(running: Running, count: int, flows: ExitStack) -> list[Flow]:
    """Open allocations with a channel each."""
    opened = [running.open(SIZE) for _ in range(count)]
    for flow in opened:
        flows.callback(flow.client.close)
    return opened


def take(bench: Bench, system: System, packets: int) -> Taken:
    """Bring a system through all states."""
    taken = Taken()
    with bench.fresh(system, FEW) as running, ExitStack() as flows:
        taken.states["idle"], taken.heaps[FEW] = memory(running), own_count(running)
        opened = fill(running, FEW, flows)
        taken.states["few"] = memory(running)
        with bench.lab.socket("peer", PEER_PORT) as peer:
            way = up(opened, peer)
            answer = bench.load.run("flood", MOST_SECONDS, SIZE, WINDOWS[SIZE], packets, plan=way)
        taken.packets = int(answer["received"])
        taken.states["loaded"] = memory(running)
    with bench.fresh(system, MANY) as running, ExitStack() as flows:
        taken.states["idle many"], taken.heaps[MANY] = memory(running), own_count(running)
        fill(running, MANY, flows)
        taken.states["many"] = memory(running)
    return taken


def measure(bench: Bench, packets: int) -> Section:
    """Return the table."""
    section = Section(
        "Memory",
        f"MB; {FEW} or {MANY} allocations configured, each with 16 permissions and 16 channels (4 + 4: 4 of each); in "
        f"use: each with a channel; load: {packets} packets of {SIZE} bytes over {FEW} allocations; KB: 1024 bytes",
        ("",),
    )
    columns: list[tuple[System, dict[str, str]]] = []
    for system in bench.possible(SYSTEMS):
        progress(f"footprint of {system.label}")
        with bench.tolerating(system):
            taken = take(bench, system, packets)
            columns.append((system, cells(section, system, taken)))
            if taken.packets < packets:
                section.notes.append(f"{system.label}: {taken.packets} packets in {MOST_SECONDS} s, not all {packets}.")
    section.header = ("", *(system.label for system, _ in columns))
    section.rows = [(what, *(column[what] for _, column in columns)) for what in (columns[0][1] if columns else ())]
    section.notes.append(VIOLET)
    return section


def cells(section: Section, system: System, taken: Taken) -> dict[str, str]:
    """Return the figures of one system, by what they are."""
    is_firmware = isinstance(system, Firmware)
    idle, few, loaded = (taken.states[name] for name in ("idle", "few", "loaded"))

    def goal(what: str, value: float, bound: Goal) -> str:
        return judge(section, f"{system.name} {what}", [value], bound if is_firmware else None)

    each = (taken.states["many"].resident - few.resident) / (MANY - FEW) / KILOBYTE
    counted = (taken.heaps[MANY] - taken.heaps[FEW]) / (MANY - FEW) / KILOBYTE
    return {
        "idle": goal("idle MB", idle.resident / MEGABYTE, _IDLE),
        "idle, Pss": middle([idle.proportional / MEGABYTE]),
        "idle, private": middle([idle.private / MEGABYTE]),
        "idle, dirty": middle([idle.dirty / MEGABYTE]),
        f"{FEW} in use": middle([few.resident / MEGABYTE]),
        f"{FEW} in use, after the load": goal("loaded MB", loaded.resident / MEGABYTE, _LOADED),
        f"{FEW} in use, after the load, Pss": middle([loaded.proportional / MEGABYTE]),
        f"{FEW} in use, after the load, private": middle([loaded.private / MEGABYTE]),
        f"{FEW} in use, after the load, dirty": middle([loaded.dirty / MEGABYTE]),
        f"idle with {MANY} configured": middle([taken.states["idle many"].resident / MEGABYTE]),
        f"{MANY} in use": middle([taken.states["many"].resident / MEGABYTE]),
        "each allocation, resident, KB": goal("KB each", each, _EACH),
        "each allocation, by its own count of the heap, KB": middle([counted] if counted else []),
        "packets of the load": str(taken.packets),
    }
