"""Native XDP on an interface: what its driver announces, and attaching.

Rule 1: only native. A generic program leaves half a checksum in packets of local senders, and takes GRO from all.
Rule 2: ours is replaced and removed by naming the program that must be there; another's is never touched.

Source: linux/netdev.h (since Linux 6.3).
"""

import errno
from typing import ClassVar

from pyroute2.netlink import NLM_F_REQUEST, genlmsg
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.generic import GenericNetlinkSocket

from edgeturn.kernel.direct.netlink import Netlink
from edgeturn.kernel.direct.xdp import detach, program, set_program

__all__ = ("REDIRECTS", "TAKES_REDIRECTS", "Taken", "attach", "detach", "features", "program")

REDIRECTS, TAKES_REDIRECTS = 1 | 2, 4  # enum netdev_xdp_act


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


def attach(netlink: Netlink, interface: int, file: int, ours: int) -> None:
    """Attach an open program where there's none, or in the place of ours; ours: its number, 0 where we have none.

    Taken where there is another's, OSError where the driver refuses.
    """
    there = program(netlink, interface)
    if there and there != ours:
        raise Taken
    try:
        set_program(netlink, interface, file, there)
    except OSError as error:
        if error.errno in (errno.EBUSY, errno.EEXIST):
            raise Taken from error
        raise
