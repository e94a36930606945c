"""Channels (RFC 8656 §12): ChannelBind, and ChannelData in both directions."""

from struct import pack

from edgeturn.protocol import stun
from tests.core.dialogue import OTHER, PEER, PEER6, WANT_IPV6, Answer, Server, append, mask

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.core.dialogue import Client, Rows

HOUR = (stun.LIFETIME, pack("!I", 3600))


def number_row(number: int) -> "tuple[int, bytes]":
    return stun.CHANNEL_NUMBER, pack("!HH", number, 0)


def start(server: Server) -> "tuple[Client, str]":
    """Return a client with an allocation of an hour, and its relayed address."""
    alice = server.client()
    return alice, alice.relayed(HOUR)


def test_rfc8656_12_2_success_needs_no_attribute() -> None:
    alice, _ = start(Server())
    answer = alice.request(stun.CHANNEL_BIND, [number_row(0x4000), (stun.XOR_PEER_ADDRESS, PEER)])
    assert (answer.method, answer.message_class) == (stun.CHANNEL_BIND, stun.SUCCESS)
    assert [kind for kind, _ in answer.rows] == [stun.MESSAGE_INTEGRITY]


def test_rfc8656_12_data_in_both_directions() -> None:
    server = Server()
    alice, relayed = start(server)
    assert alice.bind(0x4000, PEER) == 0
    packet = alice.channel(0x4000, b"to the peer")
    assert packet is not None
    assert (packet.relayed, packet.destination, packet.data) == (relayed, PEER, b"to the peer")
    assert not packet.df
    assert server.from_peer(relayed, PEER, b"back") == ("1.1.1.1:1000", b"\x40\0\0\x04back")


def test_rfc8656_12_2_range_of_numbers() -> None:
    rows = ((0x0000, 400), (0x3FFF, 400), (0x4000, 0), (0x4FFF, 0), (0x5000, 400), (0x7FFF, 400), (0xFFFF, 400))
    for number, code in rows:
        alice, _ = start(Server())
        assert alice.bind(number, PEER) == code, number


def test_rfc5766_11_range_of_numbers_where_an_option_admits_it() -> None:
    for number, code in ((0x3FFF, 400), (0x4000, 0), (0x5000, 0), (0x7FFF, 0), (0x8000, 400)):
        alice, _ = start(Server(wide_channels=1))
        assert alice.bind(number, PEER) == code, number
    alice, _ = start(Server(wide_channels=1))
    alice.bind(0x7FFF, PEER)
    packet = alice.channel(0x7FFF, b"x")
    assert packet is not None and packet.destination == PEER


def test_rfc8656_12_2_missing_or_malformed_attributes_are_400() -> None:
    peer: tuple[int, str] = (stun.XOR_PEER_ADDRESS, PEER)
    rows: tuple[tuple[str, Rows], ...] = (
        ("nothing", []),
        ("no peer", [number_row(0x4000)]),
        ("no number", [peer]),
        ("number too short", [(stun.CHANNEL_NUMBER, b"\x40\0"), peer]),
        ("number too long", [(stun.CHANNEL_NUMBER, b"\x40\0\0\0\0"), peer]),
        ("peer too short", [number_row(0x4000), (stun.XOR_PEER_ADDRESS, b"\0\x01\x10\x10")]),
        ("peer of no family", [number_row(0x4000), (stun.XOR_PEER_ADDRESS, b"\0\x03\x10\x10\x01\x02\x03\x04")]),
    )
    for what, attributes in rows:
        alice, _ = start(Server())
        assert alice.request(stun.CHANNEL_BIND, attributes).code == 400, what


def test_rfc8656_12_2_reserved_bits_are_ignored() -> None:
    alice, _ = start(Server())
    rows: Rows = [(stun.CHANNEL_NUMBER, b"\x40\0\xff\xff"), (stun.XOR_PEER_ADDRESS, PEER)]
    assert alice.request(stun.CHANNEL_BIND, rows).code == 0


def test_rfc8656_12_2_first_of_two_peers_counts() -> None:
    alice, _ = start(Server())
    peers: Rows = [(stun.XOR_PEER_ADDRESS, PEER), (stun.XOR_PEER_ADDRESS, OTHER)]
    assert alice.request(stun.CHANNEL_BIND, [number_row(0x4000)] + peers).code == 0
    packet = alice.channel(0x4000, b"x")
    assert packet is not None and packet.destination == PEER
    assert alice.send(OTHER, b"x") is None


def test_rfc8656_12_one_peer_a_channel_and_one_channel_a_peer() -> None:
    alice, _ = start(Server())
    assert alice.bind(0x4000, PEER) == 0
    assert alice.bind(0x4000, OTHER) == 400
    assert alice.bind(0x4001, PEER) == 400
    assert alice.bind(0x4000, PEER) == 0
    assert alice.bind(0x4001, OTHER) == 0
    assert alice.bind(0x4000, OTHER) == 400 and alice.bind(0x4001, PEER) == 400


def test_rfc8656_12_another_port_is_another_peer() -> None:
    server = Server()
    alice, relayed = start(server)
    assert alice.bind(0x4000, "8.8.8.8:1") == 0
    assert alice.bind(0x4001, "8.8.8.8:2") == 0
    assert server.from_peer(relayed, "8.8.8.8:2", b"x") == ("1.1.1.1:1000", b"\x40\x01\0\x01x")
    assert server.data_from_peer(relayed, "8.8.8.8:3", b"x") == ("8.8.8.8:3", b"x")


def test_rfc8656_12_refused_bind_leaves_no_permission() -> None:
    server = Server()
    alice, relayed = start(server)
    alice.bind(0x4000, PEER)
    assert alice.bind(0x4000, OTHER) == 400
    assert alice.send(OTHER, b"x") is None and server.from_peer(relayed, OTHER, b"x") is None


def test_rfc8656_12_channels_of_two_allocations_are_unrelated() -> None:
    server = Server()
    alice, _ = start(server)
    bob = server.client("bob", "1.1.1.2:1000")
    bob.relayed()
    assert [alice.bind(0x4000, PEER), bob.bind(0x4000, OTHER)] == [0, 0]
    for client, peer in ((alice, PEER), (bob, OTHER)):
        packet = client.channel(0x4000, b"x")
        assert packet is not None and packet.destination == peer


def test_rfc8656_12_2_peer_of_another_family_is_443() -> None:
    alice, _ = start(Server())
    assert alice.bind(0x4000, PEER6) == 443
    bob = Server().client("bob")
    bob.relayed(WANT_IPV6)
    assert bob.bind(0x4000, PEER) == 443 and bob.bind(0x4000, PEER6) == 0


def test_rfc8656_12_2_denied_peer_is_403() -> None:
    alice, _ = start(Server())
    for peer in ("127.0.0.1:1", "10.0.0.9:1", "193.0.0.1:53"):
        assert alice.bind(0x4000, peer) == 403, peer
    assert alice.bind(0x4000, PEER) == 0


def test_rfc8656_5_without_an_allocation_is_437_and_of_another_441() -> None:
    server = Server()
    assert server.client().bind(0x4000, PEER) == 437
    server.client("alice").relayed()
    assert server.client("bob").bind(0x4000, PEER) == 441


def test_rfc8656_12_binding_brings_a_permission_for_all_ports() -> None:
    server = Server()
    alice, relayed = start(server)
    alice.bind(0x4000, "8.8.8.8:5000")
    assert server.data_from_peer(relayed, "8.8.8.8:7", b"x") == ("8.8.8.8:7", b"x")
    assert alice.send("8.8.8.8:7", b"x") is not None


def test_rfc8656_12_lasts_600_seconds_while_there_is_a_permission() -> None:
    for tick in (True, False):
        server = Server()
        alice, relayed = start(server)
        alice.bind(0x4000, PEER)
        server.wait(250, tick)
        alice.permit(PEER)
        server.wait(250, tick)
        alice.permit(PEER)
        server.wait(99, tick)
        assert alice.channel(0x4000, b"x") is not None
        assert server.from_peer(relayed, PEER, b"x") == ("1.1.1.1:1000", b"\x40\0\0\x01x")
        server.wait(1, tick)
        assert alice.channel(0x4000, b"x") is None
        assert server.data_from_peer(relayed, PEER, b"x") == (PEER, b"x")


def test_rfc8656_12_without_a_permission_the_channel_carries_nothing() -> None:
    for tick in (True, False):
        server = Server()
        alice, relayed = start(server)
        alice.bind(0x4000, PEER)
        server.wait(300, tick)
        assert alice.channel(0x4000, b"x") is None and server.from_peer(relayed, PEER, b"x") is None
        assert alice.permit(PEER) == 0
        assert alice.channel(0x4000, b"x") is not None
        assert server.from_peer(relayed, PEER, b"x") == ("1.1.1.1:1000", b"\x40\0\0\x01x")


def test_rfc8656_12_binding_again_refreshes_channel_and_permission() -> None:
    server = Server()
    alice, _ = start(server)
    alice.bind(0x4000, PEER)
    for _ in range(4):
        server.wait(299)
        assert alice.bind(0x4000, PEER) == 0
    assert alice.channel(0x4000, b"x") is not None
    server.wait(299)
    assert alice.channel(0x4000, b"x") is not None


def test_rfc8656_12_6_data_refreshes_neither_channel_nor_permission() -> None:
    server = Server()
    alice, relayed = start(server)
    alice.bind(0x4000, PEER)
    for _ in range(3):
        server.wait(99)
        assert alice.channel(0x4000, b"x") is not None and server.from_peer(relayed, PEER, b"x") is not None
    server.wait(3)
    assert alice.channel(0x4000, b"x") is None and server.from_peer(relayed, PEER, b"x") is None


def test_rfc8656_12_five_minutes_before_number_or_peer_are_bound_otherwise() -> None:
    for tick in (True, False):
        server = Server()
        alice, _ = start(server)
        alice.bind(0x4000, PEER)
        server.wait(899, tick)
        assert alice.bind(0x4000, OTHER) == 400 and alice.bind(0x4001, PEER) == 400
        server.wait(1, tick)
        assert alice.bind(0x4000, OTHER) == 0 and alice.bind(0x4001, PEER) == 0


def test_rfc8656_12_expired_pair_may_be_bound_again_at_once() -> None:
    server = Server()
    alice, _ = start(server)
    alice.bind(0x4000, PEER)
    server.wait(700)
    assert alice.channel(0x4000, b"x") is None
    assert alice.bind(0x4000, PEER) == 0
    assert alice.channel(0x4000, b"x") is not None


def test_rfc8656_12_5_padding_may_be_there_and_is_not_relayed() -> None:
    alice, _ = start(Server())
    alice.bind(0x4000, PEER)
    for size in range(9):
        for padding in (b"", bytes(-size & 3), bytes(7)):
            packet = alice.channel(0x4000, b"d" * size, padding)
            assert packet is not None and packet.data == b"d" * size


def test_rfc8656_12_6_empty_data_is_relayed() -> None:
    server = Server()
    alice, relayed = start(server)
    alice.bind(0x4000, PEER)
    packet = alice.channel(0x4000, b"")
    assert packet is not None and packet.data == b""
    assert server.from_peer(relayed, PEER, b"") == ("1.1.1.1:1000", b"\x40\0\0\0")


def test_rfc8656_12_6_lying_length_is_dropped() -> None:
    server = Server()
    alice, _ = start(server)
    alice.bind(0x4000, PEER)
    whole = b"\x40\0\0\x04data"
    for end in range(len(whole)):
        assert alice.raw(whole[:end]) is None, end
    assert alice.raw(whole) is not None
    assert alice.raw(b"\x40\0\xff\xffdata") is None


def test_rfc8656_12_6_unbound_and_reserved_numbers_are_dropped() -> None:
    server = Server(wide_channels=1)
    alice, _ = start(server)
    alice.bind(0x4000, PEER)
    for number in (0x4001, 0x4FFF, 0x5000, 0x7FFF, 0x8000, 0xC000, 0xFFFF):
        assert alice.channel(number, b"x") is None, number
    stranger = server.client("bob", "1.1.1.2:1000")
    assert stranger.channel(0x4000, b"x") is None


def test_rfc8656_12_7_largest_datagrams() -> None:
    server = Server()
    alice, relayed = start(server)
    alice.bind(0x4000, PEER)
    sent = server.from_peer(relayed, PEER, b"d" * 65507)
    assert sent is not None and sent[1][:4] == b"\x40\0\xff\xe3" and len(sent[1]) == 65511
    packet = alice.channel(0x4000, b"d" * 65503)
    assert packet is not None and len(packet.data) == 65503


def test_rfc8656_12_5_data_of_a_bound_peer_comes_by_its_channel_and_others_by_indication() -> None:
    server = Server()
    alice, relayed = start(server)
    alice.permit(PEER, OTHER)
    alice.bind(0x4000, PEER)
    by_channel, by_indication = server.from_peer(relayed, PEER, b"x"), server.from_peer(relayed, OTHER, b"x")
    assert by_channel is not None and by_channel[1] == b"\x40\0\0\x01x"
    assert by_indication is not None and Answer(by_indication[1]).address(stun.XOR_PEER_ADDRESS) == OTHER


def test_rfc8656_12_5_client_may_mix_channel_and_send() -> None:
    alice, _ = start(Server())
    alice.bind(0x4000, PEER)
    for packet in (alice.send(PEER, b"x"), alice.channel(0x4000, b"x")):
        assert packet is not None and (packet.destination, packet.data) == (PEER, b"x")


def test_rfc8656_12_2_retransmission_is_the_same_answer() -> None:
    alice, _ = start(Server())
    request = alice.signed(stun.CHANNEL_BIND, [number_row(0x4000), (stun.XOR_PEER_ADDRESS, PEER)])
    first = alice.raw(request)
    assert first is not None and alice.raw(request) == first


def test_rfc8489_14_5_peer_behind_the_integrity_is_no_peer() -> None:
    alice, _ = start(Server())
    request = alice.signed(stun.CHANNEL_BIND, [number_row(0x4000)])
    answer = alice.ask(append(request, stun.XOR_PEER_ADDRESS, mask(PEER, request[4:20])))
    assert answer is not None and answer.code == 400


def test_channel_to_a_relayed_address_ends_with_it() -> None:
    server = Server()
    alice, bob = server.client("alice"), server.client("bob", "1.1.1.2:1000")
    alice.relayed()
    there = bob.relayed()
    assert alice.bind(0x4000, there) == 0 and alice.channel(0x4000, b"x") is not None
    assert bob.refresh(0).code == 0
    assert alice.channel(0x4000, b"x") is None
    assert alice.bind(0x4000, there) == 403
