"""GRO's fraglists: several datagrams of a sender in one packet, which tc can't take apart.

Ethtool's feature `rx-gro-list`, on by default in OpenWrt. Its price and its worth are a choice: with it, forwarded
datagrams cost less CPU, and tc passes most of a stream's to user space; XDP comes before it and isn't concerned.

Source: linux/ethtool.h.
"""

import socket
from struct import pack, unpack_from

from edgeturn import seam

NAME = "rx-gro-list"

_SIOCETHTOOL = 0x8946
_SET_INFORMATION, _STRINGS, _GET_FEATURES, _SET_FEATURES = 0x37, 0x1B, 0x3A, 0x3B
_FEATURES = 4  # enum ethtool_stringset
_NAME_SIZE = 32
_WORD = 32  # bits


def is_on(interface: str) -> bool:
    """Say whether datagrams are put together; False where the kernel doesn't know the feature."""
    names = _names(interface)
    return NAME in names and _is_active(interface, len(names), names.index(NAME))


def switch(interface: str, on: bool) -> bool:
    """Switch the feature and return whether it is now as wanted; OSError where the kernel refuses."""
    names = _names(interface)
    if NAME not in names:
        return not on
    number = names.index(NAME)
    word, bit = divmod(number, _WORD)
    wanted = bytearray(8 * _words(len(names)))  # valid, requested
    wanted[8 * word : 8 * word + 8] = pack("II", 1 << bit, on << bit)
    _ask(interface, pack("II", _SET_FEATURES, _words(len(names))) + bytes(wanted))
    return _is_active(interface, len(names), number) is on


def _is_active(interface: str, count: int, number: int) -> bool:
    word, bit = divmod(number, _WORD)
    size = _words(count)
    answer = _ask(interface, pack("II", _GET_FEATURES, size) + bytes(16 * size))
    active: int = unpack_from("I", answer, 8 + 16 * word + 8)[0]  # available, requested, active, never changed
    return active >> bit & 1 == 1


def _names(interface: str) -> "list[str]":
    """Return the names of all features, in the order of their bits."""
    count = unpack_from("I", _ask(interface, pack("IIQI", _SET_INFORMATION, 0, 1 << _FEATURES, 0)), 16)[0]
    answer = _ask(interface, pack("III", _STRINGS, _FEATURES, count) + bytes(_NAME_SIZE * count))
    return [answer[at : at + _NAME_SIZE].rstrip(b"\0").decode() for at in range(12, len(answer), _NAME_SIZE)]


def _words(count: int) -> int:
    return -(-count // _WORD)


def _ask(interface: str, request: bytes) -> bytes:
    """Hand a request to the kernel, which answers in its place."""
    buffer = bytearray(request)
    label = interface.encode()
    row = bytearray(label + bytes(16 - len(label)) + pack("P", seam.memory_address(buffer)) + bytes(16))
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        seam.call("ioctl", sock.fileno(), _SIOCETHTOOL, row)
    finally:
        sock.close()
    return bytes(buffer)
