"""The two ends of what a relay hands through: a client's socket, and a server's that does what the test says."""

import hashlib
import os
import socket
import struct
import threading

from edgeturn.protocol import stun
from tests.blackbox.client import encode, unpack
from tests.blackbox.relay import DEADLINE, HOST, Address

LARGE = 4 << 20
LINGER = struct.pack("ii", 1, 0)


class Side:
    """One end of a TCP connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.sock.settimeout(DEADLINE)
        self.address: Address = sock.getsockname()[:2]

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def receive(self, size: int) -> bytes:
        """Return so many bytes, or what came before the end."""
        data = bytearray()
        while len(data) < size and (piece := self.sock.recv(size - len(data))):
            data += piece
        return bytes(data)

    def end(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def has_ended(self) -> bool:
        """Wait for the end; say whether it was one, and not a reset."""
        try:
            return self.sock.recv(1) == b""
        except ConnectionResetError:
            return False

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
        self.sock.close()

    def fill(self) -> bytes:
        """Send until nothing more is taken for a while; return what was sent."""
        sent = bytearray()
        self.sock.settimeout(0.5)
        try:
            while len(sent) < 16 * LARGE:
                piece = os.urandom(65536)
                sent += piece[: self.sock.send(piece)]
        except TimeoutError:
            return bytes(sent)
        finally:
            self.sock.settimeout(DEADLINE)
        raise AssertionError("somebody's buffer has no bound")

    def binding(self, before: bytes = b"") -> Address:
        """Ask who we are, in the same segment as something in front; return the answer."""
        request = encode(stun.BINDING, [])
        self.send(before + request)
        header = self.receive(stun.HEADER_SIZE)
        message = stun.Message(header + self.receive(int.from_bytes(header[2:4], "big")))
        assert message.transaction == request[4 : stun.HEADER_SIZE]
        mapped = stun.decode_xor_address(message.attributes[stun.XOR_MAPPED_ADDRESS], message.transaction)
        assert mapped is not None
        return unpack(mapped)


class Backend:
    """A server that does what the test says."""

    def __init__(self, backlog: int = 16) -> None:
        self.sock = socket.create_server((HOST, 0), backlog=backlog)
        self.sock.settimeout(DEADLINE)
        self.place = f"{HOST}:{self.sock.getsockname()[1]}"

    def accept(self) -> Side:
        return Side(self.sock.accept()[0])

    def nobody_came(self) -> bool:
        self.sock.settimeout(0)
        try:
            self.sock.accept()
        except BlockingIOError:
            return True
        return False


def passes_in_order(sender: Side, receiver: Side) -> bool:
    """Fill every buffer on the way, then read it all while more is sent; say whether what arrives is what was sent."""
    sent = sender.fill()
    more = os.urandom(LARGE)

    def write() -> None:
        sender.send(more)
        sender.end()

    writer = threading.Thread(target=write)
    writer.start()
    received = receiver.receive(len(sent) + LARGE + 1)
    writer.join(DEADLINE)
    return hashlib.sha256(received).digest() == hashlib.sha256(sent + more).digest()
