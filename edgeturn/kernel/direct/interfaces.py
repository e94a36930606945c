"""The interfaces of a machine, and which of them a relay's packets come in by.

Rule 1: chosen are those that carry an address that is listened on or relayed from, those of the routes that have such
        an address as their source, and those of the default routes.
Rule 2: a chosen one is up and no loopback. A port of a bridge or bond never is, its master is; a VLAN's device is
        chosen for itself.

Source: linux/if_link.h, linux/if_addr.h, linux/rtnetlink.h.
"""

from struct import unpack_from

from edgeturn.kernel.direct.netlink import Netlink, attributes, number, text
from edgeturn.kernel.hooks import Unattachable
from edgeturn.protocol import address
from edgeturn.relay import listeners, network
from edgeturn.relay.configuration import Configuration

_GET_LINK, _GET_ROUTE = 18, 26
_LINK_SIZE, _ROUTE_SIZE, _HOP_SIZE = 16, 12, 8  # struct ifinfomsg, rtmsg, rtnexthop
_ADDRESS, _NAME, _LOWER, _MASTER, _INFORMATION, _CARRIER, _NAMESPACE, _XDP = 1, 3, 5, 10, 18, 33, 37, 43  # IFLA_*
_INFORMATION_KIND, _PORT_KIND, _XDP_PROGRAM = 1, 4, 4
_DESTINATION, _OUT, _GATEWAY, _SOURCE, _HOPS = 1, 4, 5, 7, 9  # RTA_*

_UP, _LOOPBACK = 1, 8  # linux/if.h
_ETHERNET, _ETHERNET_HEADER = 1, 14  # linux/if_arp.h, bytes
_UNICAST = 1  # linux/rtnetlink.h
_NOTHING_ARRIVES = ("dummy", "ifb", "nlmon", "vrf")  # kinds of interfaces at whose ingress no packet ever is
_STACKED = ("vlan", "macvlan", "ipvlan")  # kinds whose packets another interface receives for them


class Link:
    """An interface as the kernel tells of it.

    kind: veth, bridge, vlan, …, "" of hardware; master: 0 where it's no port of another; lower: 0 where it stands for
    itself; xdp: the kernel's number of the XDP program there, 0 for none.
    """

    def __init__(self, body: bytes) -> None:
        """Take what the kernel says."""
        _, self.hardware, self.number, self.flags = unpack_from("BxHiI", body)
        found = dict(attributes(body[_LINK_SIZE:]))
        information = dict(attributes(found.get(_INFORMATION, b"")))
        self.name = text(found[_NAME])
        self.kind = text(information.get(_INFORMATION_KIND, b""))
        self.mac = found.get(_ADDRESS, b"")
        # Packets come in by a VRF's port itself.
        is_port = _MASTER in found and text(information.get(_PORT_KIND, b"")) != "vrf"
        self.master = number(found[_MASTER]) if is_port else 0
        stands_on = self.kind in _STACKED and _NAMESPACE not in found and _LOWER in found
        self.lower = number(found[_LOWER]) if stands_on else 0
        self.has_carrier = found.get(_CARRIER, b"\0") != b"\0"
        program = dict(attributes(found.get(_XDP, b""))).get(_XDP_PROGRAM)
        self.xdp = number(program) if program else 0

    def header_size(self) -> int:
        """Return the bytes before the IP header."""
        return _ETHERNET_HEADER if self.hardware == _ETHERNET else 0

    def is_up(self) -> bool:
        """Say whether it's switched on."""
        return bool(self.flags & _UP)

    def takes_packets(self) -> bool:
        """Say whether packets ever come in by it while it's up (rule 2)."""
        return not self.flags & _LOOPBACK and self.kind not in _NOTHING_ARRIVES


class Route:
    """A unicast route: who learnt it (RTPROT_*), how many bits of a destination it has, whereto, from, and by what."""

    def __init__(self, body: bytes) -> None:
        """Take what the kernel says."""
        found = dict(attributes(body[_ROUTE_SIZE:]))
        self.family, self.length, self.learnt_by = body[0], body[1], body[5]
        self.destination = found.get(_DESTINATION, b"")
        self.gateway = found.get(_GATEWAY, b"")
        self.source = found.get(_SOURCE, b"")
        self.interfaces = [number(found[_OUT])] if _OUT in found else []
        self.interfaces += _hops(found.get(_HOPS, b""))


def _hops(data: bytes) -> "list[int]":
    """Return the interfaces of a route that has several."""
    found, at = [], 0
    while at + _HOP_SIZE <= len(data):
        size, _, interface = unpack_from("HHi", data, at)
        if size < _HOP_SIZE:
            break
        found.append(interface)
        at += size + 3 & ~3
    return found


def read(netlink: Netlink) -> "dict[int, Link]":
    """Return all interfaces by their numbers."""
    links = [Link(body) for body in netlink.dump(_GET_LINK, bytes(_LINK_SIZE))]
    return {link.number: link for link in links}


def routes(netlink: Netlink) -> "list[Route]":
    """Return the unicast routes of all tables."""
    return [Route(body) for body in netlink.dump(_GET_ROUTE, bytes(_ROUTE_SIZE)) if body[7] == _UNICAST]


def find(netlink: Netlink, settings: Configuration) -> "list[Link]":
    """Return the interfaces that a configuration's packets come in by (rules 1 and 2), by their numbers."""
    return [link for link in _chosen(netlink, settings) if link.is_up()]


def asleep(netlink: Netlink, settings: Configuration) -> "list[str]":
    """Return the names of those that would be found if they weren't switched off."""
    return [link.name for link in _chosen(netlink, settings) if not link.is_up()]


def named(netlink: Netlink, names: "tuple[str, ...]") -> "list[Link]":
    """Return interfaces by their names; Unattachable where one isn't there or takes no packets."""
    links = read(netlink)
    by_name = {link.name: link for link in links.values()}
    for name in names:
        if name not in by_name:
            raise Unattachable(f"there is no interface {name}; there are {', '.join(sorted(by_name))}")
        _check(by_name[name], links)
    return ordered([by_name[name] for name in names])


def ordered(links: "list[Link]") -> "list[Link]":
    """Return each interface once, by their numbers."""
    by_number = {link.number: link for link in links}
    return [by_number[each] for each in sorted(by_number)]


def receivers(links: "dict[int, Link]", link: Link) -> "list[Link]":
    """Return the interfaces that receive the packets of one: itself, a bridge's ports, what a VLAN stands on."""
    ports = [each for each in links.values() if each.master == link.number and each.master]
    if link.lower in links:
        ports.append(links[link.lower])
    below = [found for port in ports for found in receivers(links, port)]
    return ordered([link] + below)


def addresses(settings: Configuration) -> "list[bytes]":
    """Return the IP addresses that are listened on or relayed from, without those of the loopback."""
    listening = [address.ip_of(place) for place in listeners.addresses(settings, network.interfaces())]
    relaying = settings.items("relay_address") or network.default_sources()
    return [ip for ip in listening + list(relaying) if isinstance(ip, bytes) and not _is_loopback(ip)]


def families(settings: Configuration) -> "list[int]":
    """Return the address families that packets of a relay have on the way in or out: address.IPV4, address.IPV6."""
    sizes = [len(ip) for ip in addresses(settings)]
    both = ((address.IPV4, address.IPV4_SIZE), (address.IPV6, 16))
    return [family for family, size in both if size in sizes]


def _chosen(netlink: Netlink, settings: Configuration) -> "list[Link]":
    """Return what rules 1 and 2 choose, and what they would if it were up."""
    wanted = addresses(settings)
    if not wanted:
        return []
    links = read(netlink)
    numbers = [each.number for each in network.interfaces() if each.ip in wanted]
    for route in routes(netlink):
        if not route.length or route.source in wanted:
            numbers += route.interfaces
    return ordered([link for each in numbers for link in _attachable(links, each)])


def _attachable(links: "dict[int, Link]", number: int) -> "list[Link]":
    """Return the interface itself, or the master of what is a port, if it takes packets."""
    link = links.get(number)
    while link is not None and link.master in links:
        link = links[link.master]
    return [link] if link is not None and link.takes_packets() else []


def _check(link: Link, links: "dict[int, Link]") -> None:
    if link.master in links:
        master = links[link.master].name
        raise Unattachable(f"{link.name} is a port of {master}: name {master}, where its packets come in")
    if not link.is_up():
        raise Unattachable(f"{link.name} is down; `ip link set {link.name} up` switches it on")
    if not link.takes_packets():
        raise Unattachable(f"packets from other machines never come in by {link.name}")


def _is_loopback(ip: bytes) -> bool:
    return ip[0] == 127 if len(ip) == address.IPV4_SIZE else ip == bytes(15) + b"\1"
