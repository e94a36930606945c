"""A base (RFC 8445 §5.1.1): one UDP socket of this machine, from which any number of servers is asked at once.

    base.towards(first)  ─┐                 ┌─► first
    base.towards(second) ─┴─ one socket ────┴─► second

Rule 1: an answer goes to who asked, by its transaction, wherever it comes from: a server may answer from another
        address (RFC 5780 §4.3).
Rule 2: what nobody asked for is kept, a few of it: that is how a NAT shows that it sends packets back (hairpinning).
"""

import queue
import socket
import threading
from contextlib import suppress

from edgeturn.protocol.address import IPV4_SIZE, join
from edgeturn.seam import address_of, native

_LARGEST = 65536
_MOST_UNASKED = 16
_TRANSACTION = slice(4, 20)


class Base:
    """A socket at an IP address of this machine; place is its port||ip."""

    def __init__(self, ip: bytes) -> None:
        """Bind to an IP address; OSError where that can't be."""
        self._socket = socket.socket(socket.AF_INET if len(ip) == IPV4_SIZE else socket.AF_INET6, socket.SOCK_DGRAM)
        self._socket.bind(native(join(ip, 0)))
        self.place = address_of(self._socket.getsockname())
        self._asking: dict[bytes, queue.Queue[bytes]] = {}
        self._unasked: queue.Queue[bytes] = queue.Queue(_MOST_UNASKED)
        self._open = True
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def towards(self, place: bytes) -> "Towards":
        """Return a way to a server at port||ip."""
        return Towards(self, place)

    def ask(self, message: bytes, place: bytes, answers: "queue.Queue[bytes]") -> None:
        """Send a request; its answers go where it's said."""
        self._asking[message[_TRANSACTION]] = answers
        self._socket.sendto(message, native(place))

    def unasked(self, seconds: float) -> bytes | None:
        """Return a datagram that nobody here asked for, None where none came in time."""
        with suppress(queue.Empty):
            return self._unasked.get(timeout=seconds)
        return None

    def close(self) -> None:
        """End it."""
        self._open = False
        self._socket.sendto(b"", native(self.place))  # wakes the reader
        self._reader.join()
        self._socket.close()

    def _read(self) -> None:
        while self._open:
            try:
                data = self._socket.recv(_LARGEST)
            except OSError:  # somebody said that a place isn't there
                continue
            with suppress(queue.Full):
                self._asking.get(data[_TRANSACTION], self._unasked).put_nowait(data)


class Towards:
    """The way from a base to one server."""

    about, repeats = "", True

    def __init__(self, base: Base, place: bytes) -> None:
        """Take base and port||ip."""
        self.local = base.place
        self._base = base
        self._place = place
        self._answers: queue.Queue[bytes] = queue.Queue()

    def send(self, message: bytes) -> None:
        """Send a request."""
        self._base.ask(message, self._place, self._answers)

    def receive(self, seconds: float) -> bytes | None:
        """Return the next answer, None where none came in time."""
        with suppress(queue.Empty):
            return self._answers.get(timeout=seconds)
        return None

    def close(self) -> None:
        """Leave the base to the others."""
