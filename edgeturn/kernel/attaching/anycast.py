"""The anycast addresses by which clients of a network find its TURN server (RFC 8155 §6): ours while we serve them.

Rule 1: they stand on the loopback interface: who has this machine as its gateway reaches them, and nobody is told.
Rule 2: what isn't ours is left alone: an address that stands on another interface, or on IPv4 without our label, is
        neither added a second time nor removed.
"""

import errno
import socket

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from edgeturn.protocol.address import IPV4_SIZE, format_ip
from edgeturn.protocol.anycast import ADDRESSES

_LOOPBACK = 1  # the interface's number, in every network namespace
_LABEL = "lo:edgeturn"
_HARMLESS = (errno.EEXIST, errno.EADDRNOTAVAIL)  # somebody was quicker
_NO_IPV6 = (errno.EACCES, errno.EAFNOSUPPORT, errno.EOPNOTSUPP)  # switched off on this interface, or left out


def add(netlink: IPRoute) -> list[str]:
    """Add the addresses that the machine doesn't have; return those that are there now. NetlinkError if forbidden."""
    found = _standing(netlink)
    for ip in ADDRESSES:
        if format_ip(ip) not in found:
            _change(netlink, "add", ip)
    return list(_standing(netlink))


def remove(netlink: IPRoute) -> list[str]:
    """Remove those that we added; return them."""
    ours = [text for text, mine in _standing(netlink).items() if mine]
    for ip in ADDRESSES:
        if format_ip(ip) in ours:
            _change(netlink, "del", ip)
    return ours


def standing(netlink: IPRoute) -> list[str]:
    """Return the anycast addresses that this machine has, whoever added them."""
    return list(_standing(netlink))


def _standing(netlink: IPRoute) -> dict[str, bool]:
    """Return which of the addresses are there, and whether we added them."""
    wanted = {format_ip(ip) for ip in ADDRESSES}
    found = {}
    for row in netlink.get_addr():
        text = row.get_attr("IFA_LOCAL") or row.get_attr("IFA_ADDRESS")
        if text in wanted:
            label = row.get_attr("IFA_LABEL")
            found[text] = row["index"] == _LOOPBACK and label in (_LABEL, None)
    return found


def _change(netlink: IPRoute, action: str, ip: bytes) -> None:
    four = len(ip) == IPV4_SIZE
    family, length = (socket.AF_INET, 32) if four else (socket.AF_INET6, 128)
    more = {"label": _LABEL} if four else {}
    try:
        netlink.addr(action, index=_LOOPBACK, address=format_ip(ip), prefixlen=length, family=family, **more)
    except NetlinkError as error:
        if error.code not in _HARMLESS and (four or error.code not in _NO_IPV6):
            raise
