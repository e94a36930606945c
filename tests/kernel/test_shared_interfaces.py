"""
Attaching touches nothing that others attached, another relay of the machine included.

    client ──── lan  router  wan ──── peer        tests/kernel/lab/topology.py: Line

Each test has a router of its own, and looks at it before and after.
"""

import socket

import pytest

from edgeturn.kernel import bpf
from edgeturn.kernel.attaching import xdp
from edgeturn.kernel.direct import filters
from edgeturn.kernel.direct.netlink import Netlink
from tests.kernel.attaching import (
    BOTH,
    Site,
    add_filter,
    add_xdp,
    filters_of,
    load_trivial,
    look,
    set_fraglists,
    xdp_program,
)
from tests.kernel.lab.topology import forward


def test_filters_and_clsact_of_others_stay(site: Site) -> None:
    site.node.tc("qdisc", "add", "dev", "lan", "clsact")
    add_filter(site.node, "lan", 49152, 0x4242, "another")
    add_filter(site.node, "lan", 10, 1, "edgeturnish")
    before = look(site.node, "lan")
    assert site.attach("tc", "lan") == {"lan tc": "proven"} and len(filters_of(site, "lan")) == 3
    site.attach("tc", "lan")
    site.detach()
    assert look(site.node, "lan") == before


def test_clsact_stays_where_others_came_to_use_it(site: Site) -> None:
    site.attach("tc", "lan")
    add_filter(site.node, "lan", 49152, 0x4242, "another")
    site.detach()
    assert "clsact" in site.node.tc("qdisc", "show", "dev", "lan") and len(filters_of(site, "lan")) == 1


def test_a_place_that_another_kind_of_filter_has_is_left_for_the_next(site: Site) -> None:
    site.node.tc("qdisc", "add", "dev", "lan", "clsact")
    others_at(site, 49152)
    before = look(site.node, "lan")
    assert site.attach("tc", "lan") == {"lan tc": "proven"}
    assert "pref 49153 bpf" in " ".join(filters_of(site, "lan"))
    site.detach()
    assert look(site.node, "lan") == before


def test_where_others_have_all_places_it_is_given_up(site: Site) -> None:
    site.node.tc("qdisc", "add", "dev", "lan", "clsact")
    others_at(site, *filters.PRIORITIES)
    before = look(site.node, "lan")
    assert site.attach("tc", "lan") == {"lan tc": "places"} and look(site.node, "lan") == before


def others_at(site: Site, *priorities: int) -> None:
    for priority in priorities:
        site.node.tc(
            "filter", "add", "dev", "lan", "ingress", "pref", str(priority), "protocol", "ip",
            "u32", "match", "u32", "0", "0", "classid", "1:1",
        )  # fmt: skip


def test_a_filter_that_keeps_packets_for_itself_is_noticed(site: Site) -> None:
    """SQM's ingress shaping does that: it sends all that comes in through an ifb."""
    site.node.ip("link", "add", "shaper", "type", "ifb")
    site.node.ip("link", "set", "shaper", "up")
    site.node.tc("qdisc", "add", "dev", "lan", "handle", "ffff:", "ingress")
    site.node.tc(
        "filter", "add", "dev", "lan", "parent", "ffff:", "protocol", "all", "prio", "10",
        "u32", "match", "u32", "0", "0", "action", "mirred", "egress", "redirect", "dev", "shaper",
    )  # fmt: skip
    before = look(site.node, "lan")
    assert site.attach("tc", "lan") == {"lan tc": "hidden"}
    assert look(site.node, "lan") == before


def test_the_older_ingress_does_as_well(site: Site) -> None:
    site.node.tc("qdisc", "add", "dev", "lan", "handle", "ffff:", "ingress")
    before = look(site.node, "lan")
    assert site.attach("tc", "lan") == {"lan tc": "proven"}
    site.detach()
    assert look(site.node, "lan") == before


def test_xdp_of_others_stays(site: Site) -> None:
    number = add_xdp(site.node, "lan")
    assert site.attach("xdp") == {**BOTH, "lan xdp": "taken", "wan xdp": "proven"}
    site.detach()
    assert xdp_program(site.node, "lan") == number


def test_xdp_that_another_put_in_our_place_stays(site: Site) -> None:
    site.attach("xdp")
    file = load_trivial(6)
    with site.node.entered(), Netlink() as netlink:
        number = socket.if_nametoindex("lan")
        xdp.attach(netlink, number, file, xdp.program(netlink, number))
    bpf.close(file)
    theirs = xdp_program(site.node, "lan")
    assert site.attach("xdp")["lan xdp"] == "taken"
    site.detach()
    assert xdp_program(site.node, "lan") == theirs


def test_two_relays_share_an_interface(site: Site) -> None:
    before = look(site.node, "lan", "wan")
    second = Site(site.line, site.pins, "/run/other.sock")
    assert site.attach("tc") == BOTH and second.attach("tc") == BOTH
    assert len(filters_of(site, "lan")) == 2 and second.folder != site.folder
    assert second.attach("tc") == BOTH and site.attach("tc") == BOTH and len(filters_of(site, "lan")) == 2
    assert site.detach() == ["lan", "wan"]
    assert [each.split("handle")[1].split()[1] for each in filters_of(site, "lan")] == [second.name]
    assert second.attach("tc") == BOTH
    assert second.detach() == ["lan", "wan"] and look(site.node, "lan", "wan") == before
    assert not site.pins.exists()


def test_the_second_relay_gets_tc_where_the_first_has_xdp(site: Site) -> None:
    second = Site(site.line, site.pins, "/run/other.sock")
    site.attach("xdp", "lan")
    number = xdp_program(site.node, "lan")
    assert second.attach("xdp", "lan") == {"lan tc": "proven", "lan xdp": "taken"}
    second.detach()
    assert xdp_program(site.node, "lan") == number


@pytest.mark.parametrize("first_leaves_first", [True, False])
def test_what_two_relays_need_is_undone_by_the_last(site: Site, first_leaves_first: bool) -> None:
    forward(site.node, False)
    site.lines = ("option kernel_gro off",)
    set_fraglists(site, True)
    before = look(site.node, "lan", "wan")
    second = Site(site.line, site.pins, "/run/other.sock")
    site.attach("tc", forward=True)
    changed = look(site.node, "lan", "wan")
    second.attach("tc", forward=True)
    first, last = (site, second) if first_leaves_first else (second, site)
    first.detach()
    kept = look(site.node, "lan", "wan")
    assert {name: kept[name] for name in kept if "filters" not in name} == {
        name: changed[name] for name in changed if "filters" not in name
    }
    last.detach()
    assert look(site.node, "lan", "wan") == before
