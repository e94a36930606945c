"""Orphans on imitated maps: what a relay before this one left goes on until it expires, and is in nobody's way.

A second server with the maps of the first stands for the restart; it runs on both interpreters.
"""

from edgeturn.kernel import flows
from edgeturn.kernel.flows import Flow
from edgeturn.protocol import stun
from edgeturn.protocol.address import ip_of, parse
from edgeturn.protocol.peers import Peers
from tests.core.dialogue import OTHER, PEER, PEER6, RELAY_IPS, START, WANT_BOTH, WANT_IPV4, Server
from tests.kernel.carried import LISTENERS, Scene

ALICE, BOB = "1.1.1.1:1000", "1.1.1.2:1000"
LATER = 100


def before() -> "tuple[Scene, list[str]]":
    """Return a scene of two clients, and their relayed addresses: Alice has two channels, Bob one that ends later."""
    made = Scene(Server(max_allocations=4, default_lifetime=3000)).start()
    alice, bob = made.server.client(source=ALICE), made.server.client("bob", BOB)
    relayed = [alice.relayed(), bob.relayed()]
    assert alice.bind(0x4000, PEER) == 0 and alice.bind(0x4001, OTHER) == 0
    made.wait(LATER)
    assert bob.bind(0x4000, PEER) == 0
    return made, relayed


def after(old: Scene, **how: "tuple[str, ...]") -> Scene:
    """Return the scene that a restarted relay finds."""
    server = Server(max_allocations=4, **how)  # type: ignore[arg-type]
    server.now = old.server.now
    for relay in server.turn.pool.relays:  # a relay's random ports aren't those that are held
        server.open(relay, 51000 + relay.index)
    return Scene(server, old.maps)


def test_flows_that_are_found_go_on_until_they_expire() -> None:
    old, relayed = before()
    made = after(old).start()
    assert made.rows() == old.rows() and len(made.rows()) == 6
    assert made.carrier.orphans.count == 3 and sorted(made.held) == sorted(relayed)
    made.wait(200)
    assert len(made.rows()) == 2 and made.held == relayed[1:] and len(made.maps.flows.keys()) == 2
    assert made.server.turn.due == START + LATER + 300
    made.wait(99)
    assert made.carrier.orphans.count == 1
    made.wait(1)
    assert made.maps.flows.keys() == [] and made.held == [] and made.carrier.orphans.due == 0


def test_their_places_are_given_to_nobody() -> None:
    old, _ = before()
    made = after(old).start()
    carol = made.server.client(source="1.1.1.3:1")
    carol.relayed()
    for number in range(3):
        assert carol.bind(0x4000 + number, f"9.9.9.{number}:9") == 0
    keys = made.maps.flows.keys()
    counters = [flows.read_flow(made.maps.flows.get(key) or b"").counter for key in keys]
    assert sorted(counters) == list(range(12))


def test_their_ports_stay_open_as_long_as_they() -> None:
    old, relayed = before()
    ports = [int(each.rpartition(":")[2]) for each in relayed]
    made = after(old).start()
    assert made.ports() == [3478] + sorted(ports)  # noqa: RUF005 (MicroPython)
    made.wait(200)
    assert made.ports() == [3478] + ports[1:]  # noqa: RUF005
    made.wait(100)
    assert made.ports() == [3478]


def test_a_client_that_comes_back_ends_its_own_and_no_others() -> None:
    old, relayed = before()
    made = after(old).start()
    # The same host from another port, and the same address at another listener, are other clients.
    made.server.client(source="1.1.1.1:1001").relayed()
    made.server.client(source=ALICE, listener=1).relayed()
    assert made.carrier.orphans.count == 3
    made.server.client(source=ALICE).relayed()
    assert made.carrier.orphans.count == 1 and made.held == relayed[1:]
    assert {key[:2] for key in made.rows()} == {(LISTENERS[0], BOB), (relayed[1], PEER)}


def test_a_dual_client_has_two_addresses_held() -> None:
    old = Scene(Server(max_allocations=4)).start()
    alice = old.server.client()
    four, six = alice.allocate(WANT_BOTH).addresses(stun.XOR_RELAYED_ADDRESS)
    assert alice.bind(0x4000, PEER) == 0
    old.wait(LATER)
    assert alice.bind(0x4001, PEER6) == 0
    made = after(old).start()
    assert sorted(made.held) == sorted([four, six])
    made.wait(300 - LATER)
    assert made.held == [six] and len(made.rows()) == 2


def test_what_does_not_fit_this_relay_is_deleted() -> None:
    for what in ("listener", "relayed", "taken", "denied"):
        old, relayed = before()
        made = after(old, deny=("8.8.8.8",)) if what == "denied" else after(old)
        if what == "listener":
            made.listeners[made.server.listeners[0]] = parse("192.0.0.9:3479")
        if what == "taken":
            made.taken = relayed[:1]
        if what == "relayed":
            made.carrier.start([ip_of(parse("193.0.0.2"))])
        else:
            made.start()
        left = {"listener": 0, "relayed": 0, "taken": 1, "denied": 1}[what]
        assert made.carrier.orphans.count == left and len(made.maps.flows.keys()) == 2 * left, what
        assert len(made.held) == left and (not left or made.held == [relayed[what == "taken"]]), what
        assert [made.carrier._places.take() for _ in range(64)].count(0) == left, what


def test_a_reload_that_denies_a_peer_ends_them() -> None:
    old, relayed = before()
    made = after(old).start()
    policy = Peers((), ["9.9.9.9"])
    made.server.turn.peers = policy
    made.carrier.reconsider()
    assert made.carrier.orphans.count == 2 and len(made.rows()) == 4 and sorted(made.held) == sorted(relayed)


def test_relay_to_relay_lasts_as_long_as_both_ends() -> None:
    old = Scene(Server(max_allocations=4, default_lifetime=3000)).start()
    alice, bob = old.server.client(source=ALICE), old.server.client("bob", BOB)
    first, second = alice.relayed(), bob.relayed()
    assert bob.bind(0x4000, first) == 0 and bob.bind(0x4001, PEER) == 0
    old.wait(LATER)
    assert alice.bind(0x4000, second) == 0
    made = after(old).start()
    assert made.carrier.orphans.count == 3 and len(made.rows()) == 6
    made.wait(300 - LATER)  # Bob's end; Alice's peer is nobody's address then
    assert made.carrier.orphans.count == 0 and made.rows() == {} and made.held == []


def test_a_peer_that_was_a_relayed_address_without_flows_is_denied() -> None:
    old = Scene(Server(max_allocations=4)).start()
    alice, bob = old.server.client(source=ALICE), old.server.client("bob", BOB)
    alice.relayed()
    assert alice.bind(0x4000, bob.relayed()) == 0 and len(old.rows()) == 2
    made = after(old).start()
    assert made.carrier.orphans.count == 0 and made.maps.flows.keys() == []


def test_nobody_may_bind_a_channel_to_an_orphans_address() -> None:
    old, relayed = before()
    made = after(old).start()
    carol = made.server.client(source="1.1.1.3:1")
    carol.relayed(WANT_IPV4)
    assert carol.bind(0x4000, relayed[0]) == 403


class Judge(Peers):
    """A policy that counts how often it's asked."""

    asked = 0

    def denies_transport(self, address: bytes, relayed: "dict[bytes, int]") -> "str | None":
        self.asked += 1
        return super().denies_transport(address, relayed)


def test_nobody_is_judged_anew_where_others_end() -> None:
    old, _ = before()
    made = after(old).start()
    judge = Judge()
    made.server.turn.peers = judge
    made.carrier.orphans.end_client(parse(LISTENERS[0]), parse(ALICE), judge)
    made.wait(300)
    assert made.carrier.orphans.count == 0 and made.maps.flows.keys() == [] and judge.asked == 0


def test_flows_between_relayed_addresses_stay_for_packets_from_within() -> None:
    for flag in (True, False):  # as they are, and as a relay wrote them that knew nothing of it
        old = Scene(Server(max_allocations=4)).start()
        alice, bob = old.server.client(source=ALICE), old.server.client("bob", BOB)
        first, second = alice.relayed(), bob.relayed()
        assert alice.bind(0x4000, second) == 0 and bob.bind(0x4000, first) == 0 and alice.bind(0x4001, PEER) == 0
        if not flag:
            key = flows.key(parse(first), parse(second), 0)
            flow = flows.read_flow(old.maps.flows.get(key) or b"")
            flow.inside = False
            old.maps.flows.set(key, flow.pack())
        made = after(old).start()
        assert made.inside() == (sorted([(first, second, 0), (second, first, 0)]) if flag else [(second, first, 0)])
        assert made.carrier.orphans.count == (3 if flag else 2)


def test_an_address_is_held_until_the_last_flow_is_gone() -> None:
    for what in ("expiry", "policy", "client"):
        old, relayed = before()
        made = after(old).start()
        stuck = flows.key(parse(relayed[0]), parse(PEER), 0)
        made.stick(stuck)
        if what == "expiry":
            made.wait(200)
        elif what == "client":
            made.server.client(source=ALICE).relayed()
        else:
            made.server.turn.peers = Peers((), ["8.8.8.8", "9.9.9.9"])
            made.carrier.reconsider()
        left = [key for key in made.maps.flows.keys() if flows.read_key(key)[0] == parse(relayed[0])]  # noqa: SIM118
        assert left == [stuck] and relayed[0] in made.held and made.carrier.failures == 1, what
        port = int(relayed[0].rpartition(":")[2])
        assert port in made.ports()
        made.stick()
        made.wait(1)
        assert stuck not in made.maps.flows.keys() and relayed[0] not in made.held, what  # noqa: SIM118
        assert port not in made.ports() and made.carrier.failures == 1, what


def test_a_client_whose_orphans_could_not_be_ended_has_its_new_flows_alone() -> None:
    old, relayed = before()
    made = after(old).start()
    stuck = flows.key(parse(LISTENERS[0]), parse(ALICE), 0x4000)
    made.stick(stuck)
    alice = made.server.client(source=ALICE)
    alice.relayed()
    assert alice.bind(0x4000, PEER) == 0 and made.held == relayed[1:]
    made.stick()
    made.wait(1)
    assert all(made.rows().get(key) == row for key, row in made.bound().items()) and len(made.rows()) == 4


def test_halves_and_strangers_flows_are_deleted() -> None:
    one, other, relayed = parse(LISTENERS[0]), parse(ALICE), parse(f"{RELAY_IPS[1]}:50000")
    peer = parse(PEER)
    until = START + 1000
    up, down = flows.key(one, other, 0x4000), flows.key(relayed, peer, 0)
    good = {up: Flow(relayed, peer, 0, until, 0), down: Flow(one, other, 0x4000, until, 1)}
    rows = (
        ("both", good, 1),
        ("no way back", {up: good[up]}, 0),
        ("no way there", {down: good[down]}, 0),
        ("another channel", {up: good[up], down: Flow(one, other, 0x4001, until, 1)}, 0),
        ("another peer", {up: Flow(relayed, parse(OTHER), 0, until, 0), down: good[down]}, 0),
        ("counters of two places", {up: good[up], down: Flow(one, other, 0x4000, until, 3)}, 0),
        ("counters crossed", {up: Flow(relayed, peer, 0, until, 1), down: Flow(one, other, 0x4000, until, 0)}, 0),
        ("no such counters", {up: Flow(relayed, peer, 0, until, 998), down: Flow(one, other, 0x4000, until, 999)}, 0),
        ("expired", {up: Flow(relayed, peer, 0, START, 0), down: Flow(one, other, 0x4000, START, 1)}, 0),
        ("to itself", {down: Flow(relayed, peer, 0, until, 1)}, 0),
    )
    for what, content, count in rows:
        made = Scene(Server(max_allocations=4))
        for key, flow in content.items():
            made.maps.flows.set(key, flow.pack())
        made.start()
        found = (made.carrier.orphans.count, len(made.maps.flows.keys()), len(made.held))
        assert found == (count, 2 * count, count), what


def test_two_channels_never_share_a_place() -> None:
    old, _ = before()
    keys = old.maps.flows.keys()
    for key in keys:  # as if the map had been written by two
        flow = flows.read_flow(old.maps.flows.get(key) or b"")
        flow.counter &= 1
        old.maps.flows.set(key, flow.pack())
    made = after(old).start()
    assert made.carrier.orphans.count == 1 and len(made.rows()) == 2


def test_all_of_them_end_with_the_maps() -> None:
    old, _ = before()
    made = after(old).start()
    made.carrier.stop()
    assert old.maps.flows.keys() == [] and made.held == [] and made.carrier.orphans.count == 0


def test_they_count_among_what_goes_on() -> None:
    old, _ = before()
    made = after(old).start()
    assert made.carrier.remaining(made.server.now) == (3, START + LATER + 300)
    made.server.client(source=ALICE).relayed()
    assert made.carrier.remaining(made.server.now) == (1, START + LATER + 300)


def test_clients_that_are_served_already_have_no_orphans() -> None:
    old, relayed = before()
    made = after(old)
    made.server.client(source=ALICE).relayed()
    made.start()
    assert made.carrier.orphans.count == 1 and made.held == relayed[1:]
