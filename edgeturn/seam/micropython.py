"""The seam on MicroPython, 1.23 and newer: much goes through ffi, where there is one."""

import gc
import os
import select
import socket
import struct
import sys
import time
from hashlib import md5, sha1, sha256

from edgeturn.seam.shared import EAGAIN, EMSGSIZE, Stream, bpf_number, error_is_writable

try:
    import ffi
    import uctypes

    _libc = None
    for _name in ("libc.so.6", "libc.so"):
        try:
            _libc = _libc or ffi.open(_name)
        except OSError:
            pass
except ImportError:
    _libc = None

ERROR_QUEUE = False
AEAD = False  # GCM in Python takes 10 ms and more on a router, for whoever asks
DATAGRAM_SIZE = 2047 if _libc is None else 65535
SIGNALS = PRIVILEGES = _libc is not None
INTERPRETER = "MicroPython " + ".".join([str(part) for part in sys.implementation.version[:3]])


def same(left: bytes, right: bytes) -> bool:
    """Compare in a time that depends on the lengths only."""
    if len(left) != len(right):
        return False
    difference = 0
    for index in range(len(left)):
        difference |= left[index] ^ right[index]
    return difference == 0


_ticks = time.ticks_ms()
_elapsed = 0
_timespec = bytearray(16)
_clock_gettime = _libc and _libc.func("i", "clock_gettime", "iP")


def unpack_pair(buffer, offset: int = 0) -> "tuple[int, int]":
    """Read two 16-bit numbers in network order."""
    return struct.unpack_from("!HH", buffer, offset)


def pack_pair(buffer, offset: int, first: int, second: int) -> None:
    """Write two 16-bit numbers in network order."""
    struct.pack_into("!HH", buffer, offset, first, second)


def clock() -> int:
    """Return whole seconds of CLOCK_MONOTONIC; without ffi of ticks_ms, which wraps: differences are added up."""
    global _ticks, _elapsed
    if _libc is not None:
        _clock_gettime(1, _timespec)
        return struct.unpack_from("l", _timespec)[0]
    ticks = time.ticks_ms()
    passed = time.ticks_diff(ticks, _ticks) // 1000
    _elapsed += passed
    _ticks = time.ticks_add(_ticks, passed * 1000)
    return _elapsed


def native(address: bytes) -> bytes:
    """Return the sockaddr of port||ip."""
    if len(address) == 6:
        return struct.pack("<H", socket.AF_INET) + address + bytes(8)
    return struct.pack("<H", socket.AF_INET6) + address[:2] + bytes(4) + address[2:] + bytes(4)


def address_of(sockaddr: bytes) -> bytes:
    """Return the port||ip of a sockaddr."""
    if len(sockaddr) == 16:
        return sockaddr[2:8]
    return sockaddr[2:4] + sockaddr[8:24]


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


def receiver(sock, buffer: bytearray, offset: int):
    """Return what receives a datagram into a buffer at an offset, and returns its size and native source."""
    if _libc is None:
        return lambda: _receive(sock, buffer, offset)
    receive_into = _libc.func("i", "recvfrom", "iPIiPP")
    number, view, name, size = sock.fileno(), memoryview(buffer)[offset:], bytearray(28), bytearray(4)

    def receive():
        struct.pack_into("I", size, 0, 28)
        received = receive_into(number, view, DATAGRAM_SIZE, 0, name, size)
        if received < 0:
            raise OSError(EAGAIN)
        return received, bytes(name[: struct.unpack("I", size)[0]])

    return receive


def _receive(sock, buffer: bytearray, offset: int):
    """Receive without ffi: each time into new memory, so datagrams must be small."""
    data, source = sock.recvfrom(DATAGRAM_SIZE + 1)
    if len(data) > DATAGRAM_SIZE:  # cut off, and nothing else says so
        raise OSError(EMSGSIZE)
    buffer[offset : offset + len(data)] = data
    return len(data), source


def read_error(sock):
    """Return None: ancillary data can't be read."""
    return None


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


def accept(sock):
    """Return the next connection of a listening socket, non-blocking, and the port||ip that it comes from."""
    accepted, source = sock.accept()
    accepted.setblocking(False)
    return accepted, address_of(bytes(source))


_recv = _libc and _libc.func("i", "recv", "iPii")
_shutdown = _libc and _libc.func("i", "shutdown", "ii")


def read_stream(sock, view: memoryview) -> "int | None":
    """Read into a buffer; return how much, 0 at the end, None where there's nothing now; OSError where it broke."""
    if _recv is None:
        return sock.readinto(view)  # which goes on until there's nothing more: one call of the kernel too many
    size = _recv(sock.fileno(), view, len(view), 0)
    if size >= 0:
        return size
    number = os.errno()
    if number == EAGAIN:
        return None
    raise OSError(number)


class Plain(Stream):
    """A stream as it is."""

    def read(self, view: memoryview) -> "int | None":
        """Read into a buffer; return how much, 0 at the end, None where there's nothing now; OSError where it broke."""
        return read_stream(self.sock, view)

    def write(self, view: memoryview) -> int:
        """Take something to send; return how much."""
        try:
            return self.sock.send(view)
        except OSError as error:
            if error.args[0] != EAGAIN:
                raise
            return 0

    def finish(self) -> None:
        """Tell the other side that nothing more comes; without ffi that is said by the close only."""
        if _shutdown is not None:
            _shutdown(self.sock.fileno(), 1)


_MESSAGES = {1: "not permitted", 2: "no such file", 13: "permission denied", 98: "address in use"}


def reason(error: OSError) -> str:
    """Return what went wrong, in words."""
    return _MESSAGES.get(error.args[0], str(error))


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


def catch_signals(numbers: "tuple", handler) -> None:
    """Call handler(number) on signals; it runs at once, in the middle of anything."""
    _callbacks.append(ffi.callback("v", handler, "i"))
    signal = _libc.func("P", "signal", "iP")
    for number in numbers:
        signal(number, _callbacks[-1])


_callbacks = []


def drop_privileges(uid: int, gid: int) -> None:
    """Become another user for good; OSError where it isn't allowed."""
    _call("setgroups", "LP", 0, None)
    _call("setgid", "I", gid)
    _call("setuid", "I", uid)


def user_id() -> int:
    """Return the user number of this process."""
    return _libc.func("I", "getuid", "")() if _libc else 0


def process_id() -> int:
    """Return the number of this process."""
    return _libc.func("I", "getpid", "")() if _libc else 0


def set_mode(path: str, mode: int) -> None:
    """Set a file's mode; OSError where it can't be."""
    if _libc is not None:
        _call("chmod", "sI", path, mode)
    elif os.system(f"chmod {mode:o} '{path}'"):
        raise OSError(1)


def _call(name: str, arguments: str, *values) -> None:
    if _libc.func("i", name, arguments)(*values) != 0:
        raise OSError(os.errno())


def unix_name(path: str) -> bytes:
    """Return what bind and connect take for a Unix socket."""
    return struct.pack("<H", socket.AF_UNIX) + path.encode() + b"\0"


def receive(sock, buffer: bytearray) -> "memoryview | bytes":
    """Return a datagram, which stands in a buffer until the next one; OSError where there's none."""
    if _recv is None:
        return sock.recv(len(buffer))
    size = _recv(sock.fileno(), buffer, len(buffer), 0)
    if size < 0:
        raise OSError(os.errno())
    return memoryview(buffer)[:size]


def netlink_name(groups: int) -> bytes:
    """Return what bind takes for a netlink socket that hears from groups."""
    return struct.pack("HHII", 16, 0, 0, groups)


def _local_address(sock) -> bytes:
    """Return the port||ip that a socket is bound to."""
    name, size = bytearray(28), bytearray(struct.pack("I", 28))
    _call("getsockname", "iPP", sock.fileno(), name, size)
    return address_of(bytes(name[: struct.unpack("I", size)[0]]))


def _machine() -> str:
    """Return the machine's name, the fifth of uname(2)."""
    names = bytearray(6 * 65)
    _call("uname", "P", names)
    return bytes(names[4 * 65 : 5 * 65]).decode()


_BPF = bpf_number(_machine()) if _libc else 0
BPF = _BPF != 0
_syscall = _libc and _libc.func("l", "syscall", "llPl")


def bpf(command: int, attributes: bytearray) -> int:
    """Call bpf(2); OSError where it fails."""
    result = _syscall(_BPF, command, attributes, len(attributes))
    if result < 0:
        raise OSError(os.errno())
    return result


def memory_address(buffer: bytearray) -> int:
    """Return where a buffer is in memory, as long as it lives and keeps its size."""
    return uctypes.addressof(buffer)


def settle() -> None:
    """Collect now, and from now on before the garbage of packets fills the heap; that costs 0.5 µs a packet."""
    gc.collect()
    gc.threshold(262144)


gc.threshold(32768)  # while the modules are compiled, which leaves much garbage


def memory_bytes() -> int:
    """Return the bytes that objects take on the heap."""
    gc.collect()
    return gc.mem_alloc()


def write_error(text: str) -> bool:
    """Write a line to standard error, if that takes it at once."""
    try:
        return error_is_writable() and sys.stderr.write(text) > 0
    except OSError:
        return False


def print_trace(error: Exception) -> None:
    """Write an exception with its trace to standard error, if that takes it."""
    if write_error("error defect\n"):
        sys.print_exception(error, sys.stderr)
