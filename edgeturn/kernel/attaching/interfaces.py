"""The interfaces of a machine, and which of them a relay's packets come in by: asked from the kernel by pyroute2.

Rule 1: chosen are those that carry an address that is listened on or relayed from, those of the routes that have such
        an address as their source, and those of the default routes.
Rule 2: a chosen one is up and no loopback. A port of a bridge or bond never is, its master is; a VLAN's device is
        chosen for itself.
"""

import socket
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from pyroute2 import IPRoute

from edgeturn.kernel.attaching.hooks import Unattachable
from edgeturn.protocol import address
from edgeturn.relay import listeners, network
from edgeturn.relay.configuration import Configuration

_UP, _LOOPBACK = 1, 8  # linux/if.h
_ETHERNET, _ETHERNET_HEADER = 1, 14  # linux/if_arp.h, bytes
_UNICAST = 1  # linux/rtnetlink.h
_NOTHING_ARRIVES = ("dummy", "ifb", "nlmon", "vrf")  # kinds of interfaces at whose ingress no packet ever is
_STACKED = ("vlan", "macvlan", "ipvlan")  # kinds whose packets another interface receives for them


class Link(NamedTuple):
    """An interface as the kernel tells of it."""

    number: int
    name: str
    kind: str  # veth, bridge, vlan, …; "" of hardware
    flags: int
    hardware: int
    mac: str
    master: int  # 0 where it's no port of another
    lower: int  # 0 where it stands for itself
    has_carrier: bool

    @property
    def header_size(self) -> int:
        """Return the bytes before the IP header."""
        return _ETHERNET_HEADER if self.hardware == _ETHERNET else 0

    @property
    def is_up(self) -> bool:
        """Say whether it's switched on."""
        return bool(self.flags & _UP)

    @property
    def takes_packets(self) -> bool:
        """Say whether packets ever come in by it while it's up (rule 2)."""
        return not self.flags & _LOOPBACK and self.kind not in _NOTHING_ARRIVES


Links = dict[int, Link]


def read(netlink: IPRoute) -> Links:
    """Return all interfaces by their numbers."""
    return {each["index"]: _link(each) for each in netlink.get_links()}


def find(netlink: IPRoute, settings: Configuration) -> list[Link]:
    """Return the interfaces that a configuration's packets come in by (rules 1 and 2), by their numbers."""
    return [link for link in _chosen(netlink, settings) if link.is_up]


def asleep(netlink: IPRoute, settings: Configuration) -> list[str]:
    """Return the names of those that would be found if they weren't switched off."""
    return [link.name for link in _chosen(netlink, settings) if not link.is_up]


def named(netlink: IPRoute, names: Iterable[str]) -> list[Link]:
    """Return interfaces by their names; Unattachable where one isn't there or takes no packets."""
    links = read(netlink)
    by_name = {link.name: link for link in links.values()}
    for name in names:
        if name not in by_name:
            raise Unattachable(f"there is no interface {name}; there are {', '.join(sorted(by_name))}")
        _check(by_name[name], links)
    return sorted({by_name[name] for name in names})


def receivers(links: Links, link: Link) -> list[Link]:
    """Return the interfaces that receive the packets of one: itself, a bridge's ports, what a VLAN stands on."""
    ports = [each for each in links.values() if each.master == link.number and each.master]
    if link.lower in links:
        ports.append(links[link.lower])
    below = [found for port in ports for found in receivers(links, port)]
    return sorted({link, *below})


def addresses(settings: Configuration) -> set[str]:
    """Return the IP addresses that are listened on or relayed from, without those of the loopback."""
    listening = [address.ip_of(place) for place in listeners.addresses(settings, network.interfaces())]
    relaying = settings.items("relay_address") or network.default_sources()
    ips = [ip for ip in [*listening, *relaying] if isinstance(ip, bytes) and not _is_loopback(ip)]
    return {_text(ip) for ip in ips}


def families(settings: Configuration) -> list[int]:
    """Return the address families that packets of a relay have on the way in or out: address.IPV4, address.IPV6."""
    return [
        family
        for family, mark in ((address.IPV4, "."), (address.IPV6, ":"))
        if any(mark in ip for ip in addresses(settings))
    ]


def routes(netlink: IPRoute) -> Iterator[tuple[Any, int]]:
    """Return the unicast routes of all tables, each with the number of an interface that it leads to."""
    for route in netlink.get_routes():
        if route["type"] != _UNICAST:
            continue
        hops = route.get_attr("RTA_MULTIPATH") or []
        for number in [route.get_attr("RTA_OIF"), *(hop["oif"] for hop in hops)]:
            if number:
                yield route, number


def _link(each: Any) -> Link:
    kind = each.get_nested("IFLA_LINKINFO", "IFLA_INFO_KIND") or ""
    master = each.get_attr("IFLA_MASTER") or 0
    if each.get_nested("IFLA_LINKINFO", "IFLA_INFO_SLAVE_KIND") == "vrf":
        master = 0  # packets come in by itself
    here = kind in _STACKED and each.get_attr("IFLA_LINK_NETNSID") is None
    return Link(
        number=each["index"],
        name=each.get_attr("IFLA_IFNAME"),
        kind=kind,
        flags=each["flags"],
        hardware=each["ifi_type"],
        mac=each.get_attr("IFLA_ADDRESS") or "",
        master=master,
        lower=(each.get_attr("IFLA_LINK") or 0) if here else 0,
        has_carrier=bool(each.get_attr("IFLA_CARRIER")),
    )


def _chosen(netlink: IPRoute, settings: Configuration) -> list[Link]:
    """Return what rules 1 and 2 choose, and what they would if it were up."""
    links = read(netlink)
    wanted = addresses(settings)
    numbers: set[int] = set()
    if wanted:
        numbers = _carrying(netlink, wanted) | _routed(netlink, wanted)
    return sorted({link for number in numbers for link in _attachable(links, number)})


def _attachable(links: Links, number: int) -> list[Link]:
    """Return the interface itself, or the master of what is a port, if it takes packets."""
    link = links.get(number)
    while link is not None and link.master in links:
        link = links[link.master]
    return [link] if link is not None and link.takes_packets else []


def _check(link: Link, links: Links) -> None:
    if link.master in links:
        master = links[link.master].name
        raise Unattachable(f"{link.name} is a port of {master}: name {master}, where its packets come in")
    if not link.is_up:
        raise Unattachable(f"{link.name} is down; `ip link set {link.name} up` switches it on")
    if not link.takes_packets:
        raise Unattachable(f"packets from other machines never come in by {link.name}")


def _carrying(netlink: IPRoute, wanted: set[str]) -> set[int]:
    return {each["index"] for each in netlink.get_addr() if _own(each) in wanted}


def _own(each: Any) -> str:
    """Return the address of this end: of a point-to-point link IFA_ADDRESS is the other's."""
    return str(each.get_attr("IFA_LOCAL") or each.get_attr("IFA_ADDRESS"))


def _routed(netlink: IPRoute, wanted: set[str]) -> set[int]:
    """Return the interfaces of default routes, and of those whose source is one of the addresses."""
    return {
        number for route, number in routes(netlink) if route["dst_len"] == 0 or route.get_attr("RTA_PREFSRC") in wanted
    }


def _is_loopback(ip: bytes) -> bool:
    return ip[0] == 127 if len(ip) == address.IPV4_SIZE else ip == bytes(15) + b"\1"


def _text(ip: bytes) -> str:
    """Return an IP address as the kernel's tools write it."""
    return socket.inet_ntop(socket.AF_INET if len(ip) == address.IPV4_SIZE else socket.AF_INET6, ip)
