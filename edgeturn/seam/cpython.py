"""The seam on CPython, 3.11 and newer."""

import gc
import os
import select
import signal
import socket
import struct
import sys
import time
from functools import partial

from edgeturn.seam.hashing import *
from edgeturn.seam.shared import Stream, bpf_number, error_is_writable, error_report

ERROR_QUEUE = True
AEAD = True  # edgeturn.seam.aead, where its package is there
FIRMWARE = False
DATAGRAM_SIZE = 65535
SHOWN = 2000  # lines that a tap shows in a second: 0.05 ms each
SIGNALS = PRIVILEGES = True
INTERPRETER = "CPython " + ".".join([str(part) for part in sys.version_info[:3]])

_pair = struct.Struct("!HH")  # looks its format up once, and not for every packet
unpack_pair, pack_pair = _pair.unpack_from, _pair.pack_into

room = bytearray  # memory for what is large


def datagram(via: int, destination: bytes, packet: memoryview, start: int, end: int) -> "tuple[int, bytes, memoryview]":
    """Return what the core does: where a part of a packet goes."""
    return via, destination, packet[start:end]


def clock() -> int:
    """Return whole seconds of CLOCK_MONOTONIC."""
    return int(time.monotonic())


def native(address: bytes) -> "tuple[str, int]":
    """Return the (host, port) of port||ip."""
    kind = socket.AF_INET if len(address) == 6 else socket.AF_INET6
    return socket.inet_ntop(kind, address[2:]), address[0] << 8 | address[1]


def address_of(source: tuple) -> bytes:
    """Return the port||ip of (host, port, …)."""
    host = source[0].partition("%")[0]
    kind = socket.AF_INET6 if ":" in host else socket.AF_INET
    return source[1].to_bytes(2, "big") + socket.inet_pton(kind, host)


_TABLE_SIZE = 4096


class Table(dict):
    """A function's results, remembered for the last few thousand arguments: a look-up for each packet."""

    def __init__(self, function) -> None:
        self._function = function

    def __missing__(self, argument):
        if len(self) >= _TABLE_SIZE:
            self.clear()
        self[argument] = result = self._function(argument)
        return result


def receiver(sock, buffer: bytearray, offset: int):
    """Return what receives a datagram into a buffer at an offset, and returns its size and native source."""
    return partial(sock.recvfrom_into, memoryview(buffer)[offset : offset + DATAGRAM_SIZE])


def read_error(sock):
    """Return (native destination, type, code, error data) of a socket's oldest ICMP error, None where there's none."""
    try:
        _, ancillary, _, destination = sock.recvmsg(1, 256, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
    except OSError:
        return None
    return error_report(ancillary, destination)


class Poller:
    """Waits for sockets; calls what was registered with them. epoll: its cost doesn't grow with their number."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._handlers: dict = {}

    def register(self, sock, handler, writing: bool = False, reading: bool = True) -> None:
        """Call handler(events) when a socket is ready, or has nothing to wait for any longer."""
        events = (select.EPOLLIN if reading else 0) | (select.EPOLLOUT if writing else 0)
        if sock.fileno() in self._handlers:
            self._poll.modify(sock.fileno(), events)
        else:
            self._poll.register(sock.fileno(), events)
        self._handlers[sock.fileno()] = handler

    def unregister(self, sock) -> None:
        """Forget a socket, before it is closed."""
        if self._handlers.pop(sock.fileno(), None) is not None:
            self._poll.unregister(sock.fileno())

    def wait(self, milliseconds: int) -> "list":
        """Return (handler, events) of what is ready, at the latest after a time; -1 waits for ever."""
        handlers = self._handlers
        ready = self._poll.poll(milliseconds / 1000 if milliseconds >= 0 else -1)
        return [(handlers[number], events) for number, events in ready]


POLLERR, POLLHUP = select.EPOLLERR, select.EPOLLHUP


def accept(sock):
    """Return the next connection of a listening socket, non-blocking, and the port||ip that it comes from."""
    accepted, source = sock.accept()
    accepted.setblocking(False)
    return accepted, address_of(source)


class Plain(Stream):
    """A stream as it is."""

    def read(self, view: memoryview) -> "int | None":
        """Read into a buffer; return how much, 0 at the end, None where there's nothing now; OSError where it broke."""
        try:
            return self.sock.recv_into(view)
        except BlockingIOError:
            return None

    def write(self, view: memoryview) -> int:
        """Take something to send; return how much."""
        try:
            return self.sock.send(view)
        except BlockingIOError:
            return 0

    def finish(self) -> None:
        """Tell the other side that nothing more comes."""
        self.sock.shutdown(socket.SHUT_WR)


def failure(number: int) -> OSError:
    """Return the error of a number."""
    return OSError(number, os.strerror(number))


def reason(error: OSError) -> str:
    """Return what went wrong, in words."""
    return (error.strerror or str(error)).lower()


class Wakeup:
    """A socket to poll, and wake(), which makes it ready from a signal handler: epoll goes on waiting after one."""

    def __init__(self) -> None:
        self.sock, self._other = socket.socketpair()

    def wake(self) -> None:
        """Make the socket ready."""
        self._other.send(b"!")

    def clear(self) -> None:
        """Make the socket wait again."""
        self.sock.recv(1)


def catch_signals(numbers: "tuple", handler) -> None:
    """Call handler(number) on signals; it runs between two instructions."""
    for number in numbers:
        signal.signal(number, lambda number, _: handler(number))


def drop_privileges(uid: int, gid: int) -> None:
    """Become another user for good; OSError where it isn't allowed."""
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def receive(sock, buffer: bytearray) -> memoryview:
    """Return a datagram, which stands in a buffer until the next one; OSError where there's none."""
    return memoryview(buffer)[: sock.recv_into(buffer)]


def netlink_name(groups: int) -> "tuple[int, int]":
    """Return what bind takes for a netlink socket that hears from groups."""
    return 0, groups


user_id = os.getuid
process_id = os.getpid
set_mode = os.chmod


def unix_name(path: str) -> str:
    """Return what bind and connect take for a Unix socket."""
    return path


_BPF = bpf_number(os.uname().machine)
BPF = _BPF != 0
CALLS = True


def call(name: str, *arguments) -> int:
    """Call a function of the C library by name, as edgeturn.seam.calls has them; OSError where it fails."""
    from edgeturn.seam import cpython_calls  # here, because it takes memory

    return cpython_calls.call(name, *arguments)


def bpf(command: int, attributes: bytearray) -> int:
    """Call bpf(2); OSError where it fails."""
    return call("syscall", _BPF, command, attributes, len(attributes))


def memory_address(buffer: bytearray) -> int:
    """Return where a buffer is in memory, as long as it keeps its size."""
    from edgeturn.seam import cpython_calls

    return cpython_calls.memory_address(buffer)


def settle() -> None:
    """Leave what was made at the start out of all later collections."""
    gc.collect()
    gc.freeze()


def release() -> None:
    """Do nothing: what a process of CPython takes is its objects."""


def memory_bytes() -> int:
    """Return the resident size of this process; CPython doesn't count its objects' bytes."""
    with open("/proc/self/statm") as stream:
        return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def write_error(text: str) -> bool:
    """Write a line to standard error, if that takes it at once."""
    data = text.encode(errors="backslashreplace")  # it may name a file whose name isn't UTF-8
    try:
        return error_is_writable() and os.write(2, data) > 0  # sys.stderr keeps what it could not write
    except OSError:
        return False


def handed_over(name: str) -> str:
    """Return the text in the descriptor that a variable names, once: neither is kept; nothing where there is none."""
    try:
        with open(int(os.environ.pop(name, "")), encoding="utf-8", errors="backslashreplace") as stream:
            return stream.read()
    except (OSError, OverflowError, TypeError, ValueError):
        return ""


def print_trace(error: Exception) -> None:
    """Write an exception with its trace to standard error, if that takes it."""
    if write_error("error defect\n"):
        sys.excepthook(type(error), error, error.__traceback__)
