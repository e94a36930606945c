"""Sockets as a relay needs them: DF as it is told, ICMP errors where they can be read, as much queue as is due.

Those of TCP share a port: one holds it, one listens, and each connection to a peer has its own (RFC 6062 §5.2).
"""

import socket

from edgeturn.seam import ERROR_QUEUE, IP_RECVERR, IPV6_RECVERR, Socket, native

# The numbers of Linux; MicroPython's socket module has few of them.
_IPPROTO_IP, _IPPROTO_IPV6 = 0, 41
_IP_MTU_DISCOVER, _IPV6_V6ONLY = 10, 26
_SO_REUSEPORT = 15 if socket.SOL_SOCKET == 1 else 0x200  # on MIPS the other
_PMTU_DONT, _PMTU_PROBE = 0, 3  # never DF; DF, whatever the path MTU is thought to be


def udp_socket(ip: bytes) -> "Socket":
    """Return a non-blocking UDP socket of an IP address's family that never sets DF by itself (RFC 8656 §14)."""
    if len(ip) == 4:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(_IPPROTO_IP, _IP_MTU_DISCOVER, _PMTU_DONT)
    else:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        sock.setsockopt(_IPPROTO_IPV6, _IPV6_V6ONLY, 1)
    sock.setblocking(False)
    return sock


def tcp_socket(address: bytes, shared: bool) -> "Socket":
    """Return a non-blocking TCP socket that is bound to port||ip; OSError where it can't be.

    shared: beside one that listens there, of this process; else only beside those that don't.
    """
    sock = socket.socket(socket.AF_INET if len(address) == 6 else socket.AF_INET6, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, _SO_REUSEPORT, 1)
        if len(address) != 6:
            sock.setsockopt(_IPPROTO_IPV6, _IPV6_V6ONLY, 1)
        sock.setblocking(False)
        sock.bind(native(address))
    except OSError:
        sock.close()
        raise
    return sock


def report_errors(sock: "Socket", ip: bytes) -> None:
    """Let ICMP errors about a socket's datagrams be queued for the seam's read_error, where that can read them."""
    if ERROR_QUEUE and len(ip) == 4:
        sock.setsockopt(_IPPROTO_IP, IP_RECVERR, 1)
    elif ERROR_QUEUE:
        sock.setsockopt(_IPPROTO_IPV6, IPV6_RECVERR, 1)


def set_receive_buffer(sock: "Socket", size: int) -> None:
    """Set how many bytes the kernel keeps for a socket until they're read; it doubles the number and has a least."""
    sock.setsockopt(socket.SOL_SOCKET, 8 if socket.SOL_SOCKET == 1 else 0x1002, size)  # SO_RCVBUF, on MIPS the other


def set_dont_fragment(sock: "Socket", on: bool) -> None:
    """Let the next IPv4 datagrams of a socket carry DF, or not."""
    sock.setsockopt(_IPPROTO_IP, _IP_MTU_DISCOVER, _PMTU_PROBE if on else _PMTU_DONT)
