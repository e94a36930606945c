"""A track: one way to carry packets from one side to the other, and what has to be sent to find out how fast it is."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tools.bench.frames import FILLER, TC, Frames, attach, datagram, detach
from tools.bench.lab import CLIENT, PEER, Lab
from tools.bench.load import Plan, plan
from tools.bench.process import Process
from tools.bench.running import Running
from tools.bench.systems import CLIENT_PORT, PEER_PORT

ALONE, BEHIND = 0, 1
OTHER = {"client": "peer", "peer": "client"}
SENDERS = {"up": "client", "down": "peer"}


@dataclass(frozen=True)
class Course:
    """What is sent one way: by whose connected socket, with which header; where sink.c counts what came out right."""

    role: str
    sender: socket.socket
    header: bytes
    place: int

    def plan(self) -> Plan:
        return plan([f"send {self.sender.fileno()} {self.header.hex() or '-'}"])

    def packet(self, size: int) -> bytes:
        return datagram(self.sender.getsockname(), self.sender.getpeername(), self.header + FILLER * size)


class Track:
    """One row of the tables; `sink` is the kind of program that counts at the far ends."""

    process: Process | None = None

    def __init__(self, name: str, label: str, lab: Lab, sink: str = TC) -> None:
        self.name = name
        self.label = label
        self.lab = lab
        self.sink = sink

    @contextmanager
    def course(self, way: str, size: int) -> Iterator[Course]:
        """Open what has to be open while packets of that size go up or down."""
        ends = {"client": (CLIENT, CLIENT_PORT), "peer": (PEER, PEER_PORT)}
        role = SENDERS[way]
        with self.lab.socket(role, ends[role][1]) as sender:
            sender.connect(ends[OTHER[role]])
            yield Course(role, sender, b"", ALONE)

    def ends(self) -> list[tuple[str, str]]:
        """Return where packets are counted."""
        return [(role, "to-relay") for role in OTHER]


class Ceiling(Track):
    """Counted as soon as they reach the relay: what generator and sink cost by themselves."""

    def ends(self) -> list[tuple[str, str]]:
        return [("relay", f"to-{role}") for role in OTHER]


class Relayed(Track):
    """Through a channel of a relay."""

    def __init__(self, running: Running, sink: str = TC) -> None:
        super().__init__(running.system.name, running.system.label, running.lab, sink)
        self.running = running
        self.process = running.process

    @contextmanager
    def course(self, way: str, size: int) -> Iterator[Course]:
        with self.running.flows(1, size) as flows, self.lab.socket("peer", PEER_PORT) as peer:
            flow = flows[0]
            if way == "up":
                yield Course("client", flow.client, flow.channel, ALONE)
            else:
                peer.connect(flow.relayed)
                yield Course("peer", peer, b"", BEHIND)


def bare(frames: Frames, hook: str, label: str, lab: Lab) -> Track:
    """Redirect all that arrives at the relay to the other side."""
    for role, other in OTHER.items():
        attach(lab, "relay", f"to-{role}", hook, frames.redirect(hook, lab, other))
    return Track(f"bare-{hook}", label, lab, hook)


@contextmanager
def counted(frames: Frames, tracks: list[Track]) -> Iterator[None]:
    """Count and drop what arrives at the far ends of all tracks; some share a network."""
    ends = {(id(t.lab), *end): (t.lab, *end, t.sink) for t in tracks for end in t.ends()}
    with ExitStack() as exits:
        for lab, role, device, hook in ends.values():
            attach(lab, role, device, hook, frames.sinks[hook])
            exits.callback(detach, lab, role, device, hook)
        yield
