"""
Clients and peers of TCP allocations (RFC 6062), for tests that read like a trace.

    alice = Control(relay.server())          a client with a control connection
    relayed = alice.allocate_tcp()
    data = alice.reach(peer.address)         Connect and ConnectionBind; the data connection
    alice.attempt()                          peer and id of the next ConnectionAttempt
    alice.take(number)                       ConnectionBind; the data connection
    peer.accept()                            the socket of who connects to a peer
"""

import select
import socket
import time
from pathlib import Path

from edgeturn.protocol import stun
from tests.blackbox.client import Answer, Row, TcpClient, TlsClient, unpack
from tests.blackbox.relay import DEADLINE, HOST, Address, Relay

REQUESTED_TCP = (stun.REQUESTED_TRANSPORT, b"\x06\0\0\0")
MEGABYTE = bytes(range(256)) * 4096
ATTEMPT = (stun.CONNECTION_ATTEMPT | stun.INDICATION).to_bytes(2, "big")


class TcpPeer:
    """Somebody who listens, and connects from there as well."""

    def __init__(self, host: str = HOST, backlog: int = 8) -> None:
        self.sock = socket.create_server(
            (host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=backlog
        )
        self.sock.settimeout(DEADLINE)
        self.address: Address = self.sock.getsockname()[:2]

    def accept(self) -> socket.socket:
        sock, _ = self.sock.accept()
        sock.settimeout(DEADLINE)
        return sock

    def connect(self, to: Address) -> socket.socket:
        return socket.create_connection(to, DEADLINE, (self.address[0], 0))

    def close(self) -> None:
        self.sock.close()


class Control(TcpClient):
    """A client and its control connection."""

    def another(self, user: str) -> TcpClient:
        """Return one more connection, by the same transport."""
        return TcpClient(self.server, user)

    def allocate_tcp(self, *rows: Row) -> Address:
        return self.request(stun.ALLOCATE, REQUESTED_TCP, *rows).relayed[0]

    def ask_for(self, peer: Address) -> Answer:
        """Send a Connect request; return its answer."""
        return self.request(stun.CONNECT, (stun.XOR_PEER_ADDRESS, peer))

    def number(self, peer: Address) -> bytes:
        """Connect to a peer; return the connection's id."""
        answer = self.ask_for(peer)
        assert answer.code == 0, answer.code
        return answer.message.attributes[stun.CONNECTION_ID]

    def reach(self, peer: Address) -> socket.socket:
        return self.take(self.number(peer))

    def take(self, number: bytes, user: str = "") -> socket.socket:
        code, sock = self.bind_data(number, user or self.user)
        assert code == 0, code
        return sock

    def bind_data(self, number: bytes, user: str, behind: bytes = b"") -> tuple[int, socket.socket]:
        """Bind from a connection of its own, with raw bytes right behind; return the error code and the connection."""
        data = self.another(user)
        request = data.signed(stun.CONNECTION_BIND, (stun.CONNECTION_ID, number))
        data.raw.sendall(request + behind)
        header = exactly(data.raw, stun.HEADER_SIZE)  # and not a byte more: what follows is the peer's
        answer = header + exactly(data.raw, int.from_bytes(header[2:4], "big"))
        return Answer(stun.Message(answer)).code, data.raw

    def attempt(self) -> tuple[Address, bytes]:
        """Return peer and id of the next ConnectionAttempt."""
        data = self._inbox.pop(0) if self._inbox else self.sock.recv(65535)
        assert data[:2] == ATTEMPT, data.hex()
        message = stun.Message(data)
        peer = stun.decode_xor_address(message.peers[0], message.transaction)
        assert peer is not None
        return unpack(peer), message.attributes[stun.CONNECTION_ID]

    def connect(self, server: Address) -> None:
        self.server = server
        super().connect(server)


class TlsControl(TlsClient, Control):
    """The same over TLS."""

    def another(self, user: str) -> TcpClient:
        return TlsClient(self.server, self.certificate, user)

    def connect(self, server: Address) -> None:
        self.server = server
        TlsClient.connect(self, server)

    def __init__(self, server: Address, certificate: Path) -> None:
        self.certificate = certificate
        super().__init__(server, certificate)


def exactly(sock: socket.socket, size: int) -> bytes:
    """Return so many bytes."""
    got = b""
    while len(got) < size:
        data = sock.recv(size - len(got))
        assert data, f"ended after {len(got)} of {size} bytes"
        got += data
    return got


def rest(sock: socket.socket) -> bytes:
    """Return all until the end."""
    return b"".join(iter(lambda: sock.recv(65536), b""))


def is_closed(sock: socket.socket) -> bool:
    """Wait until the other side has closed or reset."""
    try:
        return sock.recv(1) == b""
    except ConnectionError:
        return True


def is_turned_away(peer: TcpPeer, relayed: Address) -> bool:
    """Connect to a relayed address, and wait until that is closed or reset, maybe before it is known to stand."""
    try:
        return is_closed(peer.connect(relayed))
    except ConnectionResetError:
        return True


def send_all_at_once(sock: socket.socket, data: bytes) -> int:
    """Send until nothing more is taken for a while; return how much was."""
    sent = 0
    sock.setblocking(False)
    while sent < len(data) and select.select([], [sock], [], 0.5)[1]:
        sent += sock.send(data[sent : sent + 65536])
    sock.settimeout(DEADLINE)
    return sent


def tcp_peers(relay: Relay) -> int:
    """Return how many connections with peers there are."""
    return sum(len(session["tcp_peers"]) for session in relay.sessions())


def exchange(sending: dict[socket.socket, bytes]) -> dict[socket.socket, bytes]:
    """Send on some sockets and receive on all, as fast as it goes, until each has as much as one sent."""
    sent, got = dict.fromkeys(sending, 0), dict.fromkeys(sending, b"")
    size = len(next(iter(sending.values())))
    deadline = time.monotonic() + 3 * DEADLINE
    while any(len(each) < size for each in got.values()):
        assert time.monotonic() < deadline, [len(each) for each in got.values()]
        writers = [sock for sock in sending if sent[sock] < size]
        readable, writable, _ = select.select(list(sending), writers, [], 1)
        for sock in readable:
            data = sock.recv(65536)
            assert data
            got[sock] += data
        for sock in writable:
            sent[sock] += sock.send(sending[sock][sent[sock] : sent[sock] + 30000])
    return got


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()
