"""Latency of a client over UDP while slow clients hang on over TCP: some that don't read, some that hardly write.

Each reader has an allocation and gets media that it doesn't read, so that all of its queues are full; each writer has
begun a message that it never ends.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tools.bench.bench import Bench, progress
from tools.bench.figures import Samples, Section, differences, spread
from tools.bench.latency import QUICK_SECONDS, RATE, SECONDS, SIZE, relayed
from tools.bench.running import PEER_ADDRESS, Running
from tools.bench.stream_client import StreamClient
from tools.bench.stream_systems import COTURN_STREAMS, CPYTHON_STREAMS, MICRO_STREAMS
from tools.bench.streams import connect, open_flow

READERS = WRITERS = 200
FILL_SECONDS = 1.5
PEER_SOURCE = PEER_ADDRESS[1]


@contextmanager
def slow_clients(bench: Bench, running: Running) -> Iterator[list[StreamClient]]:
    """Hold slow readers, full up to the brim, and slow writers."""
    with ExitStack() as opened:
        readers = []
        for _ in range(READERS):
            flow = open_flow(running, False)
            opened.callback(flow.client.close)
            readers.append(flow)
        with running.lab.socket("peer", PEER_SOURCE) as peer:
            end = time.monotonic() + FILL_SECONDS
            while time.monotonic() < end:
                for flow in readers:
                    peer.sendto(bytes(1200), flow.relayed)
        writers = [connect(running, False) for _ in range(WRITERS)]
        for writer in writers:
            opened.callback(writer.close)
            writer.socket.setblocking(True)
        yield writers


def write_a_byte(writers: list[StreamClient], at: int) -> None:
    """Let each writer send the next byte of a message; who was ended meanwhile is left out."""
    byte = (b"\x00\x01\x00\x08\x21\x12\xa4\x42" + bytes(20))[at % 24 : at % 24 + 1]
    for writer in list(writers):
        try:
            writer.socket.send(byte, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except OSError:
            writers.remove(writer)


def measure(bench: Bench) -> list[Section]:
    section = Section(
        "Latency beside slow clients",
        f"us, round trip over UDP client to peer and back, {SIZE} B, {RATE}/s, alone and beside {READERS} TCP clients "
        f"that don't read their media and {WRITERS} that write a byte a second",
        ("relay", "p50 alone", "p50 beside", "p99 alone", "p99 beside", "p50 added"),
    )
    seconds = QUICK_SECONDS if bench.quick else SECONDS
    for running in bench.running(COTURN_STREAMS, CPYTHON_STREAMS, MICRO_STREAMS, allocations=READERS + 8):
        progress(f"slow clients of {running.system.label}")
        with bench.tolerating(running.system):
            alone: dict[str, Samples] = {"p50": [], "p99": []}
            beside: dict[str, Samples] = {"p50": [], "p99": []}
            for _ in range(bench.repetitions):
                keep(alone, relayed(bench, running, seconds))
            with slow_clients(bench, running) as writers:
                for at in range(bench.repetitions):
                    write_a_byte(writers, at)
                    keep(beside, relayed(bench, running, seconds))
                ended = WRITERS - len(writers)
            section.rows.append(row(section, running, alone, beside))
            if ended:
                section.notes.append(f"{running.system.label}: {ended} of the slow writers were ended meanwhile")
    return [section]


def keep(table: dict[str, Samples], answer: dict[str, float]) -> None:
    for quantile, samples in table.items():
        samples.append(answer[quantile] / 1000)


def row(section: Section, running: Running, alone: dict[str, Samples], beside: dict[str, Samples]) -> tuple[str, ...]:
    name = running.system.name
    for quantile in alone:
        section.samples.update({f"{name} {quantile} alone": alone[quantile], f"{name} {quantile}": beside[quantile]})
    shown = [spread(table[quantile], ".0f") for quantile in alone for table in (alone, beside)]
    return (running.system.label, *shown, spread(differences(beside["p50"], alone["p50"]), ".0f"))
