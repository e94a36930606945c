"""Channels are shared: an allocation is sure of two, and further ones are there for who asks first."""

import sys
from unittest import SkipTest

from edgeturn.protocol.limits import CHANNEL_GUARD, CHANNEL_LIFETIME, PERMISSION_LIFETIME, SURE_CHANNELS
from edgeturn.protocol.pool import Allocation, reserve
from tests.core.dialogue import OTHER, Client, Server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.protocol.pool import Channel

MOST = 16


class Full(dict):  # type: ignore[type-arg]
    """A table that gets no memory to grow."""

    def __setitem__(self, key: bytes, value: "Channel") -> None:
        raise MemoryError


class RoomForOne(dict):  # type: ignore[type-arg]
    """A table that gets memory for one entry."""

    def __setitem__(self, key: object, value: object) -> None:
        if self:
            raise MemoryError
        super().__setitem__(key, value)


def started(server: Server, count: int, user: str = "alice") -> list[Client]:
    """Return clients of one user with an allocation each."""
    clients = [server.client(user, f"1.2.{number}.{len(user)}:1000") for number in range(count)]
    for client in clients:
        client.relayed()
    return clients


def bound(client: Client) -> int:
    """Let a client bind channels until it's refused, by 508; return how many it got."""
    for number in range(MOST):
        code = client.bind(0x4000 + number, f"8.8.8.8:{number + 1}")
        if code:
            assert code == 508
            return number
    assert client.bind(0x4FFF, OTHER) == 508
    return MOST


def owner_of(client: Client) -> Allocation:
    found = client.server.turn.live_sessions()[0]
    assert client.server.turn.live_allocation(client.via, found.client, client.server.now) is found
    return found


def test_an_allocation_is_sure_of_two_whatever_others_have() -> None:
    server = Server(max_allocations=8, user_quota=0)
    clients = started(server, 8)
    assert [bound(client) for client in clients] == 2 * [MOST] + 6 * [SURE_CHANNELS]
    assert clients[2].bind(0x4000, "8.8.8.8:1") == 0
    assert clients[0].refresh(0).code == 0
    assert bound(clients[7]) == MOST
    server.wait(100000)
    assert (server.turn.pool.spare_channels, server.turn.pool._free_channels.count) == (28, 44)


def test_a_user_has_at_most_half_of_what_is_shared() -> None:
    server = Server(max_allocations=32)
    assert [bound(client) for client in started(server, 4)] == [MOST, MOST, 6, SURE_CHANNELS]
    assert [bound(client) for client in started(server, 3, "bob")] == [MOST, MOST, 6]


def test_one_allocation_may_have_as_many_as_are_configured_however_small_the_pool() -> None:
    for size in (1, 2, 5):
        assert bound(started(Server(max_allocations=size), 1)[0]) == MOST


def test_nobody_takes_all_however_many_are_configured() -> None:
    for size, most in ((7, 16), (64, 130), (64, 256)):
        server = Server(max_allocations=size, max_channels=most)
        alice, bob = started(server, 1)[0], started(server, 1, "bob")[0]
        for client in (alice, bob):
            codes = [client.bind(0x4000 + number, f"8.8.8.8:{number + 1}") for number in range(most)]
            assert codes == most * [0]


def test_what_is_past_its_guard_is_there_for_others() -> None:
    server = Server(max_allocations=8, user_quota=0)
    clients = started(server, 3)
    assert [client.refresh(3600).code for client in clients] == [0, 0, 0]
    assert [bound(client) for client in clients] == [MOST, MOST, SURE_CHANNELS]
    for seconds in (PERMISSION_LIFETIME + 1, CHANNEL_LIFETIME, CHANNEL_GUARD):
        server.wait(seconds)
    assert bound(clients[2]) == MOST


def test_what_there_is_no_memory_for_leaves_nothing_in_a_table() -> None:
    table = RoomForOne()
    try:
        reserve(table, 2)
        raise AssertionError("it found memory")
    except MemoryError:
        assert not table
    Server(max_allocations=1).turn.pool.trim(table)
    assert not table


def test_few_channels_are_not_shared() -> None:
    clients = started(Server(max_allocations=4, max_channels=4), 4)
    for number in range(4):
        assert [client.bind(0x4000 + number, f"8.8.8.8:{number + 1}") for client in clients] == 4 * [0]


def test_a_refused_channel_leaves_no_permission() -> None:
    clients = started(Server(max_allocations=8, user_quota=0), 3)
    assert [bound(client) for client in clients] == [MOST, MOST, SURE_CHANNELS]
    assert clients[2].bind(0x4FFF, OTHER) == 508
    assert clients[2].send(OTHER, b"x") is None


def test_a_channel_for_which_there_is_no_memory_is_given_back() -> None:
    server = Server(max_allocations=4)
    alice = started(server, 1)[0]
    owner, pool = owner_of(alice), server.turn.pool
    relay = owner.relays[0]
    assert relay is not None
    for number in range(3):
        alice.bind(0x4000 + number, f"8.8.8.8:{number + 1}")
    before = [pool._free_channels.count, pool.spare_channels]
    table, relay.channels = relay.channels, Full()
    try:
        alice.bind(0x4003, "8.8.8.8:4")
        raise AssertionError("it found memory")
    except MemoryError:
        relay.channels = table
    assert [pool._free_channels.count, pool.spare_channels] == before
    assert sorted(owner.channels) == [0x4000, 0x4001, 0x4002]
    assert alice.bind(0x4003, "8.8.8.8:4") == 0


def test_tables_that_grew_for_an_allocation_shrink_behind_it() -> None:
    if not hasattr(sys, "getsizeof"):
        raise SkipTest("this interpreter doesn't say what an object takes")
    server = Server(max_allocations=2)
    alice = started(server, 1)[0]
    owner = owner_of(alice)
    relay = owner.relays[0]
    assert relay is not None
    tables = (owner.channels, relay.channels)
    sizes = [sys.getsizeof(table) for table in tables]
    assert bound(alice) == MOST
    assert [sys.getsizeof(table) > size for table, size in zip(tables, sizes)] == [True, True]
    assert alice.refresh(0).code == 0
    assert [sys.getsizeof(table) for table in tables] == sizes
