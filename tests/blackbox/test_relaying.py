"""Data on its way through the relay: indications and channels, both families, relay to relay, behind a NAT."""

import pytest

from edgeturn.protocol import stun
from tests.blackbox.client import CHANNEL, EVEN, EVEN_AND_NEXT, WANT_BOTH, WANT_IPV4, WANT_IPV6, Client, Peer
from tests.blackbox.conftest import NewClient, NewPeer, StartRelay
from tests.blackbox.relay import HOST, HOST6, Address, Relay, until

# Where the client talks to the relay, and where the peer lives.
FAMILIES = [(HOST, HOST), (HOST6, HOST6), (HOST, HOST6), (HOST6, HOST)]
WANTED = {HOST: WANT_IPV4, HOST6: WANT_IPV6}
SIZES = (0, 1, 2, 3, 4, 1200, 1900)


def payload(size: int) -> bytes:
    return bytes(number % 251 for number in range(size))


def echo_by_indication(client: Client, peer: Peer, relayed: Address, data: bytes) -> None:
    client.send(peer.address, data)
    assert peer.receive() == (data, relayed)
    peer.send(relayed, data + b"down")
    got = client.receive()
    assert (got.peer, got.data) == (peer.address, data + b"down")


def echo_by_channel(client: Client, peer: Peer, relayed: Address, data: bytes) -> None:
    client.channel(CHANNEL, data)
    assert peer.receive() == (data, relayed)
    peer.send(relayed, data + b"down")
    got = client.receive()
    assert (got.channel, got.data) == (CHANNEL, data + b"down")


@pytest.mark.parametrize("at", [HOST, HOST6])
def test_binding_tells_the_source(relay: Relay, new_client: NewClient, at: str) -> None:
    client = new_client(relay, at=at)
    assert client.binding().mapped == client.address


@pytest.mark.parametrize(("at", "host"), FAMILIES)
def test_send_and_data_indications(relay: Relay, new_client: NewClient, new_peer: NewPeer, at: str, host: str) -> None:
    client, peer = new_client(relay, at=at), new_peer(host)
    answer = client.allocate(WANTED[host])
    assert answer.relayed[0][0] == host and answer.mapped == client.address
    assert client.permit(peer.address) == 0
    for size in SIZES:
        echo_by_indication(client, peer, answer.relayed[0], payload(size))


@pytest.mark.parametrize(("at", "host"), FAMILIES)
def test_channel_data(relay: Relay, new_client: NewClient, new_peer: NewPeer, at: str, host: str) -> None:
    client, peer = new_client(relay, at=at), new_peer(host)
    relayed = client.allocate(WANTED[host]).relayed[0]
    assert client.bind(CHANNEL, peer.address) == 0
    for size in SIZES:
        echo_by_channel(client, peer, relayed, payload(size))


def test_both_families_in_one_allocation(relay: Relay, new_client: NewClient, new_peer: NewPeer) -> None:
    client = new_client(relay)
    relayed = client.allocate(WANT_BOTH).relayed
    assert [address[0] for address in relayed] == [HOST, HOST6]
    for place, host in zip(relayed, (HOST, HOST6), strict=True):
        peer = new_peer(host)
        assert client.permit(peer.address) == 0
        echo_by_indication(client, peer, place, b"dual")


@pytest.mark.parametrize("host", [HOST, HOST6])
def test_a_peer_without_permission_is_not_heard(
    relay: Relay, new_client: NewClient, new_peer: NewPeer, host: str
) -> None:
    client, peer = new_client(relay), new_peer(host)
    relayed = client.allocate(WANTED[host]).relayed[0]
    client.send(peer.address, b"not permitted")
    peer.send(relayed, b"not permitted")
    until(lambda: relay.dropped("permission") == 2, "both are dropped")
    assert not peer.queued() and not client.waiting()


@pytest.mark.parametrize("host", [HOST, HOST6])
def test_two_clients_reach_each_other(start: StartRelay, new_client: NewClient, host: str) -> None:
    """Nothing is allowed by name here: relayed addresses of our own are open."""
    relay = start(allow_peer=[])
    alice, bob = new_client(relay), new_client(relay, "bob")
    places = [client.allocate(WANTED[host]).relayed[0] for client in (alice, bob)]
    assert alice.bind(CHANNEL, places[1]) == 0
    assert bob.permit(places[0]) == 0
    alice.channel(CHANNEL, b"from alice")
    got = bob.receive()
    assert (got.peer, got.data) == (places[0], b"from alice")
    bob.send(places[0], b"from bob")
    got = alice.receive()
    assert (got.channel, got.data) == (CHANNEL, b"from bob")


def test_ports_of_this_machine_that_are_no_relays_are_closed(
    start: StartRelay, new_client: NewClient, new_peer: NewPeer
) -> None:
    relay = start(allow_peer=[])
    client, peer = new_client(relay), new_peer()
    client.allocate()
    assert client.permit(peer.address) == 0  # a permission is for an address, and relayed addresses live on this one
    assert client.bind(CHANNEL, peer.address) == 403
    client.send(peer.address, b"to a service of this machine")
    until(lambda: relay.dropped("permission") == 1, "it is dropped")
    assert not peer.queued()


def test_external_address_is_announced_and_reached(start: StartRelay, new_client: NewClient) -> None:
    external = "203.0.113.5"
    relay = start(external_address=[f"{HOST}={external}"], allow_peer=[])
    alice, bob = new_client(relay), new_client(relay, "bob")
    places = [client.allocate().relayed[0] for client in (alice, bob)]
    assert [host for host, _ in places] == [external, external]
    assert alice.permit(places[1]) == 0 and bob.permit(places[0]) == 0
    alice.send(places[1], b"by the external address")
    got = bob.receive()
    assert (got.peer, got.data) == (places[0], b"by the external address")


def test_even_port_and_reservation(relay: Relay, new_client: NewClient, new_peer: NewPeer) -> None:
    assert new_client(relay).allocate(EVEN).relayed[0][1] % 2 == 0
    first, second, peer = new_client(relay), new_client(relay), new_peer()
    answer = first.allocate(EVEN_AND_NEXT)
    token = answer.message.attributes[stun.RESERVATION_TOKEN]
    even = answer.relayed[0]
    assert even[1] % 2 == 0
    odd = second.allocate((stun.RESERVATION_TOKEN, token)).relayed[0]
    assert odd == (even[0], even[1] + 1)
    assert second.permit(peer.address) == 0
    echo_by_indication(second, peer, odd, b"on the reserved port")


def test_data_channels_keep_their_order_under_load(relay: Relay, new_client: NewClient, new_peer: NewPeer) -> None:
    client, peer = new_client(relay), new_peer()
    relayed = client.allocate().relayed[0]
    assert client.bind(CHANNEL, peer.address) == 0
    sent = [number.to_bytes(4, "big") for number in range(100)]
    for data in sent:
        client.channel(CHANNEL, data)
    assert [peer.receive() for _ in sent] == [(data, relayed) for data in sent]
    for data in sent:
        peer.send(relayed, data)
    assert [client.receive().data for _ in sent] == sent
