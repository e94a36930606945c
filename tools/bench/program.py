"""What the kernel's program costs by itself: BPF_PROG_TEST_RUN, nothing sent, with few and with many flows in use.

The kernel runs a program again on the packet that the run before has left. So flows are chained: what one makes of a
packet is what the next one takes, and every run is by another flow.

    strip and add   a header goes and comes: as many runs as a packet has hops
    strip           headers stand in each other, and go one by one: as many runs as headers
    add             they come one by one: as many runs as there is room in front of a packet

The last two have so few runs in a call that with many flows they'd measure how cold the caches are after each call.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from edgeturn.kernel import bpf, maps
from edgeturn.kernel.flows import Flow, key
from edgeturn.kernel.loader import LoadError, Program, load
from edgeturn.protocol import address
from edgeturn.protocol.limits import Limits
from tools.bench.bench import Bench, progress
from tools.bench.figures import Goal, Samples, Section, judge, middle, ratios
from tools.bench.frames import FILLER, TC, XDP, attach, datagram
from tools.bench.lab import CLIENT, PEER, Lab, LabError, ip
from tools.bench.turn_client import Address

COUNTS = (2, 100, 1000, 10_000)
SIZES = (200, 1200)
HOPS = 255
HEADER = 4
LEAST_CALLS, BARE_CALLS = 200, 20
REDIRECTED = {TC: 7, XDP: 4}
BARE, BARE_LABELS = "bare", {TC: "bare tc redirect", XDP: "bare XDP redirect"}
LABELS = {TC: "edgeturn, tc", XDP: "edgeturn, XDP"}
FIRST_CHANNEL, CHANNELS = 0x4000, 0x1000
NO_CHANNEL = 0x8000  # the program adds it as any, and doesn't take it for one when it sees it again
NEVER = 1 << 33  # seconds
GOAL, FLAT = Goal(150), Goal(1.25)


@dataclass(frozen=True)
class Kind:
    """What the flows of a chain do with headers, and how many runs a packet stands."""

    name: str
    strips: bool
    adds: bool
    runs: int


BOTH = Kind("strip and add", True, True, 240)
STRIP, ADD = Kind("strip", True, False, 14), Kind("add", False, True, 14)


def wire(place: Address) -> bytes:
    return address.join(address.parse_ip(place[0]), place[1])


class Chain:
    """Flows of one kind in a ring."""

    def __init__(self, kind: Kind, count: int) -> None:
        self.kind = kind
        self.count = count

    def strips(self, number: int) -> bool:
        return self.kind.strips and not (self.kind.adds and number % 2)

    def channel(self, number: int) -> int:
        """Return the channel that the packet has when a flow takes it; 0 for none."""
        number %= self.count
        return FIRST_CHANNEL + number % CHANNELS if self.strips(number) else 0

    def ends(self, number: int) -> tuple[Address, Address]:
        """Return where the packet comes from and goes to when a flow takes it: to the client's side and the peer's."""
        local, remote = ((CLIENT, 3478), "203.0.113.1") if number % 2 == 0 else ((PEER, 7000), "203.0.113.2")
        return (remote, 10_000 + number % self.count), local

    def rows(self) -> Iterator[tuple[bytes, bytes]]:
        """Return what the map has to hold."""
        for number in range(self.count):
            source, local = self.ends(number)
            new_source, destination = self.ends((number + 1) % self.count)
            added = 0 if self.strips(number) else self.channel(number + 1) or NO_CHANNEL
            flow = Flow(wire(new_source), wire(destination), added, NEVER, number)
            yield key(wire(local), wire(source), self.channel(number)), flow.pack()

    def packet(self, first: int, size: int) -> bytes:
        """Return what the flows from that one on take, with so many bytes of payload in their midst."""
        stands = 1 if self.kind.adds else self.kind.runs
        payload = FILLER * (size if self.kind is BOTH else size - HEADER * self.kind.runs // 2)
        for number in range(first + stands - 1, first - 1, -1):
            if channel := self.channel(number):
                payload = channel.to_bytes(2, "big") + len(payload).to_bytes(2, "big") + payload
        return bytes(12) + b"\x08\0" + datagram(*self.ends(first), payload, HOPS)


class Ring:
    """The maps and the loaded programs; enter the lab's relay to run them."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        limits = Limits()
        limits.max_channels = 1
        limits.max_allocations = COUNTS[-1] // 2
        self.maps = maps.create_all(str(folder), limits)
        for place in range(self.maps.ports.entries):
            self.maps.ports.set(bpf.index(place), b"\xff" * 8)
        for role, host in (("client", CLIENT), ("peer", PEER)):
            number = lab.interface("relay", f"to-{role}").index
            with lab.inside("relay"):
                self.maps.devices.set(bpf.index(number), bpf.index(number))
            neighbour = lab.interface(role, "to-relay").address.hex(":")
            device = ("dev", f"to-{role}", "nud", "permanent")
            ip("-n", lab.names["relay"], "neighbour", "replace", host, "lladdr", neighbour, *device)
        self.programs = {hook: self.load(hook) for hook in (TC, XDP)}
        attach(lab, "relay", "to-client", XDP, self.programs[XDP])  # else each call waits until the kernel is ready

    def load(self, hook: str) -> Program:
        try:
            return load(hook, self.maps, {"hook_slot": 0, "link_size": 14})
        except LoadError as error:
            raise LabError(str(error)) from error

    def fill(self, chain: Chain) -> None:
        for found in list(self.maps.flows.keys()):
            self.maps.flows.delete(found)
        for row in chain.rows():
            self.maps.flows.set(*row)

    def run(self, hook: str, packet: bytes, runs: int) -> float:
        """Return the nanoseconds of a run."""
        done = self.programs[hook].test(packet, None, runs)
        if done.code != REDIRECTED[hook] or done.data[22] != HOPS - runs:
            raise LabError(f"{LABELS[hook]} doesn't carry what it is tested with: {done.code}")
        return float(done.nanoseconds)

    def cost(self, hook: str, chain: Chain, size: int) -> float:
        """Let every flow of a chain be used in turn, and return the nanoseconds of a run that isn't a call's first."""
        runs = chain.kind.runs
        packets = [chain.packet(first, size) for first in range(0, chain.count, runs)]
        packets *= max(1, LEAST_CALLS // len(packets))
        for packet in packets:
            self.run(hook, packet, runs)
        first = median(self.run(hook, packet, 1) for packet in packets)
        return (median(self.run(hook, packet, runs) for packet in packets) * runs - first) / (runs - 1)


def bare(bench: Bench, lab: Lab, hook: str, size: int) -> float:
    """Return the nanoseconds of a bare redirect: what there is at least, at the pace that the CPU has just now."""
    program = bench.frames().redirect(hook, lab, "peer")
    packet = Chain(BOTH, COUNTS[0]).packet(0, size)
    try:
        with lab.inside("relay"):
            return median(program.test(packet, None, BOTH.runs).nanoseconds for _ in range(BARE_CALLS))
    finally:
        program.close()


Table = dict[tuple[str, int, str, int], Samples]


def collect(bench: Bench, lab: Lab, ring: Ring) -> Table:
    table: Table = {}
    for repetition in range(bench.repetitions):
        progress(f"program, repetition {repetition + 1} of {bench.repetitions}")
        for chain in [Chain(BOTH, count) for count in COUNTS] + [Chain(kind, COUNTS[0]) for kind in (STRIP, ADD)]:
            ring.fill(chain)
            for hook, size in ((hook, size) for hook in (TC, XDP) for size in SIZES):
                with lab.inside("relay"):
                    samples = table.setdefault((hook, size, chain.kind.name, chain.count), [])
                    samples.append(ring.cost(hook, chain, size))
        for hook, size in ((hook, size) for hook in (TC, XDP) for size in SIZES):
            table.setdefault((hook, size, BARE, COUNTS[0]), []).append(bare(bench, lab, hook, size))
    return table


def measure(bench: Bench) -> list[Section]:
    section = Section(
        "The kernel's program by itself",
        "ns, BPF_PROG_TEST_RUN, every run by another flow; flows in the map, all of them in use; IPv4",
        ("", *(str(count) for count in COUNTS), f"{COUNTS[-1]} to {COUNTS[0]}"),
    )
    lab = bench.own_lab()
    table = collect(bench, lab, Ring(lab, bench.pins() / "program"))
    for hook, size, kind in dict.fromkeys(case[:3] for case in table):
        name = f"{BARE_LABELS[hook]}, {size} B" if kind == BARE else f"{LABELS[hook]}, {size} B, {kind}"
        costs = [table.get((hook, size, kind, count), []) for count in COUNTS]
        section.samples.update({f"{name}, {count}": cost for count, cost in zip(COUNTS, costs, strict=True)})
        cells = [middle(cost, ".0f") if cost else "" for cost in costs]
        if costs[-1]:
            cells[-1] = judge(section, f"{name} ns", costs[-1], GOAL, lambda found: middle(found, ".0f"))
            cells.append(judge(section, f"{name} growth", ratios(costs[-1], costs[0]), FLAT))
        section.rows.append((name, *cells, *[""] * (len(section.header) - 1 - len(cells))))
    return [section]
