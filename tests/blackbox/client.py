"""
A TURN client and a peer for tests that read like a packet trace.

    alice = Client(relay.server())             learns the nonce by itself
    relayed = alice.allocate().relayed[0]
    alice.permit(peer.address)                 0, or the error code
    alice.send(peer.address, b"up")            a Send indication
    alice.channel(0x4000, b"up")               ChannelData
    alice.receive()                            Data, what next comes from a peer

    TcpClient(relay.server())                  the same over TCP, TlsClient over TLS
    Stream(socket)                             whole messages over whatever stream

Rule 1: the messages are those of edgeturn's codec; its own tests compare it with others.
Rule 2: an answer is known by its transaction; what comes from peers meanwhile is kept for receive().
"""

import os
import socket
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeturn.protocol import address, stun
from edgeturn.protocol.credentials import MD5, long_term_key
from tests.blackbox.relay import DEADLINE, HOST, PASSWORDS, REALM, Address, until

REQUESTED_UDP = (stun.REQUESTED_TRANSPORT, b"\x11\0\0\0")
WANT_IPV4 = (stun.REQUESTED_ADDRESS_FAMILY, b"\x01\0\0\0")
WANT_IPV6 = (stun.REQUESTED_ADDRESS_FAMILY, b"\x02\0\0\0")
WANT_BOTH = (stun.ADDITIONAL_ADDRESS_FAMILY, b"\x02\0\0\0")
EVEN = (stun.EVEN_PORT, b"\x00")
EVEN_AND_NEXT = (stun.EVEN_PORT, b"\x80")
DONT_FRAGMENT = (stun.DONT_FRAGMENT, b"")
CHANNEL = 0x4000

Row = tuple[int, bytes | Address]  # an address is masked with the transaction when it is sent


def pack(place: Address) -> bytes:
    """Return host and port as port||ip."""
    return address.join(address.parse_ip(place[0]), place[1])


def unpack(data: bytes) -> Address:
    """Return port||ip as host and port."""
    return address.format_ip(address.ip_of(data)), address.port_of(data)


def transaction() -> bytes:
    """Return the cookie and a new transaction id."""
    return stun.COOKIE + os.urandom(12)


def encode(kind: int, rows: list[Row], key: bytes = b"") -> bytes:
    """Return a message, signed where a key is given."""
    number = transaction()
    values = [
        (row, value if isinstance(value, bytes) else stun.encode_xor_address(pack(value), number))
        for row, value in rows
    ]
    return stun.encode(kind, number, values, stun.MESSAGE_INTEGRITY if key else 0, key)


def lifetime(seconds: int) -> Row:
    return stun.LIFETIME, seconds.to_bytes(4, "big")


class Answer:
    """A response, taken apart."""

    def __init__(self, message: stun.Message) -> None:
        self.message = message

    @property
    def code(self) -> int:
        """The error code, 0 for success."""
        value = self.message.attributes.get(stun.ERROR_CODE)
        return value[2] * 100 + value[3] if value else 0

    @property
    def lifetime(self) -> int:
        return int.from_bytes(self.message.attributes[stun.LIFETIME], "big")

    @property
    def relayed(self) -> list[Address]:
        """The relayed transport addresses; the codec keeps one of each kind, so they are read from the bytes."""
        assert self.code == 0, self.code
        rows = read_rows(self.message.data)
        return [self._unmask(value) for kind, value in rows if kind == stun.XOR_RELAYED_ADDRESS]

    @property
    def mapped(self) -> Address:
        return self._unmask(self.message.attributes[stun.XOR_MAPPED_ADDRESS])

    def _unmask(self, value: bytes) -> Address:
        found = stun.decode_xor_address(value, self.message.transaction)
        assert found is not None
        return unpack(found)


def read_rows(data: bytes) -> Iterable[tuple[int, bytes]]:
    """Yield the attributes of a message."""
    at = stun.HEADER_SIZE
    while at < len(data):
        kind, size = int.from_bytes(data[at : at + 2], "big"), int.from_bytes(data[at + 2 : at + 4], "big")
        yield kind, data[at + 4 : at + 4 + size]
        at += 4 + (size + 3 & ~3)


@dataclass
class Data:
    """What came from a peer: by a Data indication with its address, by a channel, or as an ICMP error."""

    data: bytes
    peer: Address | None = None
    channel: int = 0
    icmp: tuple[int, int] | None = None


class Socket:
    """A UDP socket at a loopback address."""

    def __init__(self, host: str = HOST) -> None:
        self.sock: Any = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((host, 0))
        self.sock.settimeout(DEADLINE)
        place = self.sock.getsockname()
        self.address: Address = (place[0], place[1])

    def close(self) -> None:
        self.sock.close()

    def queued(self) -> list[bytes]:
        """Return what has arrived, without waiting."""
        found = []
        self.sock.setblocking(False)
        try:
            while True:
                found.append(self.sock.recv(65535))
        except BlockingIOError:
            return found
        finally:
            self.sock.settimeout(DEADLINE)


class Peer(Socket):
    """Somebody to talk to through the relay."""

    def receive(self) -> tuple[bytes, Address]:
        """Return the next datagram and where it came from."""
        data, source = self.sock.recvfrom(65535)
        return data, (source[0], source[1])

    def send(self, destination: Address, data: bytes) -> None:
        self.sock.sendto(data, destination)


class Client(Socket):
    """A client of one relay."""

    def __init__(
        self, server: Address, user: str = "alice", password: str | None = None, host: str | None = None
    ) -> None:
        super().__init__(host or (server[0] if ":" in server[0] else HOST))
        self.connect(server)
        self.user = user
        self.password = PASSWORDS.get(user, "") if password is None else password
        self.nonce = b""
        self._inbox: list[bytes] = []

    def connect(self, server: Address) -> None:
        """Send to the server from now on."""
        self.sock.connect(server)

    # Requests.

    def ask(self, message: bytes) -> Answer:
        """Send a message; return its answer."""
        self.sock.send(message)
        return self.answer(message)

    def answer(self, message: bytes) -> Answer:
        """Wait for the answer to a message."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            data = self.sock.recv(65535)
            if data[4 : stun.HEADER_SIZE] == message[4 : stun.HEADER_SIZE] and data[0] < CHANNEL >> 8:
                return Answer(stun.Message(data))
            self._inbox.append(data)
        raise AssertionError("no answer")

    def forget(self) -> None:
        """Forget answers that nobody waits for."""
        self._inbox = [each for each in self._inbox if is_data(each)]

    def binding(self) -> Answer:
        return self.ask(encode(stun.BINDING, []))

    def patient_binding(self) -> Answer:
        """Ask again and again until an answer comes."""
        message = encode(stun.BINDING, [])

        def once() -> list[bytes]:
            self.sock.send(message)
            return self.queued()

        return Answer(stun.Message(until(once, "an answer")[0]))

    def key(self) -> bytes:
        return long_term_key(MD5, self.user.encode(), REALM.encode(), self.password.encode())

    def signed(self, method: int, *rows: Row) -> bytes:
        """Return a signed request; the nonce is learnt first if there's none."""
        if not self.nonce:
            self.learn()
        credentials: list[Row] = [
            (stun.USERNAME, self.user.encode()),
            (stun.REALM, REALM.encode()),
            (stun.NONCE, self.nonce),
        ]
        return encode(method, [*rows, *credentials], self.key())

    def learn(self) -> Answer:
        """Take the nonce of a first 401, and return that."""
        challenge = self.ask(encode(stun.ALLOCATE, [REQUESTED_UDP]))
        assert challenge.code == 401
        self.nonce = challenge.message.attributes[stun.NONCE]
        return challenge

    def request(self, method: int, *rows: Row) -> Answer:
        """Send a signed request; return its answer, whose integrity is checked where it's a success."""
        answer = self.ask(self.signed(method, *rows))
        if not answer.code:
            assert answer.message.integrity_holds(stun.MESSAGE_INTEGRITY, self.key())
        return answer

    def allocate(self, *rows: Row) -> Answer:
        return self.request(stun.ALLOCATE, REQUESTED_UDP, *rows)

    def refresh(self, seconds: int) -> Answer:
        return self.request(stun.REFRESH, lifetime(seconds))

    def permit(self, *peers: Address) -> int:
        """Ask for permissions; return the error code, 0 for success."""
        rows = [(stun.XOR_PEER_ADDRESS, peer) for peer in peers]
        return self.request(stun.CREATE_PERMISSION, *rows).code

    def bind(self, number: int, peer: Address) -> int:
        """Bind a channel; return the error code, 0 for success."""
        number_row = (stun.CHANNEL_NUMBER, number.to_bytes(2, "big") + bytes(2))
        return self.request(stun.CHANNEL_BIND, number_row, (stun.XOR_PEER_ADDRESS, peer)).code

    # Data.

    def send(self, peer: Address, data: bytes, *rows: Row) -> None:
        """Send data by an indication."""
        sent: list[Row] = [(stun.XOR_PEER_ADDRESS, peer), (stun.DATA, data), *rows]
        self.sock.send(encode(stun.SEND | stun.INDICATION, sent))

    def channel(self, number: int, data: bytes) -> None:
        """Send ChannelData."""
        self.sock.send(number.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data)

    def receive(self) -> Data:
        """Return what comes next from a peer."""
        return read_data(self._inbox.pop(0) if self._inbox else self.sock.recv(65535))

    def waiting(self) -> list[Data]:
        """Return what has come from peers, without waiting."""
        found, self._inbox = self._inbox + self.queued(), []
        return [read_data(each) for each in found]


class Stream:
    """A connected socket, plain or TLS, that sends and receives whole messages as if they were datagrams."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._received = b""

    def send(self, message: bytes) -> None:
        """Send a message; ChannelData is padded to four bytes (RFC 8656 §12.5)."""
        self.sock.sendall(message + bytes(-len(message) % 4))

    def recv(self, most: int = 65535) -> bytes:
        """Return the next message, without padding; BlockingIOError as of a socket."""
        while True:
            size = self._size()
            if size:
                message, self._received = self._received[:size], self._received[size + -size % 4 :]
                return message
            try:
                data = self.sock.recv(65536)
            except ssl.SSLWantReadError:
                raise BlockingIOError from None
            if not data:
                raise EOFError(f"the relay closed; {len(self._received)} bytes of a message had come")
            self._received += data

    def _size(self) -> int:
        """Return the size of the message that is there whole, 0 where there's none."""
        front = self._received
        header = 4 if front[:1] >= b"\x40" else stun.HEADER_SIZE
        size = header + int.from_bytes(front[2:4], "big")
        return size if len(front) >= max(4, size + -size % 4) else 0

    def setblocking(self, on: bool) -> None:
        self.sock.setblocking(on)

    def settimeout(self, seconds: float) -> None:
        self.sock.settimeout(seconds)

    def close(self) -> None:
        self.sock.close()


class TcpClient(Client):
    """A client over TCP."""

    def connect(self, server: Address) -> None:
        self.sock.close()
        sock = socket.create_connection(server, DEADLINE, (self.address[0], 0))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.address = sock.getsockname()[:2]
        self.sock = Stream(self.wrap(sock, server[0]))

    def wrap(self, sock: socket.socket, host: str) -> socket.socket:
        """Return what messages are sent over to a host."""
        return sock

    @property
    def raw(self) -> socket.socket:
        """The socket itself, for those who send parts of messages."""
        sock: socket.socket = self.sock.sock
        return sock


class TlsClient(TcpClient):
    """A client over TLS that trusts one certificate."""

    def __init__(self, server: Address, certificate: Path, user: str = "alice", host: str | None = None) -> None:
        self.context = ssl.create_default_context(cafile=certificate)
        self.context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT  # everywhere as from Python 3.13 on
        self.context.set_alpn_protocols(["stun.turn"])
        super().__init__(server, user, host=host)

    def wrap(self, sock: socket.socket, host: str) -> socket.socket:
        return self.context.wrap_socket(sock, server_hostname=host)


def is_data(datagram: bytes) -> bool:
    """Say whether a datagram carries what a peer sent."""
    return datagram[0] >= CHANNEL >> 8 or datagram[:2] == (stun.DATA_METHOD | stun.INDICATION).to_bytes(2, "big")


def read_data(datagram: bytes) -> Data:
    """Take apart ChannelData or a Data indication."""
    if datagram[0] >= CHANNEL >> 8:
        size = int.from_bytes(datagram[2:4], "big")
        return Data(datagram[4 : 4 + size], channel=int.from_bytes(datagram[:2], "big"))
    message = stun.Message(datagram)
    assert message.kind == stun.DATA_METHOD | stun.INDICATION, datagram.hex()
    peer = stun.decode_xor_address(message.peers[0], message.transaction)
    assert peer is not None
    icmp = message.attributes.get(stun.ICMP)
    return Data(message.attributes.get(stun.DATA, b""), unpack(peer), icmp=(icmp[2], icmp[3]) if icmp else None)
