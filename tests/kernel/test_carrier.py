"""The carrier on imitated maps: flows follow the core, what was counted is counted once, and nothing fails the core.

It runs on both interpreters: `micropython tests/micropython.py tests/kernel/test_carrier.py`.
"""

from edgeturn.kernel import counters
from edgeturn.kernel.bpf import index
from edgeturn.kernel.counters import NONE, Places
from edgeturn.kernel.flows import key
from edgeturn.protocol import stun
from edgeturn.protocol.address import format as as_text
from edgeturn.protocol.address import parse
from edgeturn.protocol.limits import Limits
from edgeturn.protocol.listener import TCP
from edgeturn.protocol.peers import Peers
from edgeturn.protocol.pool import Allocation
from edgeturn.relay.traffic import Traffic
from tests.core.dialogue import (
    EVEN_AND_NEXT,
    OTHER,
    PEER,
    PEER6,
    START,
    WANT_BOTH,
    WANT_IPV6,
    Client,
    Server,
    credentials,
)
from tests.kernel.carried import LISTENERS, Scene
from tests.kernel.imitation import imitate

HOUR = (stun.LIFETIME, b"\0\0\x0e\x10")
ALICE, BOB = "1.1.1.1:1000", "1.1.1.2:1000"
EPERM = 1


def scene(max_allocations: int = 4, default_lifetime: int = 600) -> Scene:
    return Scene(Server(max_allocations=max_allocations, max_channels=4, default_lifetime=default_lifetime)).start()


def talking(made: Scene, source: str = ALICE, peer: str = PEER, number: int = 0x4000) -> "tuple[Client, str]":
    """Return a client with a channel, and its relayed address."""
    client = made.server.client(source=source)
    relayed = client.relayed()
    assert client.bind(number, peer) == 0
    return client, relayed


def owner_of(made: Scene, source: str = ALICE) -> Allocation:
    return next(owner for owner in made.server.turn.live_sessions() if owner.client == parse(source))


def traffic(made: Scene) -> Traffic:
    return Traffic(owner_of(made), made.carrier)


# Flows.


def test_a_bound_channel_is_two_flows() -> None:
    made = scene()
    relayed = talking(made)[1]
    assert made.rows() == {
        (LISTENERS[0], ALICE, 0x4000): (relayed, PEER, 0, START + 300),
        (relayed, PEER, 0): (LISTENERS[0], ALICE, 0x4000, START + 300),
    }


def test_families_and_listeners_are_told_apart() -> None:
    made = scene()
    alice = made.server.client(source="[2a02::1]:7", listener=1)
    four, six = alice.allocate(WANT_BOTH).addresses(stun.XOR_RELAYED_ADDRESS)
    assert alice.bind(0x4000, PEER) == 0 and alice.bind(0x4001, PEER6) == 0
    assert made.rows()[LISTENERS[1], "[2a02::1]:7", 0x4000][:2] == (four, PEER)
    assert made.rows()[six, PEER6, 0][:3] == (LISTENERS[1], "[2a02::1]:7", 0x4001)


def test_flows_are_those_of_the_addresses_on_the_wire() -> None:
    made = Scene(Server(max_allocations=4, nat=True)).start()
    alice, bob = made.server.client(source=ALICE), made.server.client("bob", BOB)
    first, second = alice.relayed(), bob.relayed()
    assert alice.bind(0x4000, second) == 0 and bob.bind(0x4001, first) == 0
    assert made.rows() == made.bound() and len(made.rows()) == 4
    assert all(key[0].startswith(("10.", "192.")) for key in made.rows())


def test_a_refresh_renews_both_flows() -> None:
    made = scene()
    alice, _ = talking(made)
    made.wait(100)
    assert alice.bind(0x4000, PEER) == 0
    assert {row[3] for row in made.rows().values()} == {START + 400}
    made.wait(100)
    assert alice.permit(PEER) == 0
    assert {row[3] for row in made.rows().values()} == {START + 500}
    assert len(made.rows()) == 2 and made.carrier.channels == 1


def test_flows_end_with_an_allocation_that_ends_first() -> None:
    made = scene()
    alice, _ = talking(made)
    made.wait(400)
    assert alice.bind(0x4000, PEER) == 0
    assert {row[3] for row in made.rows().values()} == {START + 600}
    alice.refresh(600)
    assert {row[3] for row in made.rows().values()} == {START + 700} and made.rows() == made.bound()


def test_a_permission_that_ends_takes_the_flows_and_a_new_one_brings_them() -> None:
    made = scene()
    alice, _ = talking(made)
    made.wait(300)
    assert made.rows() == {} and made.maps.flows.keys() == [] and made.carrier.channels == 0
    assert alice.permit(PEER) == 0
    assert len(made.rows()) == 2 and made.rows() == made.bound()


def test_what_is_over_this_second_is_not_written() -> None:
    made = scene()
    talking(made)
    made.server.now += 299
    made.carrier.rewrite()
    assert len(made.maps.flows.keys()) == 2
    made.server.now += 1
    made.carrier.rewrite()
    assert made.maps.flows.keys() == []


def test_rfc8016_flows_follow_a_client_that_moves_and_go_back_to_python_over_a_stream() -> None:
    made = scene()
    server = made.server
    alice = server.client(source=ALICE)
    answer = alice.allocate((stun.MOBILITY_TICKET, b""))
    relayed, ticket = answer.address(stun.XOR_RELAYED_ADDRESS), answer.value(stun.MOBILITY_TICKET)
    assert alice.bind(0x4000, PEER) == 0
    place = next(iter(owner_of(made).channels.values())).place
    made.count(counters.up(place), 3, 300, 0)
    away = server.client(source="3.3.3.3:3000", listener=1)
    ticket = away.refresh(600, (stun.MOBILITY_TICKET, ticket)).value(stun.MOBILITY_TICKET)
    assert (LISTENERS[0], ALICE, 0x4000) in made.rows()  # until data comes from there
    assert away.channel(0x4000, b"x") is not None
    assert made.rows() == {
        (LISTENERS[1], "3.3.3.3:3000", 0x4000): (relayed, PEER, 0, START + 300),
        (relayed, PEER, 0): (LISTENERS[1], "3.3.3.3:3000", 0x4000, START + 300),
    }
    assert (owner_of(made, "3.3.3.3:3000").kernel_packets, made.carrier.channels) == (3, 1)
    stream = server.listeners[1] + 1
    server.turn.listen(stream, TCP)
    by_stream = Client(server, "4.4.4.4:4000", stream, b"alice", b"pa")
    assert by_stream.refresh(600, (stun.MOBILITY_TICKET, ticket)).code == 0
    assert by_stream.channel(0x4000, b"x") is not None
    assert made.maps.flows.keys() == [] and made.carrier.channels == 0


def test_flows_end_with_the_allocation_the_binding_and_the_policy() -> None:
    for what in ("refresh 0", "expiry", "guard", "reload"):
        made = scene(default_lifetime=3000)
        alice, _ = talking(made)
        if what == "refresh 0":
            alice.refresh(0)
        elif what == "expiry":
            made.wait(3000)
        elif what == "guard":
            for _ in range(3):
                made.wait(200)
                alice.permit(PEER)
        else:
            policy = Peers((), ["8.8.8.8"])
            made.server.turn.use(made.server.limits, credentials((), ()), policy)
        assert made.rows() == {} == made.bound(), what


def test_relay_to_relay_ends_on_both_sides() -> None:
    made = scene()
    alice, bob = made.server.client(source=ALICE), made.server.client("bob", BOB)
    first, second = alice.relayed(), bob.relayed()
    assert alice.bind(0x4000, second) == 0 and bob.bind(0x4000, first) == 0
    assert len(made.rows()) == 4
    bob.refresh(0)
    assert made.rows() == {} and made.carrier.channels == 0


def test_only_flows_between_relayed_addresses_are_for_packets_from_within() -> None:
    for nat in (False, True):
        made = Scene(Server(max_allocations=4, nat=nat)).start()
        alice, bob = made.server.client(source=ALICE), made.server.client("bob", BOB)
        first, second = alice.relayed(), bob.relayed()
        assert alice.bind(0x4000, second) == 0 and bob.bind(0x4000, first) == 0
        assert alice.bind(0x4001, PEER) == 0 and bob.bind(0x4001, OTHER) == 0
        own = {as_text(relay.address) for relay in made.server.turn.pool.relays if relay.allocation}
        assert len(own) == 2 and len(made.rows()) == 8
        assert made.inside() == sorted([key for key in made.rows() if key[0] in own and key[1] in own])
        assert len(made.inside()) == 2


# What fails.


def test_a_channel_without_a_place_stays_in_python_until_there_is_one() -> None:
    made = scene()
    while made.carrier._places.take() != NONE:
        pass
    alice, _ = talking(made)
    assert made.rows() == {} and owner_of(made).channels[0x4000].place == NONE
    assert alice.channel(0x4000, b"up") is not None
    made.carrier._places.give(3)
    assert alice.permit(PEER) == 0
    assert len(made.rows()) == 2 and owner_of(made).channels[0x4000].place == 3


def test_half_a_channel_is_taken_out_again() -> None:
    made = scene()
    made.maps.flows.entries = 1
    alice, _ = talking(made)
    assert made.maps.flows.keys() == [] and made.carrier.failures == 1 and made.carrier.channels == 0
    assert alice.channel(0x4000, b"up") is not None
    made.maps.flows.entries = 2
    assert alice.permit(PEER) == 0 and len(made.rows()) == 2


def test_no_call_that_fails_fails_the_core() -> None:
    for name in ("flows", "counters", "ports"):
        made = scene()
        broken = made.maps.by_name[name]
        broken.broken = EPERM  # type: ignore[attr-defined]
        alice, _ = talking(made)
        assert alice.channel(0x4000, b"up") is not None and made.carrier.channels == 0, name
        assert alice.refresh(0).code == 0, name
        assert made.server.turn.live_sessions() == [] and made.carrier.failures, name


def test_what_can_no_longer_be_deleted_keeps_its_place() -> None:
    made = scene()
    alice, _ = talking(made)
    place = owner_of(made).channels[0x4000].place
    made.maps.flows.broken = EPERM  # type: ignore[attr-defined]
    assert alice.refresh(0).code == 0
    assert made.carrier.channels == 0 and not made.carrier._places.claim(place)


def keys_of(made: Scene, relayed: str, source: str = ALICE, number: int = 0x4000) -> "tuple[bytes, bytes]":
    """Return the keys of a channel's flows."""
    return key(parse(LISTENERS[0]), parse(source), number), key(parse(relayed), parse(PEER), 0)


def test_a_flow_that_cannot_be_deleted_does_not_keep_the_other_and_is_deleted_later() -> None:
    for which in (0, 1):
        made = scene()
        alice, relayed = talking(made)
        place = owner_of(made).channels[0x4000].place
        stuck = keys_of(made, relayed)[which]
        made.stick(stuck)
        assert alice.refresh(0).code == 0
        assert made.maps.flows.keys() == [stuck] and made.carrier.channels == 0 and made.carrier.failures == 1
        made.wait(1)
        assert made.server.turn.due == made.server.now + 1 and made.carrier.failures == 1
        assert not made.carrier._places.claim(place)
        made.stick()
        made.wait(1)
        assert made.maps.flows.keys() == [] and made.carrier._places.claim(place)
        assert made.server.turn.due == 0


def test_a_flow_that_could_not_be_deleted_gives_way_to_the_next_at_its_key() -> None:
    made = scene(default_lifetime=3000)
    alice, relayed = talking(made)
    place = owner_of(made).channels[0x4000].place
    made.stick(*keys_of(made, relayed))
    made.wait(300)  # the permission has ended
    assert made.carrier.channels == 0 and len(made.maps.flows.keys()) == 2
    assert alice.bind(0x4000, PEER) == 0
    assert owner_of(made).channels[0x4000].place != place and made.carrier._places.claim(place)
    made.stick()
    made.wait(1)
    assert made.rows() == made.bound() and len(made.rows()) == 2


def test_no_memory_fails_nothing_and_nobody_inherits_a_place() -> None:
    made = scene()
    alice, _ = talking(made)
    channel = owner_of(made).channels[0x4000]
    made.maps.flows.no_memory = True  # type: ignore[attr-defined]
    assert alice.refresh(0).code == 0
    assert (channel.place, channel.written_until, made.carrier.channels) == (NONE, 0, 0) and made.carrier.failures
    bob, _ = talking(made, BOB)
    assert made.carrier.channels == 0 and bob.channel(0x4000, b"up") is not None
    made.maps.flows.no_memory = False  # type: ignore[attr-defined]
    made.wait(1)
    assert made.maps.flows.keys() == [] and bob.permit(PEER) == 0 and made.rows() == made.bound() != {}


def test_a_place_that_could_not_be_zeroed_counts_for_nobody() -> None:
    made = scene()
    alice, relayed = talking(made)
    made.count(made.counter(relayed, PEER, 0), 20, 3000, START)
    alice.refresh(0)
    made.maps.counters.set = no_set  # type: ignore[method-assign]
    for number in range(15):
        bob = made.server.client("bob", f"1.1.1.2:{1000 + number}")
        bob.relayed()
        assert bob.bind(0x4000, PEER) == 0
        assert owner_of(made, f"1.1.1.2:{1000 + number}").kernel_packets == 0
        bob.refresh(0)
    assert made.carrier.failures == 15 and sum([made.carrier._places.take() != NONE for _ in range(20)]) == 16


def no_set(key: bytes, value: bytes) -> None:
    raise OSError(EPERM)


def test_larger_maps_than_needed_are_used() -> None:
    server = Server(max_allocations=2)
    larger = Limits()
    larger.max_allocations = 5
    made = Scene(server, imitate(larger)).start()
    talking(made)
    assert made.rows() == made.bound() != {} and made.shares()
    made.carrier.stop()
    assert not made.shares() and made.maps.flows.keys() == []


# Counting.


def test_what_the_kernel_carried_is_counted_once() -> None:
    made = scene(default_lifetime=3000)
    alice, relayed = talking(made)
    assert alice.channel(0x4000, b"12345") is not None
    made.count(made.counter(LISTENERS[0], ALICE, 0x4000), 10, 1000, START + 7)
    made.count(made.counter(relayed, PEER, 0), 20, 3000, START + 9)
    for _ in range(2):  # asking changes nothing
        counted = traffic(made)
        assert (counted.up_packets, counted.up_bytes) == (11, 1005)
        assert (counted.down_packets, counted.down_bytes) == (20, 3000)
        assert (counted.kernel_packets, counted.kernel_bytes, counted.channels) == (30, 4000, 1)
        assert counted.used_at == START + 9
    made.wait(300)  # the permission has ended
    counted = traffic(made)
    assert (counted.up_packets, counted.up_bytes, counted.kernel_packets, counted.channels) == (11, 1005, 30, 0)
    assert counted.used_at == START + 9
    assert alice.bind(0x4000, PEER) == 0
    assert traffic(made).kernel_packets == 30


def test_time_of_use_is_the_later_of_both() -> None:
    made = scene()
    alice, relayed = talking(made)
    assert traffic(made).used_at == START
    made.wait(20)
    made.count(made.counter(relayed, PEER, 0), 1, 1, START + 5)
    assert traffic(made).used_at == START + 5
    assert alice.channel(0x4000, b"x") is not None and traffic(made).used_at == START + 20
    made.wait(1)
    assert made.server.from_peer(relayed, PEER, b"x") is not None and traffic(made).used_at == START + 21
    assert alice.permit(OTHER) == 0
    made.wait(1)
    assert alice.send(OTHER, b"x") is not None and traffic(made).used_at == START + 22
    made.wait(1)
    assert made.server.from_peer(relayed, OTHER, b"x") is not None and traffic(made).used_at == START + 23


def test_a_place_is_zeroed_before_somebody_gets_it() -> None:
    made = scene()
    alice, relayed = talking(made)
    counter = made.counter(relayed, PEER, 0)
    made.count(counter, 20, 3000, START)
    alice.refresh(0)
    while made.carrier._places._next // 2 * 2 != counter // 2 * 2:  # places come round
        made.carrier._places.give(made.carrier._places.take())
    bobs = talking(made, BOB)[1]
    counter = made.counter(bobs, PEER, 0)
    assert set(made.maps.counters.get(index(counter)) or b"x") == {0}
    assert Traffic(owner_of(made, BOB), made.carrier).kernel_packets == 0


def test_places_are_each_given_once() -> None:
    for count in (1, 7, 8, 9, 20):
        places = Places(count)
        taken = [places.take() for _ in range(count)]
        assert sorted(taken) == list(range(1, count + 1)) and places.take() == NONE, count
        places.give(count)
        assert not places.claim(0) and not places.claim(count + 1)
        assert places.claim(count) and not places.claim(count) and places.take() == NONE, count
        places.give(1)
        assert places.take() == 1, count


def test_a_place_is_given_again_when_all_others_were() -> None:
    for count in (1, 7, 8, 9, 20):
        places = Places(count)
        for turn in range(3 * count):
            place = places.take()
            assert place == turn % count + 1, count
            places.give(place)


# Ports.


def test_bits_are_those_of_listeners_and_of_relayed_ports_with_flows() -> None:
    made = scene()
    assert made.ports() == [3478]
    alice, relayed = talking(made)
    bob = made.server.client("bob", BOB)
    bob.relayed()
    port = int(relayed.rpartition(":")[2])
    assert made.ports() == [3478, port]
    alice.refresh(0)
    bob.refresh(0)
    assert made.ports() == [3478]


def test_a_port_that_two_addresses_have_stays_until_both_are_gone() -> None:
    made = scene(max_allocations=1)
    alice = made.server.client()
    four, six = alice.allocate(WANT_BOTH).addresses(stun.XOR_RELAYED_ADDRESS)
    port = int(four.rpartition(":")[2])
    assert six.endswith(f":{port}")
    assert alice.bind(0x4000, PEER) == 0 and alice.bind(0x4001, PEER6) == 0
    alice.refresh(0, WANT_IPV6)
    assert made.ports() == [3478, port]
    alice.refresh(0)
    assert made.ports() == [3478]


# Opening and closing while the relay runs.


def test_what_is_bound_already_is_written_and_taken_back() -> None:
    server = Server(max_allocations=4)
    alice = server.client()
    alice.relayed()
    assert alice.bind(0x4000, PEER) == 0
    made = Scene(server).start()
    assert made.rows() == made.bound() and len(made.rows()) == 2 and made.shares()
    made.count(1, 5, 50, START)
    flows = made.maps.flows
    made.carrier.stop()
    assert flows.keys() == [] and made.carrier.channels == 0 and not made.shares()
    counted = Traffic(owner_of(made), None)
    assert (counted.kernel_packets, counted.down_bytes) == (5, 50)


def test_how_many_go_on_and_until_when() -> None:
    made = scene(default_lifetime=3000)
    alice, _ = talking(made)
    made.wait(100)
    assert alice.bind(0x4001, OTHER) == 0
    assert made.carrier.remaining(made.server.now) == (2, START + 400)
    assert made.carrier.remaining(START + 300) == (1, START + 400)
    assert made.carrier.remaining(START + 400) == (0, 0)


def test_reservations_have_no_flows() -> None:
    made = scene()
    alice = made.server.client()
    answer = alice.allocate(EVEN_AND_NEXT)
    made.wait(29)
    assert made.rows() == {}
    bob = made.server.client("bob", BOB)
    relayed = bob.relayed((stun.RESERVATION_TOKEN, answer.value(stun.RESERVATION_TOKEN)), HOUR)
    assert bob.bind(0x4000, PEER) == 0
    assert made.rows() == made.bound() and (relayed, PEER, 0) in made.rows()
