"""Forwarding: the kernel's route look-up asks for it on the interface that a packet comes in by.

Rule 1: it's switched on only where a person asks for it; what was changed is remembered by who calls this.
Rule 2: IPv6 forwarding makes the kernel drop default routes that it learnt from router advertisements, unless
        accept_ra is 2 there: then it stays off.

Source: Documentation/networking/ip-sysctl.rst; addrconf.c, rt6_purge_dflt_routers.
"""

from edgeturn.kernel.direct import interfaces
from edgeturn.kernel.direct.netlink import Netlink
from edgeturn.protocol.address import IPV4, IPV6

_FOLDERS = {IPV4: "ipv4", IPV6: "ipv6"}
_BY_ADVERTISEMENT = 9  # RTPROT_RA
_BY_THE_KERNEL = 1  # accept_ra: the kernel reads advertisements, unless it forwards
_ENOENT = 2


def is_on(interface: str, family: int) -> bool:
    """Say whether packets that come in by an interface may be sent on."""
    return _read(interface, family, "forwarding") == 1


def switch(interface: str, family: int, on: bool) -> None:
    """Let packets that come in by an interface be sent on, or not; OSError where there's no such family."""
    with open(_setting(interface, family, "forwarding"), "w") as stream:
        stream.write(f"{int(on)}\n")


def loses_routes(netlink: Netlink) -> "list[str]":
    """Return the interfaces whose IPv6 default routes would go as soon as any interface forwards (rule 2)."""
    links = interfaces.read(netlink)
    learnt = set()
    for route in interfaces.routes(netlink):
        if route.learnt_by == _BY_ADVERTISEMENT and not route.length:
            learnt.update([links[number].name for number in route.interfaces if number in links])
    return sorted([name for name in learnt if _read(name, IPV6, "accept_ra") == _BY_THE_KERNEL])


def _read(interface: str, family: int, name: str) -> int:
    try:
        with open(_setting(interface, family, name)) as stream:
            return int(stream.read())
    except OSError as error:
        if error.args[0] != _ENOENT:
            raise
        return 0  # the interface has no such family


def _setting(interface: str, family: int, name: str) -> str:
    return f"/proc/sys/net/{_FOLDERS[family]}/conf/{interface}/{name}"
