"""
Whatever the program isn't sure of goes up as it came: the router's own socket receives it, and one outcome counts it.

    client ──── router ──── peer        tests/kernel/lab/topology.py: Line

What no socket takes (truncated frames, tags, other protocols) is looked for behind the program: a packet socket for one
protocol is served after XDP and tc, unlike a tap.
"""

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from struct import pack
from typing import NamedTuple

import pytest

from edgeturn import seam
from tests.blackbox.relay import until
from tests.kernel.lab.checks import UNCHECKED, Ends, Marks, Place, Way, received, waiting
from tests.kernel.lab.kernel import CHANNEL, TC, XDP, Kernel, added, binding_of
from tests.kernel.lab.packets import IPV4, IPV6, MTU, Packet, ether, fold
from tests.kernel.lab.topology import Line, forward, know

DATA = b"a hundred years of wireless"
FROM_CLIENT, FROM_PEER = True, False
STUN = bytes.fromhex("000100002112a442") + b"transaction!"
SEGMENT, SEGMENTS = 100, 5
UDP_SEGMENT = 103
IPV6_DESTINATION_OPTIONS = 59
BOTH_FAMILIES = pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])


@pytest.fixture
def ends(request: pytest.FixtureRequest, line: Line, kernel: Kernel) -> Iterator[Ends]:
    """A binding of the family that the test takes as its parameter, IPv4 without one."""
    family = request.node.callspec.params.get("family", 4)
    binding = binding_of(family, family)
    kernel.bind(binding)
    with Ends(binding, Place(line.client), line.relay, Place(line.peer)) as made:
        yield made


def assert_counted(kernel: Kernel, hook: str, outcome: str, action: Callable[[], object], packets: int = 1) -> None:
    """An action's packets come out so at the hook in question, and none is carried at any."""
    before = kernel.outcomes(TC), kernel.outcomes(XDP)
    action()
    at = {TC: added(before[0], kernel.outcomes(TC)), XDP: added(before[1], kernel.outcomes(XDP))}
    assert at[hook] == ({outcome: packets} if outcome else {}), at
    assert "carried" not in at[TC], at


def channel_data(channel: int, length: int, data: bytes) -> bytes:
    """Return ChannelData with a length that may be a lie."""
    return pack("!HH", channel, length) + data


UNSURE = {
    "padded ChannelData": (FROM_CLIENT, channel_data(CHANNEL, 3, b"abc\0"), "length"),
    "a length larger than the datagram": (FROM_CLIENT, channel_data(CHANNEL, 5, b"abcd"), "length"),
    "a length smaller than the datagram": (FROM_CLIENT, channel_data(CHANNEL, 4, b"abcdefgh"), "length"),
    "a length of 65535": (FROM_CLIENT, channel_data(CHANNEL, 65535, b"abcd"), "length"),
    "an unbound channel": (FROM_CLIENT, channel_data(CHANNEL + 1, 4, b"abcd"), "no_flow"),
    "a channel below the range": (FROM_CLIENT, channel_data(0x3FFF, 4, b"abcd"), "no_flow"),
    "a channel above the range": (FROM_CLIENT, channel_data(0x8000, 4, b"abcd"), "no_flow"),
    "a datagram of 3 bytes": (FROM_CLIENT, b"\x40\x01\0", "no_flow"),
    "an empty datagram": (FROM_CLIENT, b"", "no_flow"),
    "STUN": (FROM_CLIENT, STUN, "no_flow"),
}


@BOTH_FAMILIES
@pytest.mark.parametrize("what", UNSURE)
def test_what_a_client_says_may_be_nothing_for_the_kernel(
    kernel: Kernel, hook: str, ends: Ends, family: int, what: str
) -> None:
    up, datagram, outcome = UNSURE[what]
    assert_counted(kernel, hook, outcome, lambda: ends.assert_passed(up, datagram))
    ends.assert_silent()


@BOTH_FAMILIES
@pytest.mark.parametrize("up", [FROM_CLIENT, FROM_PEER], ids=["client", "peer"])
def test_the_last_hop(kernel: Kernel, hook: str, ends: Ends, family: int, up: bool) -> None:
    datagram = ends.way(up).datagram(DATA)
    assert_counted(kernel, hook, "hops", lambda: ends.assert_passed(up, datagram, Marks(hops=1)))
    ends.assert_silent()


@BOTH_FAMILIES
@pytest.mark.parametrize("up", [FROM_CLIENT, FROM_PEER], ids=["client", "peer"])
def test_somebody_else_at_the_same_address(
    line: Line, kernel: Kernel, hook: str, ends: Ends, family: int, up: bool
) -> None:
    way = ends.way(up)
    here, node = (ends.binding.client, line.client) if up else (ends.binding.peer, line.peer)
    there, router = (ends.binding.listener, ends.listener) if up else (ends.binding.relayed, ends.relayed)
    with node.udp((here[0], here[1] + 1)) as other:

        def send() -> None:
            other.sendto(way.datagram(DATA), there)
            assert received(router) == (way.datagram(DATA), (here[0], here[1] + 1))

        assert_counted(kernel, hook, "no_flow", send)
    ends.assert_silent()


@BOTH_FAMILIES
@pytest.mark.parametrize("up", [FROM_CLIENT, FROM_PEER], ids=["client", "peer"])
def test_a_fragmented_datagram(kernel: Kernel, hook: str, ends: Ends, family: int, up: bool) -> None:
    datagram = ends.way(up).datagram(bytes(range(256)) * 8)
    assert_counted(kernel, hook, "fragment", lambda: ends.assert_passed(up, datagram))
    assert waiting(ends.client) == waiting(ends.peer) == []


def test_ipv4_options(kernel: Kernel, hook: str, ends: Ends) -> None:
    ends.client.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, b"\x01\x01\x01\x00")
    datagram = ends.way(FROM_CLIENT).datagram(DATA)

    def send() -> None:
        ends.client.sendto(datagram, ends.binding.listener)
        ends.assert_at_relay(FROM_CLIENT, datagram)

    assert_counted(kernel, hook, "options", send)
    assert waiting(ends.peer) == []


@pytest.mark.parametrize("family", [6], ids=["IPv6"])
def test_an_ipv6_extension_header(kernel: Kernel, hook: str, ends: Ends, family: int) -> None:
    padding = bytes([0, 0, 1, 4, 0, 0, 0, 0])
    ends.client.setsockopt(socket.IPPROTO_IPV6, IPV6_DESTINATION_OPTIONS, padding)
    datagram = ends.way(FROM_CLIENT).datagram(DATA)

    def send() -> None:
        ends.client.sendto(datagram, ends.binding.listener)
        ends.assert_at_relay(FROM_CLIENT, datagram)

    assert_counted(kernel, hook, "options", send)
    assert waiting(ends.peer) == []


@pytest.mark.parametrize("family", [6], ids=["IPv6"])
@pytest.mark.parametrize("up", [FROM_CLIENT, FROM_PEER], ids=["client", "peer"])
def test_udp_over_ipv6_without_checksum(kernel: Kernel, hook: str, ends: Ends, family: int, up: bool) -> None:
    datagram = ends.way(up).datagram(DATA)
    assert_counted(kernel, hook, "checksum", lambda: passed_without_checksum(ends, up, datagram))


def passed_without_checksum(ends: Ends, up: bool, datagram: bytes) -> None:
    """Send a datagram without checksum, which the tap can't call right over IPv6, and see it at the router."""
    ends.send(up, datagram, UNCHECKED)
    ends.assert_at_relay(up, datagram)


def test_a_missing_checksum_that_ipv6_would_need(line: Line, kernel: Kernel, hook: str) -> None:
    for binding, up in ((binding_of(4, 6), FROM_CLIENT), (binding_of(6, 4), FROM_PEER)):
        kernel.bind(binding)
        with Ends(binding, Place(line.client), line.relay, Place(line.peer)) as ends:
            datagram = ends.way(up).datagram(DATA)
            assert_counted(kernel, hook, "checksum", lambda: passed_without_checksum(ends, up, datagram))  # noqa: B023
            ends.assert_silent()


@pytest.mark.parametrize("pair", [(4, 4), (6, 6), (4, 6), (6, 4)], ids=["44", "66", "46", "64"])
def test_one_byte_too_many_for_the_way_out(line: Line, kernel: Kernel, hook: str, pair: tuple[int, int]) -> None:
    binding = binding_of(*pair)
    kernel.bind(binding)
    with Ends(binding, Place(line.client), line.relay, Place(line.peer)) as ends:
        for up in (FROM_CLIENT, FROM_PEER):
            way = ends.way(up)
            data = bytes(way.largest + 1)
            if way.sent[1] + len(data) > MTU:
                continue  # it doesn't fit on the way in either, which is a test of its own
            for _ in range(2):  # without a known route, and with one
                assert_counted(kernel, hook, "mtu", lambda: ends.assert_passed(up, way.datagram(data)))  # noqa: B023
                ends.assert_carried(up, data[1:])
        ends.assert_silent()


@BOTH_FAMILIES
def test_a_super_packet(line: Line, kernel: Kernel, hook: str, ends: Ends, family: int) -> None:
    """A local sender's super-packet goes up whole; a veth with XDP makes single packets of it before."""
    segments = [ends.binding.message(bytes([at]) * (SEGMENT - 4)) for at in range(SEGMENTS)]

    def send() -> None:
        ends.client.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, SEGMENT)
        ends.client.sendto(b"".join(segments), ends.binding.listener)

        for segment in segments:
            if hook == TC:
                ends.assert_at_relay(FROM_CLIENT, segment)
            else:
                assert received(ends.peer) == (segment[4:], ends.binding.relayed)

    counted = kernel.count(send, hook)
    assert counted == ({"segments": 1} if hook == TC else {"carried": SEGMENTS})
    assert waiting(ends.peer) == waiting(ends.listener) == []


@BOTH_FAMILIES
@pytest.mark.parametrize("up", [FROM_CLIENT, FROM_PEER], ids=["client", "peer"])
def test_an_expired_flow(line: Line, kernel: Kernel, hook: str, family: int, up: bool) -> None:
    binding = binding_of(family, family)
    kernel.bind(binding, expires=seam.clock())
    with Ends(binding, Place(line.client), line.relay, Place(line.peer)) as ends:
        datagram = ends.way(up).datagram(DATA)
        assert_counted(kernel, hook, "expired", lambda: ends.assert_passed(up, datagram))
        ends.assert_silent()


@BOTH_FAMILIES
def test_forwarding_is_off(line: Line, kernel: Kernel, hook: str, ends: Ends, family: int) -> None:
    forward(line.relay, False)
    try:
        for up in (FROM_CLIENT, FROM_PEER):
            datagram = ends.way(up).datagram(DATA)
            assert_counted(kernel, hook, "forwarding", lambda: ends.assert_passed(up, datagram))  # noqa: B023
    finally:
        forward(line.relay, True)
    ends.assert_silent()


@BOTH_FAMILIES
def test_no_route(line: Line, kernel: Kernel, hook: str, family: int) -> None:
    nowhere = {4: "203.0.113.9", 6: "2001:db8:ffff::9"}[family]
    reachable = binding_of(family, family)
    binding = replace(reachable, peer=(nowhere, reachable.peer[1]))
    kernel.bind(binding)
    with line.client.udp(binding.client) as client, line.relay.udp(binding.listener) as listener:

        def send() -> None:
            client.sendto(binding.message(DATA), binding.listener)
            assert received(listener) == (binding.message(DATA), binding.client)

        assert_counted(kernel, hook, "route", send)


@BOTH_FAMILIES
def test_a_next_hop_that_nobody_knows_yet(line: Line, kernel: Kernel, hook: str, ends: Ends, family: int) -> None:
    """tc lets the kernel ask for the neighbour, and no packet is lost; XDP leaves it to tc until it's known."""
    before = kernel.outcomes(XDP)
    line.relay.ip("neighbour", "delete", ends.binding.peer[0], "dev", line.wan)
    try:
        ends.assert_carried(FROM_CLIENT, DATA)
        if hook == XDP:
            assert added(before, kernel.outcomes(XDP)) == {"neighbour": 1}
            until(lambda: kernel.count(lambda: ends.assert_carried(FROM_CLIENT, DATA), XDP) == {"carried": 1}, "learnt")
    finally:
        know(line.relay, line.wan, ends.binding.peer[0], line.peer.mac("uplink"))
    ends.assert_carried(FROM_CLIENT, DATA)
    ends.assert_silent()


# What no socket takes: whole frames, seen behind the program.

OTHER_KIND = 0x88B6
BROADCAST, GROUP, SOMEBODY = "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "02:00:00:00:00:99"


class Frame(NamedTuple):
    """A frame that isn't carried: what is behind its Ethernet header, and how it is counted."""

    data: bytes
    outcome: str = ""
    kind: int = IPV4
    to: str = ""  # the router, unless it's somebody else
    up: bool = FROM_CLIENT


def lie(packet: Packet, at: int, value: int) -> bytes:
    """Return an IPv4 packet with one byte of its header changed, and the header's checksum right again."""
    data = bytearray(packet.ip())
    data[at] = value
    data[10:12] = b"\0\0"
    data[10:12] = pack("!H", ~fold(bytes(data[:20])) & 0xFFFF)
    return bytes(data)


def odd_frames(four: Packet, six: Packet, down: Packet) -> dict[str, Frame]:
    """Return what packets that would be carried become by one change each; down: a peer's."""
    size = len(four.udp())
    return {
        "another EtherType": Frame(four.ip(), kind=OTHER_KIND),
        "IPv6 that calls itself IPv4": Frame(six.ip()),
        "IPv4 that calls itself IPv6": Frame(four.ip(), kind=IPV6),
        "to all": Frame(four.ip(), to=BROADCAST),
        "to a group": Frame(four.ip(), to=GROUP),
        "cut off in the data": Frame(four.ip()[:-3], "length"),
        "cut off behind the UDP header": Frame(four.ip()[:28], "no_flow"),
        "cut off in the UDP header": Frame(four.ip()[:27]),
        "cut off in the IP header": Frame(four.ip()[:19]),
        "one byte": Frame(four.ip()[:1]),
        "IPv6, cut off in the data": Frame(six.ip()[:-3], "length", IPV6),
        "IPv6, cut off in the UDP header": Frame(six.ip()[:47], kind=IPV6),
        "IPv6, cut off in the IP header": Frame(six.ip()[:39], kind=IPV6),
        "filled up to what Ethernet wants": Frame(four.ip() + bytes(6), "length"),
        "IPv6, filled up": Frame(six.ip() + bytes(6), "length", IPV6),
        "UDP length too large": Frame(four.ip(four.udp(size=size + 1)), "length"),
        "UDP length too small": Frame(four.ip(four.udp(size=size - 1)), "length"),
        "UDP length below the header's": Frame(four.ip(four.udp(size=7)), "length"),
        "UDP length 0": Frame(four.ip(four.udp(size=0)), "length"),
        "IPv6, UDP length 0": Frame(six.ip(six.udp(size=0)), "length", IPV6),
        "a peer's, UDP length too large": Frame(down.ip(down.udp(size=len(down.udp()) + 1)), "length", up=FROM_PEER),
        "a peer's, UDP length too small": Frame(down.ip(down.udp(size=len(down.udp()) - 1)), "length", up=FROM_PEER),
        "a peer's, UDP length 0": Frame(down.ip(down.udp(size=0)), "length", up=FROM_PEER),
        "a peer's, cut off in the data": Frame(down.ip()[:-3], "length", up=FROM_PEER),
        "a peer's, filled up": Frame(down.ip() + bytes(6), "length", up=FROM_PEER),
        "version 5": Frame(lie(four, 0, 0x55)),
        "IPv6, version 5": Frame(b"\x50" + six.ip()[1:], kind=IPV6),
        "a header of 16 bytes": Frame(lie(four, 0, 0x44)),
        "TCP": Frame(lie(four, 9, 6)),
        "a first fragment": Frame(lie(four, 6, 0x20), "fragment"),
        "a later fragment": Frame(lie(four, 7, 0x08)),
        "tagged for a VLAN": Frame(pack("!HH", 7, IPV4) + four.ip(), kind=0x8100),
        "tagged with a priority": Frame(pack("!HH", 0x6000, IPV4) + four.ip(), kind=0x8100),
        "tagged twice": Frame(pack("!HHHH", 7, 0x8100, 8, IPV4) + four.ip(), kind=0x88A8),
    }


NOBODY = Packet(("0.0.0.0", 0), ("0.0.0.0", 0), b"")
NAMES = list(odd_frames(NOBODY, Packet(("::", 0), ("::", 0), b""), NOBODY))


@pytest.mark.parametrize("what", NAMES)
def test_a_frame_that_the_program_does_not_touch(line: Line, kernel: Kernel, hook: str, what: str) -> None:
    four, six = (binding_of(family, family) for family in (4, 6))
    kernel.bind(four)
    kernel.bind(six)
    packets = Way(four, FROM_CLIENT).before(DATA), Way(six, FROM_CLIENT).before(DATA), Way(four, FROM_PEER).before(DATA)
    frame = odd_frames(*packets)[what]
    node, device = (line.client, line.lan) if frame.up else (line.peer, line.wan)
    to, source = frame.to or line.relay.mac(device), node.mac("uplink")
    kind, data = frame.kind, frame.data
    if kind in (0x8100, 0x88A8):  # behind the program the outer tag is off
        kind, data = int.from_bytes(data[2:4], "big"), data[4:]
    with node.packet("uplink", 0) as sender, line.relay.packet(device, kind) as receiver:

        def send() -> None:
            sender.send(ether(to, source, frame.data, frame.kind))
            assert received(receiver)[0] == ether(to, source, data, kind)

        assert_counted(kernel, hook, frame.outcome, send)


@pytest.mark.parametrize("hook", [TC], indirect=True)
def test_a_frame_to_somebody_else(line: Line, kernel: Kernel, hook: str) -> None:
    """XDP can't tell: it doesn't know whose addresses the interface takes."""
    way = Way(binding_of(4, 4), FROM_CLIENT)
    kernel.bind(way.binding)
    frame = ether(SOMEBODY, line.client.mac("uplink"), way.before(DATA).ip())
    with line.client.packet("uplink", 0) as sender, line.relay.packet(line.lan, IPV4) as receiver:

        def send() -> None:
            sender.send(frame)
            assert received(receiver)[0] == frame

        assert_counted(kernel, hook, "", send)


@pytest.mark.parametrize("pair", [(4, 4), (6, 6), (4, 6), (6, 4)], ids=["44", "66", "46", "64"])
def test_a_damaged_packet_stays_damaged(line: Line, kernel: Kernel, hook: str, pair: tuple[int, int]) -> None:
    """It goes on as it was, so that its receiver drops it, as without a relay."""
    binding = binding_of(*pair)
    kernel.bind(binding)
    with (
        Ends(binding, Place(line.client), line.relay, Place(line.peer)) as ends,
        line.client.packet("uplink", 0) as sender,
    ):
        packet = ends.way(FROM_CLIENT).before(DATA)
        right = int.from_bytes(packet.udp()[6:8], "big")
        damaged = packet.ip(packet.udp(checksum=right ^ 0x0100))
        frame = ether(line.relay.mac(line.lan), line.client.mac("uplink"), damaged)
        assert kernel.count(lambda: sender.send(frame), hook) == {"carried": 1}
        with pytest.raises(AssertionError, match="UDP checksum"):
            ends.taps[FROM_PEER].next()
        assert waiting(ends.peer) == []
