"""
An attachment is believed once its program was seen to run; what can't be proven is given up, with the reason.

    client ──── lan  router  wan ──── peer        tests/kernel/lab/topology.py: Line

Each test has a router of its own, and looks at it before and after.
"""

import fcntl
import os
import select
import socket
import sys
import threading
from struct import pack

import pytest

from edgeturn.kernel import flows, loader, maps
from edgeturn.kernel.attaching import attachment, xdp
from edgeturn.kernel.direct import attachment as direct
from edgeturn.kernel.loader import LoadError
from tests.kernel.attaching import (
    ALL,
    BOTH,
    Refusing,
    Site,
    look,
    look_for,
    xdp_program,
)

_TUNSETIFF = 0x400454CA
_TAP_WITHOUT_INFORMATION = 0x1002  # IFF_TAP | IFF_NO_PI


def test_tc_that_is_never_run_is_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    before = look(site.node, "lan")
    monkeypatch.setattr(flows, "PROBE", 0x88B6)  # which the program doesn't count
    assert site.attach("tc", "lan") == {"lan tc": "silent"} and look(site.node, "lan") == before


def test_xdp_without_anybody_who_answers_is_given_up(site: Site) -> None:
    for setting in ("ipv6/conf/uplink/disable_ipv6", "ipv4/conf/uplink/arp_ignore"):
        site.line.peer.setting(setting, 8 if "arp" in setting else 1)
    assert site.attach("xdp") == {**ALL, "wan xdp": "unanswered"}
    assert xdp_program(site.node, "wan") == 0 and xdp_program(site.node, "lan")
    assert devices_of(site) == ["lan"]


@pytest.mark.parametrize("mute", ["ipv6/conf/uplink/disable_ipv6", "ipv4/conf/uplink/arp_ignore"])
def test_xdp_is_proven_by_either_family(site: Site, mute: str) -> None:
    site.line.peer.setting(mute, 8 if "arp" in mute else 1)
    assert site.attach("xdp", "wan") == {"wan tc": "proven", "wan xdp": "proven"}


def test_xdp_that_was_given_up_is_tried_again_only_on_demand(site: Site) -> None:
    site.line.peer.setting("ipv6/conf/uplink/disable_ipv6", 1)
    site.line.peer.setting("ipv4/conf/uplink/arp_ignore", 8)
    assert site.attach("xdp", "wan")["wan xdp"] == "unanswered"
    site.line.peer.setting("ipv4/conf/uplink/arp_ignore", 0)
    assert site.attach("xdp", "wan", again=False) == {"wan tc": "proven", "wan xdp": "unanswered"}
    assert site.attach("xdp", "wan")["wan xdp"] == "proven"
    assert site.attach("xdp", "wan", again=False)["wan xdp"] == "proven"


def test_xdp_without_carrier_is_not_even_tried(site: Site) -> None:
    site.line.peer.ip("link", "set", "uplink", "down")
    assert site.attach("xdp", "wan") == {"wan tc": "proven", "wan xdp": "carrier"}
    site.line.peer.ip("link", "set", "uplink", "up")
    assert site.attach("xdp", "wan", again=False)["wan xdp"] == "proven"


def test_xdp_that_a_driver_refuses_is_given_up(site: Site) -> None:
    for node, device in ((site.node, "wan"), (site.line.peer, "uplink")):
        node.ip("link", "set", device, "mtu", "9000")
    assert site.attach("xdp", "wan") == {"wan tc": "proven", "wan xdp": "refused"}


def test_xdp_program_that_the_kernel_refuses_is_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    load = loader.load

    def refuse(section: str, *others: object) -> loader.Program:
        if section == "xdp":
            raise LoadError("no")
        return load(section, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(loader, "load", refuse)
    assert site.attach("xdp", "wan") == {"wan tc": "proven", "wan xdp": "program"}


@pytest.mark.parametrize("far_end_polls", [True, False])
def test_xdp_redirects_only_to_where_the_far_end_takes_it(site: Site, far_end_polls: bool) -> None:
    site.line.peer.feature("uplink", "rx-gro", far_end_polls)
    assert site.attach("xdp") == ALL
    assert devices_of(site) == (["lan", "wan"] if far_end_polls else ["lan"])
    assert look_for(site).idle == ({} if far_end_polls else {"lan": ["wan"]})
    site.line.peer.feature("uplink", "rx-gro", not far_end_polls)
    site.attach("xdp")
    assert devices_of(site) == (["lan"] if far_end_polls else ["lan", "wan"])


def test_a_far_end_that_stops_to_take_redirects_is_noticed(site: Site) -> None:
    site.attach("xdp", "wan")
    assert look_for(site).losing == []
    site.line.peer.feature("uplink", "rx-gro", False)
    assert look_for(site).losing == ["wan"]


def devices_of(site: Site) -> list[str]:
    """Return the interfaces that XDP may send out by."""
    opened = maps.open_all(str(site.folder))
    keys = opened.devices.keys()
    with site.node.entered():
        names = sorted(socket.if_indextoname(int.from_bytes(each, sys.byteorder)) for each in keys)
    opened.close()
    return names


def test_auto_leaves_veth_to_tc_which_is_faster_there(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert site.attach("auto") == BOTH
    monkeypatch.setattr(attachment, "_SLOWER", ())
    assert site.attach("auto") == ALL


def test_auto_takes_what_announces_it_and_no_other(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachment, "_SLOWER", ())
    for announced, expected in ((0, BOTH), (xdp.REDIRECTS & ~2, BOTH), (None, BOTH), (xdp.REDIRECTS, ALL)):
        monkeypatch.setattr(xdp, "features", lambda number, announced=announced: announced)
        assert site.attach("auto") == expected, announced


def test_a_kernel_that_announces_nothing_is_asked_by_trying(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before Linux 6.3 drivers tell nothing; whether the far end of a veth takes packets can't be known there."""
    monkeypatch.setattr(xdp, "features", lambda number: None)
    assert site.attach("xdp") == ALL and devices_of(site) == []


@pytest.mark.parametrize("number", [2, 95])
def test_a_kernel_without_clsact_or_cls_bpf_is_told(site: Site, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    before = look(site.node, "lan", "wan")
    monkeypatch.setattr(direct, "Netlink", lambda: Refusing(number))
    assert site.attach("tc") == {"lan tc": "kernel", "wan tc": "kernel"}
    assert look(site.node, "lan", "wan") == before


def test_what_netlink_refuses_is_an_error_of_the_system(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct, "Netlink", lambda: Refusing(1))
    with pytest.raises(PermissionError):
        site.attach("tc")


def test_auto_takes_a_driver_that_announces_xdp_and_runs_it(site: Site) -> None:
    """A tap whose other end is this test, which answers ARP for 10.1.1.9."""
    with site.node.entered():
        tap = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(tap, _TUNSETIFF, pack("16sH22x", b"tap", _TAP_WITHOUT_INFORMATION))
    site.node.ip("link", "set", "tap", "up")
    site.node.ip("address", "add", "10.1.1.1/24", "dev", "tap")
    assert site.attach("auto", "tap") == {"tap tc": "proven", "tap xdp": "unanswered"}
    site.node.ip("route", "add", "10.1.1.9/32", "dev", "tap")
    end, ended = os.pipe()
    neighbour = threading.Thread(target=answer_arp, args=(tap, end))
    neighbour.start()
    try:
        assert site.attach("auto", "tap") == {"tap tc": "proven", "tap xdp": "proven"}
        assert devices_of(site) == ["tap"]
    finally:
        os.close(ended)
        neighbour.join()
    site.detach()
    os.close(tap)
    os.close(end)


def answer_arp(tap: int, end: int) -> None:
    """Answer each ARP request for what it asks, until the pipe is closed."""
    mac = b"\2\0\0\0\0\1"
    while end not in select.select([tap, end], [], [])[0]:
        frame = os.read(tap, 2048)
        if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\1":
            asker, wanted = frame[22:32], frame[38:42]
            os.write(tap, frame[6:12] + mac + frame[12:20] + b"\0\2" + mac + wanted + asker)
