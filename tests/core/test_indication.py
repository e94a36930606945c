"""Send and Data indications (RFC 8656 §11), DONT-FRAGMENT (§14), and ICMP errors (§11.5, §18.13)."""

from edgeturn.protocol import stun
from edgeturn.protocol.address import parse
from edgeturn.protocol.indication import read_usual
from tests.core.dialogue import (
    OTHER,
    PEER,
    PEER6,
    WANT_BOTH,
    WANT_IPV6,
    Answer,
    Server,
    add_fingerprint,
    encode,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.core.dialogue import Client, Rows

SEND = stun.SEND | stun.INDICATION
DONT_FRAGMENT = (stun.DONT_FRAGMENT, b"")
MTU_1280 = b"\x00\x00\x05\x00"


def permitted(server: Server, peer: str = PEER) -> "tuple[Client, str]":
    """Return a client with a permission for a peer of IPv4 or IPv6, and its relayed address."""
    alice = server.client()
    relayed = alice.relayed() if not peer.startswith("[") else alice.relayed(WANT_IPV6)
    assert alice.permit(peer) == 0
    return alice, relayed


def indication(client: "Client", rows: "Rows") -> bytes:
    return encode(SEND, client.transaction(), rows)


def test_rfc8656_11_2_data_leaves_from_the_relayed_address() -> None:
    alice, relayed = permitted(Server())
    packet = alice.send(PEER, b"data")
    assert packet is not None
    assert (packet.relayed, packet.destination, packet.data, packet.df) == (relayed, PEER, b"data", False)


def test_rfc8656_11_2_sizes_and_padding() -> None:
    alice, _ = permitted(Server())
    for size in (0, 1, 2, 3, 4, 5, 1200, 65000):
        packet = alice.send(PEER, b"d" * size)
        assert packet is not None and packet.data == b"d" * size


def test_rfc8656_11_2_missing_or_invalid_attributes_are_dropped() -> None:
    alice, _ = permitted(Server())
    rows: tuple[tuple[str, Rows], ...] = (
        ("nothing", []),
        ("no data", [(stun.XOR_PEER_ADDRESS, PEER)]),
        ("no peer", [(stun.DATA, b"x")]),
        ("peer too short", [(stun.XOR_PEER_ADDRESS, b"\0\x01\x10\x10"), (stun.DATA, b"x")]),
        ("peer empty", [(stun.XOR_PEER_ADDRESS, b""), (stun.DATA, b"x")]),
        ("unknown attribute", [(stun.XOR_PEER_ADDRESS, PEER), (stun.DATA, b"x"), (0x7FFF, b"")]),
        ("first peer counts", [(stun.XOR_PEER_ADDRESS, OTHER), (stun.XOR_PEER_ADDRESS, PEER), (stun.DATA, b"x")]),
    )
    for what, attributes in rows:
        assert alice.raw(indication(alice, attributes)) is None, what


def test_rfc8656_11_2_optional_attributes_are_ignored_and_order_is_free() -> None:
    alice, _ = permitted(Server())
    rows: Rows = [(stun.SOFTWARE, b"me"), (stun.DATA, b"x"), (0xFFFF, b"?"), (stun.XOR_PEER_ADDRESS, PEER)]
    packet = alice.relay(indication(alice, rows))
    assert packet is not None and packet.data == b"x"
    packet = alice.relay(add_fingerprint(indication(alice, rows)))
    assert packet is not None and packet.data == b"x"


def test_rfc8656_11_2_truncated_indication_is_dropped() -> None:
    alice, _ = permitted(Server())
    whole = indication(alice, [(stun.XOR_PEER_ADDRESS, PEER), (stun.DATA, b"data")])
    for end in range(len(whole)):
        assert alice.raw(whole[:end]) is None
    assert alice.raw(whole) is not None and alice.raw(whole + b"\0") is None


def test_rfc8656_11_2_short_cut_for_usual_indications_reads_what_the_codec_reads() -> None:
    client = Server().client()
    usual = 0
    for peer in (PEER, PEER6):
        for size in (0, 1, 4, 7):
            whole = indication(client, [(stun.XOR_PEER_ADDRESS, peer), (stun.DATA, b"d" * size)])
            for at in range(len(whole)):
                for value in (0, 1, 2, 4, 8, 20, 0x12, 0x13, 0x16, 0x7F, 0x80, 0xFF, whole[at]):
                    usual += agrees_with_codec(whole[:at] + bytes([value]) + whole[at + 1 :])
            for end in range(len(whole)):
                usual += agrees_with_codec(whole[:end])
    assert usual > 1000


def agrees_with_codec(data: bytes) -> bool:
    """Say whether a datagram takes the short cut; check that it means the same without it."""
    read = read_usual(memoryview(data), len(data))
    if read is None:
        return False
    message = stun.Message(data)
    assert (message.method, message.message_class, message.classic) == (stun.SEND, stun.INDICATION, False)
    assert sorted(message.attributes) == [stun.XOR_PEER_ADDRESS, stun.DATA] and message.unknown == []
    peers = [stun.decode_xor_address(value, message.transaction) for value in message.peers]
    assert peers == [read[0]] and message.attributes[stun.DATA] == bytes(read[1])
    return True


def test_rfc8656_11_2_no_permission_denied_peer_or_other_family_is_dropped() -> None:
    alice, _ = permitted(Server())
    for peer in (OTHER, "127.0.0.1:1", "193.0.0.1:53", PEER6):
        assert alice.send(peer, b"x") is None, peer


def test_rfc8656_5_indication_without_an_allocation_is_ignored() -> None:
    assert Server().client().send(PEER, b"x") is None


def test_rfc8489_6_3_2_other_indications_are_never_answered() -> None:
    alice, _ = permitted(Server())
    rows: Rows = [(stun.XOR_PEER_ADDRESS, PEER), (stun.DATA, b"x")]
    for method in (stun.BINDING, stun.ALLOCATE, stun.REFRESH, stun.DATA_METHOD, stun.CREATE_PERMISSION, 0x0FF):
        kind = (method & 0x0F) | (method & 0x70) << 1 | (method & 0xF80) << 2 | stun.INDICATION
        assert alice.raw(encode(kind, alice.transaction(), rows)) is None, method


def test_rfc8489_5_classic_send_is_dropped() -> None:
    alice, _ = permitted(Server())
    assert alice.raw(encode(SEND, bytes(16), [(stun.XOR_PEER_ADDRESS, PEER), (stun.DATA, b"x")])) is None


def test_rfc8656_11_3_datagram_becomes_a_data_indication() -> None:
    for peer in (PEER, PEER6):
        server = Server()
        _, relayed = permitted(server, peer)
        for size in (0, 1, 2, 3, 4, 5, 1200):
            sent = server.from_peer(relayed, peer, b"d" * size)
            assert sent is not None and sent[0] == "1.1.1.1:1000"
            answer = Answer(sent[1])
            assert (answer.method, answer.message_class) == (stun.DATA_METHOD, stun.INDICATION)
            assert [kind for kind, _ in answer.rows] == [stun.XOR_PEER_ADDRESS, stun.DATA]
            assert answer.address(stun.XOR_PEER_ADDRESS) == peer and answer.value(stun.DATA) == b"d" * size
            assert answer.transaction[:4] == stun.COOKIE


def test_rfc8489_5_transaction_ids_of_indications_differ() -> None:
    server = Server()
    _, relayed = permitted(server)
    seen = set()
    for _ in range(50):
        sent = server.from_peer(relayed, PEER, b"x")
        assert sent is not None
        seen.add(sent[1][4:20])
    assert len(seen) == 50


def test_rfc8656_11_3_datagram_that_fits_no_message_is_dropped() -> None:
    for peer, fits in ((PEER, 65487), (PEER6, 65487)):
        server = Server()
        _, relayed = permitted(server, peer)
        assert server.data_from_peer(relayed, peer, b"d" * fits) == (peer, b"d" * fits)
        for size in (65488, 65507, 65527):
            assert server.from_peer(relayed, peer, b"d" * size) is None
        assert server.turn.dropped == {"size": 3}


def test_rfc8656_11_3_relayed_address_that_nobody_has_or_that_is_reserved() -> None:
    server = Server()
    assert server.from_peer("193.0.0.1:50000", PEER, b"x") is None
    server.client().relayed((stun.EVEN_PORT, b"\x80"))
    for relay in server.turn.pool.relays:
        assert server.turn.peer(memoryview(bytearray(100)), 1, relay.index, parse(PEER), server.now) is None


def test_rfc8656_3_9_client_of_one_family_relays_to_the_other() -> None:
    server = Server()
    alice = server.client(source="[2a05::1]:1000")
    relayed = alice.relayed()
    alice.permit(PEER)
    packet = alice.send(PEER, b"x")
    assert packet is not None and packet.destination == PEER
    sent = server.from_peer(relayed, PEER, b"y")
    assert sent is not None and sent[0] == "[2a05::1]:1000"
    bob = server.client("bob", "1.1.1.2:1000")
    relayed = bob.relayed(WANT_IPV6)
    bob.permit(PEER6)
    packet = bob.send(PEER6, b"x")
    assert packet is not None and packet.destination == PEER6
    sent = server.from_peer(relayed, PEER6, b"y")
    assert sent is not None and sent[0] == "1.1.1.2:1000"


def test_rfc8656_14_dont_fragment_sets_df_between_ipv4_and_ipv4_only() -> None:
    for source, peer, df in (
        ("1.1.1.1:1000", PEER, True),
        ("1.1.1.1:1000", PEER6, False),
        ("[2a05::1]:1000", PEER, False),
        ("[2a05::1]:1000", PEER6, False),
    ):
        alice = Server().client(source=source)
        alice.relayed(WANT_BOTH)
        alice.permit(peer)
        packet = alice.send(peer, b"x", DONT_FRAGMENT)
        assert packet is not None and packet.df == df and packet.destination == peer
        packet = alice.send(peer, b"x")
        assert packet is not None and not packet.df


def icmp(server: Server, relayed: str, peer: str, error: bytes) -> "Answer | None":
    """Let the network answer a datagram to a peer by an ICMP error."""
    sent = server.turn.icmp(server.relay_at(relayed).index, parse(peer), error, server.now)
    if sent is None:
        return None
    assert sent[:2] == (server.listeners[0], parse("1.1.1.1:1000"))
    return Answer(bytes(sent[2]))


def test_rfc8656_11_5_icmp_error_becomes_a_data_indication() -> None:
    server = Server()
    _, relayed = permitted(server)
    answer = icmp(server, relayed, PEER, b"\x03\x03\0\0\0\0")
    assert answer is not None and (answer.method, answer.message_class) == (stun.DATA_METHOD, stun.INDICATION)
    assert answer.rows[1:] == [(stun.ICMP, b"\0\0\x03\x03\0\0\0\0")]
    assert answer.address(stun.XOR_PEER_ADDRESS) == PEER


def test_rfc8656_11_5_types_that_are_passed_on() -> None:
    for peer, passed in ((PEER, (3, 11)), (PEER6, (1, 2, 3))):
        server = Server()
        _, relayed = permitted(server, peer)
        for number in range(256):
            answer = icmp(server, relayed, peer, bytes([number, 0, 0, 0, 0, 0]))
            assert (answer is not None) == (number in passed), number


def test_rfc8656_18_13_error_data_is_the_mtu_or_zero() -> None:
    rows = (
        (PEER, b"\x03\x04", MTU_1280),
        (PEER, b"\x03\x03", bytes(4)),
        (PEER, b"\x0b\x00", bytes(4)),
        (PEER6, b"\x02\x00", MTU_1280),
        (PEER6, b"\x01\x04", bytes(4)),
        (PEER6, b"\x03\x00", bytes(4)),
    )
    for peer, error, data in rows:
        server = Server()
        _, relayed = permitted(server, peer)
        answer = icmp(server, relayed, peer, error + MTU_1280)
        assert answer is not None and answer.value(stun.ICMP) == b"\0\0" + error + data


def test_rfc8656_11_5_icmp_needs_a_permission_for_the_destination_and_no_port() -> None:
    server = Server()
    _, relayed = permitted(server)
    error = b"\x03\x03\0\0\0\0"
    assert icmp(server, relayed, OTHER, error) is None
    answer = icmp(server, relayed, "8.8.8.8:0", error)
    assert answer is not None and answer.address(stun.XOR_PEER_ADDRESS) == "8.8.8.8:0"
    server.wait(300, tick=False)
    assert icmp(server, relayed, PEER, error) is None


def test_rfc8656_11_5_icmp_for_an_address_that_nobody_has_is_dropped() -> None:
    server = Server()
    assert icmp(server, "193.0.0.1:50000", PEER, b"\x03\x03\0\0\0\0") is None
    _, relayed = permitted(server)
    server.wait(600, tick=False)
    assert icmp(server, relayed, PEER, b"\x03\x03\0\0\0\0") is None


def test_rfc8656_12_5_icmp_comes_by_indication_even_where_a_channel_is_bound() -> None:
    server = Server()
    alice, relayed = permitted(server)
    alice.bind(0x4000, PEER)
    answer = icmp(server, relayed, PEER, b"\x03\x01\0\0\0\0")
    assert answer is not None and answer.address(stun.XOR_PEER_ADDRESS) == PEER
