"""What both halves of the seam share: numbers of Linux, and what needs no interpreter's help."""

import select
import socket
import struct
import time
from binascii import a2b_base64 as from_base64
from binascii import b2a_base64, crc32
from errno import EADDRINUSE, ECONNABORTED, EINPROGRESS  # other numbers on MIPS

# The numbers of Linux; MicroPython's socket module has few of them.
AF_NETLINK, IP_RECVERR, IPV6_RECVERR = 16, 11, 25
EAGAIN = 11
EMSGSIZE = 97 if EADDRINUSE == 125 else 90  # on MIPS the other
EADDRNOTAVAIL = EADDRINUSE + 1
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


def bpf_number(machine: str) -> int:
    """Return the number of bpf(2) on a machine, 0 where it isn't known; the kernel may have more bits than we have."""
    for start, number, number_of_32 in _BPF_NUMBERS:
        if machine.startswith(start):
            return number if struct.calcsize("P") == 8 else number_of_32
    return 0


def sender(sock):
    """Return what sends data to a native destination; what it gathers under load is sent before the next wait."""
    return sock.sendto


def flush() -> int:
    """Send what senders gathered; return how many datagrams could not be sent since the last time."""
    return 0


_EE_LOCAL, _EE_ICMP, _EE_ICMP6 = 1, 2, 3


def error_report(ancillary: "list", destination):
    """Return (destination, type, code, error data) of what came with an error, (level, type, data) each.

    A datagram too large for this machine's own link counts as the ICMP error that a router would have sent.
    Source: struct sock_extended_err, ip(7) and ipv6(7).
    """
    for _, kind, data in ancillary:
        if kind in (IP_RECVERR, IPV6_RECVERR) and len(data) >= 16:
            errno, origin, icmp_type, code, _, info, _ = struct.unpack_from("IBBBBII", data)
            if origin == _EE_LOCAL and errno == EMSGSIZE:
                icmp_type, code = (3, 4) if kind == IP_RECVERR else (2, 0)
            elif origin not in (_EE_ICMP, _EE_ICMP6):
                icmp_type = NOT_ICMP
            return destination, icmp_type, code, info
    return destination, NOT_ICMP, 0, 0


def base64(data: bytes) -> bytes:
    """Return base64 in one line without its end."""
    return b2a_base64(data)[:-1]


def wall() -> int:
    """Return Unix time in whole seconds."""
    return int(time.time())


def wall_us() -> int:
    """Return Unix time in whole microseconds."""
    return time.time_ns() // 1000


_errors = select.poll()
_errors.register(2, select.POLLOUT)


def error_is_writable() -> bool:
    """Say whether standard error takes something at once: a reader that is stuck or gone must not stop us."""
    return bool(_errors.poll(0))


class Stream:
    """What a stream without TLS answers on each interpreter alike; the layers of TLS have the same methods."""

    records = False  # whether each write is a record of its own
    handshaking = False
    full = False  # whether more has to be sent than the socket took

    def __init__(self, sock) -> None:
        self.sock = sock

    def holds(self) -> bool:
        """Say whether something may be read although the socket isn't ready."""
        return False

    def push(self) -> bool:
        """Send what was taken and is still here; say whether nothing is left."""
        return True

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()
