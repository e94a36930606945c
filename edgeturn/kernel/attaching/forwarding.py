"""Forwarding: the kernel's route look-up asks for it on the interface that a packet comes in by.

Rule 1: it's switched on only where a person asks for it; what was changed is remembered by who calls this.
Rule 2: IPv6 forwarding makes the kernel drop default routes that it learnt from router advertisements, unless
        accept_ra is 2 there: then it stays off.

Source: Documentation/networking/ip-sysctl.rst; addrconf.c, rt6_purge_dflt_routers.
"""

from pathlib import Path

from pyroute2 import IPRoute

from edgeturn.kernel.attaching import interfaces
from edgeturn.protocol.address import IPV4, IPV6

_FOLDERS = {IPV4: "ipv4", IPV6: "ipv6"}
_SETTINGS = Path("/proc/sys/net")
_BY_ADVERTISEMENT = 9  # RTPROT_RA
_BY_THE_KERNEL = 1  # accept_ra: the kernel reads advertisements, unless it forwards


def is_on(interface: str, family: int) -> bool:
    """Say whether packets that come in by an interface may be sent on."""
    return _read(interface, family, "forwarding") == 1


def switch(interface: str, family: int, on: bool) -> None:
    """Let packets that come in by an interface be sent on, or not; OSError where there's no such family."""
    _setting(interface, family, "forwarding").write_text(f"{int(on)}\n")


def loses_routes(netlink: IPRoute) -> list[str]:
    """Return the interfaces whose IPv6 default routes would go as soon as any interface forwards (rule 2)."""
    links = interfaces.read(netlink)
    learnt = {
        links[number].name
        for route, number in interfaces.routes(netlink)
        if route["proto"] == _BY_ADVERTISEMENT and route["dst_len"] == 0 and number in links
    }
    return sorted(name for name in learnt if _read(name, IPV6, "accept_ra") == _BY_THE_KERNEL)


def _read(interface: str, family: int, name: str) -> int:
    try:
        return int(_setting(interface, family, name).read_text())
    except FileNotFoundError:  # the interface has no such family
        return 0


def _setting(interface: str, family: int, name: str) -> Path:
    return _SETTINGS / _FOLDERS[family] / "conf" / interface / name
