"""Invariant: whatever clients, peers and time do, the relay answers and relays as a naive model does, and no pool leaks
or loses a slot.

Users share sources, reservations pass from one to the other, the policy changes, requests are sent twice; pools are so
small that they are full most of the time. EDGETURN_FUZZ_SEED makes it look elsewhere each time.
"""

import os
from dataclasses import replace
from struct import pack

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edgeturn.protocol import stun
from edgeturn.protocol.address import IPV4, IPV6, format, ip_of, parse
from edgeturn.protocol.limits import Limits
from edgeturn.protocol.peers import Peers
from tests.core.dialogue import (
    EVEN,
    EVEN_AND_NEXT,
    FIRST_PORT,
    RELAY_IPS,
    REQUESTED_UDP,
    START,
    WANT_BOTH,
    WANT_IPV4,
    WANT_IPV6,
    Answer,
    Client,
    Server,
    credentials,
)
from tests.fuzz.model import GUARD, Bounds, Model, Session, Wish

USERS = (("alice", "pa"), ("bob", "pb"))
SIZE = 4
BOUNDS = Bounds(allocations=SIZE, permissions=3, channels=2, quota=3, peers_per_minute=4)
DENIABLE = ("8.8.8.8", "2a01::8")
OUTSIDE = ("8.8.8.8:5000", "8.8.8.8:5001", "9.9.9.9:6000", "[2a01::8]:5000", "[2a01::9]:6000")
PLACES = {
    IPV4: [f"{RELAY_IPS[IPV4]}:{FIRST_PORT + number}" for number in range(SIZE)],
    IPV6: [f"[{RELAY_IPS[IPV6]}]:{FIRST_PORT + number}" for number in range(SIZE)],
}
# What an Allocate may ask for: attributes, and what the model makes of them.
WISHES = (
    ((), Wish()),
    ((WANT_IPV4,), Wish()),
    ((WANT_IPV6,), Wish((IPV6,))),
    ((WANT_BOTH,), Wish((IPV4, IPV6))),
    ((EVEN,), Wish(even=True)),
    ((EVEN_AND_NEXT,), Wish(even=True, reserve=True)),
    ((WANT_IPV6, EVEN_AND_NEXT), Wish((IPV6,), even=True, reserve=True)),
)
FAMILY_ROWS = {None: (), IPV4: (WANT_IPV4,), IPV6: (WANT_IPV6,)}

SOURCES = ("1.1.1.1:1000", "1.1.1.1:1001", "2.2.2.2:1000", "[2a02::1]:1000", "3.3.3.3:7")
sources = st.sampled_from(SOURCES)
users = st.sampled_from(("alice", "alice", "bob"))
picks = st.integers(0, 11)  # one of the sessions, or now and then somebody else
peers = st.sampled_from(OUTSIDE + tuple(PLACES[IPV4][:2]) + tuple(PLACES[IPV6][:1]))
lifetimes = st.sampled_from((None, 0, 1, 600, 900, 100000))
numbers = st.sampled_from((0x4000, 0x4001, 0x4002))
payloads = st.binary(max_size=9)
STEP = 250  # seconds; no permission expires in between
delays = st.sampled_from((1, 5, 30, 60, 240, 600, 3600))


def normal_peer(ip: str) -> str:
    """Return a transport address at an IP address; for a permission the port doesn't matter."""
    return f"[{ip}]:1" if ":" in ip else f"{ip}:1"


class Relaying(RuleBasedStateMachine):
    """The relay's core and the model, asked the same."""

    @initialize(families=st.sampled_from(((IPV4, IPV6), (IPV4, IPV6), (IPV4,))), lifetime=st.sampled_from((600, 3000)))
    def start(self, families: tuple[int, ...], lifetime: int) -> None:
        self.families = families
        self.server = Server(
            families=families,
            users=USERS,
            max_allocations=BOUNDS.allocations,
            max_permissions=BOUNDS.permissions,
            max_channels=BOUNDS.channels,
            user_quota=BOUNDS.quota,
            peers_per_minute=BOUNDS.peers_per_minute,
            default_lifetime=lifetime,
            unauthenticated_rate=0,
        )
        bounds = replace(BOUNDS, default_lifetime=lifetime)
        self.model = Model(bounds, {family: PLACES[family] for family in families}, START)
        self.clients: dict[tuple[str, str], Client] = {}
        self.sent: list[tuple[str, str, Wish, bytes]] = []
        self.tokens: list[bytes] = []
        self.told: set[str] = set()

    def client(self, source: str, user: str) -> Client:
        if (source, user) not in self.clients:
            self.clients[source, user] = self.server.client(user, source)
        return self.clients[source, user]

    def pick(self, pick: int) -> tuple[str, str]:
        """Return source and user of a session, or a pair that may have none."""
        sources = sorted(self.model.sessions)
        if not sources or pick > 9:
            return SOURCES[pick % len(SOURCES)], USERS[pick % 2][0]
        source = sources[pick % len(sources)]
        return source, self.model.sessions[source].user

    # Requests.

    @rule(source=sources, user=users, row=st.sampled_from(WISHES))
    def allocate(self, source: str, user: str, row: tuple[tuple[tuple[int, bytes], ...], Wish]) -> None:
        self._allocate(source, user, row[1], list(row[0]))

    @precondition(lambda self: self.tokens)
    @rule(source=sources, user=users, pick=st.integers(0, 9))
    def take_up(self, source: str, user: str, pick: int) -> None:
        """Allocate by a token, which may have expired or been used."""
        token = self.tokens[pick % len(self.tokens)]
        self._allocate(source, user, Wish(token=token), [(stun.RESERVATION_TOKEN, token)])

    def _allocate(self, source: str, user: str, wish: Wish, rows: list[tuple[int, bytes]]) -> None:
        data = self.client(source, user).signed(stun.ALLOCATE, [REQUESTED_UDP, *rows])
        self.sent.append((source, user, wish, data))
        self._ask_to_allocate(source, user, wish, data)

    @precondition(lambda self: self.sent)
    @rule(pick=st.integers(0, 3))
    def retransmit(self, pick: int) -> None:
        """Send one of the last Allocate requests again, byte by byte."""
        self._ask_to_allocate(*self.sent[-1 - pick % len(self.sent)])

    def _ask_to_allocate(self, source: str, user: str, wish: Wish, data: bytes) -> None:
        answer = self.client(source, user).ask(data)
        assert answer is not None
        if answer.code == 438:  # sent again after the nonce's time
            return
        assert answer.code == self.model.allocate(source, user, wish, data[4:20])
        if answer.code:
            return
        assert answer.address(stun.XOR_MAPPED_ADDRESS) == source
        places = answer.addresses(stun.XOR_RELAYED_ADDRESS)
        known = self.model.sessions.get(source)
        if known is not None:
            assert sorted(places) == sorted(place for place, _ in known.relays.values())
        else:
            self._note_allocation(source, Session(user, data[4:20]), wish, answer)

    def _note_allocation(self, source: str, session: Session, wish: Wish, answer: Answer) -> None:
        """Check that what the relay has chosen was there to choose, and take it over into the model."""
        places = answer.addresses(stun.XOR_RELAYED_ADDRESS)
        wanted = [family for family in wish.families if family in self.families]
        for place in places:
            if wish.token:
                assert place == self.model.reservations[wish.token].place
            else:
                assert place in self.model.candidates(wish, wanted[places.index(place)])
            family = IPV6 if "[" in place else IPV4
            session.relays[family] = place, self.model.now + answer.number(stun.LIFETIME)
        assert wish.token or len(places) == len(wanted)
        assert answer.has(stun.ADDRESS_ERROR_CODE) == (len(wanted) < len(wish.families))
        assert answer.number(stun.LIFETIME) == self.model.bounds.lifetime(None)
        assert answer.has(stun.RESERVATION_TOKEN) == wish.reserve
        reserved = answer.value(stun.RESERVATION_TOKEN) if wish.reserve else b""
        self.tokens += [reserved] if reserved else []
        self.model.allocated(source, session, wish.token, places, reserved)

    @rule(pick=picks, lifetime=lifetimes, family=st.sampled_from((None, None, IPV4, IPV6)))
    def refresh(self, pick: int, lifetime: int | None, family: int | None) -> None:
        source, user = self.pick(pick)
        self._refresh(source, user, lifetime, family)

    def _refresh(self, source: str, user: str, lifetime: int | None, family: int | None) -> None:
        rows = [] if lifetime is None else [(stun.LIFETIME, pack("!I", lifetime))]
        answer = self.client(source, user).request(stun.REFRESH, [*rows, *FAMILY_ROWS[family]])
        assert answer.code == self.model.refresh(source, user, lifetime, family)
        if not answer.code:
            assert answer.number(stun.LIFETIME) == (0 if lifetime == 0 else self.model.bounds.lifetime(lifetime))

    @rule(pick=picks, wanted=st.lists(peers, min_size=1, max_size=3))
    def permit(self, pick: int, wanted: list[str]) -> None:
        source, user = self.pick(pick)
        assert self.client(source, user).permit(*wanted) == self.model.permit(source, user, wanted)

    @rule(pick=picks)
    def permit_again(self, pick: int) -> None:
        """Refresh all permissions, so that channels get old."""
        self._permit_again(*self.pick(pick))

    def _permit_again(self, source: str, user: str) -> None:
        session = self.model.sessions.get(source)
        wanted = [normal_peer(ip) for _, ip in session.permissions] if session else []
        if wanted:
            assert self.client(source, user).permit(*wanted) == self.model.permit(source, user, wanted)

    @rule(pick=picks, number=numbers, peer=peers)
    def bind(self, pick: int, number: int, peer: str) -> None:
        source, user = self.pick(pick)
        assert self.client(source, user).bind(number, peer) == self.model.bind(source, user, number, peer)

    # Data.

    @rule(pick=picks, peer=peers, data=payloads)
    def send(self, pick: int, peer: str, data: bytes) -> None:
        source, _ = self.pick(pick)
        sent = self.client(source, "alice").send(peer, data)
        found = None if sent is None else (sent.relayed, sent.destination, sent.data)
        relayed = self.model.sends(source, peer)
        assert found == (None if relayed is None else (relayed, peer, data))

    @rule(pick=picks, number=numbers, data=payloads)
    def send_by_channel(self, pick: int, number: int, data: bytes) -> None:
        self._send_by_channel(self.pick(pick)[0], number, data)

    def _send_by_channel(self, source: str, number: int, data: bytes) -> None:
        if source not in self.model.sessions:
            return
        sent = self.client(source, "alice").channel(number, data)
        found = None if sent is None else (sent.relayed, sent.destination, sent.data)
        expected = self.model.channel(source, number)
        assert found == (None if expected is None else (*expected, data))

    @precondition(lambda self: self.model.sessions)
    @rule(pick=st.integers(0, 9), peer=peers, data=payloads)
    def hear(self, pick: int, peer: str, data: bytes) -> None:
        """Let a peer's datagram arrive at one of the relayed addresses in use."""
        place = sorted(self.model.live())[pick % len(self.model.live())]
        if ("[" in place) != ("[" in peer):
            return
        got = self.server.from_peer(place, peer, data)
        number = self.model.receives(place, peer)
        if number is None or got is None:
            assert number is None and got is None
            return
        assert self.model.sessions[got[0]] is self.model.live()[place]
        if number:
            assert got[1] == pack("!HH", number, len(data)) + data
        else:
            answer = Answer(got[1])
            assert (answer.address(stun.XOR_PEER_ADDRESS), answer.value(stun.DATA)) == (peer, data)

    # What changes for all.

    @rule(pick=st.integers(0, 20), offset=st.sampled_from((-1, 0, 0, 1)))
    def wait_for_an_edge(self, pick: int, offset: int) -> None:
        """Let time pass until just before, at, or just after something ends."""
        edges = self.model.edges()
        self._wait(max(0, edges[pick % len(edges)] + offset - self.model.now))

    @precondition(lambda self: any(session.channels for session in self.model.sessions.values()))
    @rule(pick=st.integers(0, 9), kept=st.sampled_from((0, GUARD)), offset=st.sampled_from((-1, 0)), data=payloads)
    def let_a_channel_get_old(self, pick: int, kept: int, offset: int, data: bytes) -> None:
        """Keep all but a binding alive until it expires, or until its number is free again."""
        sources = sorted(source for source, session in self.model.sessions.items() if session.channels)
        source = sources[pick % len(sources)]
        session = self.model.sessions[source]
        number, bound = sorted(session.channels.items())[pick % len(session.channels)]
        for until in range(self.model.now, bound.expires + kept + offset, STEP):
            self._wait(until - self.model.now)
            self._keep(source)
        self._wait(max(0, bound.expires + kept + offset - self.model.now))
        self._send_by_channel(source, number, data)

    def _keep(self, source: str) -> None:
        """Refresh a session's relayed addresses and permissions."""
        session = self.model.sessions.get(source)
        if session is not None:
            self._refresh(source, session.user, None, None)
            self._permit_again(source, session.user)

    @rule(seconds=delays)
    def wait(self, seconds: int) -> None:
        self._wait(seconds)

    def _wait(self, seconds: int) -> None:
        self.server.wait(seconds)
        self.model.wait(seconds)
        for client in self.clients.values():
            client.nonce = b""

    @rule(quota=st.integers(1, 4), most=st.sampled_from((600, 3600)), denied=st.sets(st.sampled_from(DENIABLE)))
    def reload(self, quota: int, most: int, denied: set[str]) -> None:
        self.model.bounds.quota, self.model.bounds.max_lifetime = quota, most
        limits: Limits = self.server.limits
        limits.user_quota, limits.max_lifetime = quota, most
        policy = Peers([], sorted(denied))
        policy.set_relays({ip_of(parse(RELAY_IPS[family])) for family in self.families})
        self.server.turn.use(limits, credentials(USERS, ()), policy)
        self.model.deny(denied)

    # What always holds.

    @invariant()
    def same_sessions(self) -> None:
        live = {format(owner.client): owner for owner in self.server.turn.live_sessions()}
        assert live.keys() == self.model.sessions.keys()
        for source, session in self.model.sessions.items():
            owner = live[source]
            assert owner.count_permissions() == len(session.permissions)
            assert sorted(owner.channels) == sorted(session.channels)
            ends = {format(relay.announced): relay.expires for relay in owner.relays if relay}
            assert ends == dict(session.relays.values())

    @invariant()
    def nothing_leaks(self) -> None:
        pool, model = self.server.turn.pool, self.model
        assert pool.reserved == len(model.reservations)
        assert pool.free_slots() == SIZE - len(model.sessions) - len(model.reservations)
        for family in self.families:
            assert sorted(format(relay.address) for relay in pool.free_relays(family)) == sorted(model.free(family))
        used = sum(len(session.channels) for session in model.sessions.values())
        free = {id(channel) for channel in pool._free_channels.rows()}
        assert len(free) == pool._free_channels.count == SIZE * BOUNDS.channels - used

    @invariant()
    def tables_agree(self) -> None:
        turn = self.server.turn
        assert {format(place) for place in turn.relayed} == self.model.live().keys()
        for account in turn.pool.accounts._used.values():
            assert account.allocations == self.model.held_by(account.name.decode())
        for event in self.server.recorder.take():
            if event[0] == "allocated":
                self.told.add(str(event[1]))
            elif event[0] == "freed":
                self.told.discard(str(event[1]))
        assert self.told == self.model.live().keys()

    @invariant()
    def nothing_is_reclaimed_too_late(self) -> None:
        ends = self.model.ends()
        assert not ends or 0 < self.server.turn.due <= min(ends)


TestRelaying = pytest.mark.timeout(600)(Relaying.TestCase)  # what fails is made smaller first
TestRelaying.settings = settings(
    max_examples=int(os.environ.get("EDGETURN_FUZZ_EXAMPLES", "300")),
    stateful_step_count=50,
    deadline=None,
    derandomize="EDGETURN_FUZZ_SEED" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
