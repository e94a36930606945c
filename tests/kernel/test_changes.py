"""
What attaching changes besides on demand, and what it tells of what is there.

    client ──── lan  router  wan ──── peer        tests/kernel/lab/topology.py: Line

Each test has a router of its own, and looks at it before and after.
"""

import re
from dataclasses import replace

from edgeturn.kernel import flows, hooks, maps
from edgeturn.kernel.attaching import attachment, probe, survey
from edgeturn.kernel.bpf import index
from edgeturn.kernel.direct import gro, inspection, interfaces
from edgeturn.kernel.direct.netlink import Netlink
from edgeturn.protocol.address import IPV4, IPV6
from tests.kernel.attaching import (
    BOTH,
    Site,
    carry,
    look,
    look_for,
    set_fraglists,
)
from tests.kernel.lab.kernel import Binding
from tests.kernel.lab.topology import cable, forward


def test_forwarding_is_switched_on_only_on_demand_and_put_back(site: Site) -> None:
    forward(site.node, False)
    site.node.setting("ipv4/conf/wan/forwarding", 1)
    before = look(site.node, "lan", "wan")
    site.attach("tc")
    assert changed_settings(site, before) == []
    site.lines = ("list relay_address 2001:db8:2::1",)
    site.attach("tc", forward=True)
    assert changed_settings(site, before) == [
        "ipv4/conf/lan/forwarding", "ipv6/conf/lan/forwarding", "ipv6/conf/wan/forwarding",
    ]  # fmt: skip
    assert site.inspect().changed == {
        hooks.CLSACT: ["lan", "wan"], hooks.GRO: [], hooks.FORWARDING_IPV4: ["lan"],
        hooks.FORWARDING_IPV6: ["lan", "wan"],
    }  # fmt: skip
    site.attach("tc")
    assert len(changed_settings(site, before)) == 3
    site.detach()
    assert look(site.node, "lan", "wan") == before


def test_only_the_families_of_the_relay_are_forwarded(site: Site) -> None:
    forward(site.node, False)
    before = look(site.node, "lan")
    with site.node.entered():
        settings = site.settings
        settings.values["listen"] = [b"\x0d\x96\xc0\0\2\1"]
        attachment.attach(settings, "tc", ["lan"], True)
    assert changed_settings(site, before) == ["ipv4/conf/lan/forwarding"]


def changed_settings(site: Site, before: dict[str, str]) -> list[str]:
    now = look(site.node, "lan", "wan")
    return [name for name in before if now[name] != before[name] and "conf" in name]


def test_a_default_route_by_advertisements_is_not_given_away(site: Site) -> None:
    forward(site.node, False)
    site.node.ip("-6", "route", "add", "default", "via", "2001:db8:2::11", "dev", "wan", "proto", "ra")
    before = look(site.node, "lan", "wan")
    site.attach("tc", forward=True)
    assert changed_settings(site, before) == ["ipv4/conf/lan/forwarding", "ipv4/conf/wan/forwarding"]
    site.node.setting("ipv6/conf/wan/accept_ra", 2)
    site.attach("tc", forward=True)
    assert len(changed_settings(site, before)) == 4
    assert "default" in site.node.ip("-6", "route")


def test_fraglists_are_kept_unless_asked_for_and_put_back(site: Site) -> None:
    set_fraglists(site, True)
    before = look(site.node, "lan", "wan")
    site.attach("tc")
    assert fraglists(site) == [True, True]
    site.lines = ("option kernel_gro off",)
    site.attach("tc", "lan")
    assert fraglists(site) == [False, True] and site.inspect().changed[hooks.GRO] == ["lan"]
    site.attach("tc")
    assert fraglists(site) == [False, False]
    site.lines = ("option kernel_gro keep",)
    site.attach("tc", "lan")
    assert fraglists(site) == [True, False]
    site.detach()
    assert look(site.node, "lan", "wan") == before


def test_fraglists_of_a_bridge_are_those_of_its_ports(site: Site) -> None:
    site.node.ip("link", "add", "br0", "type", "bridge")
    site.node.ip("link", "set", "br0", "up")
    site.node.ip("link", "set", "lan", "master", "br0")
    set_fraglists(site, True)
    site.lines = ("option kernel_gro off",)
    site.attach("tc", "br0")
    assert fraglists(site) == [False, True]
    assert [each.interface for each in site.inspect().places] == ["br0"]
    site.attach("tc", "br0")
    site.detach()
    assert fraglists(site) == [True, True]


def fraglists(site: Site) -> list[bool]:
    with site.node.entered():
        return [gro.is_on(device) for device in ("lan", "wan")]


# What is told.


def test_a_place_begins_with_tallies_of_zero(site: Site) -> None:
    site.attach("tc", "lan")
    opened = maps.open_all(str(site.folder))
    for outcome in range(len(flows.OUTCOMES)):
        opened.tallies.set(index(len(flows.OUTCOMES) + outcome), b"\x01" + bytes(flows.TALLY_SIZE - 1))
    site.attach("tc", "wan")
    opened.close()
    assert {name: count for name, count in site.inspect().outcomes.items() if count} == {"seen": 2}


def test_flows_are_told_at_the_interface_that_they_come_in_by(site: Site) -> None:
    site.attach("tc")
    opened = maps.open_all(str(site.folder))
    binding = Binding(("192.0.2.1", 3478), ("192.0.2.11", 40001), ("198.51.100.1", 50001), ("198.51.100.11", 40002))
    carry(opened, binding)
    carry(opened, replace(binding, client=("192.0.2.12", 40001), relayed=("198.51.100.1", 50002)), ends=1, counter=2)
    assert [(each.interface, each.flows) for each in site.inspect().places] == [("lan", 0), ("wan", 0)]
    assert site.inspect().flows == site.inspect().unplaced == 2
    client, peer = site.line.client.udp(binding.client), site.line.peer.udp(binding.peer)
    client.sendto(binding.message(b"up"), binding.listener)
    assert peer.recv(100) == b"up"
    peer.sendto(b"down!", binding.relayed)
    assert client.recv(100) == binding.message(b"down!")
    found = site.inspect()
    assert [each[1:2] + each[7:] for each in found.places] == [("lan", 1, 1, 2), ("wan", 1, 1, 5)]
    assert found.outcomes["carried"] == 2 and found.unplaced == 0
    opened.close()
    client.close()
    peer.close()


def test_what_is_amiss_is_found(site: Site) -> None:
    forward(site.node, False)
    site.node.setting("ipv4/conf/wan/forwarding", 1)
    set_fraglists(site, True)
    site.attach("xdp", "lan")
    site.attach("tc", "wan")
    assert look_for(site) == survey.Survey(
        [], [], {"lan": ["wan"]}, [], [], ["wan"], {IPV4: ["lan"], IPV6: ["lan", "wan"]}, []
    )
    site.node.tc("qdisc", "delete", "dev", "wan", "clsact")
    site.node.ip("link", "set", "lan", "xdp", "off")
    cable(site.node, "extra", site.line.client, "extra")
    site.node.ip("address", "add", "192.0.2.1/32", "dev", "extra")
    found = look_for(site)
    assert found.removed == [("lan", flows.XDP), ("wan", flows.TC)] and found.appeared == ["extra"]
    assert site.attach("tc") == {**BOTH, "extra tc": "proven"} and look_for(site).removed == []


def test_nothing_is_pinned_before_attaching(site: Site) -> None:
    assert inspection.inspect(str(site.folder)) is None


def test_neighbours_are_those_of_the_interface(site: Site) -> None:
    site.node.ip("route", "add", "203.0.113.9/32", "dev", "wan")
    site.node.ip("route", "add", "203.0.113.0/25", "via", "198.51.100.77")
    with site.node.entered(), Netlink() as netlink:
        (wan,) = interfaces.named(netlink, ("wan",))
        known = probe.neighbours(netlink, wan)
    assert set(known.ipv4) == {"198.51.100.11", "203.0.113.9", "198.51.100.77"} and known.own == "198.51.100.1"
    assert "2001:db8:2::11" in known.ipv6 and not re.search("192.0.2|2001:db8:1", str(known))
