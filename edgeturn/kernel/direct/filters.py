"""A relay's filters in tc: one at the ingress of an interface, known by its name, which is the relay's.

Rule 1: what hasn't our name is never changed or removed, a qdisc only where we made it and nobody else uses it.
Rule 2: a filter is replaced in one step: no packet finds none.
Rule 3: the priority is the one that the kernel gives to a first filter without one. Filters of another kind may have
        it: then the next is taken, so that whoever comes without a number is still before us.

Source: linux/pkt_sched.h, linux/pkt_cls.h, linux/rtnetlink.h; net/sched/cls_api.c, tcf_auto_prio.
"""

from errno import EEXIST, ENODEV, EOPNOTSUPP
from struct import pack, unpack_from

from edgeturn.kernel.direct.netlink import (
    CREATE,
    EXCLUSIVE,
    REPLACE,
    Netlink,
    attribute,
    attributes,
    name,
    nested,
    text,
)
from edgeturn.seam import crc32

PRIORITIES = range(49152, 49160)

_NEW_QDISC, _DELETE_QDISC, _GET_QDISC = 36, 37, 38
_NEW_FILTER, _DELETE_FILTER, _GET_FILTER = 44, 45, 46
_HEADER = "BxxxiIII"  # struct tcmsg: family, interface, handle, parent, information
_HEADER_SIZE = 20
_KIND, _OPTIONS = 1, 2  # TCA_*
_FILE, _NAME, _FLAGS = 6, 7, 8  # TCA_BPF_*
_DIRECT_ACTION = 1
_INGRESS, _EGRESS = 0xFFFFFFF2, 0xFFFFFFF3
_CLSACT_HANDLE, _CLSACT_PARENT = 0xFFFF0000, 0xFFFFFFF1
_PARENTS = (("clsact", _INGRESS), ("ingress", 0xFFFF0000))  # by qdisc: both have an ingress
_ALL = 3  # ETH_P_ALL
_LACKING = (2, EOPNOTSUPP)  # ENOENT


class Lacking(Exception):
    """The kernel has no clsact or no cls_bpf."""


class Filter:
    """A filter as the kernel tells of it."""

    def __init__(self, priority: int, kind: str, protocol: int, handle: int, name: str) -> None:
        """Take the fields; protocol: in the machine's order; handle 0: the list that others of the priority are in."""
        self.priority = priority
        self.kind = kind
        self.protocol = protocol
        self.handle = handle
        self.name = name


def read(netlink: Netlink, interface: int, parent: int = _INGRESS) -> "list[Filter]":
    """Return the filters at the ingress of an interface, those that come first first."""
    found = [_filter(body) for body in netlink.dump(_GET_FILTER, _header(interface, parent))]
    return sorted(found, key=lambda each: (each.priority, each.kind, each.protocol, each.handle, each.name))


def own(netlink: Netlink, interface: int, name: str) -> "list[Filter]":
    """Return the filters that have a relay's name."""
    return [each for each in read(netlink, interface) if each.kind == "bpf" and each.handle and each.name == name]


def attach(netlink: Netlink, interface: int, relay: str, program: int) -> bool:
    """Attach an open program, in the place of ours if we have one; return whether clsact had to be made for it.

    Lacking where the kernel can't, FileExistsError where others have all places.
    """
    made = _make_clsact(netlink, interface)
    priority, handle = _place(netlink, interface, relay)
    options = attribute(_FILE, pack("I", program)) + attribute(_NAME, name(relay))
    options += attribute(_FLAGS, pack("I", _DIRECT_ACTION))
    body = _header(interface, _parent(netlink, interface), handle, priority)
    try:
        _explained(netlink, _NEW_FILTER, CREATE | REPLACE, body + _of("bpf") + nested(_OPTIONS, [options]))
    except (OSError, Lacking):
        if made:
            _delete_clsact(netlink, interface)
        raise
    return made


def detach(netlink: Netlink, interface: int, name: str) -> bool:
    """Remove what has our name, and return whether there was something."""
    found = own(netlink, interface, name)
    for each in found:
        body = _header(interface, _parent(netlink, interface), each.handle, each.priority)
        netlink.change(_DELETE_FILTER, 0, body + _of("bpf"))
    return bool(found)


def remove_clsact(netlink: Netlink, interface: int) -> None:
    """Remove clsact, which we made, unless others have filters there."""
    if _qdisc(netlink, interface) == "clsact" and not any(
        each.handle for parent in (_INGRESS, _EGRESS) for each in read(netlink, interface, parent)
    ):
        _delete_clsact(netlink, interface)


def comes_before(netlink: Netlink, interface: int, name: str) -> bool:
    """Say whether others have filters before ours, which may keep packets from it."""
    found = read(netlink, interface)
    mine = min([each.priority for each in found if each.name == name] or [0])
    return any(each.priority < mine for each in found)


def has_ingress(netlink: Netlink, interface: int) -> bool:
    """Say whether an interface has a qdisc whose ingress can be used, so that none has to be made."""
    return bool(_qdisc(netlink, interface))


def _filter(body: bytes) -> Filter:
    _, _, handle, _, information = unpack_from(_HEADER, body)
    found = dict(attributes(body[_HEADER_SIZE:]))
    options = dict(attributes(found.get(_OPTIONS, b"")))
    kind = text(found.get(_KIND, b""))
    label = text(options.get(_NAME, b"")) if kind == "bpf" else ""
    return Filter(information >> 16, kind, _swapped(information & 0xFFFF), handle, label)


def _swapped(number: int) -> int:
    """Return a number of network order in the machine's, or the other way round."""
    return int(unpack_from("H", number.to_bytes(2, "big"))[0])


def _header(interface: int, parent: int, handle: int = 0, priority: int = 0) -> bytes:
    protocol = _swapped(_ALL) if priority else 0
    return pack(_HEADER, 0, interface, handle, parent, priority << 16 | protocol)


def _of(kind: str) -> bytes:
    return attribute(_KIND, name(kind))


def _make_clsact(netlink: Netlink, interface: int) -> bool:
    """Make clsact where neither it nor the older ingress is; return whether it was made."""
    if _qdisc(netlink, interface):
        return False
    body = _header(interface, _CLSACT_PARENT, _CLSACT_HANDLE) + _of("clsact")
    _explained(netlink, _NEW_QDISC, CREATE | EXCLUSIVE, body)
    return True


def _delete_clsact(netlink: Netlink, interface: int) -> None:
    netlink.change(_DELETE_QDISC, 0, _header(interface, _CLSACT_PARENT, _CLSACT_HANDLE) + _of("clsact"))


def _parent(netlink: Netlink, interface: int) -> int:
    kind = _qdisc(netlink, interface)
    if not kind:
        raise OSError(ENODEV, "the interface went")
    return dict(_PARENTS)[kind]


def _qdisc(netlink: Netlink, interface: int) -> str:
    """Return which of the qdiscs that have an ingress an interface has, "" for none."""
    found = [body for body in netlink.dump(_GET_QDISC, _header(0, 0)) if unpack_from(_HEADER, body)[1] == interface]
    kinds = [text(dict(attributes(body[_HEADER_SIZE:]))[_KIND]) for body in found]
    for kind, _ in _PARENTS:
        if kind in kinds:
            return kind
    return ""


def _place(netlink: Netlink, interface: int, name: str) -> "tuple[int, int]":
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
    raise OSError(EEXIST, "others have all places")


def _explained(netlink: Netlink, kind: int, flags: int, body: bytes) -> None:
    """Change something; Lacking where the kernel has nothing for it."""
    try:
        netlink.change(kind, flags, body)
    except OSError as error:
        if error.args[0] in _LACKING:
            raise Lacking
        raise
