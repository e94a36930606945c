"""NAT behaviour discovery (RFC 5780) and its forerunner (RFC 3489): Binding from two addresses with two ports each."""

from struct import pack

from edgeturn.protocol import stun
from edgeturn.protocol.address import parse
from edgeturn.protocol.discovery import Discovery
from edgeturn.protocol.listener import DTLS, TCP
from tests.core.dialogue import REQUESTED_UDP, Answer, Server, append, encode, unmask

# First address and port, the others as RFC 5780 §6.1 counts them.
A1P1, A1P2, A2P1, A2P2 = "10.0.0.1:3478", "10.0.0.1:3479", "10.0.0.2:3478", "10.0.0.2:3479"
OPPOSITE = {A1P1: A2P2, A1P2: A2P1, A2P1: A1P2, A2P2: A1P1}
SOURCE = "1.1.1.1:1000"
NOTHING, PORT, IP, BOTH = 0, 2, 4, 6
CLASSIC = bytes(range(16))  # a transaction id without the cookie

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.core.dialogue import Rows


def serving(is_on: bool = True, second: bool = True) -> "tuple[Server, dict[str, int]]":
    """Return a server with four listeners, and their numbers."""
    server = Server()
    first = server.listeners[0]
    vias = {place: first + at for at, place in enumerate(OPPOSITE)}
    for place, via in vias.items():
        server.turn.listen(via, "udp", parse(place))
    others = {parse(place): parse(other) for place, other in OPPOSITE.items()} if second else {}
    server.turn.discovery = Discovery(is_on, others)
    return server, vias


def change(flags: int) -> "tuple[int, bytes]":
    return stun.CHANGE_REQUEST, pack("!I", flags)


def ask(
    server: Server, via: int, rows: "Rows", transaction: bytes = stun.COOKIE + bytes(12), fingerprint: bool = False
) -> "tuple[int, str, Answer]":
    """Send a Binding request; return the listener and the destination of its answer, and the answer."""
    sent = server.receive(via, parse(SOURCE), encode(stun.BINDING, transaction, rows, fingerprint=fingerprint))
    assert sent is not None
    return sent[0], plain(bytes(2) + sent[1]), Answer(sent[2])


def plain(value: bytes) -> str:
    """Return the address of a MAPPED-ADDRESS, or of two bytes and port||ip."""
    return str(value[2] << 8 | value[3]) + "@" + ".".join([str(byte) for byte in value[4:]])


def at(place: str) -> str:
    host, _, port = place.partition(":")
    return port + "@" + host


def test_rfc5780_6_1_every_answer_says_where_it_comes_from_and_where_else_to_ask() -> None:
    server, vias = serving()
    for place, via in vias.items():
        sent_by, destination, answer = ask(server, via, [])
        assert (sent_by, destination, answer.code) == (via, at(SOURCE), 0)
        assert plain(answer.value(stun.RESPONSE_ORIGIN)) == at(place)
        assert plain(answer.value(stun.OTHER_ADDRESS)) == at(OPPOSITE[place])
        assert plain(answer.value(stun.MAPPED_ADDRESS)) == at(SOURCE)
        assert unmask(answer.value(stun.XOR_MAPPED_ADDRESS), answer.transaction) == SOURCE


def test_rfc5780_6_1_table_1() -> None:
    server, vias = serving()
    rows = (
        (A1P1, {NOTHING: A1P1, PORT: A1P2, IP: A2P1, BOTH: A2P2}),
        (A1P2, {NOTHING: A1P2, PORT: A1P1, IP: A2P2, BOTH: A2P1}),
        (A2P1, {NOTHING: A2P1, PORT: A2P2, IP: A1P1, BOTH: A1P2}),
        (A2P2, {NOTHING: A2P2, PORT: A2P1, IP: A1P2, BOTH: A1P1}),
    )
    for asked, answers in rows:
        for flags, place in answers.items():
            sent_by, destination, answer = ask(server, vias[asked], [change(flags)])
            assert (sent_by, destination) == (vias[place], at(SOURCE)), (asked, flags)
            assert plain(answer.value(stun.RESPONSE_ORIGIN)) == at(place)
            assert plain(answer.value(stun.OTHER_ADDRESS)) == at(OPPOSITE[asked])


def test_rfc5780_6_1_without_a_second_address_change_request_is_420() -> None:
    server, vias = serving(second=False)
    for flags in (NOTHING, BOTH):
        sent_by, _, answer = ask(server, vias[A1P1], [change(flags)])
        assert (sent_by, answer.code) == (vias[A1P1], 420)
        assert answer.value(stun.UNKNOWN_ATTRIBUTES) == stun.CHANGE_REQUEST.to_bytes(2, "big")
    answer = ask(server, vias[A1P1], [])[2]
    assert answer.has(stun.RESPONSE_ORIGIN) and not answer.has(stun.OTHER_ADDRESS)


def test_a_socket_that_is_not_open_now_is_420() -> None:
    server, vias = serving()
    server.turn.unlisten(vias[A2P2])
    assert ask(server, vias[A1P1], [change(BOTH)])[2].code == 420
    assert ask(server, vias[A1P1], [change(PORT)])[2].code == 0


def test_switched_off_everything_is_as_ever() -> None:
    server, vias = serving(is_on=False)
    answer = ask(server, vias[A1P1], [])[2]
    assert [kind for kind, _ in answer.rows] == [stun.XOR_MAPPED_ADDRESS]
    for row in (change(NOTHING), (stun.PADDING, bytes(8)), (stun.RESPONSE_PORT, b"\x10\0")):
        answer = ask(server, vias[A1P1], [row])[2]
        assert (answer.code, answer.number(stun.UNKNOWN_ATTRIBUTES)) == (420, row[0])


def test_other_unknown_attributes_are_420_still() -> None:
    server, vias = serving()
    answer = ask(server, vias[A1P1], [change(BOTH), (0x7777, b"")])[2]
    assert (answer.code, answer.number(stun.UNKNOWN_ATTRIBUTES)) == (420, 0x7777)


def test_turn_requests_know_none_of_it() -> None:
    server, _ = serving()
    alice = server.client()
    answer = alice.request(stun.ALLOCATE, [REQUESTED_UDP, change(BOTH)])
    assert answer.code == 420 and answer.number(stun.UNKNOWN_ATTRIBUTES) == stun.CHANGE_REQUEST


def test_change_request_of_a_wrong_size_is_400() -> None:
    server, vias = serving()
    for value in (b"", b"\0", bytes(3), bytes(5)):
        assert ask(server, vias[A1P1], [(stun.CHANGE_REQUEST, value)])[2].code == 400


def test_rfc5780_7_5_response_port_changes_the_port_only() -> None:
    server, vias = serving()
    for value in (b"\x12\x34", b"\x12\x34\0\0"):
        sent_by, destination, answer = ask(server, vias[A1P1], [(stun.RESPONSE_PORT, value), change(IP)])
        assert (sent_by, destination, answer.code) == (vias[A2P1], "4660@1.1.1.1", 0)
        assert plain(answer.value(stun.MAPPED_ADDRESS)) == at(SOURCE)


def test_response_port_that_is_none_is_400_and_goes_to_who_asked() -> None:
    server, vias = serving()
    for value in (b"", b"\x12", b"\0\0", bytes(4), b"\x12\x34\0", bytes(8)):
        _, destination, answer = ask(server, vias[A1P1], [(stun.RESPONSE_PORT, value)])
        assert (destination, answer.code) == (at(SOURCE), 400), value


def test_rfc5780_6_1_response_port_beside_padding_is_400() -> None:
    server, vias = serving()
    assert ask(server, vias[A1P1], [(stun.RESPONSE_PORT, b"\x12\x34"), (stun.PADDING, bytes(64))])[2].code == 400


def test_rfc5780_7_6_padding_is_answered_and_never_makes_the_answer_the_longer_one() -> None:
    server, vias = serving()
    server.turn.strangers.set_rate(0)
    for fingerprint in (False, True):
        for size in (0, 1, 4, 47, 48, 52, 53, 56, 60, 64, 100, 1500):
            rows: "Rows" = [(stun.PADDING, bytes(size)), change(BOTH)]
            answer = ask(server, vias[A1P1], rows, fingerprint=fingerprint)[2]
            request = 20 + 4 + (size + 3 & ~3) + 8 + (8 if fingerprint else 0)
            bare = 20 + 12 + 12 + 12 + 12 + (8 if fingerprint else 0)
            assert len(answer.data) <= max(request, bare), size
            assert answer.has(stun.PADDING) == (request >= bare + 4), size
            if size == 1500:
                assert len(answer.data) == request


def test_over_other_transports_only_the_origin_is_told() -> None:
    for transport in (TCP, DTLS):
        server, vias = serving()
        server.turn.listen(vias[A1P1], transport, parse(A1P1))
        answer = ask(server, vias[A1P1], [])[2]
        assert plain(answer.value(stun.RESPONSE_ORIGIN)) == at(A1P1) and not answer.has(stun.OTHER_ADDRESS)
        for row in (change(BOTH), (stun.PADDING, bytes(8)), (stun.RESPONSE_PORT, b"\x10\0")):
            assert ask(server, vias[A1P1], [row])[2].code == 420


def test_behind_a_one_to_one_nat_the_announced_addresses_are_told() -> None:
    server, vias = serving()
    server.turn.wire_ips = {parse("193.0.0.1:0")[2:]: parse(A1P1)[2:], parse("193.0.0.2:0")[2:]: parse(A2P2)[2:]}
    answer = ask(server, vias[A1P1], [change(PORT)])[2]
    assert plain(answer.value(stun.RESPONSE_ORIGIN)) == "3479@193.0.0.1"
    assert plain(answer.value(stun.OTHER_ADDRESS)) == "3479@193.0.0.2"


def test_strangers_have_their_budget() -> None:
    server, vias = serving()
    server.turn.strangers.set_rate(1)
    data = encode(stun.BINDING, stun.COOKIE + bytes(12), [change(BOTH)])
    sent = [server.receive(vias[A1P1], parse(SOURCE), data) for _ in range(6)]
    assert [each is not None for each in sent] == [True] * 4 + [False] * 2


# RFC 3489.


def test_rfc3489_8_1_classic_clients_are_answered_in_their_words() -> None:
    server, vias = serving()
    for flags, place in ((NOTHING, A1P1), (PORT, A1P2), (IP, A2P1), (BOTH, A2P2)):
        sent_by, destination, answer = ask(server, vias[A1P1], [change(flags)], CLASSIC)
        assert (sent_by, destination, answer.code) == (vias[place], at(SOURCE), 0)
        kinds = [kind for kind, _ in answer.rows]
        assert kinds == [stun.MAPPED_ADDRESS, stun.SOURCE_ADDRESS, stun.CHANGED_ADDRESS]
        told = [plain(value) for _, value in answer.rows]
        assert told == [at(SOURCE), at(place), at(A2P2)]


def test_rfc3489_11_2_2_response_address_is_refused() -> None:
    server, vias = serving()
    elsewhere = b"\0\x01" + parse("9.9.9.9:53")
    sent_by, destination, answer = ask(server, vias[A1P1], [(stun.RESPONSE_ADDRESS, elsewhere)], CLASSIC)
    assert (sent_by, destination, answer.code) == (vias[A1P1], at(SOURCE), 420)
    assert answer.number(stun.UNKNOWN_ATTRIBUTES) == stun.RESPONSE_ADDRESS


def test_rfc3489_switched_off_a_classic_client_gets_its_address() -> None:
    server, vias = serving(is_on=False)
    answer = ask(server, vias[A1P1], [], CLASSIC)[2]
    assert [kind for kind, _ in answer.rows] == [stun.MAPPED_ADDRESS]
    assert ask(server, vias[A1P1], [change(NOTHING)], CLASSIC)[2].code == 420


def test_truncated_and_mutated_requests_raise_nothing() -> None:
    server, vias = serving()
    server.turn.strangers.set_rate(0)
    rows: "Rows" = [change(BOTH), (stun.RESPONSE_PORT, b"\x12\x34"), (stun.PADDING, bytes(8))]
    whole = append(encode(stun.BINDING, stun.COOKIE + bytes(12), rows), stun.CHANGE_REQUEST, bytes(4))
    for size in range(len(whole)):
        server.receive(vias[A1P1], parse(SOURCE), whole[:size])
        for bit in (1, 0x80):
            mutated = whole[:size] + bytes([whole[size] ^ bit]) + whole[size + 1 :]
            sent = server.receive(vias[A1P1], parse(SOURCE), mutated)
            assert sent is None or sent[1][2:] == parse(SOURCE)[2:]
