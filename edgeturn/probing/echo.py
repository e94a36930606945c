"""Packets through a relay and back here, at the pace of a call.

    here ══channel══► server ──► relayed address of a second allocation ──► server ══channel══► here
    here ══channel══► server ──► a socket of this machine                    where the quota leaves no second one

Rule 1: rate, size and time are bounded by who asks; the allocations outlive them, and are released at the end.
Rule 2: a packet is its number and zeros; what comes and is no such packet isn't counted.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from edgeturn.command.ice import Login
from edgeturn.probing import figures
from edgeturn.probing.client import Client, Refused
from edgeturn.probing.fault import FAULTS
from edgeturn.probing.figures import Arrival, Figures
from edgeturn.probing.gathering import allocate
from edgeturn.probing.peer import LocalPeer, source_towards
from edgeturn.probing.server import Server
from edgeturn.protocol import address
from edgeturn.protocol.address import ip_of

_CHANNEL = 0x4000
_NUMBER_SIZE = 4
_LAST_WAIT = 1.0  # seconds for what is still on its way when all is sent
_LOOK_AGAIN = 0.2  # seconds
_QUOTA = (486, 508)
TWO, SOCKET = "a second allocation", "a socket of this machine"


@dataclass(frozen=True)
class Plan:
    """How long, packets a second, bytes a packet."""

    seconds: int
    rate: int
    size: int

    @property
    def count(self) -> int:
        """Return how many packets that is."""
        return self.seconds * self.rate


@dataclass(frozen=True)
class Measured:
    """What was measured: figures, and both places, as text."""

    figures: Figures
    relayed: str
    other: str
    other_is: str  # TWO or SOCKET
    stopped: bool = False  # before all was sent


class _End(Protocol):
    """The other end."""

    address: bytes

    def take(self, seconds: float) -> bytes | None:
        """Return the next data, None where none came in time."""

    def close(self) -> None:
        """Release it."""


class Path:
    """The way through a relay and back, while both ends stand."""

    def __init__(self, first: "_Allocation", other: _End) -> None:
        """Take both ends."""
        self._first = first
        self._other = other

    def measure(self, plan: Plan, sent: Callable[[int], None]) -> Measured:
        """Send packets; tell the number of each. KeyboardInterrupt ends it with what was measured."""
        first, other = self._first, self._other
        other_is = TWO if isinstance(other, _Allocation) else SOCKET
        found, stopped = _run(first, other, plan, sent)
        return Measured(found, address.format(first.address), address.format(other.address), other_is, stopped)


@contextmanager
def through(server: Server, login: Login | None) -> Iterator[Path]:
    """Give the path through a relay; NoWay, Silent, Refused or OSError where there's none."""
    with closing(_Allocation(server, login)) as first, closing(_other_end(server, login, first)) as other:
        first.bind(other.address)
        yield Path(first, other)


class _Allocation:
    """An allocation and its client."""

    def __init__(self, server: Server, login: Login | None) -> None:
        self.client = Client(server, login)
        try:
            self.address = allocate(self.client, address.family(ip_of(server.place)))
        except BaseException:
            self.client.close()
            raise

    def bind(self, peer: bytes) -> None:
        self.client.bind(_CHANNEL, peer)

    def send(self, data: bytes) -> None:
        self.client.send_channel(_CHANNEL, data)

    def take(self, seconds: float) -> bytes | None:
        received = self.client.receive(seconds)
        return received.data if received else None

    def close(self) -> None:
        with suppress(*FAULTS):
            self.client.refresh(0)
        self.client.close()


class _Socket(LocalPeer):
    """A socket of this machine."""

    def take(self, seconds: float) -> bytes | None:
        received = self.receive(seconds)
        return received[1] if received else None


def _other_end(server: Server, login: Login | None, first: _Allocation) -> _End:
    try:
        second = _Allocation(server, login)
    except Refused as refused:
        if refused.code not in _QUOTA:
            raise
        return _Socket(source_towards(ip_of(first.address)))
    try:
        second.bind(first.address)
    except BaseException:
        second.close()
        raise
    return second


def _run(first: _Allocation, other: _End, plan: Plan, told: Callable[[int], None]) -> tuple[Figures, bool]:
    arrivals: list[Arrival] = []
    sent: list[int] = []
    ended = threading.Event()
    reader = threading.Thread(target=_read, args=(other, plan, arrivals, ended), daemon=True)
    reader.start()
    stopped = False
    try:
        try:
            _send(first, plan, sent, told)
        except KeyboardInterrupt:
            stopped = True
        _wait(arrivals, len(sent))
    finally:
        ended.set()
        reader.join()
    return figures.compute(sent, [each for each in arrivals if each.number < len(sent)]), stopped


def _send(first: _Allocation, plan: Plan, sent: list[int], told: Callable[[int], None]) -> None:
    begin = time.monotonic()
    for number in range(plan.count):
        time.sleep(max(begin + number / plan.rate - time.monotonic(), 0))
        sent.append(time.monotonic_ns())
        first.send(number.to_bytes(_NUMBER_SIZE, "big") + bytes(plan.size - _NUMBER_SIZE))
        told(number)


def _read(other: _End, plan: Plan, arrivals: list[Arrival], ended: threading.Event) -> None:
    with suppress(OSError):
        while not ended.is_set():
            data = other.take(_LOOK_AGAIN)
            if data is not None and len(data) == plan.size:
                arrivals.append(Arrival(int.from_bytes(data[:_NUMBER_SIZE], "big"), time.monotonic_ns()))


def _wait(arrivals: list[Arrival], count: int) -> None:
    """Wait for what is on its way."""
    ends = time.monotonic() + _LAST_WAIT
    while len(arrivals) < count and time.monotonic() < ends:
        time.sleep(0.01)
