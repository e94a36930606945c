"""Dialogues with a Turn object in memory, written so that a test reads like a packet trace.

    server = Server()                     a Turn with open relays and a clock that a test moves
    alice = server.client("alice")        a client that learns the nonce and signs
    alice.allocate().address(...)         a request and its Answer
    alice.send(PEER, b"x").destination    what leaves towards a peer, a Packet
    server.from_peer(...)                 what a peer's datagram becomes on its way to the client

Rule 1: messages are built and read here by an encoder and a decoder of the tests' own, not by the code under test.
Rule 2: attributes are rows (type, value); a str as value is an address that is masked with the transaction id.
Rule 3: every answer is checked on the way: right socket and destination, whole, signed with the key of the client.
"""

from struct import pack, unpack

from edgeturn.protocol import stun
from edgeturn.protocol.address import IPV4, IPV6, ip_of, parse
from edgeturn.protocol.address import format as as_text
from edgeturn.protocol.credentials import Credentials
from edgeturn.protocol.digests import hmac_sha1, hmac_sha256, md5, sha256
from edgeturn.protocol.limits import HEADROOM, Limits
from edgeturn.protocol.observer import Observer
from edgeturn.protocol.peers import Peers
from edgeturn.protocol.pool import Channel, PeerConnection, Relay
from edgeturn.protocol.request import Request
from edgeturn.protocol.turn import Turn
from edgeturn.seam import crc32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Rows = list[tuple[int, bytes | str]]

REALM = "example.org"
RELAY_IPS = {IPV4: "193.0.0.1", IPV6: "2a00::1"}
BOUND_IPS = {IPV4: "10.0.0.1", IPV6: "fd00::1"}  # behind a one-to-one NAT
FIRST_PORT = 50000
PEER, PEER6 = "8.8.8.8:5000", "[2a01::8]:5000"
OTHER, OTHER6 = "9.9.9.9:6000", "[2a01::9]:6000"
START = 1000
WALL = 1_700_000_000  # Unix time at START
REQUESTED_UDP = (stun.REQUESTED_TRANSPORT, b"\x11\0\0\0")


class Answer:
    """A STUN message from the server, taken apart."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        kind, length = unpack("!HH", data[:4])
        assert length == len(data) - 20 and length % 4 == 0
        self.method, self.message_class = kind & 0x3EEF, kind & 0x0110
        self.transaction = data[4:20]
        self.rows: list[tuple[int, bytes]] = []
        self.offsets: dict[int, int] = {}
        at = 20
        while at < len(data):
            kind, size = unpack("!HH", data[at : at + 4])
            assert at + 4 + size <= len(data) and not any(data[at + 4 + size : at + 4 + (size + 3 & ~3)])
            self.offsets[kind] = at
            self.rows.append((kind, data[at + 4 : at + 4 + size]))
            at += 4 + (size + 3 & ~3)

    def values(self, kind: int) -> list[bytes]:
        return [value for row, value in self.rows if row == kind]

    def has(self, kind: int) -> bool:
        return bool(self.values(kind))

    def value(self, kind: int) -> bytes:
        return self.values(kind)[0]

    def number(self, kind: int) -> int:
        return int.from_bytes(self.value(kind), "big")

    def addresses(self, kind: int) -> list[str]:
        return [unmask(value, self.transaction) for value in self.values(kind)]

    def address(self, kind: int) -> str:
        return self.addresses(kind)[0]

    @property
    def code(self) -> int:
        """The error code, 0 of a success or an indication."""
        if self.message_class != stun.ERROR:
            return 0
        value = self.value(stun.ERROR_CODE)
        return value[2] * 100 + value[3]

    def is_signed(self, kind: int, key: bytes) -> bool:
        """Say whether the integrity attribute was made with a key."""
        return self.value(kind) == integrity(kind, key, self.data[: self.offsets[kind]])


class Packet:
    """A datagram on its way to a peer."""

    def __init__(self, relayed: str, df: bool, destination: str, data: bytes) -> None:
        self.relayed, self.df, self.destination, self.data = relayed, df, destination, data


def mask(text: str, transaction: bytes) -> bytes:
    """Return the value of an XOR-…-ADDRESS, byte by byte."""
    address = parse(text)
    stream = transaction[:2] + transaction
    masked = bytes([address[at] ^ stream[at] for at in range(len(address))])
    return bytes([0, IPV4 if len(address) == 6 else IPV6]) + masked


def unmask(value: bytes, transaction: bytes) -> str:
    """Return the address of an XOR-…-ADDRESS."""
    assert value[0] == 0 and (value[1], len(value)) in ((IPV4, 8), (IPV6, 20))
    stream = transaction[:2] + transaction
    return as_text(bytes([value[2 + at] ^ stream[at] for at in range(len(value) - 2)]))


def attribute(kind: int, value: bytes) -> bytes:
    return pack("!HH", kind, len(value)) + value + bytes(-len(value) & 3)


def with_length(message: bytes, length: int) -> bytes:
    return message[:2] + pack("!H", length) + message[4:]


def integrity(kind: int, key: bytes, before: bytes) -> bytes:
    """Return the value of an integrity attribute that stands behind `before`."""
    size, keyed = (20, hmac_sha1) if kind == stun.MESSAGE_INTEGRITY else (32, hmac_sha256)
    return keyed(key, with_length(before, len(before) - 20 + 4 + size))


def encode(
    kind: int, transaction: bytes, rows: "Rows", key: bytes = b"", sign: int = 0, fingerprint: bool = False
) -> bytes:
    """Return a message; transaction is cookie and transaction id."""
    body = b""
    for row, value in rows:
        body += attribute(row, mask(value, transaction) if isinstance(value, str) else value)
    message = pack("!HH", kind, len(body)) + transaction + body
    if sign:
        message = append(message, sign, integrity(sign, key, message))
    return add_fingerprint(message) if fingerprint else message


def append(message: bytes, kind: int, value: bytes) -> bytes:
    """Return a message with one more attribute."""
    return with_length(message, len(message) - 20 + 4 + (len(value) + 3 & ~3)) + attribute(kind, value)


def add_fingerprint(message: bytes) -> bytes:
    value = crc32(with_length(message, len(message) - 20 + 8)) ^ 0x5354554E
    return append(message, stun.FINGERPRINT, pack("!I", value))


def raises(error: type[Exception], action: "Callable[..., object]", *arguments: object) -> bool:
    """Say whether an action raises an error."""
    try:
        action(*arguments)
    except error:
        return True
    return False


class Recorder(Observer):
    """Writes down what observers are told."""

    def __init__(self) -> None:
        self.events: list[tuple[object, ...]] = []
        self.freed_relays: list[Relay] = []

    def allocated(self, relay: Relay) -> None:
        self.events.append(("allocated", as_text(relay.announced)))

    def freed(self, relay: Relay) -> None:
        self.events.append(("freed", as_text(relay.announced)))
        self.freed_relays.append(relay)

    def permitted(self, relay: Relay, ip: bytes) -> None:
        self.events.append(("permitted", as_text(bytes(2) + ip), relay.permissions[ip]))

    def bound(self, channel: Channel) -> None:
        self.events.append(("bound", channel.number, as_text(channel.peer), channel.carries_until))

    def unbound(self, channel: Channel) -> None:
        self.events.append(("unbound", channel.number, as_text(channel.peer)))

    def connecting(self, connection: PeerConnection) -> None:
        self.events.append(("connecting", as_text(connection.wire)))

    def joined(self, connection: PeerConnection) -> None:
        self.events.append(("joined", as_text(connection.wire), as_text(connection.source)))

    def disconnected(self, connection: PeerConnection) -> None:
        self.events.append(("disconnected", as_text(connection.wire)))

    def refused(self, request: Request, reject: stun.Reject) -> None:
        self.events.append(("refused", reject.code))

    def take(self) -> list[tuple[object, ...]]:
        """Return the events since the last time."""
        events, self.events = self.events, []
        return events


class Server:
    """A Turn with two listeners, all its relays open, and a clock."""

    def __init__(
        self,
        families: tuple[int, ...] = (IPV4, IPV6),
        users: tuple[tuple[str, str], ...] = (("alice", "pa"), ("bob", "pb")),
        secrets: tuple[bytes, ...] = (),
        allow: tuple[str, ...] = (),
        deny: tuple[str, ...] = (),
        nat: bool = False,
        **limits: int,
    ) -> None:
        self.now = START
        self.nat = nat
        self._random_count = 0
        self.recorder = Recorder()
        self.limits = Limits()
        self.limits.max_allocations = 16  # small pools are made sooner
        for name, value in limits.items():
            assert hasattr(self.limits, name)
            setattr(self.limits, name, value)
        peers = Peers(list(allow), list(deny))
        self.turn = Turn(self.limits, families, credentials(users, secrets), peers, self.random, self.recorder)
        self.turn.authenticator.wall_offset = WALL - START
        self.listeners = [2 * len(self.turn.pool.relays), 2 * len(self.turn.pool.relays) + 1]
        self._open_all(families)

    def _open_all(self, families: tuple[int, ...]) -> None:
        for via in self.listeners:
            self.turn.listen(via)
        ips = [RELAY_IPS[family] for family in families] + [BOUND_IPS[family] for family in families if self.nat]
        self.turn.peers.set_relays({ip_of(parse(ip)) for ip in ips})
        self.turn.peers.set_local([ip_of(parse(ip)) for ip in ips], [])
        for relay in self.turn.pool.relays:
            self.open(relay, FIRST_PORT + relay.index % self.limits.max_allocations)

    def random(self, size: int) -> bytes:
        """Return bytes that look random and are the same in every run."""
        self._random_count += 1
        return sha256(b"random %d" % self._random_count)[:size]

    def open(self, relay: Relay, port: int) -> None:
        announced = parse(RELAY_IPS[relay.family], port)
        bound = parse(BOUND_IPS[relay.family], port) if self.nat else announced
        self.turn.opened(relay.index, bound, announced)

    def reopen(self) -> None:
        """Do what the loop does after a datagram: open again the relays that were taken back."""
        freed, self.recorder.freed_relays = self.recorder.freed_relays, []
        for relay in freed:
            self.open(relay, relay.address[0] << 8 | relay.address[1])

    def client(self, user: str = "alice", source: str = "1.1.1.1:1000", listener: int = 0) -> "Client":
        passwords = {"alice": "pa", "bob": "pb"}
        return Client(self, source, self.listeners[listener], user.encode(), passwords.get(user, "").encode())

    def receive(self, via: int, source: bytes, data: bytes) -> "tuple[int, bytes, bytes] | None":
        """Let a listener receive a datagram; return what is sent."""
        packet = memoryview(bytearray(data + b"tail of the datagram before"))
        sent = self.turn.client(packet, len(data), via, source, self.now)
        self.reopen()
        return None if sent is None else (sent[0], sent[1], bytes(sent[2]))

    def relay_at(self, relayed: str) -> Relay:
        """Return the relay that clients know by an address."""
        return next(relay for relay in self.turn.pool.relays if relay.announced == parse(relayed))

    def from_peer(self, relayed: str, source: str, data: bytes) -> "tuple[str, bytes] | None":
        """Let a relayed address receive a peer's datagram; return whom what is sent to."""
        packet = memoryview(bytearray(bytes([0xAA]) * HEADROOM + data + b"\xaa\xaa\xaa\xaa"))
        index = self.relay_at(relayed).index
        sent = self.turn.peer(packet, len(data), index, parse(source), self.now)
        if sent is None:
            return None
        assert sent[0] in self.listeners
        return as_text(sent[1]), bytes(sent[2])

    def data_from_peer(self, relayed: str, source: str, data: bytes) -> "tuple[str, bytes] | None":
        """Return peer and data of the Data indication that a peer's datagram becomes."""
        sent = self.from_peer(relayed, source, data)
        if sent is None:
            return None
        answer = Answer(sent[1])
        assert (answer.method, answer.message_class) == (stun.DATA_METHOD, stun.INDICATION)
        return answer.address(stun.XOR_PEER_ADDRESS), answer.value(stun.DATA)

    def wait(self, seconds: int, tick: bool = True) -> int:
        """Let time pass; return when the server wants to be called again."""
        self.now += seconds
        due = self.turn.tick(self.now) if tick else 0
        self.reopen()
        return due


def credentials(users: tuple[tuple[str, str], ...], secrets: tuple[bytes, ...]) -> Credentials:
    made = Credentials(REALM.encode(), sha256(b"decoy"))
    for name, password in users:
        made.add_user(name.encode(), password.encode())
    for secret in secrets:
        made.add_secret(secret)
    return made


class Client:
    """A client at one transport address."""

    def __init__(self, server: Server, source: str, via: int, user: bytes, password: bytes) -> None:
        self.server = server
        self.source = source
        self.via = via
        self.user = user
        self.password = password
        self.nonce = b""
        self.offered = b""  # PASSWORD-ALGORITHMS of the challenge
        self.modern = False  # SHA-256 and USERHASH, RFC 8489's new ways
        self._transactions = 0

    # Credentials.

    def key(self) -> bytes:
        text = self.user + b":" + REALM.encode() + b":" + self.password
        return sha256(text) if self.modern else md5(text)

    def credential_rows(self) -> "Rows":
        rows: "Rows" = [(stun.USERNAME, self.user)]
        if self.modern:
            rows = [(stun.USERHASH, sha256(self.user + b":" + REALM.encode()))]
            rows += [(stun.PASSWORD_ALGORITHMS, self.offered), (stun.PASSWORD_ALGORITHM, b"\0\x02\0\0")]
        return rows + [(stun.REALM, REALM.encode()), (stun.NONCE, self.nonce)]

    def learn(self) -> Answer:
        """Ask without credentials and take nonce and algorithms from the challenge."""
        answer = self.ask(encode(stun.ALLOCATE, self.transaction(), [REQUESTED_UDP]))
        assert answer is not None and answer.value(stun.REALM) == REALM.encode()
        self.take_nonce(answer)
        return answer

    def take_nonce(self, answer: Answer) -> None:
        self.nonce = answer.value(stun.NONCE)
        if answer.has(stun.PASSWORD_ALGORITHMS):
            self.offered = answer.value(stun.PASSWORD_ALGORITHMS)

    # Messages.

    def transaction(self) -> bytes:
        """Return cookie and a new transaction id."""
        self._transactions += 1
        return stun.COOKIE + sha256(self.source.encode() + b"%d" % self._transactions)[:12]

    def raw(self, data: bytes) -> "tuple[int, bytes, bytes] | None":
        """Send bytes; return the datagram that the server sends, wherever to."""
        return self.server.receive(self.via, parse(self.source), data)

    def ask(self, data: bytes) -> "Answer | None":
        """Send a message; return the answer, None where there's none."""
        sent = self.raw(data)
        if sent is None:
            return None
        assert sent[:2] == (self.via, parse(self.source))
        answer = Answer(sent[2])
        assert answer.transaction == data[4:20] and answer.method == (data[0] << 8 | data[1]) & 0x3EEF
        return answer

    def signed(self, method: int, rows: "Rows", fingerprint: bool = False) -> bytes:
        """Return a signed request; learns the nonce first if need be."""
        if not self.nonce:
            self.learn()
        sign = stun.MESSAGE_INTEGRITY_SHA256 if self.modern else stun.MESSAGE_INTEGRITY
        return encode(method, self.transaction(), rows + self.credential_rows(), self.key(), sign, fingerprint)

    def request(self, method: int, rows: "Rows", fingerprint: bool = False) -> Answer:
        """Send a signed request; return its answer, its integrity checked where the server could sign it."""
        answer = self.ask(self.signed(method, rows, fingerprint))
        assert answer is not None
        if answer.code not in (400, 401, 438):
            sign = stun.MESSAGE_INTEGRITY_SHA256 if self.modern else stun.MESSAGE_INTEGRITY
            assert answer.is_signed(sign, self.key())
        return answer

    # Requests.

    def allocate(self, *rows: "tuple[int, bytes | str]") -> Answer:
        return self.request(stun.ALLOCATE, [REQUESTED_UDP] + list(rows))

    def relayed(self, *rows: "tuple[int, bytes | str]") -> str:
        """Allocate; return the relayed transport address."""
        answer = self.allocate(*rows)
        assert answer.code == 0, answer.code
        return answer.address(stun.XOR_RELAYED_ADDRESS)

    def refresh(self, lifetime: int, *rows: "tuple[int, bytes | str]") -> Answer:
        return self.request(stun.REFRESH, [(stun.LIFETIME, pack("!I", lifetime))] + list(rows))

    def permit(self, *peers: str) -> int:
        """Ask for permissions; return the error code, 0 for success."""
        return self.request(stun.CREATE_PERMISSION, [(stun.XOR_PEER_ADDRESS, peer) for peer in peers]).code

    def bind(self, number: int, peer: str) -> int:
        """Bind a channel; return the error code, 0 for success."""
        rows: "Rows" = [(stun.CHANNEL_NUMBER, pack("!HH", number, 0)), (stun.XOR_PEER_ADDRESS, peer)]
        return self.request(stun.CHANNEL_BIND, rows).code

    # Data.

    def send(self, peer: str, data: bytes, *rows: "tuple[int, bytes | str]") -> "Packet | None":
        """Send data by an indication; return what leaves towards the peer."""
        rows_sent: "Rows" = [(stun.XOR_PEER_ADDRESS, peer), (stun.DATA, data)]
        return self.relay(encode(stun.SEND | stun.INDICATION, self.transaction(), rows_sent + list(rows)))

    def channel(self, number: int, data: bytes, padding: bytes = b"") -> "Packet | None":
        """Send ChannelData; return what leaves towards the peer."""
        return self.relay(pack("!HH", number, len(data)) + data + padding)

    def relay(self, data: bytes) -> "Packet | None":
        """Send any bytes; return what leaves towards a peer."""
        sent = self.raw(data)
        if sent is None:
            return None
        relay = self.server.turn.pool.relays[sent[0] // 2]
        return Packet(as_text(relay.announced), bool(sent[0] & 1), as_text(sent[1]), sent[2])


def family(number: int) -> bytes:
    """Return the value of REQUESTED-ADDRESS-FAMILY."""
    return bytes([number, 0, 0, 0])


WANT_IPV4 = (stun.REQUESTED_ADDRESS_FAMILY, family(IPV4))
WANT_IPV6 = (stun.REQUESTED_ADDRESS_FAMILY, family(IPV6))
WANT_BOTH = (stun.ADDITIONAL_ADDRESS_FAMILY, family(IPV6))
EVEN = (stun.EVEN_PORT, b"\x00")
EVEN_AND_NEXT = (stun.EVEN_PORT, b"\x80")
