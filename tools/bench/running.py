"""A system that runs, and the flows through it: a flow is one client socket, one way through the relay, one peer."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tools.bench.hooked import hook_up
from tools.bench.lab import Lab, LabError
from tools.bench.load import Plan, plan
from tools.bench.process import Process, start
from tools.bench.systems import BARE_PORT, CLIENT_PORT, CREDENTIALS, PEER_PORT, PORT, ROOT, Place, System
from tools.bench.turn_client import BINDING, Address, Refused, Session, converse, encode

CHANNEL = 0x4000
MISMATCH = 437
MOST_PORTS = 20
START_PATIENCE = 20.0
PROBE_PATIENCE = 0.05
STATUS_PATIENCE = 2.0
PEER_ADDRESS = ("198.51.100.2", PEER_PORT)


@dataclass(frozen=True)
class Flow:
    """What a client sends from `client` with `channel` in front reaches the peer; what the peer sends to `relayed`
    reaches the client with `back` bytes in front."""

    client: socket.socket
    channel: bytes
    back: int
    relayed: Address
    session: Session | None = None

    def close(self) -> None:
        if self.session:
            converse(self.client, self.session.refresh(0))
        self.client.close()


def channel_header(size: int) -> bytes:
    return CHANNEL.to_bytes(2, "big") + size.to_bytes(2, "big")


class Running:
    """One started instance of a system."""

    def __init__(self, system: System, place: Place, lab: Lab) -> None:
        self.system = system
        self.place = place
        self.lab = lab
        command = system.command(place)
        if system.hook:
            hook_up(lab, place.folder / "edgeturn.conf", system.hook)
        with lab.inside("relay"):
            self.process: Process = start(
                command, system.cpus, place.folder / "output", ROOT, {"MICROPYPATH": f"{ROOT}:.frozen"}
            )
        try:
            self.wait()
        except LabError:
            self.stop()
            raise

    def stop(self) -> None:
        self.process.stop()

    def status(self) -> dict[str, Any]:
        """Return what the relay says of itself over its control socket, nothing where it has none."""
        try:
            with socket.socket(socket.AF_UNIX) as control:
                control.settimeout(STATUS_PATIENCE)
                control.connect(str(self.place.folder / "control.sock"))
                control.sendall(b'{"command": "status"}\n')
                answer: dict[str, Any] = json.loads(control.makefile().readline())
                return answer
        except (OSError, ValueError):
            return {}

    @property
    def server(self) -> Address:
        return self.place.listen, PORT

    def client(self, port: int = 0) -> socket.socket:
        made = self.lab.socket("client", port)
        made.connect(self.server)
        return made

    def wait(self) -> None:
        """Wait until it answers (a relay that knows no protocol: until it forwards)."""
        end = time.monotonic() + START_PATIENCE
        while not (self.answers() if self.system.turn else self.forwards()):
            if self.process.ended() or time.monotonic() > end:
                raise LabError(f"{self.system.label} did not start: {self.process.last_words()}")

    def answers(self) -> bool:
        with self.client() as probe:
            return answered(probe, probe, encode(BINDING, bytes(12), []))

    def forwards(self) -> bool:
        with self.client(CLIENT_PORT) as probe, self.lab.socket("peer", PEER_PORT) as peer:
            return answered(probe, peer, b"probe")

    def open(self, size: int) -> Flow:
        """Open a flow for payloads of that size."""
        if not self.system.turn:
            return Flow(self.client(CLIENT_PORT), b"", 0, (self.place.relayed, BARE_PORT))
        client, session, relayed = self.allocate()
        converse(client, session.bind_channel(CHANNEL, PEER_ADDRESS))
        client.settimeout(None)
        return Flow(client, channel_header(size), 4, relayed, session)

    def allocate(self) -> tuple[socket.socket, Session, Address]:
        """Allocate from a fresh port; from another one where the relay still remembers that one (coturn does)."""
        for _ in range(MOST_PORTS):
            client, session = self.client(), Session(CREDENTIALS)
            try:
                return client, session, converse(client, session.allocate())
            except Refused as refusal:
                client.close()
                if refusal.code != MISMATCH:
                    raise
        raise LabError(f"{self.system.label} refuses every client port with 437")

    @contextmanager
    def flows(self, count: int, size: int) -> Iterator[list[Flow]]:
        """Open flows for the length of a measurement."""
        opened: list[Flow] = []
        try:
            while len(opened) < count:
                opened += (self.open(size),)
            yield opened
        finally:
            for flow in opened:
                flow.close()


def answered(probe: socket.socket, expected: socket.socket, data: bytes) -> bool:
    """Send and say whether something arrives."""
    expected.settimeout(PROBE_PATIENCE)
    try:
        probe.send(data)
        return bool(expected.recv(2048))
    except (TimeoutError, ConnectionRefusedError):
        time.sleep(PROBE_PATIENCE)
        return False


def up(flows: list[Flow], peer: socket.socket) -> Plan:
    """From the clients to the peer."""
    lines = [f"send {flow.client.fileno()} {flow.channel.hex() or '-'}" for flow in flows]
    return plan([*lines, f"recv {peer.fileno()} 0"])


def down(flows: list[Flow], peer: socket.socket) -> Plan:
    """From the peer to the clients."""
    lines = [f"send {peer.fileno()} - {flow.relayed[0]} {flow.relayed[1]}" for flow in flows]
    return plan([*lines, *(f"recv {flow.client.fileno()} {flow.back}" for flow in flows)])


WAYS = {"up": up, "down": down}
