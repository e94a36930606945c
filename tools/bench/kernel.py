"""Packets per second through the kernel and past it: from a sending socket, and from frames as a network card has them.

Rule 1: what arrives is counted, not what is sent.
Rule 2: a path in the kernel works on the generator's CPU, a relay in user space on its own next to it; "busy" is what
        the whole machine has spent for each packet that arrived, generator and sink included, so that it tells both.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from tools.bench.bench import Bench, progress
from tools.bench.figures import Goal, Row, Samples, Section, judge, middle, ratios, spread
from tools.bench.frames import BATCH, TC, XDP, Frames
from tools.bench.lab import LabError
from tools.bench.systems import COTURN, COTURN_THREADS, CPYTHON, KERNEL_TC, KERNEL_XDP
from tools.bench.tracks import Ceiling, Course, Relayed, Track, bare, counted

SECONDS, QUICK_SECONDS = 0.4, 0.2
SETTLE_SECONDS = 0.1
READY_SECONDS, READY_EVERY = 2.0, 0.02
SIZES = (200, 1200)
SOCKET, CARD = "socket", "card"
SOURCES = {SOCKET: "Packets from a sending socket", CARD: "Packets as from a network card"}
METHODS = {
    SOCKET: "sendmmsg on one CPU; busy: us that all CPUs spent for each packet that arrived, generator and sink "
    "included; relay: us of the relay's process; above: ns for each packet more than with no relay, of those in the "
    "kernel; then packets per second against others within a repetition",
    CARD: "BPF_PROG_TEST_RUN with live frames on one CPU: full checksums, no socket buffer, no sender; else the same",
}
HEADER = ("", "1000 packets/s", "busy", "relay", "above", "of coturn", "of IP fwd", "of XDP")
TICK = 1e6 / 100  # us: what /proc/stat counts in, whatever the kernel's own
BUSY_COLUMNS = (0, 1, 2, 5, 6)  # user, nice, system, interrupts and what they leave for later

CEILINGS = {TC: "ceiling-tc", XDP: "ceiling-xdp"}
FORWARDING, BARE_XDP = "forwarding", "bare-xdp"
IN_KERNEL = (KERNEL_TC.name, KERNEL_XDP.name)
REFERENCES = (COTURN.name, FORWARDING, BARE_XDP)
GOALS = (
    (KERNEL_TC, COTURN.name, "coturn -m 1", Goal(3, at_least=True)),
    (KERNEL_TC, FORWARDING, "plain IP forwarding", Goal(0.9, at_least=True)),
    (KERNEL_XDP, COTURN.name, "coturn -m 1", Goal(4, at_least=True)),
    (KERNEL_XDP, BARE_XDP, "a bare XDP redirect", Goal(0.9, at_least=True)),
)

Case = tuple[str, str, int]
"""Source, way, size."""


@dataclass(frozen=True)
class Carried:
    """What one run gave; CPU times in microseconds for each packet that arrived."""

    per_second: float
    busy: float
    process: float
    misplaced: int


@dataclass(frozen=True)
class Sample:
    """What has happened until now: seconds, packets by their place, microseconds of CPU."""

    at: float
    arrived: tuple[int, int]
    busy: float
    process: float

    @property
    def packets(self) -> int:
        return sum(self.arrived)


def busy() -> float:
    """Return the microseconds that all CPUs have worked since they were started."""
    columns = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    return sum(int(columns[i]) for i in BUSY_COLUMNS) * TICK


def sample(frames: Frames, track: Track) -> Sample:
    process = track.process.cpu_time() / 1000 if track.process else 0.0
    return Sample(time.monotonic(), frames.arrived(), busy(), process)


def sending(bench: Bench, track: Track, course: Course, case: Case) -> AbstractContextManager[None]:
    source, _, size = case
    if source == SOCKET:
        return bench.load.blasting(size, course.plan())
    return bench.frames().sending(track.lab, course.role, course.packet(size))


def wait(frames: Frames, track: Track, course: Course, size: int) -> None:
    """Wait until as many as a batch have arrived: neighbours and routes are known then, and the path is in use."""
    end, before = time.monotonic() + READY_SECONDS, sum(frames.arrived())
    while (count := sum(frames.arrived()) - before) < BATCH:
        if time.monotonic() > end:
            raise LabError(f"{count} of {BATCH} frames arrive")
        with frames.sending(track.lab, course.role, course.packet(size), BATCH):
            time.sleep(READY_EVERY)


def carry(bench: Bench, track: Track, case: Case, seconds: float) -> Carried:
    """Send, and look at what arrives for a moment in the midst of it."""
    frames, (_, way, size) = bench.frames(), case
    with track.course(way, size) as course:
        wait(frames, track, course, size)
        with sending(bench, track, course, case):
            time.sleep(SETTLE_SECONDS)
            first = sample(frames, track)
            time.sleep(seconds)
            last = sample(frames, track)
    packets = max(last.packets - first.packets, 1)
    right = last.arrived[course.place] - first.arrived[course.place]
    rate, work = packets / (last.at - first.at), last.busy - first.busy
    return Carried(rate, work / packets, (last.process - first.process) / packets, packets - right)


Table = dict[tuple[str, Case], list[Carried]]


def cases(bench: Bench) -> Iterator[Case]:
    for source in SOURCES:
        for size in SIZES[:1] if bench.quick else SIZES:
            for way in ("up", "down"):
                yield source, way, size


def tracks(bench: Bench, frames: Frames) -> list[Track]:
    """Set up every way from one side to the other: what hooks into the kernel in a network of its own."""
    made: list[Track] = [
        Ceiling(CEILINGS[TC], "no relay, tc sink", bench.own_lab()),
        Ceiling(CEILINGS[XDP], "no relay, XDP sink", bench.own_lab(), XDP),
        Track(FORWARDING, "plain IP forwarding", bench.lab),
        bare(frames, TC, "bare tc redirect", bench.own_lab()),
        bare(frames, XDP, "bare XDP redirect", bench.own_lab()),
    ]
    for system, sink in ((KERNEL_TC, TC), (KERNEL_XDP, XDP), (CPYTHON, TC), (COTURN, TC), (COTURN_THREADS, TC)):
        made += (Relayed(running, sink) for running in bench.running(system))
    return made


def collect(bench: Bench, compared: list[Track]) -> Table:
    table: Table = {}
    seconds = QUICK_SECONDS if bench.quick else SECONDS
    for repetition in range(bench.repetitions):
        progress(f"kernel, repetition {repetition + 1} of {bench.repetitions}")
        for case in cases(bench):
            for track in compared:
                with bench.tolerating(track):
                    table.setdefault((track.name, case), []).append(carry(bench, track, case, seconds))
    return table


def rates(table: Table, name: str, case: Case) -> Samples:
    return [carried.per_second / 1000 for carried in table.get((name, case), ())]


def above(table: Table, track: Track, case: Case) -> str:
    """Return the nanoseconds that the way through the relay takes; nothing where another CPU takes part."""
    rate = rates(table, track.name, case)
    if isinstance(track, Ceiling) or (track.process and track.name not in IN_KERNEL):
        return ""
    pairs = zip(rate, rates(table, CEILINGS[track.sink], case), strict=False)
    return middle([1e6 / through - 1e6 / none for through, none in pairs], ".0f")


def row(section: Section, table: Table, track: Track, case: Case) -> Row:
    runs, rate = table[track.name, case], rates(table, track.name, case)
    _, way, size = case
    work = [run.busy for run in runs]
    section.samples.update({f"{track.name} {size} {way} kpps": rate, f"{track.name} {size} {way} us": work})
    against = (middle(ratios(rate, rates(table, other, case))) for other in REFERENCES)
    own = middle([run.process for run in runs], ".1f") if track.process else ""
    return f"  {track.label}", spread(rate, ".0f"), middle(work), own, above(table, track, case), *against


def faults(table: Table, source: str) -> list[str]:
    """Name what came out without having become what it should have."""
    parts = [
        f"{name} {size} B {way} {wrong}"
        for (name, (origin, way, size)), runs in table.items()
        if origin == source and (wrong := sum(run.misplaced for run in runs))
    ]
    return [f"Packets that arrived as they were sent: {', '.join(parts)}"] if parts else []


def rows(bench: Bench, section: Section, table: Table, compared: list[Track], source: str) -> None:
    for case in cases(bench):
        if case[0] == source:
            section.rows.append((f"{case[2]} B {case[1]}", *[""] * (len(section.header) - 1)))
            section.rows += [row(section, table, track, case) for track in compared if (track.name, case) in table]
    section.notes += faults(table, source)


def reference(table: Table, name: str, case: Case) -> Samples:
    """Return the rates to compare with; coturn's from where it is better: a card's pace may be too much for it."""
    if name != COTURN.name:
        return rates(table, name, case)
    both = (rates(table, name, (source, *case[1:])) for source in SOURCES)
    return [max(pair) for pair in zip(*both, strict=False)]


def goals(table: Table) -> Section:
    """Judge the ratios of all cases together."""
    section = Section(
        "Goals of the media path in the kernel",
        "as from a network card, coturn from where it is better; ratios within a repetition, all sizes and both ways",
        ("", "packets per second"),
    )
    for system, other, words, goal in GOALS:
        ours = [case for name, case in table if name == system.name and case[0] == CARD]
        found = [r for case in ours for r in ratios(rates(table, system.name, case), reference(table, other, case))]
        title = f"{system.label}, of {words}"
        section.samples[title] = found
        section.rows.append((title, judge(section, title, found, goal, spread)))
    return section


def measure(bench: Bench) -> list[Section]:
    frames = bench.frames()
    compared = tracks(bench, frames)
    with counted(frames, compared):
        table = collect(bench, compared)
    sections = []
    for source, title in SOURCES.items():
        section = Section(title, METHODS[source], HEADER)
        rows(bench, section, table, compared, source)
        sections.append(section)
    return [*sections, goals(table)]
