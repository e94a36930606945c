"""The XDP program of an interface: setting and taking away, by the rules of edgeturn/kernel/attaching/xdp.py.

Rule 1: ours is replaced and removed by naming the program that must be there; another's is never touched.
Rule 2: no answer is believed: detaching in the wrong mode succeeds and does nothing, so the kernel is asked after it.

Source: linux/if_link.h.
"""

from struct import pack

from edgeturn.kernel import bpf
from edgeturn.kernel.direct import interfaces
from edgeturn.kernel.direct.netlink import Netlink, attribute, nested
from edgeturn.seam import bpf as call

_SET_LINK = 19
_XDP = 43  # IFLA_XDP
_FILE, _FLAGS, _EXPECTED = 1, 3, 8  # IFLA_XDP_*
_UPDATE_IF_NOEXIST, _NATIVE, _REPLACE = 1, 4, 16
_NONE = -1
_PROGRAM_BY_NUMBER = 13  # enum bpf_cmd


def program(netlink: Netlink, interface: int) -> int:
    """Return the kernel's number of the program on an interface, in whichever mode; 0 for none."""
    link = interfaces.read(netlink).get(interface)
    return link.xdp if link else 0


def detach(netlink: Netlink, interface: int, *ours: int) -> bool:
    """Remove our program by its number, or one of several; return whether it was there and is gone."""
    there = program(netlink, interface)
    if not there or there not in ours:
        return False
    set_program(netlink, interface, _NONE, there)
    return program(netlink, interface) != there


def set_program(netlink: Netlink, interface: int, file: int, there: int) -> None:
    """Set the program of an interface by its file, where the one that is there is the expected one, 0 for none."""
    flags = _NATIVE | (_REPLACE if there else _UPDATE_IF_NOEXIST)
    attributes = [attribute(_FILE, pack("i", file)), attribute(_FLAGS, pack("I", flags))]
    expected = call(_PROGRAM_BY_NUMBER, bytearray(pack("I", there))) if there else _NONE
    if there:
        attributes.append(attribute(_EXPECTED, pack("i", expected)))
    try:
        netlink.change(_SET_LINK, 0, pack("BxHiII", 0, 0, interface, 0, 0) + nested(_XDP, attributes))
    finally:
        if there:
            bpf.close(expected)
