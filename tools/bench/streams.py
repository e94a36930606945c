"""Relayed packets over TCP and TLS: packets per second, and the relay's CPU time per packet, up and down.

Up, clients write as fast as their connections take it, and what the peer's socket got is counted, also what overflowed
there. Down, the peer keeps so many datagrams under way that no queue overflows.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tools.bench.bench import Bench, progress
from tools.bench.figures import Goal, Row, Samples, Section, judge, ratios, spread
from tools.bench.running import CHANNEL, PEER_ADDRESS, Running, channel_header
from tools.bench.stream_client import PATIENCE, StreamClient, context
from tools.bench.stream_systems import COTURN_STREAMS, CPYTHON_STREAMS, MICRO_STREAMS, TLS_PORT
from tools.bench.systems import CREDENTIALS, PEER_PORT, PORT, System
from tools.bench.turn_client import Address, Session

SIZE = 200
SECONDS, QUICK_SECONDS = 0.8, 0.4
WARM_UP_SECONDS = 0.2
UP_BATCH = 32
WINDOW = 128  # datagrams under way towards the clients of one relay
SK_MEMINFO_DROPS, SO_MEMINFO = 8, 55
GOAL = Goal(0.5, at_least=True)
SECURE = {"TCP": False, "TLS": True}
CONNECTIONS = (1, 100)


@dataclass
class StreamFlow:
    """A connection with a channel to the peer, and its relayed address."""

    client: StreamClient
    relayed: Address


@dataclass(frozen=True)
class Streamed:
    """What one run gave; cpu in microseconds per packet."""

    per_second: float
    cpu: float


def connect(running: Running, secure: bool) -> StreamClient:
    with running.lab.inside("client"):
        made = socket.create_connection((running.place.listen, TLS_PORT if secure else PORT), PATIENCE)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.setblocking(False)
    client = StreamClient(made)
    if secure:
        client.handshake(context())
    return client


def open_flow(running: Running, secure: bool) -> StreamFlow:
    client, session = connect(running, secure), Session(CREDENTIALS)
    relayed = client.converse(session.allocate())
    client.converse(session.bind_channel(CHANNEL, PEER_ADDRESS))
    return StreamFlow(client, relayed)


@contextmanager
def flows(running: Running, secure: bool, count: int) -> Iterator[list[StreamFlow]]:
    """Open connections for the length of a measurement; their allocations end with them."""
    opened: list[StreamFlow] = []
    try:
        while len(opened) < count:
            opened.append(open_flow(running, secure))
        yield opened
    finally:
        for flow in opened:
            flow.client.close()


def dropped(sink: socket.socket) -> int:
    """Return how many datagrams a socket's own queue lost."""
    information = sink.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 4 * (SK_MEMINFO_DROPS + 1))
    return int(struct.unpack_from("I", information, 4 * SK_MEMINFO_DROPS)[0])


def drain(sink: socket.socket) -> int:
    """Return how many datagrams were waiting."""
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            sink.recv(2048, socket.MSG_DONTWAIT)
            count += 1
    return count


def up(opened: list[StreamFlow], peer: socket.socket, seconds: float) -> tuple[int, float]:
    """Flood from the clients; return how many packets arrived, and in how many seconds."""
    message = channel_header(SIZE) + bytes(SIZE)
    before, start = dropped(peer), time.monotonic()
    waiter = select.epoll()
    by_number = {flow.client.socket.fileno(): flow.client for flow in opened}
    for number in by_number:
        waiter.register(number, select.EPOLLOUT)
    while (now := time.monotonic()) < start + seconds:
        for number, _ in waiter.poll(0.01):
            client = by_number[number]
            if client.push():
                client.write(message, UP_BATCH)
                client.push()
    return drain(peer) + dropped(peer) - before, now - start


def down(opened: list[StreamFlow], peer: socket.socket, seconds: float) -> tuple[int, float]:
    """Flood from the peer, a window of datagrams under way; return how many arrived, and in how many seconds."""
    data, each = bytes(SIZE), SIZE + 4
    waiter = select.epoll()
    by_number = {flow.client.socket.fileno(): flow.client for flow in opened}
    for number in by_number:
        waiter.register(number, select.EPOLLIN)
    start = last = time.monotonic()
    sent = arrived = size = 0
    while (now := time.monotonic()) < start + seconds:
        if now - last > PATIENCE / 100:  # what hasn't come by then doesn't come
            sent, last = arrived, now
        while sent - arrived < WINDOW:
            peer.sendto(data, opened[sent % len(opened)].relayed)
            sent += 1
        for number, _ in waiter.poll(0.002):
            size += by_number[number].fill()
            by_number[number].received.clear()
            last = now
        arrived = size // each
    return arrived, now - start


WAYS: dict[str, Callable[[list[StreamFlow], socket.socket, float], tuple[int, float]]] = {"up": up, "down": down}
Case = tuple[str, int, str]
Table = dict[tuple[str, Case], list[Streamed]]


def carry(bench: Bench, running: Running, case: Case, seconds: float) -> Streamed:
    transport, count, way = case
    with running.lab.socket("peer", PEER_PORT) as peer, flows(running, SECURE[transport], count) as opened:
        WAYS[way](opened, peer, WARM_UP_SECONDS)
        before = running.process.cpu_time()
        arrived, took = WAYS[way](opened, peer, seconds)
        spent = running.process.cpu_time() - before
    return Streamed(arrived / took, spent / max(arrived, 1) / 1000)


def cases(bench: Bench) -> Iterator[Case]:
    for transport in SECURE:
        for count in CONNECTIONS[:1] if bench.quick else CONNECTIONS:
            for way in WAYS:
                yield transport, count, way


def collect(bench: Bench, systems: Sequence[Running]) -> Table:
    table: Table = {}
    seconds = QUICK_SECONDS if bench.quick else SECONDS
    for repetition in range(bench.repetitions):
        progress(f"streams, repetition {repetition + 1} of {bench.repetitions}")
        for case in cases(bench):
            for running in systems:
                with bench.tolerating(running.system):
                    table.setdefault((running.system.name, case), []).append(carry(bench, running, case, seconds))
    return table


def row(section: Section, table: Table, system: System, case: Case) -> Row:
    runs = table[system.name, case]
    rate, cost = [run.per_second / 1000 for run in runs], [run.cpu for run in runs]
    reference: Samples = [run.cpu for run in table.get((COTURN_STREAMS.name, case), [])]
    name = f"{system.name} {case[0]} {case[1]} {case[2]}"
    section.samples.update({f"{name} kpps": rate, f"{name} us": cost})
    goal = GOAL if system is CPYTHON_STREAMS else None
    return (
        f"  {system.label}",
        spread(rate, ".0f"),
        spread(cost, ".1f"),
        judge(section, f"{name} of coturn", ratios(reference, cost), goal),
    )


def measure(bench: Bench) -> list[Section]:
    compared = (COTURN_STREAMS, CPYTHON_STREAMS, MICRO_STREAMS)
    table = collect(bench, bench.running(*compared, allocations=2 * max(CONNECTIONS)))
    section = Section(
        "Relayed packets over TCP and TLS",
        f"ChannelData of {SIZE} B between clients over a stream and a peer over UDP, relay pinned to one CPU; "
        "'of coturn': packets per second of CPU time against coturn -m 1, within each repetition",
        ("", "1000 packets/s", "us CPU/packet", "of coturn"),
    )
    for case in cases(bench):
        transport, count, way = case
        section.rows.append((f"{transport}, {count} connection{'s' * (count > 1)}, {way}", "", "", ""))
        section.rows += [row(section, table, system, case) for system in compared if (system.name, case) in table]
    return [section]
