"""The C library on our firmware, by its C module: what is done for each packet allocates nothing.

What a receiver, unpack_pair and datagram return is the same object each time, with other content: it's used at once.
"""

import _edgeturn
from _edgeturn import EPOLLERR as POLLERR
from _edgeturn import EPOLLHUP as POLLHUP
from _edgeturn import (
    IP_RECVERR,
    IPV6_RECVERR,
    MSG_DONTWAIT,
    MSG_ERRQUEUE,
    Poller,
    Receiver,
    Sender,
    Table,
    bpf,
    call,
    clock,
    datagram,
    flush,
    hmac_sha1,
    hmac_sha256,
    md5,
    pack_pair,
    release,
    room,
    same,
    sha1,
    sha256,
    unpack_pair,
)
from _edgeturn import address_of as memory_address

from edgeturn.seam.shared import EAGAIN, error_report

CALLS = SIGNALS = PRIVILEGES = ERROR_QUEUE = BPF = True
FIRMWARE = True
AEAD = hasattr(_edgeturn, "open_sealed")
DATAGRAM_SIZE = 65535


def receiver(sock, buffer: bytearray, offset: int) -> Receiver:
    """Return what receives a datagram into a buffer at an offset, and returns its size and native source."""
    return Receiver(sock.fileno(), buffer, offset)


def sender(sock) -> Sender:
    """Return what sends data to a native destination; what it gathers under load is sent before the next wait."""
    return Sender(sock.fileno())


def read_stream(sock, view: memoryview) -> "int | None":
    """Read into a buffer; return how much, 0 at the end, None where there's nothing now; OSError where it broke."""
    return _edgeturn.receive(sock.fileno(), view)


def receive(sock, buffer: bytearray) -> memoryview:
    """Return a datagram, which stands in a buffer until the next one; OSError where there's none."""
    size = _edgeturn.receive(sock.fileno(), buffer)
    if size is None:
        raise OSError(EAGAIN)
    return memoryview(buffer)[:size]


_nothing = bytearray(1)


def read_error(sock):
    """Return (native destination, type, code, error data) of a socket's oldest ICMP error, None where there's none."""
    try:
        message = _edgeturn.receive_message(sock.fileno(), _nothing, MSG_ERRQUEUE | MSG_DONTWAIT)
    except OSError:
        return None
    return error_report(message[1], message[3])


class _Descriptor:
    """What a poller takes in place of a socket."""

    def __init__(self, number: int) -> None:
        self._number = number

    def fileno(self) -> int:
        """Return the descriptor's number."""
        return self._number


class Wakeup:
    """A socket to poll, and wake(), which makes it ready; what signals call is called when it's cleared."""

    def __init__(self) -> None:
        self.sock = _Descriptor(_edgeturn.catch_signals(()))

    def wake(self) -> None:
        """Make the socket ready."""
        call("write", self.sock.fileno(), b"\1\1\1\1\1\1\1\1", 8)

    def clear(self) -> None:
        """Make the socket wait again, after the handlers of the signals that came."""
        for number in _edgeturn.caught_signals():
            _handlers[number](number)


_handlers = {}


def catch_signals(numbers: "tuple", handler) -> None:
    """Call handler(number) on signals, once a Wakeup is cleared, which they make ready."""
    for number in numbers:
        _handlers[number] = handler
    _edgeturn.catch_signals(numbers)
