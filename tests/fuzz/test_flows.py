"""Invariant: whatever clients, time, reloads and restarts do, the kernel's flows are those of the channels that the
core has bound and permitted, and those that an earlier relay left; and what they count is counted once.

What should be is computed from the core's tables and from a list of what was left, never from what the carrier reads.
EDGETURN_FUZZ_SEED makes it look elsewhere each time.
"""

import os
from struct import pack

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edgeturn.kernel import flows
from edgeturn.protocol import stun
from edgeturn.protocol.address import format, ip_of, parse
from edgeturn.protocol.peers import Peers
from edgeturn.relay.traffic import Traffic
from tests.core.dialogue import (
    BOUND_IPS,
    EVEN_AND_NEXT,
    RELAY_IPS,
    WANT_BOTH,
    WANT_IPV4,
    WANT_IPV6,
    Client,
    Server,
    credentials,
)
from tests.kernel.carried import LISTENERS, Scene
from tests.kernel.imitation import Imitation, imitate

USERS = (("alice", "pa"), ("bob", "pb"))
SIZE, CHANNELS, PERMISSIONS = 3, 3, 4
FIRST_PORT = 50000
DENIABLE = ("8.8.8.8", "2a01::8")
OUTSIDE = ("8.8.8.8:5000", "8.8.8.8:5001", "9.9.9.9:6000", "[2a01::8]:5000", "[2a01::9]:6000")
SOURCES = ("1.1.1.1:1000", "1.1.1.1:1001", "2.2.2.2:1000", "[2a02::1]:1000")
Rows = dict[tuple[str, str, int], tuple[str, str, int, int]]

picks = st.integers(0, 11)
sources = st.sampled_from(SOURCES)
wishes = st.sampled_from(((), (WANT_BOTH,), (WANT_BOTH,), (WANT_IPV6,), (EVEN_AND_NEXT,)))


def twin(key: tuple[str, str, int], row: tuple[str, str, int, int]) -> tuple[str, str, int]:
    """Return the key of the other half of a channel."""
    return row[:3]


class Carrying(RuleBasedStateMachine):
    """A core whose carrier writes into maps that are dictionaries."""

    @initialize(nat=st.booleans(), lifetime=st.sampled_from((600, 3000)))
    def begin(self, nat: bool, lifetime: int) -> None:
        self.nat, self.lifetime = nat, lifetime
        self.denied: set[str] = set()
        self.left: Rows = {}  # by earlier relays
        self.generation = 0
        self.bandwidth = 0
        self.full = False
        self._start(1000, None)

    def _start(self, now: int, old: Scene | None) -> None:
        self.server = Server(
            users=USERS,
            deny=tuple(sorted(self.denied)),
            nat=self.nat,
            max_allocations=SIZE,
            max_channels=CHANNELS,
            max_permissions=PERMISSIONS,
            default_lifetime=self.lifetime,
            peers_per_minute=0,
            user_quota=0,
            unauthenticated_rate=0,
            bandwidth=self.bandwidth,
        )
        self.server.now = now
        for relay in self.server.turn.pool.relays:
            self.server.open(relay, FIRST_PORT + 100 * self.generation + relay.index % SIZE)
        self.clients: dict[str, Client] = {}
        self.tokens: list[bytes] = []
        self.carried: dict[int, int] = {}  # packets, by session
        self.scene = Scene(self.server, old.maps if old else imitate(self.server.limits)).start()

    def client(self, source: str) -> Client:
        if source not in self.clients:
            user = USERS[SOURCES.index(source) % 2][0]
            self.clients[source] = self.server.client(user, source)
        return self.clients[source]

    def peers(self) -> list[str]:
        """Return peers that a client may name: outside, and the relayed addresses that there are or were."""
        live = [format(relay.announced) for relay in self.server.turn.pool.relays if relay.allocation]
        return [*OUTSIDE, *live, *(key[0] for key, row in self.left.items() if not key[2])]

    def pick(self, pick: int) -> str:
        """Return one of the clients that have something."""
        live = sorted(format(owner.client) for owner in self.server.turn.live_sessions())
        return live[pick % len(live)]

    # Clients.

    @rule(source=sources, wish=wishes, peers=st.lists(picks, max_size=3))
    def talk(self, source: str, wish: tuple[tuple[int, bytes], ...], peers: list[int]) -> None:
        """Let a client come, or not for the first time, and bind some channels."""
        self._allocate(source, wish)
        for at, peer in enumerate(peers):
            self._bind(source, peer, 0x4000 + at)

    def _allocate(self, source: str, wish: tuple[tuple[int, bytes], ...]) -> None:
        known = {format(owner.client) for owner in self.server.turn.live_sessions()}
        answer = self.client(source).allocate(*wish)
        if answer.code == 0 and source not in known:
            self._came_back(source)
            if answer.has(stun.RESERVATION_TOKEN):
                self.tokens.append(answer.value(stun.RESERVATION_TOKEN))

    @precondition(lambda self: self.tokens)
    @rule(source=sources, pick=picks)
    def take_up(self, source: str, pick: int) -> None:
        """Allocate by a token, which may have expired or been used."""
        known = {format(owner.client) for owner in self.server.turn.live_sessions()}
        token = self.tokens[pick % len(self.tokens)]
        if self.client(source).allocate((stun.RESERVATION_TOKEN, token)).code == 0 and source not in known:
            self._came_back(source)

    @precondition(lambda self: self.server.turn.live_sessions())
    @rule(pick=picks, lifetime=st.sampled_from((0, 600, 3600)), family=st.sampled_from(((), (), (WANT_IPV4,))))
    def refresh(self, pick: int, lifetime: int, family: tuple[tuple[int, bytes], ...]) -> None:
        self.client(self.pick(pick)).refresh(lifetime, *family)

    @precondition(lambda self: self.server.turn.live_sessions())
    @rule(pick=picks, peer=picks)
    def permit(self, pick: int, peer: int) -> None:
        peers = self.peers()
        self.client(self.pick(pick)).permit(peers[peer % len(peers)])

    @precondition(lambda self: self.server.turn.live_sessions())
    @rule(pick=picks, peer=picks, number=st.integers(0x4000, 0x4003))
    def bind(self, pick: int, peer: int, number: int) -> None:
        self._bind(self.pick(pick), peer, number)

    def _bind(self, source: str, peer: int, number: int) -> None:
        peers = self.peers()
        self.client(source).bind(number, peers[peer % len(peers)])

    @rule(first=sources, second=sources, number=st.integers(0x4000, 0x4001))
    def bind_to_each_other(self, first: str, second: str, number: int) -> None:
        """Let two clients of the relay talk over both of their relayed addresses."""
        live = {format(owner.client): owner.relays[0] for owner in self.server.turn.live_sessions()}
        for here, there in ((first, second), (second, first)):
            relay = live.get(there)
            if relay is not None:
                self.client(here).bind(number, format(relay.announced))

    @precondition(lambda self: self.scene.carrier.channels)
    @rule(pick=picks, packets=st.integers(1, 9), up=st.booleans())
    def carry(self, pick: int, packets: int, up: bool) -> None:
        """Count packets of a flow as the program does."""
        found = [owner for owner in self.server.turn.live_sessions() if any(c.place for c in owner.channels.values())]
        if not found:
            return
        owner = found[pick % len(found)]
        channel = next(channel for channel in owner.channels.values() if channel.place)
        key = flows.key(channel.relay.address, channel.wire, 0)
        if up:
            key = flows.key(self.scene.listeners[owner.via], owner.client, channel.number)
        counter = flows.read_flow(self.scene.maps.flows.get(key) or b"").counter
        before = flows.read_counter(self.scene.maps.counters.get(pack("I", counter)) or b"")[0]
        self.scene.count(counter, before + packets, 0, 0)
        self.carried[owner.session] = self.carried.get(owner.session, 0) + packets

    # What changes for all.

    @precondition(lambda self: self.scene.carrier.channels)
    @rule()
    def keep(self) -> None:
        """Refresh whatever clients have."""
        for owner in self.server.turn.live_sessions():
            client = self.client(format(owner.client))
            client.refresh(600)
            for channel in list(owner.channels.values()):
                client.bind(channel.number, format(channel.peer))

    @rule(seconds=st.sampled_from((1, 1, 29, 100, 200, 299, 300, 600)))
    def wait(self, seconds: int) -> None:
        self.scene.wait(seconds)
        for client in self.clients.values():
            client.nonce = b""
        self._end_left(lambda key, row: row[3] <= self.server.now)

    @precondition(lambda self: self.scene.carrier.channels)
    @rule(seconds=st.sampled_from((1, 300)))
    def wait_unnoticed(self, seconds: int) -> None:
        """Let time pass without a tick: what has expired is still in the tables."""
        self.server.now += seconds
        for client in self.clients.values():
            client.nonce = b""

    @rule(denied=st.sets(st.sampled_from(DENIABLE)), bandwidth=st.sampled_from((0, 5000)))
    def reload(self, denied: set[str], bandwidth: int) -> None:
        self.denied, self.bandwidth = denied, bandwidth
        self.server.limits.bandwidth = bandwidth
        policy = Peers([], sorted(denied))
        policy.set_relays({ip_of(parse(ip)) for ips in (RELAY_IPS, BOUND_IPS) for ip in ips.values()})
        self.server.turn.use(self.server.limits, credentials(USERS, ()), policy)
        self.scene.carrier.reconsider()
        self.scene.carrier.rewrite()
        ips = {format(bytes(2) + ip_of(parse(f"[{ip}]:0" if ":" in ip else f"{ip}:0"))) for ip in denied}
        self._end_left(lambda key, row: self._peer_ip(key, row) in ips)

    @precondition(lambda self: self.scene.carrier.channels)
    @rule()
    def restart(self) -> None:
        """Let another relay find what this one leaves when it's killed."""
        self._end_left(lambda key, row: row[3] <= self.server.now)
        self.left |= self.scene.bound() if not self.full else self.scene.rows()
        self.generation += 1
        self.full = False
        assert isinstance(self.scene.maps.flows, Imitation)
        self.scene.maps.flows.entries = 2 * SIZE * CHANNELS
        self._start(self.server.now, self.scene)
        self._end_left(lambda key, row: False)

    @precondition(lambda self: self.scene.carrier.channels)
    @rule()
    def open_again(self) -> None:
        """Take all back into Python, and begin with other maps."""
        self.scene.carrier.stop()
        assert not self.scene.maps.flows.keys()
        held = self.scene.held
        self.scene = Scene(self.server).start()
        self.left, self.full = {}, False
        assert held == []

    @precondition(lambda self: self.scene.carrier.channels)
    @rule(room=st.integers(0, 3))
    def let_the_map_be_full(self, room: int) -> None:
        assert isinstance(self.scene.maps.flows, Imitation)
        self.scene.maps.flows.entries = len(self.scene.maps.flows.keys()) + room
        self.full = True

    @precondition(lambda self: self.scene.carrier.channels)
    @rule(picks=st.sets(picks, min_size=1))
    def let_deletions_fail(self, picks: set[int]) -> None:
        """Let the kernel keep some flows that end now, and let go of them a second later."""
        keys = self.scene.maps.flows.keys()
        self.scene.stick(*[keys[pick % len(keys)] for pick in picks])
        for owner in self.server.turn.live_sessions():
            self.server.turn.end(owner)
        assert self.scene.bound() == {} and self.scene.carrier.channels == 0
        self.scene.stick()
        self.scene.wait(1)
        self._end_left(lambda key, row: row[3] <= self.server.now)

    @precondition(lambda self: self.full)
    @rule()
    def make_room(self) -> None:
        """Let the map be as large as it should be, and write what didn't fit."""
        assert isinstance(self.scene.maps.flows, Imitation)
        self.scene.maps.flows.entries = 2 * SIZE * CHANNELS
        self.scene.carrier.rewrite()
        self.full = len(self.scene.bound()) + 2 * self.scene.carrier.orphans.count > 2 * SIZE * CHANNELS

    # What was left.

    def _came_back(self, source: str) -> None:
        self._end_left(lambda key, row: source in (key[1], row[1]))

    def _peer_ip(self, key: tuple[str, str, int], row: tuple[str, str, int, int]) -> str:
        peer = row[1] if key[2] else key[1]
        return format(bytes(2) + ip_of(parse(peer)))

    def _end_left(self, ends: "object") -> None:
        """Forget what ends, and then what was to a relayed address that nobody has any longer."""
        assert callable(ends)
        self.left = {key: row for key, row in self.left.items() if not ends(key, row)}
        before = -1
        while before != len(self.left):
            before = len(self.left)
            held = {key[0] for key in self.left if not key[2]}
            self.left = {key: row for key, row in self.left.items() if self._reaches(key, row, held)}

    def _reaches(self, key: tuple[str, str, int], row: tuple[str, str, int, int], held: set[str]) -> bool:
        peer = row[1] if key[2] else key[1]
        ours = {*RELAY_IPS.values(), *BOUND_IPS.values()}
        return peer.rpartition(":")[0].strip("[]") not in ours or peer in held

    # What always holds.

    @invariant()
    def flows_are_what_is_bound_and_what_was_left(self) -> None:
        left = {key: row for key, row in self.left.items() if row[3] > self.server.now}
        rows, expected = self.scene.rows(), self.scene.bound() | left
        self.full |= len(expected) > 2 * SIZE * CHANNELS  # a channel that found no room waits for its next refresh
        if not self.full:
            assert rows == expected
        else:
            assert rows.items() <= expected.items()
        assert all(twin(key, row) in rows and twin(key, rows[row[:3]]) == key for key, row in rows.items())

    @invariant()
    def flows_between_relayed_addresses_are_for_packets_from_within(self) -> None:
        ours = {*RELAY_IPS.values(), *BOUND_IPS.values()}
        between = [k for k in self.scene.rows() if not k[2] and k[1].rpartition(":")[0].strip("[]") in ours]
        assert set(between) <= set(self.scene.inside())
        assert all(key[1].rpartition(":")[0].strip("[]") in ours for key in self.scene.inside())

    @invariant()
    def nothing_is_forgotten_in_the_map(self) -> None:
        carrier, turn = self.scene.carrier, self.server.turn
        channels = [channel for owner in turn.live_sessions() for channel in owner.channels.values() if channel.place]
        values = [self.scene.maps.flows.content[key] for key in self.scene.maps.flows.keys()]  # type: ignore[attr-defined]  # noqa: SIM118
        counters = [flows.read_flow(value).counter for value in values]
        assert len(counters) == len(set(counters)) == 2 * (len(channels) + carrier.orphans.count)
        assert carrier.channels == len(channels)
        taken = sum(bin(byte).count("1") for byte in carrier._places._bits)
        spare = -(SIZE * CHANNELS) % 8
        assert taken - spare == len(channels) + carrier.orphans.count

    @invariant()
    def addresses_are_held_and_ports_open(self) -> None:
        left = {key[0] for key in self.left if not key[2]}
        now = {key[0] for key, row in self.left.items() if not key[2] and row[3] > self.server.now}
        assert now <= set(self.scene.held) <= left and len(self.scene.held) == len(set(self.scene.held))
        listening = {3478}
        needed = {int(key[0].rpartition(":")[2]) for key in self.scene.rows()}
        live = {int(format(r.address).rpartition(":")[2]) for r in self.server.turn.pool.relays if r.allocation}
        gone = {int(place.rpartition(":")[2]) for place in left}
        assert needed | listening <= set(self.scene.ports()) <= live | gone | listening

    @invariant()
    def what_was_carried_is_counted_once(self) -> None:
        for owner in self.server.turn.live_sessions():
            assert Traffic(owner, self.scene.carrier).kernel_packets == self.carried.get(owner.session, 0)


assert LISTENERS[0].endswith(":3478")
TestCarrying = pytest.mark.timeout(600)(Carrying.TestCase)  # what fails is made smaller first
TestCarrying.settings = settings(
    max_examples=int(os.environ.get("EDGETURN_FUZZ_EXAMPLES", "100")),
    stateful_step_count=50,
    deadline=None,
    derandomize="EDGETURN_FUZZ_SEED" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
