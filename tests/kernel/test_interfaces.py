"""
Which interfaces a relay attaches to, on a router with one of each kind:

    lan1 ─┬─ br0   192.0.2.1, 2001:db8:1::1     a bridge: packets come in by it, not by its ports
    lan2 ─┘
    wan            198.51.100.1                 default route
    wan6           no address                   default route of IPv6
    tun0           203.0.113.1                  no Ethernet header
    other          10.9.9.1
    asleep         10.8.8.1                     switched off
    lo             192.0.2.200                  an address that comes in by any interface
"""

from collections.abc import Iterator

import pytest

from edgeturn.kernel.direct import interfaces
from edgeturn.kernel.direct.netlink import Netlink
from edgeturn.kernel.hooks import Unattachable
from edgeturn.protocol.address import IPV4, IPV6
from edgeturn.relay.configuration import Configuration
from tests.kernel.lab.topology import Node, Topology, address, cable
from tests.lab.network import NetworkError
from tests.lab.programs import why_no_namespaces

LINKS = ("lan1", "lan2", "wan", "wan6", "other", "asleep")
ADDRESSES = (
    ("br0", "192.0.2.1/24"),
    ("br0", "2001:db8:1::1/64"),
    ("wan", "198.51.100.1/24"),
    ("tun0", "203.0.113.1/32"),
    ("other", "10.9.9.1/24"),
    ("asleep", "10.8.8.1/24"),
    ("lo", "192.0.2.200/32"),
)


class House(Topology):
    """The drawn router; all its cables lead to one other machine."""

    def build(self) -> None:
        self.router_node, self.far = self.node("router"), self.node("far")
        router = self.router_node
        for name in LINKS:
            cable(router, name, self.far, name)
        router.ip("link", "add", "br0", "type", "bridge")
        router.ip("tuntap", "add", "mode", "tun", "name", "tun0")
        for name in ("lan1", "lan2"):
            router.ip("link", "set", name, "master", "br0")
        for name in ("br0", "tun0"):
            router.ip("link", "set", name, "up")
        for name, place in ADDRESSES:
            address(router, name, place)
        router.ip("link", "set", "asleep", "down")
        router.ip("route", "add", "default", "via", "198.51.100.254")
        router.ip("-6", "route", "add", "default", "dev", "wan6")


@pytest.fixture(scope="module")
def router() -> Iterator[Node]:
    lacking = why_no_namespaces()
    if lacking:
        pytest.skip(lacking)
    with House() as house:
        yield house.router_node


def on(listening: str, relaying: str) -> tuple[str, str]:
    """Return the lines of a configuration with one address for each."""
    return f"list listen {listening}", f"list relay_address {relaying}"


def configured(*lines: str) -> Configuration:
    return Configuration("config relay\n" + "\n".join(lines), "test")


def found(node: Node, *lines: str) -> list[str]:
    with node.entered(), Netlink() as netlink:
        return sorted(link.name for link in interfaces.find(netlink, configured(*lines)))


@pytest.mark.parametrize(
    ("what", "lines", "expected"),
    [
        ("wildcards are every address", (), ["br0", "other", "tun0", "wan", "wan6"]),
        ("wildcard of one family", ("list listen [::]:3478",), ["br0", "wan", "wan6"]),
        ("the bridge, not its ports", on("192.0.2.1", "192.0.2.1"), ["br0", "wan", "wan6"]),
        ("relayed from elsewhere", on("192.0.2.1", "10.9.9.1"), ["br0", "other", "wan", "wan6"]),
        ("without Ethernet", on("203.0.113.1", "203.0.113.1"), ["tun0", "wan", "wan6"]),
        ("what is down is left out", on("10.8.8.1", "10.8.8.1"), ["wan", "wan6"]),
        ("loopback only", on("127.0.0.1", "127.0.0.1"), []),
        ("an address of lo comes in elsewhere", on("192.0.2.200", "::1"), ["wan", "wan6"]),
    ],
)  # fmt: skip
def test_interfaces_are_found_by_what_is_listened_on_and_relayed_from(
    router: Node, what: str, lines: tuple[str, ...], expected: list[str]
) -> None:
    assert found(router, *lines) == expected, what


def test_an_address_of_a_port_comes_in_by_the_bridge(router: Node) -> None:
    router.ip("address", "add", "10.5.5.1/24", "dev", "lan1")
    try:
        assert found(router, *on("10.5.5.1", "10.5.5.1")) == ["br0", "wan", "wan6"]
    finally:
        router.ip("address", "delete", "10.5.5.1/24", "dev", "lan1")


def test_a_route_that_uses_a_relayed_address_leads_to_its_interface(router: Node) -> None:
    lines = ("list listen 192.0.2.200", "list relay_address 192.0.2.200")
    assert "other" not in found(router, *lines)
    router.ip("route", "add", "172.16.0.0/12", "dev", "other", "src", "192.0.2.200")
    try:
        assert "other" in found(router, *lines)
    finally:
        router.ip("route", "delete", "172.16.0.0/12")


def test_all_ways_out_of_several_wans_are_taken(router: Node) -> None:
    router.ip("route", "add", "default", "dev", "other", "table", "7")
    try:
        assert "other" in found(router, "list listen 192.0.2.1", "list relay_address 192.0.2.1")
    finally:
        router.ip("route", "delete", "default", "table", "7")
    router.ip("route", "add", "default", "table", "8", "nexthop", "dev", "other", "nexthop", "dev", "br0")
    try:
        assert {"other", "br0"} <= set(found(router, "list listen 198.51.100.1", "list relay_address 198.51.100.1"))
    finally:
        router.ip("route", "delete", "default", "table", "8")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nope", "there is no interface nope; there are asleep, br0, "),
        ("lan1", "lan1 is a port of br0: name br0"),
        ("asleep", "asleep is down; `ip link set asleep up`"),
        ("lo", "packets from other machines never come in by lo"),
    ],
)
def test_named_interfaces_that_cannot_be_attached_to_are_explained(router: Node, name: str, said: str) -> None:
    with router.entered(), Netlink() as netlink, pytest.raises(Unattachable, match=said):
        interfaces.named(netlink, ("wan", name))


def test_what_is_switched_off_is_left_out_and_named(router: Node) -> None:
    lines = on("10.8.8.1", "198.51.100.1")
    assert "asleep" not in found(router, *lines)
    with router.entered(), Netlink() as netlink:
        assert interfaces.asleep(netlink, configured(*lines)) == ["asleep"]
        assert interfaces.asleep(netlink, configured(*on("192.0.2.200", "198.51.100.1"))) == []


def test_what_the_program_needs_to_know_of_an_interface(router: Node) -> None:
    links = read(router)
    assert {name: links[name].header_size() for name in ("wan", "br0", "tun0")} == {"wan": 14, "br0": 14, "tun0": 0}
    assert {name: links[name].has_carrier for name in ("wan", "tun0")} == {"wan": True, "tun0": False}
    assert links["lan1"].master == links["br0"].number and not links["wan"].master


def test_the_ports_of_a_bridge_receive_its_packets(router: Node) -> None:
    links = read(router)
    by_number: dict[int, interfaces.Link] = {link.number: link for link in links.values()}
    below = {name: {each.name for each in interfaces.receivers(by_number, links[name])} for name in ("br0", "wan")}
    assert below == {"br0": {"br0", "lan1", "lan2"}, "wan": {"wan"}}


def test_what_a_stacked_device_stands_on_receives_its_packets(router: Node) -> None:
    router.ip("link", "add", "link", "wan", "name", "above", "type", "macvlan")
    try:
        links = read(router)
        by_number: dict[int, interfaces.Link] = {link.number: link for link in links.values()}
        assert {each.name for each in interfaces.receivers(by_number, links["above"])} == {"above", "wan"}
    finally:
        router.ip("link", "delete", "above")


def test_a_vlan_is_chosen_for_itself(router: Node) -> None:
    try:
        router.ip("link", "add", "link", "wan", "name", "wan.7", "type", "vlan", "id", "7")
    except NetworkError as error:
        pytest.skip(f"this kernel makes no VLAN devices: {str(error).rpartition(': ')[2]}")
    try:
        router.ip("link", "set", "wan.7", "up")
        address(router, "wan.7", "10.7.7.1/24")
        assert "wan.7" in found(router, "list listen 10.7.7.1", "list relay_address 10.7.7.1")
        links = read(router)
        by_number: dict[int, interfaces.Link] = {link.number: link for link in links.values()}
        assert {each.name for each in interfaces.receivers(by_number, links["wan.7"])} == {"wan.7", "wan"}
    finally:
        router.ip("link", "delete", "wan.7")


def test_a_device_of_a_vrf_is_chosen_for_itself(router: Node) -> None:
    try:
        router.ip("link", "add", "red", "type", "vrf", "table", "10")
    except NetworkError as error:
        pytest.skip(f"this kernel makes no VRFs: {str(error).rpartition(': ')[2]}")
    try:
        router.ip("link", "set", "red", "up")
        router.ip("link", "set", "other", "master", "red")
        assert "other" in found(router, "list listen 10.9.9.1", "list relay_address 192.0.2.1")
    finally:
        router.ip("link", "delete", "red")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("list listen 192.0.2.1", "list relay_address 198.51.100.1"), [IPV4]),
        (("list listen 192.0.2.1", "list relay_address 2001:db8:1::1"), [IPV4, IPV6]),
        (("list listen 127.0.0.1", "list relay_address ::1"), []),
    ],
)
def test_the_families_of_a_relay_are_those_of_its_addresses(
    router: Node, lines: tuple[str, ...], expected: list[int]
) -> None:
    with router.entered():
        assert interfaces.families(configured(*lines)) == expected


def read(node: Node) -> dict[str, interfaces.Link]:
    with node.entered(), Netlink() as netlink:
        return {link.name: link for link in interfaces.read(netlink).values()}
