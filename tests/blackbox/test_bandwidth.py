"""Bytes a second: per allocation, per user and in all, in both directions, each direction counted for itself.

Credit is drawn from windows of one second in pieces of 2048 bytes or more, so a window may leave up to a piece unused.
"""

from collections.abc import Callable

import pytest

from tests.blackbox.client import CHANNEL, Client, Peer
from tests.blackbox.conftest import NewClient, NewPeer, StartRelay
from tests.blackbox.relay import Address, Relay, until

RATE = 16000
SIZE = 1000
MANY = 60  # packets: 60000 bytes in far less than the two windows that they may touch
ROUND = 20
LEAST = (RATE - 4 * SIZE) // SIZE
MOST = 2 * RATE // SIZE
COUNTERS = ("up_packets", "up_bytes", "down_packets", "down_bytes")
OPTIONS = ("bandwidth", "user_bandwidth", "total_bandwidth")
# Whether two allocations of one user, and whether two users, share what an option gives.
SHARED = {"bandwidth": (False, False), "user_bandwidth": (True, False), "total_bandwidth": (True, True)}


class Line:
    """A client with its allocation and a peer at the other end."""

    def __init__(self, client: Client, peer: Peer, by_channel: bool) -> None:
        self.client, self.peer = client, peer
        self.relayed: Address = client.allocate().relayed[0]
        self.by_channel = by_channel
        assert (client.bind(CHANNEL, peer.address) if by_channel else client.permit(peer.address)) == 0

    def up(self) -> None:
        if self.by_channel:
            self.client.channel(CHANNEL, bytes(SIZE))
        else:
            self.client.send(self.peer.address, bytes(SIZE))

    def down(self) -> None:
        self.peer.send(self.relayed, bytes(SIZE))

    def arrived(self, direction: str) -> int:
        """Return how many packets came out at the other end, without waiting."""
        return len(self.peer.queued() if direction == "up" else self.client.waiting())


@pytest.fixture
def new_line(new_client: NewClient, new_peer: NewPeer) -> Callable[[Relay, str, bool], Line]:
    return lambda relay, user, by_channel: Line(new_client(relay, user), new_peer(), by_channel)


NewLine = Callable[[Relay, str, bool], Line]


def flood(relay: Relay, lines: list[Line], direction: str) -> list[int]:
    """Send far too much on some lines in turn; return how many packets arrived on each once the rest is dropped."""
    counts = [0] * len(lines)

    sent = 0

    def is_all() -> bool:
        for place, line in enumerate(lines):
            counts[place] += line.arrived(direction)
        return sum(counts) + relay.dropped("bandwidth") == sent

    for _ in range(MANY // ROUND):  # no more at a time than a socket's buffer holds
        for line in lines * ROUND:
            getattr(line, direction)()
            sent += 1
        until(is_all, "every packet has arrived or is dropped")
    return counts


def flows(line: Line, direction: str) -> None:
    """Wait until a packet arrives, of which one is sent each time."""

    def once() -> int:
        getattr(line, direction)()
        return line.arrived(direction)

    until(once, f"a packet arrives {direction}")


@pytest.mark.parametrize("by_channel", [False, True], ids=["indications", "channel"])
@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize("option", OPTIONS)
def test_a_rate_is_kept(start: StartRelay, new_line: NewLine, option: str, direction: str, by_channel: bool) -> None:
    relay = start(**{option: RATE})
    line = new_line(relay, "alice", by_channel)
    assert LEAST <= flood(relay, [line], direction)[0] <= MOST
    other = "down" if direction == "up" else "up"
    flows(line, other)
    flows(line, direction)  # in the next second


@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize("option", OPTIONS)
def test_who_shares_a_rate(start: StartRelay, new_line: NewLine, option: str, direction: str) -> None:
    relay = start(**{option: RATE})
    one_user, two_users = SHARED[option]
    lines = [new_line(relay, user, True) for user in ("alice", "alice", "bob")]
    arrived = flood(relay, lines, direction)
    two = max(arrived[:2]) + arrived[2]  # over a stream many are read at once, and one of alice's may get it all
    for together, shared in ((arrived[0] + arrived[1], one_user), (two, two_users)):
        assert together <= MOST if shared else together >= 2 * LEAST - 4, arrived


def test_counters_say_what_was_relayed(start: StartRelay, new_line: NewLine) -> None:
    relay = start()
    line = new_line(relay, "alice", True)
    for _ in range(10):
        line.up()
        line.down()
    counted = [10, 10 * SIZE, 10, 10 * SIZE]
    until(lambda: [relay.sessions()[0][name] for name in COUNTERS] == counted, "all is counted")
    assert line.client.refresh(0).code == 0
    traffic = relay.status()["traffic"]
    assert [traffic[name] for name in COUNTERS] == counted
