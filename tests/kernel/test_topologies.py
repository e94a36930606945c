"""
The program between other things that routers have: tests/kernel/lab/topologies.py builds what is drawn here.

Bridge          client ──── port ∈ br-lan  router  wan ──── peer
VLANs           client uplink.7 ──── lan.7  router  wan.8 ──── uplink.8 peer
Headless        client ════ lan  router  wan ════ peer       ════: tun, which may call itself PPP, on one side or both
Two WANs                                 wan1 ──── provider1 (198.18.0.11)
                client ──── lan  router <
                                         wan2 ──── provider2 (198.18.0.11)
Line            client ──── lan  router  wan ──── peer       with GRO, a shaping qdisc, a firewall, hairpin addresses
Summed          client ~~~~ lan  router  wan ──── peer       ~~~~: VXLAN, from which packets come as CHECKSUM_COMPLETE
"""

import json
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from tests.blackbox.relay import until
from tests.kernel.lab.checks import Ends, Place, received, waiting
from tests.kernel.lab.kernel import TC, XDP, Kernel, binding_of
from tests.kernel.lab.packets import fold
from tests.kernel.lab.sums import SumReader
from tests.kernel.lab.tap import Tap
from tests.kernel.lab.topologies import Bridge, Headless, Summed, Tagged, TwoWans
from tests.kernel.lab.topology import HOST, ROUTER, Line
from tests.kernel.lab.tunnel import NO_HEADER, PPP
from tests.lab.network import CLIENTS, PEERS, NetworkError

DATA = bytes(range(200))
LENGTHS = (0, 1, 172, 1200)
UP, DOWN = True, False
RANDOM = random.Random(6)
PAIRS = {"44": (4, 4), "66": (6, 6), "46": (4, 6), "64": (6, 4)}


@pytest.fixture
def fresh(pins: Path) -> Iterator[Kernel]:
    """Maps for a topology that the test attaches to itself."""
    with Kernel(pins) as made:
        yield made


def assert_all_carried(kernel: Kernel, line: Line, client: Place, peer: Place) -> None:
    """Every pair of families, both directions, some lengths: carried, and every packet right."""
    for pair in PAIRS.values():
        binding = binding_of(*pair)
        kernel.bind(binding)
        with Ends(binding, client, line.relay, peer) as ends:
            for length, up in product(LENGTHS, (UP, DOWN)):
                ends.assert_carried(up, bytes(length))
            ends.assert_silent()


# A bridge.


@pytest.fixture(scope="module")
def bridge(bpf_folder: Path) -> Iterator[Bridge]:
    with Bridge() as made:
        yield made


def test_tc_on_a_bridge(bridge: Bridge, fresh: Kernel) -> None:
    fresh.attach_all(bridge.relay, [bridge.lan, bridge.wan], TC)
    assert_all_carried(fresh, bridge, Place(bridge.client), Place(bridge.peer))


def test_xdp_on_a_port_of_a_bridge(bridge: Bridge, fresh: Kernel) -> None:
    """From the client XDP carries; to the client the way out is the bridge, which takes no redirect: tc carries."""
    fresh.attach(bridge.relay, bridge.lan, TC)
    fresh.attach_all(bridge.relay, [bridge.port, bridge.wan], XDP)
    assert_all_carried(fresh, bridge, Place(bridge.client), Place(bridge.peer))
    each_way = len(PAIRS) * len(LENGTHS)
    assert fresh.outcomes(XDP) == {"carried": each_way, "device": each_way}
    assert fresh.outcomes(TC) == {"carried": each_way}


# VLANs.


def test_vlans_on_both_sides(fresh: Kernel) -> None:
    with without("VLAN devices (CONFIG_VLAN_8021Q)"), Tagged() as line:
        fresh.attach_all(line.relay, [line.lan, line.wan], TC)
        assert_all_carried(fresh, line, Place(line.client, line.client_device), Place(line.peer, line.peer_device))


@contextmanager
def without(what: str) -> Iterator[None]:
    """Skip where the kernel says that it doesn't know a kind of device."""
    try:
        yield
    except NetworkError as error:
        if "Unknown device type" not in str(error) and "Operation not supported" not in str(error):
            raise
        pytest.skip(f"this kernel has no {what}")


# No Ethernet header.


@pytest.mark.parametrize("kind", [NO_HEADER, PPP], ids=["tun", "PPP"])
@pytest.mark.parametrize("sides", [(False, True), (True, False), (True, True)], ids=["WAN", "LAN", "both"])
def test_devices_without_ethernet_header(fresh: Kernel, sides: tuple[bool, bool], kind: int) -> None:
    with Headless(*sides, kind) as line:
        for device, headless in zip((line.lan, line.wan), sides, strict=True):
            fresh.attach(line.relay, device, TC, 0 if headless else 14)
        places = [
            Place(node, link_size=0 if headless else 14)
            for node, headless in zip((line.client, line.peer), sides, strict=True)
        ]
        assert_all_carried(fresh, line, *places)


@pytest.mark.parametrize("sides", [(False, True)], ids=["WAN"])
def test_xdp_before_a_device_without_ethernet_header(fresh: Kernel, sides: tuple[bool, bool]) -> None:
    """XDP can't send there: tc carries."""
    with Headless(*sides, PPP) as line:
        fresh.attach_all(line.relay, [line.lan], XDP)
        fresh.attach(line.relay, line.wan, TC, 0)
        assert_all_carried(fresh, line, Place(line.client), Place(line.peer, link_size=0))
        assert "carried" not in fresh.outcomes(XDP)


# Sums over whole packets.


@pytest.mark.parametrize("pair", PAIRS)
def test_the_sum_over_a_packet_stays_right(fresh: Kernel, pair: str) -> None:
    with without("VXLAN devices (CONFIG_VXLAN)"), Summed() as line:
        fresh.attach_all(line.relay, [line.lan, line.wan], TC)
        binding = binding_of(*PAIRS[pair])
        fresh.bind(binding)
        reader = SumReader(line.peer, "uplink")
        with Ends(binding, Place(line.client), line.relay, Place(line.peer)) as ends:
            for length in LENGTHS:
                packet = ends.assert_carried(UP, RANDOM.randbytes(length)).packet
                assert reader.last() == fold(packet.ip()), length
                ends.assert_carried(DOWN, RANDOM.randbytes(length))
        reader.close()


# Two WANs.


@pytest.fixture(scope="module")
def wans(bpf_folder: Path) -> Iterator[TwoWans]:
    with TwoWans() as made:
        yield made


@pytest.mark.parametrize("kind", [TC, XDP])
@pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])
def test_rules_by_source_address_decide_between_two_wans(wans: TwoWans, fresh: Kernel, kind: str, family: int) -> None:
    fresh.attach_all(wans.relay, [wans.lan, *wans.wans], kind)
    for at in (0, 1):
        wans.rule(at, family, "add")
    try:
        for at in (0, 1):
            binding = wans.binding(at, family)
            fresh.bind(binding)
            other = replace(binding, peer=(binding.peer[0], binding.peer[1] + 1))
            with (
                Ends(binding, Place(wans.client), wans.relay, Place(wans.providers[at])) as ends,
                Tap(wans.providers[1 - at], "uplink") as tap,
            ):
                ends.assert_carried(UP, DATA)
                ends.assert_carried(DOWN, DATA)
                assert tap.waiting() == [], other
    finally:
        for at in (0, 1):
            wans.rule(at, family, "delete")
    assert fresh.outcomes(kind) == {"carried": 4}


@pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])
def test_a_route_that_goes_is_followed(wans: TwoWans, fresh: Kernel, family: int) -> None:
    """Of two default routes the better one is taken, and when it goes, the other one within a second."""
    fresh.attach_all(wans.relay, [wans.lan, *wans.wans], TC)
    binding = wans.binding(0, family)
    fresh.bind(binding)
    gateway = ("default", "via", wans.sides[0].address(family, HOST), "dev", wans.wans[0], "metric", "100")
    with (
        Ends(binding, Place(wans.client), wans.relay, Place(wans.providers[0])) as ends,
        wans.providers[1].udp(binding.peer) as other,
    ):
        ends.assert_carried(UP, DATA)
        wans.relay.ip("route", "delete", *gateway)
        try:
            until(lambda: sent_to(ends, other), "the other way is taken")
        finally:
            wans.relay.ip("route", "add", *gateway)
        assert waiting(ends.listener) == []


def sent_to(ends: Ends, peer: socket.socket) -> bool:
    """Send a packet, and tell whether a peer has one."""
    ends.send(UP, ends.binding.message(DATA))
    return bool(waiting(peer))


# The line, with more on it.


@pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])
def test_a_client_of_the_lan_uses_the_address_of_the_wan(line: Line, kernel: Kernel, hook: str, family: int) -> None:
    inside = binding_of(family, family)
    binding = replace(inside, listener=(PEERS.address(family, ROUTER), inside.listener[1]))
    kernel.bind(binding)
    with Ends(binding, Place(line.client), line.relay, Place(line.peer)) as ends:
        for up in (UP, DOWN):
            assert kernel.count(lambda: ends.assert_carried(up, DATA), hook) == {"carried": 1}  # noqa: B023


@pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])
def test_a_peer_of_the_lan(line: Line, kernel: Kernel, hook: str, family: int) -> None:
    """Client and peer are the same host: in by one interface, and out by it."""
    inside = binding_of(family, family)
    binding = replace(inside, peer=(CLIENTS.address(family, HOST), inside.peer[1]))
    kernel.bind(binding)
    with Ends(binding, Place(line.client), line.relay, Place(line.client)) as ends:
        for up, sock in ((UP, ends.peer), (DOWN, ends.client)):
            ends.send(up, ends.way(up).datagram(DATA))
            source = binding.relayed if up else binding.listener
            assert received(sock) == (ends.way(up).delivered(DATA), source)


SEGMENT, SEGMENTS = 200, 10
UDP_SEGMENT = 103
GRO = {"off": ("", "carried", SEGMENTS), "a list": ("rx-gro-list", "segments", 1),
       "a super-packet": ("rx-udp-gro-forwarding", "segments", 1)}  # fmt: skip


ONLY_TC = pytest.mark.parametrize("hook", [TC], indirect=True)


@ONLY_TC
@pytest.mark.parametrize("how", GRO)
def test_gro_of_bursts(line: Line, kernel: Kernel, hook: str, how: str) -> None:
    """What GRO has put together goes up, and comes apart again at the router's own socket."""
    feature, outcome, packets = GRO[how]
    binding = binding_of(4, 4)
    kernel.bind(binding)
    with burst_sender(line, feature), Ends(binding, Place(line.client), line.relay, Place(line.peer)) as ends:
        segments = [binding.message(bytes([at]) * (SEGMENT - 4)) for at in range(SEGMENTS)]
        ends.client.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, SEGMENT)

        def send() -> None:
            ends.client.sendto(b"".join(segments), binding.listener)
            for segment in segments:
                if feature:
                    ends.assert_at_relay(UP, segment)
                else:
                    assert received(ends.peer) == (segment[4:], binding.relayed)

        assert kernel.count(send) == {outcome: packets}
        assert waiting(ends.peer) == waiting(ends.listener) == []


@contextmanager
def burst_sender(line: Line, feature: str) -> Iterator[None]:
    """Let the client's interface take super-packets apart, so that a burst arrives at once; the router's does GRO."""
    before = [
        (line.client, "uplink", "tx-udp-segmentation", line.client.feature("uplink", "tx-udp-segmentation", False)),
        (line.relay, line.lan, "rx-gro", line.relay.feature(line.lan, "rx-gro", True)),
    ]
    if feature:
        before.append((line.relay, line.lan, feature, line.relay.feature(line.lan, feature, True)))
    try:
        yield
    finally:
        for node, device, name, on in reversed(before):
            node.feature(device, name, on)


@ONLY_TC
def test_a_shaping_qdisc_still_shapes(line: Line, kernel: Kernel, hook: str) -> None:
    """What tc sends passes the egress's qdisc: it counts our packets, and drops what is too much."""
    binding = binding_of(4, 4)
    kernel.bind(binding)
    line.relay.tc("qdisc", "add", "dev", line.wan, "root", "tbf", "rate", "8kbit", "burst", "1600", "limit", "3000")
    try:
        with Ends(binding, Place(line.client), line.relay, Place(line.peer)) as ends:
            assert kernel.count(lambda: send_ten(ends)) == {"carried": 10}
            told = json.loads(line.relay.tc("-json", "-statistics", "qdisc", "show", "dev", line.wan, "root"))[0]
            assert told["packets"] + told["qlen"] + told["drops"] >= 10, told
            assert told["packets"] >= 1 and told["qlen"] >= 1 and told["drops"] >= 5, told
            assert received(ends.peer) == (bytes(1000), binding.relayed)
    finally:
        line.relay.tc("qdisc", "delete", "dev", line.wan, "root")


def send_ten(ends: Ends) -> None:
    for _ in range(10):
        ends.send(UP, ends.binding.message(bytes(1000)))


FIREWALL = """
table inet strict {
    chain early { type filter hook prerouting priority raw; policy accept; ct state invalid counter drop; }
    chain input { type filter hook input priority filter; policy drop; ct state established,related accept; }
    chain forward { type filter hook forward priority filter; policy drop; ct state established,related accept; }
    chain output { type filter hook output priority filter; policy drop; ct state established,related accept; }
}
"""


def test_a_firewall_that_forwards_nothing(line: Line, kernel: Kernel, hook: str) -> None:
    """The relayed packets pass by conntrack and by the policy; what is forwarded the ordinary way doesn't."""
    binding = binding_of(4, 4)
    kernel.bind(binding)
    line.relay.nft(FIREWALL)
    try:
        with Ends(binding, Place(line.client), line.relay, Place(line.peer)) as ends:
            ends.client.sendto(DATA, binding.peer)
            ends.assert_carried(UP, DATA)
            ends.assert_carried(DOWN, DATA)
            ends.assert_silent()
    finally:
        line.relay.nft("delete table inet strict")
