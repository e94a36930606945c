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

from edgeturn.seam.shared import EMSGSIZE, IP_RECVERR, IPV6_RECVERR, NOT_ICMP, Stream, bpf_number, error_is_writable

# The interpreter's own hashes where it has them: OpenSSL's take 3.5 MB of resident memory,
# and on messages as short as these they are no faster.
try:
    from _md5 import md5
    from _sha1 import sha1

    try:
        from _sha2 import sha256
    except ImportError:
        from _sha256 import sha256
    from _operator import _compare_digest as same
except ImportError:
    from hashlib import md5, sha1, sha256
    from hmac import compare_digest as same

ERROR_QUEUE = True
AEAD = True  # edgeturn.seam.cpython_aead, where its package is there
DATAGRAM_SIZE = 65535
SIGNALS = PRIVILEGES = True
INTERPRETER = "CPython " + ".".join([str(part) for part in sys.version_info[:3]])

_pair = struct.Struct("!HH")  # looks its format up once, and not for every packet
unpack_pair, pack_pair = _pair.unpack_from, _pair.pack_into


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


_EE_LOCAL, _EE_ICMP, _EE_ICMP6 = 1, 2, 3


def read_error(sock):
    """Return (native destination, type, code, error data) of a socket's oldest ICMP error, None where there's none.

    A datagram too large for this machine's own link counts as the ICMP error that a router would have sent.
    Source: struct sock_extended_err, ip(7) and ipv6(7).
    """
    try:
        _, ancillary, _, destination = sock.recvmsg(1, 256, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
    except OSError:
        return None
    for _, kind, data in ancillary:
        if kind in (IP_RECVERR, IPV6_RECVERR) and len(data) >= 16:
            errno, origin, icmp_type, code, _, info, _ = struct.unpack_from("=IBBBBII", data)
            if origin == _EE_LOCAL and errno == EMSGSIZE:
                icmp_type, code = (3, 4) if kind == IP_RECVERR else (2, 0)
            elif origin not in (_EE_ICMP, _EE_ICMP6):
                icmp_type = NOT_ICMP
            return destination, icmp_type, code, info
    return destination, NOT_ICMP, 0, 0


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
_ctypes = _syscall = None


def bpf(command: int, attributes: bytearray) -> int:
    """Call bpf(2); OSError where it fails."""
    address = memory_address(attributes)
    result = _syscall(_BPF, command, address, len(attributes))
    if result < 0:
        raise OSError(_ctypes.get_errno(), os.strerror(_ctypes.get_errno()))
    return result


def memory_address(buffer: bytearray) -> int:
    """Return where a buffer is in memory, as long as it keeps its size; the first call takes 0.7 MB for ctypes."""
    global _ctypes, _syscall
    if _ctypes is None:
        import ctypes as _ctypes

        _syscall = _ctypes.CDLL(None, use_errno=True).syscall
        _syscall.restype = _ctypes.c_long
        _syscall.argtypes = (_ctypes.c_long, _ctypes.c_long, _ctypes.c_void_p, _ctypes.c_ulong)
    return _ctypes.addressof(_ctypes.c_char.from_buffer(buffer))


def settle() -> None:
    """Leave what was made at the start out of all later collections."""
    gc.collect()
    gc.freeze()


def memory_bytes() -> int:
    """Return the resident size of this process; CPython doesn't count its objects' bytes."""
    with open("/proc/self/statm") as stream:
        return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def write_error(text: str) -> bool:
    """Write a line to standard error, if that takes it at once."""
    try:
        return error_is_writable() and os.write(2, text.encode()) > 0  # sys.stderr keeps what it could not write
    except OSError:
        return False


def print_trace(error: Exception) -> None:
    """Write an exception with its trace to standard error, if that takes it."""
    if write_error("error defect\n"):
        sys.excepthook(type(error), error, error.__traceback__)
