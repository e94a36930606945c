"""
A flood of packets that nobody has signed: the machine goes on, the relay doesn't grow, and a call loses little.

The flood is what a stranger can send: Binding requests, Allocate requests without credentials, and bytes that are no
STUN at all, from many ports.
"""

import os
import socket
import threading
import time
from contextlib import ExitStack, suppress

from edgeturn.protocol import stun
from tests.blackbox.client import REQUESTED_UDP, encode
from tests.gateway.router import Router
from tests.kernel.lab.topology import Node
from tests.lab.relay import PORT, server
from tests.lab.test_kernel_restart import Caller

SECONDS = 8.0
PER_SECOND = 2000
SOURCES = 64
WAITS = 0.5  # seconds, for a packet of the call
LEAST = 100  # packets of the call that arrive
LOST_AT_MOST = 20  # one of so many
GROWN_AT_MOST = 256  # kB


class Flood:
    """A stranger in the LAN that sends for as long as the block lasts."""

    def __init__(self, router: Router) -> None:
        with Node(router.network.client2.namespace.name).entered():
            self._sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(SOURCES)]
        self.sent = 0
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        place, began = (server(4), PORT), time.monotonic()
        while not self._ends.is_set():
            messages = (encode(stun.BINDING, []), encode(stun.ALLOCATE, [REQUESTED_UDP]), os.urandom(40))
            self._sockets[self.sent % SOURCES].sendto(messages[self.sent % 3], place)
            self.sent += 1
            self._ends.wait(max(0.0, began + self.sent / PER_SECOND - time.monotonic()))

    def __enter__(self) -> "Flood":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()
        for sock in self._sockets:
            sock.close()


def carried(caller: Caller, until: float) -> tuple[int, int]:
    """Let a call go on, a packet each way at a time; return how many packets were sent and how many arrived."""
    sent = arrived = 0
    streams = caller.streams()
    for stream in streams:
        stream.arrival.settimeout(WAITS)
    while time.monotonic() < until:
        for stream in streams:
            stream.send(b"%d" % sent)
            sent += 1
            with suppress(TimeoutError):
                arrived += bool(stream.arrival.recv(2048))
    return sent, arrived


def test_a_call_goes_on_under_a_flood(router: Router) -> None:
    with ExitStack() as stack:
        caller = Caller(router.network, router.network.client1, 0, 4, stack)
        before, relay = router.memory(), router.relay()
        with Flood(router) as flood:
            sent, arrived = carried(caller, time.monotonic() + SECONDS)
        router.wait_ready()
        after = router.memory()
        assert caller.client.refresh(600).code == 0
    print(
        f"{flood.sent / SECONDS:.0f} unsigned packets a second for {SECONDS:.0f} s: {arrived} of {sent} packets of the "
        f"call arrived, the relay has {after} kB and had {before} kB"
    )
    assert router.relay() == relay, "it was the same relay all the time"
    assert after - before < GROWN_AT_MOST
    assert arrived >= LEAST and (sent - arrived) * LOST_AT_MOST < sent, (sent, arrived)
