"""Pools: nothing lost and nothing doubled over many random dialogues, compared with a naive model.

The model knows of each client only what the answers said: relayed addresses and when they end. After every step the
server's pools must hold exactly what the model says, and at the end everything must be free again.
"""

from edgeturn.protocol import stun
from edgeturn.protocol.address import IPV4, IPV6, parse
from edgeturn.protocol.digests import sha256
from edgeturn.protocol.limits import SURE_CHANNELS, Limits
from edgeturn.protocol.pool import Accounts, Pool
from edgeturn.protocol.rates import Rates
from tests.core.dialogue import EVEN, EVEN_AND_NEXT, WANT_BOTH, WANT_IPV4, WANT_IPV6, Answer, Client, Server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

STEPS = 1500
WISHES = ((), (), (WANT_BOTH,), (WANT_IPV6,), (EVEN,), (EVEN_AND_NEXT,), (EVEN_AND_NEXT, WANT_IPV6))
USERS = ("alice", "bob")


class Dice:
    """Random numbers that are the same in every run."""

    def __init__(self, seed: bytes) -> None:
        self._state = seed

    def below(self, most: int) -> int:
        self._state = sha256(self._state)
        return int.from_bytes(self._state[:4], "big") % most


class Model:
    """What clients know: source -> relayed address -> when it ends; and the reservations."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.held: dict[str, dict[str, int]] = {}
        self.users: dict[str, str] = {}
        self.tokens: dict[bytes, tuple[str, int, str]] = {}  # token -> relayed address, end, user

    def forget_expired(self) -> None:
        now = self.server.now
        for source in list(self.held):
            self.held[source] = {text: ends for text, ends in self.held[source].items() if ends > now}
            if not self.held[source]:
                del self.held[source]
        self.tokens = {token: row for token, row in self.tokens.items() if row[1] > now}

    def granted(self, client: Client, user: str, answer: Answer, token: bytes) -> None:
        ends = self.server.now + answer.number(stun.LIFETIME)
        relayed = answer.addresses(stun.XOR_RELAYED_ADDRESS)
        taken = [text for held in self.held.values() for text in held] + [row[0] for row in self.tokens.values()]
        if token:
            reserved = self.tokens.pop(token)
            assert relayed == [reserved[0]]
            taken.remove(reserved[0])
        assert not any(text in taken for text in relayed), "given twice"
        self.held[client.source] = dict.fromkeys(relayed, ends)
        self.users[client.source] = user
        if answer.has(stun.RESERVATION_TOKEN):
            host, _, port = relayed[0].rpartition(":")
            following = f"{host}:{int(port) + 1}"
            assert following not in taken
            self.tokens[answer.value(stun.RESERVATION_TOKEN)] = (following, self.server.now + 30, user)

    def used(self, user: str) -> int:
        """Return how much of its quota a user has in use."""
        sources = [source for source in self.held if self.users[source] == user]
        return len(sources) + len([row for row in self.tokens.values() if row[2] == user])

    def check(self) -> None:
        """Compare with the server; what has expired there is taken back by tick."""
        server, pool = self.server, self.server.turn.pool
        assert len(server.turn.clients[server.listeners[0]]) == len(self.held)
        assert pool.reserved == len(self.tokens)
        assert pool.free_slots() == server.limits.max_allocations - len(self.held) - len(self.tokens)
        taken = sorted([text for held in self.held.values() for text in held])
        reserved = [row[0] for row in self.tokens.values()]
        for family, mark in ((IPV4, "193."), (IPV6, "[")):
            free = [relay.index for relay in pool.free_relays(family)]
            assert len(set(free)) == len(free)
            in_use = [text for text in taken + reserved if text.startswith(mark)]
            assert len(free) == server.limits.max_allocations - len(in_use)
        assert len(set(taken)) == len(taken) == len(server.turn.relayed)
        for user in USERS:
            account = pool.accounts.open(user.encode(), server.now)
            assert account is not None and account.allocations == self.used(user)


class Play:
    """Random clients that do random things."""

    def __init__(self, seed: bytes) -> None:
        self.dice = Dice(seed)
        self.server = Server(max_allocations=7, user_quota=4, max_permissions=3, max_channels=3, peers_per_minute=0)
        self.model = Model(self.server)
        self.clients = [
            (user, self.server.client(user, f"1.1.{at}.{len(user)}:1")) for at in range(5) for user in USERS
        ]
        self.codes: dict[int, int] = {}

    def step(self) -> None:
        user, client = self.clients[self.dice.below(len(self.clients))]
        actions: tuple[Callable[[str, Client], int], ...] = (
            self.allocate,
            self.refresh,
            self.permit,
            self.bind,
            self.wait,
        )
        code = actions[(0, 0, 0, 1, 2, 3, 3, 4)[self.dice.below(8)]](user, client)
        if code == 438:
            client.learn()
        self.codes[code] = self.codes.get(code, 0) + 1
        self.server.turn.tick(self.server.now)
        self.server.reopen()
        self.model.forget_expired()
        self.model.check()

    def allocate(self, user: str, client: Client) -> int:
        token = b""
        rows = list(WISHES[self.dice.below(len(WISHES))])
        if self.model.tokens and self.dice.below(2):
            token = sorted(self.model.tokens)[0]
            rows = [(stun.RESERVATION_TOKEN, token)]
        answer = client.allocate(*rows)
        if answer.code == 0:
            assert client.source not in self.model.held
            self.model.granted(client, user, answer, token)
        assert (answer.code == 437) == (client.source in self.model.held) or answer.code in (0, 438)
        return answer.code

    def refresh(self, user: str, client: Client) -> int:
        lifetime = (0, 600, 1000)[self.dice.below(3)]
        wanted = ((), (WANT_IPV4,), (WANT_IPV6,))[self.dice.below(3)]
        answer = client.refresh(lifetime, *wanted)
        if answer.code == 0:
            held = self.model.held[client.source]
            mark = "" if not wanted else "193." if wanted[0] is WANT_IPV4 else "["
            for text in list(held):
                if text.startswith(mark):
                    held[text] = self.server.now + lifetime
        return answer.code

    def permit(self, user: str, client: Client) -> int:
        return client.permit(f"8.8.8.{self.dice.below(5)}:1")

    def bind(self, user: str, client: Client) -> int:
        return client.bind(0x4000 + self.dice.below(4), f"8.8.8.{self.dice.below(5)}:{self.dice.below(2)}")

    def wait(self, user: str, client: Client) -> int:
        self.server.now += (1, 1, 5, 31, 250)[self.dice.below(5)]
        return 0


def records(pool: Pool, limits: Limits) -> None:
    """Check that each record is either free or in use, and in one place only."""
    channels = pool._free_channels.rows() + [row for owner in pool.allocations for row in owner.channels.values()]
    assert len({id(row) for row in channels}) == len(channels) == limits.all_channels(limits.max_allocations)
    beyond = [max(len(owner.channels) - SURE_CHANNELS, 0) for owner in pool.allocations]
    assert pool.spare_channels + sum(beyond) == limits.spare_channels(limits.max_allocations)
    for account in pool.accounts._used.values():
        own = [taken for taken, owner in zip(beyond, pool.allocations) if owner.account is account]
        assert account.spare_channels == sum(own)
    by_peer = [row for relay in pool.relays for row in relay.channels.values()]
    assert sorted([id(row) for row in by_peer]) == sorted(
        [id(row) for owner in pool.allocations for row in owner.channels.values()]
    )
    slots = [owner.slot for owner in pool._free_allocations.rows()]
    assert len(set(slots)) == len(slots)


def test_random_dialogues_lose_and_double_nothing() -> None:
    play = Play(b"seed")
    for count in range(STEPS):
        play.step()
        if count % 50 == 0:
            records(play.server.turn.pool, play.server.limits)
    assert all(play.codes.get(code, 0) > 5 for code in (0, 400, 437, 443, 486, 508)), play.codes
    play.server.wait(4000)
    play.model.forget_expired()
    play.model.check()
    records(play.server.turn.pool, play.server.limits)
    assert not play.model.held and not play.server.turn.relayed and not play.server.turn.clients[play.clients[0][1].via]


def test_end_of_a_session_gives_everything_back() -> None:
    server = Server(max_allocations=2)
    for _ in range(50):
        alice = server.client()
        relayed = alice.relayed(WANT_BOTH)
        alice.permit("8.8.8.8:1", "[2a01::8]:1")
        alice.bind(0x4000, "8.8.8.8:1")
        owner = server.relay_at(relayed).allocation
        assert owner is not None
        server.turn.end(owner)
        server.reopen()
        records(server.turn.pool, server.limits)
        assert server.turn.pool.free_slots() == 2
        assert alice.refresh(600).code == 437


def test_nothing_grows() -> None:
    server = Server(max_allocations=2, max_permissions=4, max_channels=4)
    pool = server.turn.pool
    assert [len(pool.allocations), len(pool.relays), pool._free_channels.count] == [2, 4, 8]
    assert [relay.index for relay in pool.relays] == [0, 1, 2, 3]
    assert [relay.family for relay in pool.relays] == [IPV4, IPV4, IPV6, IPV6]


def test_relay_is_offered_once_its_socket_is_open_again() -> None:
    server = Server(max_allocations=1)
    alice = server.client()
    relayed = alice.relayed()
    relay = server.relay_at(relayed)
    owner = relay.allocation
    assert owner is not None
    server.turn.end(owner)
    assert relay not in server.turn.pool.free_relays(IPV4)
    assert alice.allocate().code == 508
    assert server.turn.pool.free_relays(IPV4).count(relay) == 1
    server.open(relay, 61000)
    assert server.turn.pool.free_relays(IPV4).count(relay) == 1
    assert alice.relayed() == "193.0.0.1:61000"


def with_a_pair() -> list[Client]:
    """Return four clients of a server with the free ports 50000 and 50001, a pair, and 50010 and 50020."""
    server = Server((IPV4,), max_allocations=4, user_quota=0)
    for relay, port in zip(server.turn.pool.relays, (50000, 50001, 50010, 50020)):
        address = parse(f"193.0.0.1:{port}")
        server.turn.opened(relay.index, address, address, port < 50010)
    return [server.client(source=f"1.1.1.{number}:1") for number in range(4)]


def test_rfc6056_neighbouring_ports_go_to_who_asks_for_them_and_else_last() -> None:
    clients = with_a_pair()
    assert {clients[0].relayed(), clients[1].relayed()} == {"193.0.0.1:50010", "193.0.0.1:50020"}
    assert {clients[2].relayed(), clients[3].relayed()} == {"193.0.0.1:50000", "193.0.0.1:50001"}
    clients = with_a_pair()
    assert clients[0].relayed(EVEN_AND_NEXT) == "193.0.0.1:50000"
    assert {clients[1].relayed(), clients[2].relayed()} == {"193.0.0.1:50010", "193.0.0.1:50020"}


def test_half_of_a_broken_pair_is_a_port_like_others() -> None:
    for taken, left in ((50000, 50001), (50001, 50000)):
        server = with_a_pair()[0].server
        relay, other = server.relay_at(f"193.0.0.1:{taken}"), server.relay_at(f"193.0.0.1:{left}")
        assert relay.paired and other.paired
        server.turn.pool.take_relay(relay)
        assert not relay.paired and not other.paired


def test_rfc6056_ports_are_not_given_in_an_order() -> None:
    orders = set()
    for number in range(12):
        server = Server((IPV4,), max_allocations=4, user_quota=0)
        for _ in range(number):
            server.random(1)
        orders.add(tuple([server.client(source=f"1.1.1.{at}:1").relayed() for at in range(3)]))
    assert len(orders) > 3


def test_accounts_are_bounded_and_the_idle_ones_wanted_longest_ago_go_first() -> None:
    accounts = Accounts(3, Limits(), Rates(Limits(), 3))
    first, second, third = [accounts.open(name, now) for name, now in ((b"a", 1), (b"b", 2), (b"c", 3))]
    assert first is not None and second is not None and third is not None
    third.allocations = 1
    assert accounts.open(b"a", 4) is first
    fourth = accounts.open(b"d", 5)
    assert fourth is second and fourth is not None and (fourth.name, fourth.allocations) == (b"d", 0)
    assert accounts.open(b"a", 6) is first and accounts.open(b"c", 6) is third
    first.allocations = fourth.allocations = 1
    assert accounts.open(b"e", 7) is None


def test_many_users_one_after_the_other_find_an_account() -> None:
    users = tuple([(f"user{number}", "pw") for number in range(20)])
    server = Server(users=users, max_allocations=2)
    for name, _ in users:
        client = server.client(name)
        client.password = b"pw"
        assert client.allocate().code == 0 and client.refresh(0).code == 0
