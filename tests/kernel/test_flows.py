"""
What a flow is besides its packets: counters, rates, the second at which it ends, and two of them behind one another.

    client ──── router ──── peer        tests/kernel/lab/topology.py: Line

Relay to relay: two clients of one router, whose relayed addresses are each other's peers.

    alice ──channel──► listener │ her relayed ──► his relayed │ listener ──channel──► bob
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from edgeturn import seam
from tests.blackbox.relay import until
from tests.kernel.lab.checks import ATOMIC, Ends, Place, differences, received, waiting
from tests.kernel.lab.kernel import CLIENT_PORT, RELAYED_PORT, Binding, Counted, Kernel, binding_of
from tests.kernel.lab.packets import Packet
from tests.kernel.lab.tap import Tap
from tests.kernel.lab.topology import HOST, ROUTER, Line
from tests.lab.network import CLIENTS, PEERS

CLOCK_MONOTONIC_COARSE = 6
DATA = bytes(range(100))
UP, DOWN = True, False


@pytest.fixture
def ends(line: Line, kernel: Kernel) -> Iterator[Ends]:
    with Ends(binding_of(4, 4), Place(line.client), line.relay, Place(line.peer)) as made:
        yield made


def test_a_flow_counts_what_client_and_peer_exchange(kernel: Kernel, ends: Ends, hook: str) -> None:
    places = kernel.bind(ends.binding)
    for _ in range(3):
        ends.assert_carried(UP, DATA)
    ends.assert_carried(DOWN, DATA[:7])
    assert kernel.counted(places.up) == Counted(3, 300)
    assert kernel.counted(places.down) == Counted(1, 7)


def test_what_was_not_carried_is_not_counted(kernel: Kernel, ends: Ends) -> None:
    places = kernel.bind(ends.binding)
    ends.assert_passed(UP, ends.binding.message(DATA) + b"\0")
    assert kernel.counted(places.up) == Counted(0, 0)


# Rates: so many bytes in a second that begins with the first packet.

RATE = 250


@pytest.mark.parametrize("cell", [0, 1, 2])
def test_a_rate_binds_wherever_it_stands(kernel: Kernel, ends: Ends, hook: str, cell: int) -> None:
    budgets = [0, 0, 0]
    budgets[cell] = 5
    places = kernel.bind(ends.binding, up=(budgets[0], budgets[1], budgets[2]))
    kernel.allow(5, RATE)
    assert kernel.count(lambda: send_three(ends), hook) == {"carried": 2, "bandwidth": 1}
    assert kernel.counted(places.up) == Counted(2, 200)
    ends.assert_carried(DOWN, DATA * 3)
    datagram = ends.binding.message(DATA)
    until(lambda: kernel.count(lambda: ends.send(UP, datagram), hook) == {"carried": 1}, "a new second")
    assert received(ends.peer) == (DATA, ends.binding.relayed)
    assert waiting(ends.listener) == [], "what is too much is dropped, and not passed on to be dropped by the relay"


def send_three(ends: Ends) -> None:
    """Send three datagrams of which two fit the rate."""
    for _ in range(3):
        ends.send(UP, ends.binding.message(DATA))
    assert [received(ends.peer)[0] for _ in range(2)] == [DATA, DATA]


def test_a_rate_that_two_flows_share(line: Line, kernel: Kernel, ends: Ends, hook: str) -> None:
    kernel.bind(ends.binding, up=(0, 5, 0), down=(0, 5, 0))
    kernel.allow(5, RATE)
    ends.assert_carried(UP, DATA)
    ends.assert_carried(DOWN, DATA)
    assert kernel.count(lambda: ends.send(UP, ends.binding.message(DATA)), hook) == {"bandwidth": 1}
    assert kernel.count(lambda: ends.send(DOWN, DATA), hook) == {"bandwidth": 1}
    ends.assert_silent()


def test_two_rates_take_nothing_of_what_the_other_refuses(kernel: Kernel, ends: Ends, hook: str) -> None:
    kernel.bind(ends.binding, up=(5, 0, 0), down=(5, 6, 0))
    kernel.allow(5, RATE)
    kernel.allow(6, RATE // 10)
    assert kernel.count(lambda: ends.send(DOWN, DATA), hook) == {"bandwidth": 1}
    ends.assert_carried(UP, DATA)
    ends.assert_carried(UP, DATA)


# The end of a flow.


def test_a_flow_ends_at_its_second(kernel: Kernel, ends: Ends, hook: str) -> None:
    """Whatever is carried was sent before that second began, and what goes up was received after.

    The program reads the clock that is advanced by the timer's tick only.
    """
    expires = seam.clock() + 2
    kernel.bind(ends.binding, expires=expires)
    ways = set()
    while "expired" not in ways:
        begun = time.clock_gettime(CLOCK_MONOTONIC_COARSE)
        found = kernel.count(lambda: passed_or_carried(ends), hook)
        assert len(found) == 1, found
        in_time = begun < expires if "carried" in found else time.clock_gettime(CLOCK_MONOTONIC_COARSE) >= expires
        assert in_time, found
        ways |= set(found)
    assert ways == {"carried", "expired"}


def passed_or_carried(ends: Ends) -> None:
    """Send a datagram and wait until it has arrived, wherever that is."""
    ends.send(UP, ends.binding.message(DATA))
    until(lambda: waiting(ends.peer) or waiting(ends.listener), "it arrives somewhere")


def test_a_flow_is_prolonged_and_ended_by_hand(kernel: Kernel, ends: Ends, hook: str) -> None:
    kernel.bind(ends.binding, expires=seam.clock())
    ends.assert_passed(UP, ends.binding.message(DATA))
    kernel.bind(ends.binding)
    ends.assert_carried(UP, DATA)
    kernel.forget()
    ends.assert_passed(UP, ends.binding.message(DATA))


def test_a_port_that_is_closed_hides_its_flow(kernel: Kernel, ends: Ends, hook: str) -> None:
    kernel.bind(ends.binding)
    kernel.close_port(ends.binding.listener[1])
    assert kernel.count(lambda: ends.assert_passed(UP, ends.binding.message(DATA)), hook) == {}
    ends.assert_carried(DOWN, DATA)


# Relay to relay.

ALICE, BOB = 1, 2
CHANNELS = {ALICE: 0x4005, BOB: 0x4006}
FAMILIES = {
    "all IPv4": (4, 4, 4),
    "all IPv6": (6, 6, 6),
    "IPv4 to IPv6": (4, 6, 4),
    "IPv6 to IPv4": (6, 4, 6),
    "IPv4, relayed IPv6": (4, 4, 6),
}


def client_binding(number: int, family: int, relayed: int) -> Binding:
    """Return the binding of a client whose peer is the other one; the families are its way here, and the relay's."""
    here, there = (PEERS.address(relayed, ROUTER), RELAYED_PORT + number), 3 - number
    return replace(
        binding_of(family, relayed),
        client=(CLIENTS.address(family, HOST), CLIENT_PORT + number),
        relayed=here,
        peer=(here[0], RELAYED_PORT + there),
        channel=CHANNELS[number],
    )


class Pair:
    """Two clients at one host who talk through one relay; a context manager."""

    def __init__(self, line: Line, kernel: Kernel, families: tuple[int, int, int]) -> None:
        """Take the families by which either reaches the relay, and that of the relayed addresses."""
        alice, bob, relayed = families
        self.bindings = {ALICE: client_binding(ALICE, alice, relayed), BOB: client_binding(BOB, bob, relayed)}
        self.places = {number: kernel.bind(each) for number, each in self.bindings.items()}
        with ExitStack() as stack:
            self.sockets = {
                number: stack.enter_context(line.client.udp(each.client)) for number, each in self.bindings.items()
            }
            listeners = {each.listener for each in self.bindings.values()}
            self.listeners = {place: stack.enter_context(line.relay.udp(place)) for place in listeners}
            self.tap = stack.enter_context(Tap(line.client, "uplink"))
            self._open = stack.pop_all()

    def __enter__(self) -> "Pair":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def send(self, number: int, datagram: bytes) -> None:
        self.sockets[number].sendto(datagram, self.bindings[number].listener)

    def assert_carried(self, number: int, data: bytes) -> None:
        """Send data by one client's channel and see it come out of the other's, every field of the packet right."""
        mine, other = self.bindings[number], self.bindings[3 - number]
        self.tap.forget_sent()
        self.send(number, mine.message(data))
        sent, arrived = self.tap.sent().packet, self.tap.next().packet
        expected = Packet(other.listener, other.client, other.message(data), sent.hops - 1, mark=arrived.mark)
        if expected.family == 4:
            kept = sent.dont_fragment if sent.family == 4 else expected.size > ATOMIC
            expected = replace(expected, dont_fragment=kept)
        assert differences(arrived, expected) == {}
        assert received(self.sockets[3 - number]) == (other.message(data), other.listener)

    def assert_passed(self, number: int, datagram: bytes) -> None:
        """Send a datagram and see it at the relay's own socket."""
        self.send(number, datagram)
        binding = self.bindings[number]
        assert received(self.listeners[binding.listener]) == (datagram, binding.client)


@pytest.mark.parametrize("families", FAMILIES)
def test_relay_to_relay(line: Line, kernel: Kernel, hook: str, families: str) -> None:
    with Pair(line, kernel, FAMILIES[families]) as pair:
        for length in (0, 1, 3, 4, 172, 1200, 1300):
            carried = kernel.count(lambda: pair.assert_carried(ALICE, bytes(length)), hook)  # noqa: B023
            assert carried == {"carried": 1}
            pair.assert_carried(BOB, bytes(length))
        for number in (ALICE, BOB):
            assert kernel.counted(pair.places[number].up) == Counted(7, 2680)
            assert kernel.counted(pair.places[number].down) == Counted(7, 2680)


def test_relay_to_relay_needs_both(line: Line, kernel: Kernel, hook: str) -> None:
    """Where the other one has no permission for this one, the relay's own socket gets it, and drops it."""
    with Pair(line, kernel, FAMILIES["all IPv4"]) as pair:
        pair.assert_carried(ALICE, DATA)
        kernel.bind(pair.bindings[BOB], expires=seam.clock())
        datagram = pair.bindings[ALICE].message(DATA)
        assert kernel.count(lambda: pair.assert_passed(ALICE, datagram), hook) == {"route": 1}
        assert waiting(pair.sockets[BOB]) == []


def test_relay_to_relay_takes_from_the_rates_of_both(line: Line, kernel: Kernel, hook: str) -> None:
    with Pair(line, kernel, FAMILIES["all IPv4"]) as pair:
        kernel.bind(pair.bindings[ALICE], up=(5, 0, 0))
        kernel.bind(pair.bindings[BOB], down=(6, 0, 0))
        for poor, rich in ((5, 6), (6, 5)):
            kernel.allow(poor, len(DATA))
            kernel.allow(rich, 10 * len(DATA))
            pair.assert_carried(ALICE, DATA)
            datagram = pair.bindings[ALICE].message(DATA)
            assert kernel.count(lambda: pair.send(ALICE, datagram), hook) == {"bandwidth": 1}  # noqa: B023
