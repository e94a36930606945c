"""Sends packets through the program and compares what comes out with what the model says: one process of the fuzz.

    python -m tests.kernel.fuzzing RUNNER SEED COUNT

It has namespaces of its own, which end with it: nothing is attached, and nothing leaves. RUNNER is runner.c, compiled.
It prints one JSON document: how many packets came out how, and what was wrong.

Rule 1: packets and answers are made a batch at a time; the runner compares, so Python never looks at a right packet.
Rule 2: what is counted is compared at the end of each batch: outcomes, flows, what is left of the rates.
"""

import ctypes
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from struct import pack, unpack

from edgeturn.kernel import flows, loader, maps
from edgeturn.kernel.bpf import Map, index
from edgeturn.protocol.limits import Limits
from tests.kernel import hostile
from tests.kernel.hostile import Draft
from tests.kernel.model import (
    CARRIED,
    DROPPED,
    NUMBERS,
    ONES,
    PASSED,
    Answer,
    End,
    Entry,
    Flow,
    Key,
    Model,
    Packet,
    Undecided,
    udp_sum,
)
from tests.kernel.scene import DEAF, DEVICES, FLEETING, IN, RENEWED, Route, Scene, build, reset_budgets, scene

BATCH = 2000
KEPT = 8  # wrong packets of a batch
SAME = 0xFFFFFFFF
CODES = {
    "tc": {PASSED: -1, CARRIED: 7, DROPPED: 2},
    "xdp": {PASSED: 2, CARRIED: 4, DROPPED: 1},
}
KINDS = {"tc": flows.TC, "xdp": flows.XDP}
SLOTS = {"tc": 5, "xdp": 6}
TICK = 10000000  # nanoseconds that the kernel's coarse clock may be behind
NEW_NETWORK, NEW_MOUNTS = 0x40000000, 0x00020000


class Wrong(ctypes.Structure):
    """struct wrong of runner.c."""

    _fields_ = (
        ("number", ctypes.c_uint32),
        ("code", ctypes.c_int32),
        ("size", ctypes.c_uint32),
        ("data", ctypes.c_uint8 * 8192),
    )


@dataclass
class Case:
    """A packet and what is expected of it."""

    frame: bytes
    entry: Entry
    segments: bool
    answer: Answer

    def pack(self, codes: dict[int, int]) -> bytes:
        """Return it as the runner reads it: struct one, and bytes."""
        frame, answer = self.frame, self.answer
        same = answer.frame is frame
        size = SAME if same else len(answer.frame)
        data = frame if same else frame + answer.frame
        segment = 100 if self.segments else 0
        head = pack("=IIiIII", len(frame), size, codes[answer.verdict], answer.free, self.entry.interface, segment)
        return head + data + bytes(-len(data) & 3)


@dataclass
class Report:
    """What a run has found."""

    packets: int = 0
    wrong: int = 0
    examples: list[dict[str, object]] = field(default_factory=list)
    miscounted: list[str] = field(default_factory=list)
    outcomes: dict[str, dict[str, int]] = field(default_factory=dict)


class Fuzzer:
    """The program at both hooks, the model of each, and packets for them."""

    def __init__(self, runner: str, seed: int, folder: str) -> None:
        self.random = Random(seed)
        self.scene: Scene = scene(int(time.clock_gettime(time.CLOCK_MONOTONIC)))
        self.world = self.scene.world
        self.models = {name: Model(self.world, name == "xdp") for name in CODES}
        self.run = ctypes.CDLL(runner).run
        self.maps = maps.create_all(folder, Limits())
        self._fill()
        self.programs = {name: self._load(name) for name in CODES}
        self.report = Report()
        self.began = time.clock_gettime_ns(time.CLOCK_MONOTONIC) - TICK

    def _load(self, name: str) -> loader.Program:
        return loader.load(name, self.maps, {"hook_slot": SLOTS[name], "link_size": 14})

    def _fill(self) -> None:
        for key, flow in self.world.flows.items():
            self.maps.flows.set(packed_key(key), packed_flow(flow))
        bits: dict[int, int] = {}
        for port in self.world.ports:
            bits[port >> 6] = bits.get(port >> 6, 0) | 1 << (port & 63)
        for place, value in bits.items():
            self.maps.ports.set(index(place), pack("Q", value))
        for number in [socket.if_nametoindex(device.name) for device in DEVICES if device.xdp]:
            self.maps.devices.set(index(number), index(number))
        self._allow()

    def _allow(self) -> None:
        """Fill the budgets, in the map as in the model."""
        reset_budgets(self.world)
        for place, budget in self.world.budgets.items():
            ends = 0 if place in (FLEETING, RENEWED) else 1 << 62
            self.maps.budgets.set(index(place), pack("QQq", budget.rate, ends, budget.left))

    def batch(self, name: str, count: int) -> None:
        """Run so many packets through one hook."""
        self._allow()
        model = self.models[name]
        cases: list[Case] = []
        while len(cases) < count:
            case = self._case(model)
            if case:
                cases.append(case)
        data = bytearray(b"".join([case.pack(CODES[name]) for case in cases]))
        wrongs = (Wrong * (KEPT + 1))()
        buffer = (ctypes.c_uint8 * len(data)).from_buffer(data)
        found = self.run(self.programs[name].file, KINDS[name], buffer, len(cases), wrongs, KEPT)
        self.report.packets += len(cases)
        self.report.wrong += found
        for wrong in list(wrongs)[: min(found, KEPT)]:
            self._keep(name, cases[wrong.number], wrong)
        if not self.report.wrong:  # else the counts are, too
            self._compare(name)

    def _case(self, model: Model) -> Case | None:
        """Return a packet with its answer, None where that depends on the moment, or where the kernel can't run it."""
        random = self.random
        route = random.choice(self.scene.routes)
        draft = self._draft(route)
        hostile.spoil(random, draft)
        frame = hostile.write(random, draft)
        if not model.xdp and len(frame) < hostile.smallest(frame):
            return None
        try:
            return Case(frame, route.entry, draft.segments, model.run(frame, route.entry, draft.segments))
        except Undecided:
            return None

    def _draft(self, route: Route) -> Draft:
        """Return a good packet of a flow."""
        random = self.random
        local, remote, channel = route.key
        data = random.randbytes(hostile.payload_size(random))
        if len(data) > 1 and random.random() < 0.02:
            data = self._vanishing(route, data)
        if channel:
            data = pack("!HH", channel, len(data)) + data
        elif random.random() < 0.1:
            data = pack("!H", random.choice((0x4000, 0x4FFF, 0x5000, 0x7FFF))) + data
        draft = Draft(remote, local, data, route.entry.link)
        hostile.vary(random, draft)
        return draft

    def _vanishing(self, route: Route, data: bytes) -> bytes:
        """Return data that make the checksum of the packet that leaves zero."""
        flow = self.world.flows.get((route.flow.destination, route.flow.source, 0), route.flow)
        came = Packet(6, route.key[1], route.key[0], 0, 0, 0, b"", 0)
        new = self.models["tc"].written(came, flow, bytes(2) + data[2:])
        return pack("!H", -udp_sum(new) % ONES) + data[2:]

    def _keep(self, name: str, case: Case, wrong: Wrong) -> None:
        """Keep what a person needs to find the fault."""
        if len(self.report.examples) < 400:
            got = bytes(wrong.data)[: wrong.size]
            self.report.examples.append({
                "hook": name, "entry": "deaf" if case.entry is DEAF else "in", "segments": case.segments,
                "code": wrong.code, "expected_code": CODES[name][case.answer.verdict],
                "packet": case.frame.hex(), "expected": case.answer.frame.hex(), "got": got.hex(),
            })  # fmt: skip

    # What is counted.

    def _compare(self, name: str) -> None:
        """Compare what the maps hold with the model, and note what differs."""
        self._compare_tallies(name)
        self._compare_counters()
        for place in set(self.world.budgets) - {FLEETING, RENEWED}:
            left = unpack("QQq", value_of(self.maps.budgets, place))[2]
            self._same(f"budget {place}", left, self.world.budgets[place].left)

    def _compare_tallies(self, name: str) -> None:
        for outcome, number in NUMBERS.items():
            found = flows.read_tally(value_of(self.maps.tallies, SLOTS[name] * len(NUMBERS) + number))
            self._same(f"{name} {outcome}", found, self.models[name].tallies[outcome])

    def _compare_counters(self) -> None:
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        for flow in self.world.flows.values():
            packets, size, last = flows.read_counter(value_of(self.maps.counters, flow.counter))
            self._same(f"flow {flow.counter}", (packets, size), self.world.counters.get(flow.counter, (0, 0)))
            self._same(f"last of flow {flow.counter}", bool(packets), self.began <= last <= now)

    def _same(self, what: str, found: object, expected: object) -> None:
        if found != expected and len(self.report.miscounted) < 40:
            self.report.miscounted.append(f"{what}: {found}, expected {expected}, after {self.report.packets} packets")

    def finish(self) -> Report:
        """See that the relay's maps are as they were, and return what was found."""
        kept = {key: self.maps.flows.get(key) for key in list(self.maps.flows.keys())}
        written = {packed_key(key): packed_flow(flow) for key, flow in self.world.flows.items()}
        self._same("flows", kept == written, True)
        for name, model in self.models.items():
            self.report.outcomes[name] = {outcome: packets for outcome, (packets, _) in model.tallies.items()}
        return self.report


def port_and_ip(end: End) -> bytes:
    return end[1].to_bytes(2, "big") + end[0]


def packed_key(key: Key) -> bytes:
    return flows.key(port_and_ip(key[0]), port_and_ip(key[1]), key[2])


def packed_flow(flow: Flow) -> bytes:
    one, two, three = flow.budgets
    ends = port_and_ip(flow.source), port_and_ip(flow.destination)
    return flows.Flow(*ends, flow.channel, max(0, flow.expires), flow.counter, (one, two, three), flow.inside).pack()


def value_of(table: Map, place: int) -> bytes:
    value = table.get(index(place))
    assert value is not None
    return value


def enter() -> None:
    """Go into namespaces of our own, where forwarding is on but at one device."""
    if ctypes.CDLL(None, use_errno=True).unshare(NEW_NETWORK | NEW_MOUNTS):
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True, timeout=20)
    settings = Path("/proc/sys/net")
    (settings / "ipv4/ip_forward").write_text("1")
    (settings / "ipv6/conf/all/forwarding").write_text("1")
    build()
    for family in ("ipv4", "ipv6"):
        (settings / family / "conf/deaf/forwarding").write_text("0")
    IN.interface, DEAF.interface = socket.if_nametoindex("in"), socket.if_nametoindex("deaf")


def main(runner: str, seed: int, count: int) -> Report:
    """Run so many packets, half of them through each hook."""
    enter()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["mount", "-t", "bpf", "bpf", folder], check=True, timeout=20)
        try:
            fuzzer = Fuzzer(runner, seed, f"{folder}/fuzz")
            names = list(CODES)
            while fuzzer.report.packets < count:
                names.reverse()
                fuzzer.batch(names[0], min(BATCH, count - fuzzer.report.packets))
            return fuzzer.finish()
        finally:
            subprocess.run(["umount", "-l", folder], check=True, timeout=20)


if __name__ == "__main__":
    os.environ["LC_ALL"] = "C"
    print(json.dumps(vars(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))))
