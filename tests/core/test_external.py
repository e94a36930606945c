"""Relay to relay, and the one-to-one NAT: what clients are told differs from what sockets are bound to.

alice ── listener ── relayed A ══ relayed B ── listener ── bob        A, B: 10.0.0.1 bound, 193.0.0.1 announced
"""

from edgeturn.protocol import stun
from edgeturn.protocol.address import format as as_text
from edgeturn.protocol.address import parse
from edgeturn.protocol.limits import HEADROOM
from tests.core.dialogue import BOUND_IPS, EVEN, PEER, RELAY_IPS, WANT_BOTH, WANT_IPV6, Answer, Server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.protocol.pool import Relay
    from tests.core.dialogue import Client, Packet


def two_clients(server: Server, *rows: "tuple[int, bytes | str]") -> "tuple[Client, str, Client, str]":
    """Return two clients of one relay, each with its relayed address."""
    alice, bob = server.client("alice"), server.client("bob", "1.1.1.2:1000")
    return alice, alice.relayed(*rows), bob, bob.relayed(*rows)


def carry(server: Server, packet: "Packet") -> "tuple[str, bytes] | None":
    """Carry a packet between two relays of the server, as the machine's own stack does; return who gets what."""
    source = server.relay_at(packet.relayed).address
    target = next(relay for relay in server.turn.pool.relays if relay.address == parse(packet.destination))
    buffer = memoryview(bytearray(bytes(HEADROOM) + packet.data + bytes(4)))
    sent = server.turn.peer(buffer, len(packet.data), target.index, source, server.now)
    return None if sent is None else (as_text(sent[1]), bytes(sent[2]))


def exchange_by_indications(server: Server, *rows: "tuple[int, bytes | str]") -> None:
    alice, relayed_a, bob, relayed_b = two_clients(server, *rows)
    assert [alice.permit(relayed_b), bob.permit(relayed_a)] == [0, 0]
    packet = alice.send(relayed_b, b"hello")
    assert packet is not None
    sent = carry(server, packet)
    assert sent is not None and sent[0] == "1.1.1.2:1000"
    answer = Answer(sent[1])
    assert answer.address(stun.XOR_PEER_ADDRESS) == relayed_a and answer.value(stun.DATA) == b"hello"


def exchange_by_channels(server: Server, *rows: "tuple[int, bytes | str]") -> None:
    alice, relayed_a, bob, relayed_b = two_clients(server, *rows)
    assert [alice.bind(0x4001, relayed_b), bob.bind(0x4002, relayed_a)] == [0, 0]
    packet = alice.channel(0x4001, b"hello")
    assert packet is not None and carry(server, packet) == ("1.1.1.2:1000", b"\x40\x02\0\x05hello")
    packet = bob.channel(0x4002, b"world")
    assert packet is not None and carry(server, packet) == ("1.1.1.1:1000", b"\x40\x01\0\x05world")


def test_relay_to_relay_by_indications() -> None:
    exchange_by_indications(Server())
    exchange_by_indications(Server(), WANT_IPV6)


def test_relay_to_relay_by_channels() -> None:
    exchange_by_channels(Server())
    exchange_by_channels(Server(), WANT_IPV6)


def test_relay_to_relay_by_the_external_address() -> None:
    exchange_by_indications(Server(nat=True))
    exchange_by_indications(Server(nat=True), WANT_IPV6)
    exchange_by_channels(Server(nat=True))
    exchange_by_channels(Server(nat=True), WANT_IPV6)


class Mapping(Server):
    """A server behind a NAT that maps ports: each relay has another port outside."""

    def open(self, relay: "Relay", port: int) -> None:
        announced = parse(RELAY_IPS[relay.family], port - 10001)
        self.turn.opened(relay.index, parse(BOUND_IPS[relay.family], port), announced)


def test_relay_to_relay_by_mapped_ports() -> None:
    exchange_by_indications(Mapping(nat=True))
    exchange_by_indications(Mapping(nat=True), WANT_IPV6)
    exchange_by_channels(Mapping(nat=True))
    exchange_by_channels(Mapping(nat=True), WANT_IPV6)


def test_mapped_and_bound_name_are_one_peer() -> None:
    server = Mapping(nat=True)
    alice, _, _, relayed_b = two_clients(server)
    bound = as_text(server.relay_at(relayed_b).address)
    assert bound.rsplit(":", 1)[1] != relayed_b.rsplit(":", 1)[1]
    assert alice.bind(0x4000, relayed_b) == 0 and alice.bind(0x4001, bound) == 400
    packet = alice.channel(0x4000, b"x")
    assert packet is not None and packet.destination == bound


def test_rfc8656_7_2_even_ports_are_even_outside() -> None:
    server = Mapping(nat=True)
    for source in ("1.1.1.1:1000", "1.1.1.2:1000"):
        relayed = server.client("alice", source).relayed(EVEN)
        assert int(relayed.rsplit(":", 1)[1]) % 2 == 0
        assert server.relay_at(relayed).address[1] & 1


def test_external_address_is_what_clients_are_told() -> None:
    server = Server(nat=True)
    relayed = server.client().allocate(WANT_BOTH).addresses(stun.XOR_RELAYED_ADDRESS)
    assert [text.rsplit(":", 1)[0] for text in relayed] == [RELAY_IPS[1], "[" + RELAY_IPS[2] + "]"]


def test_packet_to_the_external_address_goes_to_the_bound_one() -> None:
    server = Server(nat=True)
    alice, _, _, relayed_b = two_clients(server)
    alice.permit(relayed_b)
    alice.bind(0x4000, relayed_b)
    for packet in (alice.send(relayed_b, b"x"), alice.channel(0x4000, b"x")):
        assert packet is not None and packet.destination == as_text(server.relay_at(relayed_b).address)
        assert packet.destination.startswith(BOUND_IPS[1] + ":")


def test_external_and_bound_name_are_one_peer() -> None:
    server = Server(nat=True)
    alice, _, _, relayed_b = two_clients(server)
    bound = as_text(server.relay_at(relayed_b).address)
    assert alice.bind(0x4000, relayed_b) == 0
    assert alice.bind(0x4001, bound) == 400
    assert alice.bind(0x4000, bound) == 0
    assert alice.send(bound, b"x") is not None


def test_own_addresses_are_peers_only_where_a_relayed_address_lives() -> None:
    for nat in (False, True):
        server = Server(nat=nat)
        alice, relayed_a, bob, relayed_b = two_clients(server)
        assert alice.permit(relayed_a) == 0
        for ip in (RELAY_IPS[1], BOUND_IPS[1]):
            for port in (53, 3478, 50000, 65535):
                peer = f"{ip}:{port}"
                if parse(peer) in server.turn.relayed:
                    continue
                assert alice.bind(0x4000, peer) == 403, peer
                assert alice.send(peer, b"x") is None, peer
        assert alice.bind(0x4000, relayed_b) == 0
        bob.refresh(0)
        assert alice.bind(0x4000, relayed_b) == 403
        assert alice.send(relayed_b, b"x") is None


def test_loop_to_the_own_relayed_address_is_a_peer_like_others() -> None:
    server = Server(nat=True)
    alice = server.client()
    relayed = alice.relayed()
    assert alice.bind(0x4000, relayed) == 0
    packet = alice.channel(0x4000, b"x")
    assert packet is not None and carry(server, packet) == ("1.1.1.1:1000", b"\x40\0\0\x01x")


def test_peers_outside_see_no_difference() -> None:
    server = Server(nat=True)
    alice = server.client()
    relayed = alice.relayed()
    alice.permit(PEER)
    packet = alice.send(PEER, b"x")
    assert packet is not None and (packet.relayed, packet.destination) == (relayed, PEER)
    assert server.data_from_peer(relayed, PEER, b"y") == (PEER, b"y")
