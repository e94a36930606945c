"""The C library on a MicroPython with ffi, as distributions build it: reached by name, and each call makes garbage."""

import os
import socket
import struct

import ffi
import uctypes

from edgeturn.seam.calls import POSITIVE, RESULTS, UNSIGNED, failed
from edgeturn.seam.micropython_addresses import address_of, native
from edgeturn.seam.micropython_python import *
from edgeturn.seam.shared import EAGAIN, bpf_number


def _open_library():
    for name in ("libc.so.6", "libc.so"):
        try:
            return ffi.open(name)
        except OSError:
            pass
    raise ImportError("no C library")


_libc = _open_library()
_functions = {}

CALLS = SIGNALS = PRIVILEGES = True
ERROR_QUEUE = False
DATAGRAM_SIZE = 65535


def call(name: str, *arguments) -> int:
    """Call a function of the C library; OSError where it fails, KeyError where it isn't among them."""
    kind = RESULTS[name]
    function = _functions.get((name, len(arguments)))
    if function is None:
        function = _libc.func(UNSIGNED if kind == POSITIVE else kind, name, "l" * len(arguments))
        _functions[name, len(arguments)] = function
    result = function(*arguments)
    if failed(kind, result):
        raise OSError(os.errno())
    return result


_timespec = bytearray(16)
_clock_gettime = _libc.func("i", "clock_gettime", "iP")


def clock() -> int:
    """Return whole seconds of CLOCK_MONOTONIC."""
    _clock_gettime(1, _timespec)
    return struct.unpack_from("l", _timespec)[0]


_recvfrom = _libc.func("i", "recvfrom", "iPIiPP")


def receiver(sock, buffer: bytearray, offset: int):
    """Return what receives a datagram into a buffer at an offset, and returns its size and native source."""
    number, view, name, size = sock.fileno(), memoryview(buffer)[offset:], bytearray(28), bytearray(4)

    def receive():
        struct.pack_into("I", size, 0, 28)
        received = _recvfrom(number, view, DATAGRAM_SIZE, 0, name, size)
        if received < 0:
            raise OSError(EAGAIN)
        return received, bytes(name[: struct.unpack("I", size)[0]])

    return receive


def read_error(sock):
    """Return None: ancillary data can't be read."""
    return None


_recv = _libc.func("i", "recv", "iPii")


def read_stream(sock, view: memoryview) -> "int | None":
    """Read into a buffer; return how much, 0 at the end, None where there's nothing now; OSError where it broke."""
    size = _recv(sock.fileno(), view, len(view), 0)
    if size >= 0:
        return size
    number = os.errno()
    if number == EAGAIN:
        return None
    raise OSError(number)


def receive(sock, buffer: bytearray) -> memoryview:
    """Return a datagram, which stands in a buffer until the next one; OSError where there's none."""
    size = _recv(sock.fileno(), buffer, len(buffer), 0)
    if size < 0:
        raise OSError(os.errno())
    return memoryview(buffer)[:size]


class Wakeup:
    """A socket to poll, and wake(), which makes it ready from a signal handler: poll goes on waiting after one."""

    def __init__(self) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.bind(native(b"\0\0\x7f\0\0\1"))
        self.sock.connect(native(_local_address(self.sock)))

    def wake(self) -> None:
        """Make the socket ready."""
        self.sock.send(b"!")

    def clear(self) -> None:
        """Make the socket wait again."""
        self.sock.recv(1)


def _local_address(sock) -> bytes:
    """Return the port||ip that a socket is bound to."""
    name, size = bytearray(28), bytearray(struct.pack("I", 28))
    call("getsockname", sock.fileno(), name, size)
    return address_of(bytes(name[: struct.unpack("I", size)[0]]))


def catch_signals(numbers: "tuple", handler) -> None:
    """Call handler(number) on signals; it runs at once, in the middle of anything."""
    _callbacks.append(ffi.callback("v", handler, "i"))
    signal = _libc.func("P", "signal", "iP")
    for number in numbers:
        signal(number, _callbacks[-1])


_callbacks = []


def _machine() -> str:
    """Return the machine's name, the fifth of uname(2)."""
    names = bytearray(6 * 65)
    call("uname", names)
    return bytes(names[4 * 65 : 5 * 65]).decode()


_BPF = bpf_number(_machine())
BPF = _BPF != 0
_syscall = _libc.func("l", "syscall", "llPl")


def bpf(command: int, attributes: bytearray) -> int:
    """Call bpf(2); OSError where it fails."""
    result = _syscall(_BPF, command, attributes, len(attributes))
    if result < 0:
        raise OSError(os.errno())
    return result


memory_address = uctypes.addressof  # where a buffer is in memory, as long as it lives and keeps its size
