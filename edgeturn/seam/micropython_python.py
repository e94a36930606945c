"""What is done for each packet on a MicroPython without our C module, in Python: each packet leaves garbage."""

import select
import struct

from edgeturn.seam.hashing import *

FIRMWARE = AEAD = False  # GCM in Python takes 10 ms and more on a router, for whoever asks
room = bytearray  # memory for what is large


def release() -> None:
    """Do nothing: only our C module can give memory back."""


def unpack_pair(buffer, offset: int = 0) -> "tuple[int, int]":
    """Read two 16-bit numbers in network order."""
    return struct.unpack_from("!HH", buffer, offset)


def pack_pair(buffer, offset: int, first: int, second: int) -> None:
    """Write two 16-bit numbers in network order."""
    struct.pack_into("!HH", buffer, offset, first, second)


def datagram(via: int, destination: bytes, packet: memoryview, start: int, end: int) -> "tuple[int, bytes, memoryview]":
    """Return what the core does: where a part of a packet goes."""
    return via, destination, packet[start:end]


_TABLE_SIZE = 256


class Table:
    """A function's results, remembered for the last few hundred arguments: a look-up for each packet."""

    def __init__(self, function) -> None:
        self._function = function
        self._results = {}

    def __getitem__(self, argument):
        result = self._results.get(argument)
        if result is None:
            if len(self._results) >= _TABLE_SIZE:
                self._results.clear()
            self._results[argument] = result = self._function(argument)
        return result


class Poller:
    """Waits for sockets; calls what was registered with them."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._handlers = {}

    def register(self, sock, handler, writing: bool = False, reading: bool = True) -> None:
        """Call handler(events) when a socket is ready, or has nothing to wait for any longer."""
        self._handlers[id(sock)] = handler
        self._poll.register(sock, (select.POLLIN if reading else 0) | (select.POLLOUT if writing else 0))

    def unregister(self, sock) -> None:
        """Forget a socket, before it is closed."""
        if self._handlers.pop(id(sock), None) is not None:
            self._poll.unregister(sock)

    def wait(self, milliseconds: int) -> "list":
        """Return (handler, events) of what is ready, at the latest after a time; -1 waits for ever."""
        return [(self._handlers[id(sock)], events) for sock, events in self._poll.poll(milliseconds)]


POLLERR, POLLHUP = select.POLLERR, select.POLLHUP
