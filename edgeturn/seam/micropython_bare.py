"""A MicroPython with neither our C module nor ffi: no signals, no other user, small datagrams, no kernel path."""

import time

from edgeturn.seam.micropython_python import *
from edgeturn.seam.shared import EMSGSIZE

CALLS = SIGNALS = PRIVILEGES = ERROR_QUEUE = BPF = False
DATAGRAM_SIZE = 2047

_ticks = time.ticks_ms()
_elapsed = 0


def clock() -> int:
    """Return whole seconds since the start, by ticks_ms, which wraps: differences are added up."""
    global _ticks, _elapsed
    ticks = time.ticks_ms()
    passed = time.ticks_diff(ticks, _ticks) // 1000
    _elapsed += passed
    _ticks = time.ticks_add(_ticks, passed * 1000)
    return _elapsed


def receiver(sock, buffer: bytearray, offset: int):
    """Return what receives a datagram into a buffer at an offset, and returns its size and native source."""

    def receive():
        data, source = sock.recvfrom(DATAGRAM_SIZE + 1)  # each time into new memory, so datagrams must be small
        if len(data) > DATAGRAM_SIZE:  # cut off, and nothing else says so
            raise OSError(EMSGSIZE)
        buffer[offset : offset + len(data)] = data
        return len(data), source

    return receive


def read_error(sock):
    """Return None: ancillary data can't be read."""
    return None


def read_stream(sock, view: memoryview) -> "int | None":
    """Read into a buffer; return how much, 0 at the end, None where there's nothing now; OSError where it broke."""
    return sock.readinto(view)  # which goes on until there's nothing more: one call of the kernel too many


def receive(sock, buffer: bytearray) -> bytes:
    """Return a datagram; OSError where there's none."""
    return sock.recv(len(buffer))


def _refuse(*arguments):
    """Stand in for what can't be done here."""
    raise OSError(38)


Wakeup = call = catch_signals = bpf = memory_address = _refuse
