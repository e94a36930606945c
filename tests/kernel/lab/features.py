"""An interface's features by ethtool's names: what `ethtool -K` does, by the same ioctl (linux/ethtool.h)."""

import ctypes
import fcntl
import socket
from struct import pack, unpack_from

_SIOCETHTOOL = 0x8946
_GSSET_INFO, _GSTRINGS, _GFEATURES, _SFEATURES = 0x37, 0x1B, 0x3A, 0x3B
_FEATURES_SET = 4  # ETH_SS_FEATURES
_NAME_SIZE = 32


def _ask(device: str, request: bytearray) -> bytearray:
    """Hand a request to the driver, which answers in place."""
    buffer = (ctypes.c_char * len(request)).from_buffer(request)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, _SIOCETHTOOL, pack("16sP16x", device.encode(), ctypes.addressof(buffer)))
    return request


def _names(device: str) -> list[str]:
    """Return the names of all features that this kernel knows, in the order of their bits."""
    count = unpack_from("I", _ask(device, bytearray(pack("IIQI", _GSSET_INFO, 0, 1 << _FEATURES_SET, 0))), 16)[0]
    head = pack("III", _GSTRINGS, _FEATURES_SET, count)
    found = _ask(device, bytearray(head + bytes(_NAME_SIZE * count)))
    rows = (found[at : at + _NAME_SIZE] for at in range(len(head), len(found), _NAME_SIZE))
    return [row.rstrip(b"\0").decode() for row in rows]


def set_feature(device: str, name: str, on: bool) -> bool:
    """Switch a feature of an interface of this thread's namespace; return whether it was on before."""
    names = _names(device)
    block, bit = divmod(names.index(name), 32)
    blocks = (len(names) + 31) // 32
    was = _is_on(device, blocks, block, bit)
    order = bytearray(pack("II", _SFEATURES, blocks) + bytes(8 * blocks))
    order[8 + 8 * block : 16 + 8 * block] = pack("II", 1 << bit, on << bit)
    _ask(device, order)
    assert _is_on(device, blocks, block, bit) is on, f"{device} does not take {name} {'on' if on else 'off'}"
    return was


def _is_on(device: str, blocks: int, block: int, bit: int) -> bool:
    """Tell whether a feature is active: the third word of its block."""
    found = _ask(device, bytearray(pack("II", _GFEATURES, blocks) + bytes(16 * blocks)))
    return bool(unpack_from("I", found, 8 + 16 * block + 8)[0] >> bit & 1)
