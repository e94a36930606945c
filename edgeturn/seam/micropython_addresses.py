"""Addresses as MicroPython's sockets take them: the bytes of a sockaddr."""

import socket
import struct


def native(address: bytes) -> bytes:
    """Return the sockaddr of port||ip."""
    if len(address) == 6:
        return struct.pack("H", socket.AF_INET) + address + bytes(8)
    return struct.pack("H", socket.AF_INET6) + address[:2] + bytes(4) + address[2:] + bytes(4)


def address_of(sockaddr: bytes) -> bytes:
    """Return the port||ip of a sockaddr."""
    if len(sockaddr) == 16:
        return sockaddr[2:8]
    return sockaddr[2:4] + sockaddr[8:24]


def unix_name(path: str) -> bytes:
    """Return what bind and connect take for a Unix socket."""
    return struct.pack("H", socket.AF_UNIX) + path.encode() + b"\0"


def netlink_name(groups: int) -> bytes:
    """Return what bind takes for a netlink socket that hears from groups."""
    return struct.pack("HHII", 16, 0, 0, groups)
