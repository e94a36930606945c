"""A relay's filters in tc: one at the ingress of an interface, known by its name, which is the relay's.

Rule 1: what hasn't our name is never changed or removed, a qdisc only where we made it and nobody else uses it.
Rule 2: a filter is replaced in one step: no packet finds none.
Rule 3: the priority is the one that the kernel gives to a first filter without one. Filters of another kind may have
        it: then the next is taken, so that whoever comes without a number is still before us.

Source: linux/pkt_sched.h, linux/rtnetlink.h; net/sched/cls_api.c, tcf_auto_prio.
"""

import errno
import sys
from typing import Any, NamedTuple

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from edgeturn.seam import crc32

PRIORITIES = range(49152, 49160)

_INGRESS, _EGRESS = 0xFFFFFFF2, 0xFFFFFFF3
_PARENTS = {"clsact": "ffff:fff2", "ingress": "ffff:"}  # by qdisc: both have an ingress
_ALL = 3  # ETH_P_ALL
_LACKING = (errno.ENOENT, errno.EOPNOTSUPP)
_LITTLE = sys.byteorder == "little"


class Lacking(Exception):
    """The kernel has no clsact or no cls_bpf."""


class Filter(NamedTuple):
    """A filter as the kernel tells of it."""

    priority: int
    kind: str
    protocol: int  # in the machine's order
    handle: int  # 0: the list that the others of its priority stand in
    name: str


def read(netlink: IPRoute, interface: int, parent: int = _INGRESS) -> list[Filter]:
    """Return the filters at the ingress of an interface, those that come first first."""
    return sorted(_filter(each) for each in netlink.get_filters(index=interface, parent=parent))


def own(netlink: IPRoute, interface: int, name: str) -> list[Filter]:
    """Return the filters that have a relay's name."""
    return [each for each in read(netlink, interface) if each.kind == "bpf" and each.handle and each.name == name]


def attach(netlink: IPRoute, interface: int, name: str, program: int) -> bool:
    """Attach an open program, in the place of ours if we have one; return whether clsact had to be made for it.

    Lacking where the kernel can't, FileExistsError where others have all places.
    """
    made = _make_clsact(netlink, interface)
    parent = _PARENTS[_qdisc(netlink, interface)]
    priority, handle = _place(netlink, interface, name)
    try:
        netlink.tc(
            "replace-filter", "bpf", interface, fd=program, name=name, parent=parent, direct_action=True,
            prio=priority, handle=handle, protocol=_ALL,
        )  # fmt: skip
    except NetlinkError as error:
        if made:
            netlink.tc("del", "clsact", interface)
        raise _explained(error) from error
    return made


def detach(netlink: IPRoute, interface: int, name: str) -> bool:
    """Remove what has our name, and return whether there was something."""
    found = own(netlink, interface, name)
    for each in found:
        parent = _PARENTS[_qdisc(netlink, interface)]
        netlink.tc("del-filter", "bpf", interface, prio=each.priority, handle=each.handle, parent=parent, protocol=_ALL)
    return bool(found)


def remove_clsact(netlink: IPRoute, interface: int) -> None:
    """Remove clsact, which we made, unless others have filters there."""
    if _qdisc(netlink, interface) == "clsact" and not any(
        each.handle for parent in (_INGRESS, _EGRESS) for each in read(netlink, interface, parent)
    ):
        netlink.tc("del", "clsact", interface)


def comes_before(netlink: IPRoute, interface: int, name: str) -> bool:
    """Say whether others have filters before ours, which may keep packets from it."""
    found = read(netlink, interface)
    mine = min((each.priority for each in found if each.name == name), default=0)
    return any(each.priority < mine for each in found)


def _filter(each: Any) -> Filter:
    options = each.get_attr("TCA_OPTIONS")
    name = options.get_attr("TCA_BPF_NAME") if hasattr(options, "get_attr") else None
    kind = each.get_attr("TCA_KIND")
    handle = each["handle"]
    return Filter(each["info"] >> 16, kind, _swapped(each["info"] & 0xFFFF), handle, str(name or ""))


def _swapped(number: int) -> int:
    """Return a number in network order as the machine has it."""
    return int.from_bytes(number.to_bytes(2, "little"), "big") if _LITTLE else number


def has_ingress(netlink: IPRoute, interface: int) -> bool:
    """Say whether an interface has a qdisc whose ingress can be used, so that none has to be made."""
    return bool(_qdisc(netlink, interface))


def _make_clsact(netlink: IPRoute, interface: int) -> bool:
    """Make clsact where neither it nor the older ingress is; return whether it was made."""
    if _qdisc(netlink, interface):
        return False
    try:
        netlink.tc("add", "clsact", interface)
    except NetlinkError as error:
        raise _explained(error) from error
    return True


def _qdisc(netlink: IPRoute, interface: int) -> str:
    """Return which of the qdiscs that have an ingress an interface has, "" for none."""
    kinds = [each.get_attr("TCA_KIND") for each in netlink.get_qdiscs() if each["index"] == interface]
    return next((kind for kind in _PARENTS if kind in kinds), "")


def _place(netlink: IPRoute, interface: int, name: str) -> tuple[int, int]:
    """Return priority and handle of our filter, or a place where it can be."""
    mine = own(netlink, interface, name)
    if mine:
        return mine[0].priority, mine[0].handle
    handle = crc32(name.encode()) & 0xFFFF or 1
    found = read(netlink, interface)
    for priority in PRIORITIES:
        others = [each for each in found if each.priority == priority]
        if all(each.kind == "bpf" and each.protocol == _ALL and each.handle != handle for each in others):
            return priority, handle
    raise FileExistsError(errno.EEXIST, "others have all places")


def _explained(error: NetlinkError) -> Exception:
    if error.code in _LACKING:
        return Lacking()
    return OSError(error.code, str(error))
