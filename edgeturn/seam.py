"""The seam: all that differs between CPython and MicroPython, and the only file that asks which of them runs.

Rule 1: both halves define the same names with the same meaning; what one of them can't do is a constant that says so.
Rule 2: nothing here knows STUN, TURN or the configuration.
Rule 3: a native address is whatever the interpreter's sendto takes: a tuple on CPython, a raw sockaddr on MicroPython.

MicroPython has no ICMP errors (ERROR_QUEUE), and without its ffi no signals (SIGNALS) and one user (PRIVILEGES).
"""

import gc
import os
import select
import socket
import struct
import sys
import time
from binascii import b2a_base64, crc32

# The numbers of Linux; MicroPython's socket module has few of them.
AF_NETLINK, IP_RECVERR, IPV6_RECVERR = 16, 11, 25
EAGAIN, EMSGSIZE, EADDRINUSE = 11, 90, 98
NOT_ICMP = 255  # what read_error says of an error that no ICMP message caused
SIGHUP, SIGINT, SIGTERM = 1, 2, 15
Socket = socket.socket
# Beginning of the machine's name, number of the system call bpf on it with 64 and with 32 bits.
_BPF_NUMBERS = (
    ("x86_64", 321, 357),
    ("i", 357, 357),
    ("a", 280, 386),  # aarch64, arm
    ("riscv", 280, 280),
    ("loongarch", 280, 280),
    ("mips", 5315, 4355),
    ("s390", 351, 351),
    ("ppc", 361, 361),
)


def _bpf_number(machine: str) -> int:
    """Return the number of bpf(2) on a machine, 0 where it isn't known; the kernel may have more bits than we have."""
    for start, number, number_of_32 in _BPF_NUMBERS:
        if machine.startswith(start):
            return number if struct.calcsize("P") == 8 else number_of_32
    return 0


def base64(data: bytes) -> bytes:
    """Return base64 in one line without its end."""
    return b2a_base64(data)[:-1]


def wall() -> int:
    """Return Unix time in whole seconds."""
    return int(time.time())


_errors = select.poll()
_errors.register(2, select.POLLOUT)


def write_error(text: str) -> bool:
    """Write a line to standard error, if that takes it at once: a reader that is stuck or gone must not stop us."""
    try:
        return bool(_errors.poll(0)) and _write_error(text) > 0
    except OSError:
        return False


if sys.implementation.name == "micropython":
    from hashlib import md5, sha1, sha256

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

        def register(self, sock, handler, writing: bool = False) -> None:
            """Call handler(events) when a socket is ready."""
            self._handlers[id(sock)] = handler
            self._poll.register(sock, select.POLLIN | (select.POLLOUT if writing else 0))

        def unregister(self, sock) -> None:
            """Forget a socket, before it is closed."""
            if self._handlers.pop(id(sock), None) is not None:
                self._poll.unregister(sock)

        def wait(self, milliseconds: int) -> "list":
            """Return (handler, events) of what is ready, at the latest after a time; -1 waits for ever."""
            return [(self._handlers[id(sock)], events) for sock, events in self._poll.poll(milliseconds)]

    POLLERR = select.POLLERR
    _write_error = sys.stderr.write
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

    _BPF = _bpf_number(_machine()) if _libc else 0
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

    def print_trace(error: Exception) -> None:
        """Write an exception with its trace to standard error, if that takes it."""
        if write_error("error defect\n"):
            sys.print_exception(error, sys.stderr)

else:
    import signal
    from functools import partial

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

        def register(self, sock, handler, writing: bool = False) -> None:
            """Call handler(events) when a socket is ready."""
            events = select.EPOLLIN | (select.EPOLLOUT if writing else 0)
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

    POLLERR = select.EPOLLERR

    def _write_error(text: str) -> int:
        return os.write(2, text.encode())  # sys.stderr keeps what it couldn't write, and fails with it at the end

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

    user_id = os.getuid
    process_id = os.getpid
    set_mode = os.chmod

    def unix_name(path: str) -> str:
        """Return what bind and connect take for a Unix socket."""
        return path

    _BPF = _bpf_number(os.uname().machine)
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

    def print_trace(error: Exception) -> None:
        """Write an exception with its trace to standard error, if that takes it."""
        if write_error("error defect\n"):
            sys.excepthook(type(error), error, error.__traceback__)


random_bytes = os.urandom
