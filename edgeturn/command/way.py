"""The ways from here to a server: a datagram socket, or a stream on which messages are framed (RFC 8656 §12.5)."""

import select
import socket

from edgeturn.protocol import framing
from edgeturn.protocol.address import IPV4_SIZE, PORT_SIZE
from edgeturn.protocol.listener import UDP
from edgeturn.protocol.stun import Malformed
from edgeturn.seam import native

_LARGEST = 2048  # bytes; nothing larger is asked for
_PATIENCE = 5  # seconds until a connection has to stand


class _Socket:
    """A socket that is connected, to be read with patience."""

    def __init__(self, place: bytes, kind: int) -> None:
        family = socket.AF_INET if len(place) == PORT_SIZE + IPV4_SIZE else socket.AF_INET6
        self.sock = socket.socket(family, kind)
        try:
            self.sock.settimeout(_PATIENCE)
            self.sock.connect(native(place))
        except OSError:
            self.sock.close()
            raise
        self._poll = select.poll()
        self._poll.register(self.sock, select.POLLIN)

    def read(self, milliseconds: int) -> "bytes | None":
        """Return what came, None where nothing did in time."""
        return self.sock.recv(_LARGEST) if self._poll.poll(milliseconds) else None

    def close(self) -> None:
        """End it."""
        self.sock.close()


class Datagrams(_Socket):
    """UDP."""

    repeats = True

    def __init__(self, place: bytes) -> None:
        """Take the server's port||ip; OSError where there's no way."""
        super().__init__(place, socket.SOCK_DGRAM)

    def send(self, message: bytes) -> None:
        """Send a message."""
        self.sock.send(message)

    def receive(self, milliseconds: int) -> "bytes | None":
        """Return the next message, None where none came in time."""
        try:
            return self.read(milliseconds)
        except OSError:
            return None


class Stream(_Socket):
    """TCP."""

    repeats = False

    def __init__(self, place: bytes) -> None:
        """Take the server's port||ip; OSError where it can't be connected to."""
        super().__init__(place, socket.SOCK_STREAM)
        self._received = b""

    def send(self, message: bytes) -> None:
        """Send a message; OSError where it can't be."""
        left = memoryview(message + bytes(-len(message) & 3))
        while left:
            left = left[self.sock.send(left) :]

    def receive(self, milliseconds: int) -> "bytes | None":
        """Return the next message, None where none came in time; OSError where none can come any longer."""
        message = self._next()
        while message is None:
            more = self.read(milliseconds)
            if more is None:
                return None
            if not more:
                raise OSError(0, "the server closed the connection")
            self._received += more
            message = self._next()
        return message

    def _next(self) -> "bytes | None":
        message, self._received = first_message(self._received)
        return message


def first_message(received: bytes) -> "tuple[bytes | None, bytes]":
    """Return the message at the front of what was received, None where it isn't whole, and the rest."""
    try:
        size = framing.message_size(received, 0, len(received))
    except Malformed:
        raise OSError(0, "the server sent what is no message")
    whole = framing.padded(size)
    if not size or len(received) < whole:
        return None, received
    return received[:size], received[whole:]


def connect(transport: str, place: bytes) -> "Datagrams | Stream":
    """Return a way to a server by UDP or TCP; OSError where there's none."""
    return Datagrams(place) if transport == UDP else Stream(place)
