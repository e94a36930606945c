"""TCP sockets as a relay needs them: small bounded queues, no delay, and a way to refuse at once."""

import socket
import struct

from edgeturn import seam

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.seam import Socket

# The numbers of Linux; MicroPython's socket module has few of them.
_IPPROTO_TCP, _TCP_NODELAY = 6, 1
_IPPROTO_IPV6, _IPV6_V6ONLY = 41, 26
_SO_SNDBUF = 7 if socket.SOL_SOCKET == 1 else 0x1001  # on MIPS the other
_LINGER = struct.pack("ii", 1, 0)

# What the kernel may hold of one connection, which it doubles for its own book-keeping: 5 Mbit/s over 200 ms, and with
# everybody reading slowly 32 MB of 128 connections. More would only make media late, for it can't be taken back.
SEND_BUFFER = 131072
_BACKLOG = 64  # connections that the kernel keeps until they're accepted, which is in the next turn of the loop


def listener(place: bytes) -> "Socket":
    """Return a non-blocking socket that listens on a port||ip; OSError where it can't.

    Accepted sockets inherit what is set here.
    """
    sock = socket.socket(socket.AF_INET if len(place) == 6 else socket.AF_INET6, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if len(place) != 6:
            sock.setsockopt(_IPPROTO_IPV6, _IPV6_V6ONLY, 1)
        adjust(sock)
        sock.setblocking(False)
        sock.bind(seam.native(place))
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def adjust(sock: "Socket") -> None:
    """Let a socket send at once, and hold no more than is due."""
    sock.setsockopt(_IPPROTO_TCP, _TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, _SO_SNDBUF, SEND_BUFFER)


def refuse(sock: "Socket") -> None:
    """Close a socket with a reset, so that nothing of it stays in the kernel."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
    except OSError:
        pass
    sock.close()
