"""Native XDP on an interface: what its driver announces, attaching, detaching.

Rule 1: only native. A generic program leaves half a checksum in packets of local senders, and takes GRO from all.
Rule 2: ours is replaced and removed by naming the program that must be there; another's is never touched.
Rule 3: no answer is believed: detaching in the wrong mode succeeds and does nothing, so the kernel is asked after it.

Source: linux/if_link.h, linux/netdev.h (since Linux 6.3).
"""

import errno
import os
from struct import pack
from typing import ClassVar

from pyroute2 import IPRoute
from pyroute2.netlink import NLM_F_REQUEST, genlmsg
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.generic import GenericNetlinkSocket
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from edgeturn.seam import bpf

REDIRECTS, TAKES_REDIRECTS = 1 | 2, 4  # enum netdev_xdp_act

_UPDATE_IF_NOEXIST, _NATIVE, _REPLACE = 1, 4, 16
_NONE = -1
_PROGRAM_BY_NUMBER = 13  # enum bpf_cmd

ifinfmsg.xdp.xdp_flags.fields = [("value", "I")]  # pyroute2 0.7.9 has 16 bits in network order there


class _Device(genlmsg):  # type: ignore[misc]
    """struct of NETDEV_CMD_DEV_GET."""

    nla_map: ClassVar = (
        ("NETDEV_A_DEV_UNSPEC", "none"),
        ("NETDEV_A_DEV_IFINDEX", "uint32"),
        ("NETDEV_A_DEV_PAD", "none"),
        ("NETDEV_A_DEV_XDP_FEATURES", "uint64"),
    )


class Taken(Exception):
    """Another's program is there."""


def features(interface: int) -> int | None:
    """Return what the driver announces now, None where the kernel doesn't tell."""
    with GenericNetlinkSocket() as netlink:
        netlink.module_err_level = "debug"
        try:
            netlink.bind("netdev", _Device)
            request = _Device()
            request["cmd"], request["version"] = 1, 1
            request["attrs"] = [("NETDEV_A_DEV_IFINDEX", interface)]
            answer = netlink.nlm_request(request, msg_type=netlink.prid, msg_flags=NLM_F_REQUEST)
        except NetlinkError:
            return None
        return int(next(iter(answer)).get_attr("NETDEV_A_DEV_XDP_FEATURES") or 0)


def program(netlink: IPRoute, interface: int) -> int:
    """Return the kernel's number of the program on an interface, in whichever mode; 0 for none."""
    (link,) = netlink.get_links(interface)
    return int(link.get_nested("IFLA_XDP", "IFLA_XDP_PROG_ID") or 0)


def attach(netlink: IPRoute, interface: int, file: int, ours: int) -> None:
    """Attach an open program where there's none, or in the place of ours; ours: its number, 0 where we have none.

    Taken where there is another's, OSError where the driver refuses.
    """
    there = program(netlink, interface)
    if there and there != ours:
        raise Taken
    try:
        _set(netlink, interface, file, there)
    except NetlinkError as error:
        if error.code in (errno.EBUSY, errno.EEXIST):
            raise Taken from error
        raise OSError(error.code, os.strerror(error.code)) from error


def detach(netlink: IPRoute, interface: int, *ours: int) -> bool:
    """Remove our program by its number, or one of several; return whether it was there and is gone."""
    there = program(netlink, interface)
    if not there or there not in ours:
        return False
    _set(netlink, interface, _NONE, there)
    return program(netlink, interface) != there


def _set(netlink: IPRoute, interface: int, file: int, there: int) -> None:
    """Set the program of an interface, where the one that is there is the expected one."""
    flags = _NATIVE | (_REPLACE if there else _UPDATE_IF_NOEXIST)
    attributes = [("IFLA_XDP_FD", file), ("IFLA_XDP_FLAGS", flags)]
    expected = _open(there) if there else _NONE
    try:
        if there:
            attributes.append(("IFLA_XDP_EXPECTED_FD", expected))
        netlink.link("set", index=interface, xdp={"attrs": attributes})
    finally:
        if there:
            os.close(expected)


def _open(number: int) -> int:
    """Open a program by its number."""
    return bpf(_PROGRAM_BY_NUMBER, bytearray(pack("I", number)))
