"""The IP layer around the relayed packet: DF, DSCP, ECN and TTL, large datagrams, ICMP errors (RFC 8656 §14, §11.5)."""

import socket
from pathlib import Path

import pytest

from edgeturn.protocol import stun
from tests.blackbox.capture import Capture
from tests.blackbox.client import CHANNEL, DONT_FRAGMENT, WANT_IPV4, WANT_IPV6
from tests.blackbox.conftest import NewClient, NewPeer
from tests.blackbox.relay import HOST, HOST6, Relay

# Port unreachable, as the datagram's sender is told: type and code by the peer's address.
UNREACHABLE = {HOST: (3, 3), HOST6: (1, 4)}
EXPEDITED, ECN_CAPABLE = 46 << 2, 2  # RFC 3246, RFC 3168
UDP_LARGEST = 65507  # what an IPv4 datagram holds
LARGEST = UDP_LARGEST - 4  # what passes by a channel
WANTED = {HOST: WANT_IPV4, HOST6: WANT_IPV6}


def test_df_is_set_where_asked_for_and_nowhere_else(relay: Relay, new_client: NewClient, new_peer: NewPeer) -> None:
    client, peer = new_client(relay), new_peer()
    relayed = client.allocate().relayed[0]
    assert client.bind(CHANNEL, peer.address) == 0
    with Capture() as capture:
        client.send(peer.address, b"before")
        client.send(peer.address, b"unfragmented", DONT_FRAGMENT)
        client.send(peer.address, b"after")
        client.channel(CHANNEL, b"by channel")
        peer.send(relayed, b"down")
        assert [peer.receive()[0] for _ in range(4)] == [b"before", b"unfragmented", b"after", b"by channel"]
        client.receive()
        flags = {data: capture.find(data) for data in (b"before", b"unfragmented", b"after", b"by channel")}
    assert {packet.source for packet in flags.values()} == {relayed}
    assert [data for data, packet in flags.items() if packet.df] == [b"unfragmented"]


def test_rfc8656_14_dscp_ecn_and_ttl_are_those_of_a_new_packet(
    relay: Relay, new_client: NewClient, new_peer: NewPeer
) -> None:
    client, peer = new_client(relay), new_peer()
    relayed = client.allocate().relayed[0]
    assert client.bind(CHANNEL, peer.address) == 0
    for socket_in in (client.sock, peer.sock):
        socket_in.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, EXPEDITED | ECN_CAPABLE)
        socket_in.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 7)
    with Capture() as capture:
        client.channel(CHANNEL, b"up")
        peer.send(relayed, b"down")
        assert peer.receive()[0] == b"up" and client.receive().data == b"down"
        sent, received = capture.find(by_channel(b"up")), capture.find(b"down")
        relayed_up, relayed_down = capture.find(b"up"), capture.find(by_channel(b"down"))
    assert (sent.tos, sent.ttl) == (received.tos, received.ttl) == (EXPEDITED | ECN_CAPABLE, 7)
    assert (relayed_up.tos, relayed_up.ttl) == (relayed_down.tos, relayed_down.ttl) == (0, default_ttl())


def by_channel(data: bytes) -> bytes:
    """Return data as a ChannelData message (RFC 8656 §12.4)."""
    return CHANNEL.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data


def default_ttl() -> int:
    return int(Path("/proc/sys/net/ipv4/ip_default_ttl").read_text())


def test_df_is_ignored_for_ipv6_peers(relay: Relay, new_client: NewClient, new_peer: NewPeer) -> None:
    client, peer = new_client(relay), new_peer(HOST6)
    relayed = client.allocate(WANT_IPV6).relayed[0]
    assert client.permit(peer.address) == 0
    client.send(peer.address, b"asked for in vain", DONT_FRAGMENT)
    assert peer.receive() == (b"asked for in vain", relayed)


def test_what_is_too_large_is_dropped_and_the_next_one_passes(
    relay: Relay, new_client: NewClient, new_peer: NewPeer
) -> None:
    client, peer = new_client(relay), new_peer()
    relayed = client.allocate().relayed[0]
    assert client.permit(peer.address) == 0
    peer.send(relayed, bytes(UDP_LARGEST))  # as a Data indication larger than a datagram
    peer.send(relayed, b"next")
    assert client.receive().data == b"next"
    client.send(peer.address, bytes(LARGEST - 100))
    assert len(peer.receive()[0]) == LARGEST - 100
    assert client.bind(CHANNEL, peer.address) == 0
    peer.send(relayed, bytes(LARGEST))
    assert len(client.receive().data) == LARGEST
    peer.send(relayed, bytes(LARGEST + 1))
    peer.send(relayed, b"last")
    assert client.receive().data == b"last"


@pytest.mark.parametrize("host", [HOST, HOST6])
def test_icmp_errors_reach_the_client(
    relay: Relay, new_client: NewClient, new_peer: NewPeer, interpreter: list[str], host: str
) -> None:
    if "micropython" in interpreter[0]:  # our firmware isn't called so, and reads them
        pytest.skip("seam.ERROR_QUEUE")
    client, peer = new_client(relay), new_peer(host)
    client.allocate(WANTED[host])
    assert client.permit(peer.address) == 0
    peer.close()
    client.send(peer.address, b"to a closed port")
    got = client.receive()
    assert (got.peer, got.icmp, got.data) == (peer.address, UNREACHABLE[host], b"")


@pytest.mark.parametrize("host", [HOST, HOST6])
def test_icmp_errors_cost_no_other_packet(relay: Relay, new_client: NewClient, new_peer: NewPeer, host: str) -> None:
    """With an error queue a send may fail for an earlier one; without it nothing is seen of them."""
    client, closed, peer = new_client(relay), new_peer(host), new_peer(host)
    relayed = client.allocate(WANTED[host]).relayed[0]
    assert client.permit(peer.address) == 0
    gone = closed.address
    closed.close()
    for number in range(20):
        client.send(gone, b"to a closed port")
        client.send(peer.address, number.to_bytes(1, "big"))
    assert [peer.receive() for _ in range(20)] == [(number.to_bytes(1, "big"), relayed) for number in range(20)]
    assert relay.status()["unsent_packets"] == 0


def test_a_datagram_larger_than_a_message_can_say_is_dropped(relay: Relay, new_client: NewClient) -> None:
    client = new_client(relay)
    client.sock.send(b"\x00\x01" + bytes(65000))
    client.sock.send(stun.COOKIE)
    assert client.binding().mapped == client.address
