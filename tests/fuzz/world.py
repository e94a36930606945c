"""A relay's core in memory for the fuzzers: one known client with all it can have, strangers, and peers.

Rule 1: no pytest and no typing, it runs on both interpreters.
Rule 2: the corpus is one file a client program, `> hex` is a datagram to the relay, `< hex` one from it.
"""

import gc
import sys

from edgeturn.protocol import stun
from edgeturn.protocol.address import IPV4, IPV6, join, parse, parse_ip
from edgeturn.protocol.credentials import Credentials, time_limited_password
from edgeturn.protocol.digests import md5, sha256
from edgeturn.protocol.limits import HEADROOM, Limits
from edgeturn.protocol.observer import Observer
from edgeturn.protocol.peers import Peers
from edgeturn.protocol.pool import Relay
from edgeturn.protocol.turn import Turn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.protocol.state import Datagram
    from tests.fuzz.mutations import Rows

    Sent = tuple[int, bytes, bytes] | None

REALM = b"lab.example"  # as in the corpus
PASSWORDS = {b"alice": b"pa", b"bob": b"pb"}
SECRET = b"a shared secret"
RELAY_IPS = {IPV4: parse_ip("193.0.0.1"), IPV6: parse_ip("2a00::1")}
SOURCES = [parse(text) for text in ("1.1.1.1:1000", "1.1.1.1:1001", "1.1.2.1:1000", "[2a02::1]:1000", "[2a02::2]:1000")]
ALLOWED_PEERS = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")  # as in the corpus
PEERS = [parse(text) for text in ("8.8.8.8:5000", "9.9.9.9:6000", "[2a01::8]:5000")]
START = 10000
NONCE_AGE = 1800
REQUESTED_UDP = (stun.REQUESTED_TRANSPORT, b"\x11\0\0\0")
CLIENTS = ("uclient", "aioice", "chromium")
TAIL = b"tail"  # what a loop's buffer has behind a datagram


def corpus() -> "tuple[list[bytes], list[bytes]]":
    """Return the captured datagrams, those to the relay and those from it."""
    found: dict[str, list[bytes]] = {">": [], "<": []}
    folder = __file__.rsplit("/", 1)[0] + "/corpus/"
    for client in CLIENTS:
        with open(folder + client + ".hex") as file:
            for line in file:
                if line[0] in found:
                    found[line[0]].append(bytes.fromhex(line[2:].strip()))
    return found[">"], found["<"]


def memory() -> int:
    """Return how much the live objects take: bytes on MicroPython, blocks on CPython."""
    gc.collect()
    if hasattr(gc, "mem_alloc"):
        return int(gc.mem_alloc())
    return sys.getallocatedblocks()


# What memory() may differ by though nothing is kept: a table that has grown once, an exception still referred to.
SLACK = 16384 if hasattr(gc, "mem_alloc") else 400


class Freed(Observer):
    """Remembers which relays have to be opened again, as the loop does."""

    def __init__(self) -> None:
        self.relays: list[Relay] = []

    def freed(self, relay: Relay) -> None:
        self.relays.append(relay)


class World:
    """A Turn with its clock; what goes in and comes out is bytes."""

    def __init__(self) -> None:
        self.now = START
        self._count = 0
        self.observer = Freed()
        credentials = Credentials(REALM, sha256(b"decoy"))
        for name in PASSWORDS:
            credentials.add_user(name, PASSWORDS[name])
        credentials.add_secret(SECRET)
        peers = Peers(ALLOWED_PEERS)
        peers.set_relays(set(RELAY_IPS.values()))
        self.turn = Turn(limits(), (IPV4, IPV6), credentials, peers, self._random, self.observer)
        self.via = 2 * len(self.turn.pool.relays)
        self.turn.listen(self.via)
        for relay in self.turn.pool.relays:
            self._open(relay)
        self._nonces: dict[bytes, bytes] = {}
        self._asked_at: dict[bytes, int] = {}

    def _random(self, size: int) -> bytes:
        self._count += 1
        return sha256(b"%d" % self._count)[:size]

    def _open(self, relay: Relay) -> None:
        address = join(RELAY_IPS[relay.family], 50000 + relay.index)
        self.turn.opened(relay.index, address, address)

    def _reopen(self) -> None:
        while self.observer.relays:
            self._open(self.observer.relays.pop())

    # What goes in.

    def client(self, source: bytes, data: bytes) -> "Sent":
        """Let a client's datagram arrive; return what leaves."""
        packet = memoryview(bytearray(data + TAIL))
        sent = self.turn.client(packet, len(data), self.via, source, self.now)
        self._reopen()
        return taken(sent)

    def peer(self, index: int, source: bytes, data: bytes) -> "Sent":
        """Let a peer's datagram arrive at a relay that is in use; return what leaves."""
        packet = memoryview(bytearray(bytes(HEADROOM) + data + TAIL))
        return taken(self.turn.peer(packet, len(data), index, source, self.now))

    def icmp(self, index: int, peer: bytes, error: bytes) -> "Sent":
        """Let an ICMP error about a datagram to a peer arrive; return what leaves."""
        return taken(self.turn.icmp(index, peer, error, self.now))

    def wait(self, seconds: int) -> None:
        self.now += seconds
        self.turn.tick(self.now)
        self._reopen()

    # Signed requests.

    def transaction(self) -> bytes:
        return stun.COOKIE + self._random(12)

    def key(self, name: bytes) -> bytes:
        password = PASSWORDS.get(name) or time_limited_password(SECRET, name)
        return md5(name + b":" + REALM + b":" + password)

    def signed(self, source: bytes, name: bytes, kind: int, rows: "Rows", transaction: bytes = b"") -> bytes:
        """Return a request of a source with right credentials."""
        transaction = transaction or self.transaction()
        credentials = [(stun.USERNAME, name), (stun.REALM, REALM), (stun.NONCE, self._nonce(source))]
        return stun.encode(kind, transaction, rows + credentials, stun.MESSAGE_INTEGRITY, self.key(name))

    def _nonce(self, source: bytes) -> bytes:
        """Return a nonce for a source, a new one each time that much time has passed."""
        if self.now - self._asked_at.get(source, 0) >= NONCE_AGE:
            request = stun.encode(stun.ALLOCATE, stun.COOKIE + bytes(12), [REQUESTED_UDP])
            answer = self.client(source, request)
            assert answer is not None
            self._nonces[source] = stun.Message(answer[2]).attributes[stun.NONCE]
            self._asked_at[source] = self.now
        return self._nonces[source]

    def settle(self) -> None:
        """Give the first source an allocation of both families with a permission and a channel."""
        source = SOURCES[0]
        dual = (stun.ADDITIONAL_ADDRESS_FAMILY, b"\x02\0\0\0")
        self.client(source, self.signed(source, b"alice", stun.ALLOCATE, [REQUESTED_UDP, dual]))
        for number in range(len(PEERS)):
            transaction = self.transaction()
            peer = (stun.XOR_PEER_ADDRESS, stun.encode_xor_address(PEERS[number], transaction))
            rows = [(stun.CHANNEL_NUMBER, bytes([0x40, number, 0, 0])), peer]
            self.client(source, self.signed(source, b"alice", stun.CHANNEL_BIND, rows, transaction))

    def clear(self) -> None:
        """Let everything end, and check that nothing was lost on the way."""
        self.wait(1000000)
        pool, limits = self.turn.pool, self.turn.limits
        size = limits.max_allocations
        assert not self.turn.live_sessions() and not self.turn.relayed and pool.reserved == 0
        assert pool.free_slots() == size
        assert [len(pool.free_relays(family)) for family in (IPV4, IPV6)] == [size, size]
        assert not any(relay.permissions for relay in pool.relays)
        assert pool._free_channels.count == limits.all_channels(size)
        assert pool.spare_channels == limits.spare_channels(size)


def taken(sent: "Datagram | None") -> "Sent":
    """Return what leaves as bytes, not as a view of a buffer."""
    return None if sent is None else (sent[0], sent[1], bytes(sent[2]))


def limits() -> Limits:
    """Return limits so small that they are met all the time, but without rates: silence would test nothing."""
    made = Limits()
    made.max_allocations = 4
    made.max_permissions = made.max_channels = 4
    made.user_quota = 3
    made.peers_per_minute = 0
    made.unauthenticated_rate = 0
    return made
