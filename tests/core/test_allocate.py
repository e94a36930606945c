"""Allocate (RFC 8656 §7.2): what is asked for, what is granted, and each way to be refused."""

from struct import pack

from edgeturn.protocol import stun
from edgeturn.protocol.address import IPV4, IPV6, parse, port_of
from tests.core.dialogue import (
    EVEN,
    EVEN_AND_NEXT,
    FIRST_PORT,
    REQUESTED_UDP,
    WANT_BOTH,
    WANT_IPV4,
    WANT_IPV6,
    Answer,
    Server,
    family,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.core.dialogue import Client, Rows


def others(server: Server, count: int, user: str = "bob") -> "list[Client]":
    """Return clients of one user, each at a transport address of its own."""
    return [server.client(user, f"1.1.2.{number}:2000") for number in range(1, count + 1)]


def lifetime_row(seconds: int) -> "tuple[int, bytes]":
    return stun.LIFETIME, pack("!I", seconds)


def test_rfc8656_7_2_success_has_relayed_mapped_lifetime_and_software() -> None:
    answer = Server().client(source="1.1.1.1:1000").allocate()
    assert answer.code == 0 and answer.method == stun.ALLOCATE and answer.message_class == stun.SUCCESS
    assert answer.addresses(stun.XOR_RELAYED_ADDRESS)[0].startswith("193.0.0.1:")
    assert len(answer.values(stun.XOR_RELAYED_ADDRESS)) == 1
    assert answer.address(stun.XOR_MAPPED_ADDRESS) == "1.1.1.1:1000"
    assert answer.number(stun.LIFETIME) == 600
    assert answer.has(stun.SOFTWARE) and not answer.has(stun.RESERVATION_TOKEN)
    assert not answer.has(stun.ADDRESS_ERROR_CODE)


def test_rfc8656_7_2_client_of_ipv6_gets_ipv4_unless_it_asks() -> None:
    answer = Server().client(source="[2a05::1]:1000").allocate()
    assert answer.address(stun.XOR_MAPPED_ADDRESS) == "[2a05::1]:1000"
    assert answer.address(stun.XOR_RELAYED_ADDRESS).startswith("193.0.0.1:")


def test_rfc8656_7_2_unauthenticated_is_challenged_with_401() -> None:
    server = Server()
    answer = server.client().learn()
    assert answer.code == 401
    assert server.recorder.take() == [("refused", 401)]


def test_rfc8656_7_2_second_allocation_is_437() -> None:
    alice = Server().client()
    alice.relayed()
    assert alice.allocate().code == 437


def test_rfc8656_7_2_allocate_of_another_user_on_the_tuple_is_437() -> None:
    server = Server()
    server.client("alice").relayed()
    assert server.client("bob").allocate().code == 437


def test_rfc8656_7_2_other_listener_is_another_tuple() -> None:
    server = Server()
    first = server.client(listener=0).relayed()
    second = server.client(listener=1).relayed()
    assert first != second


def test_rfc8656_7_2_437_comes_before_other_faults() -> None:
    alice = Server().client()
    alice.relayed()
    assert alice.request(stun.ALLOCATE, []).code == 437


def test_rfc8656_7_2_retransmission_gets_the_same_answer() -> None:
    server = Server()
    alice = server.client()
    request = alice.signed(stun.ALLOCATE, [REQUESTED_UDP, EVEN_AND_NEXT])
    first = alice.raw(request)
    again = alice.raw(request)
    assert first is not None and first == again
    assert Answer(first[2]).has(stun.RESERVATION_TOKEN)
    assert len(server.turn.clients[alice.via]) == 1 and server.turn.pool.reserved == 1


def test_rfc8656_7_2_retransmission_says_the_lifetime_that_is_left() -> None:
    server = Server()
    alice = server.client()
    request = alice.signed(stun.ALLOCATE, [REQUESTED_UDP])
    alice.raw(request)
    server.wait(5)
    answer = alice.ask(request)
    assert answer is not None and answer.number(stun.LIFETIME) == 595


def test_rfc8656_7_2_same_transaction_of_another_user_is_437() -> None:
    server = Server()
    alice, bob = server.client("alice"), server.client("bob")
    first, second = alice.signed(stun.ALLOCATE, [REQUESTED_UDP]), bob.signed(stun.ALLOCATE, [REQUESTED_UDP])
    assert first[4:20] == second[4:20]
    alice.raw(first)
    answer = bob.ask(second)
    assert answer is not None and answer.code == 437


def test_rfc8656_7_2_requested_transport() -> None:
    rows: tuple[tuple[str, Rows, int], ...] = (
        ("absent", [], 400),
        ("empty", [(stun.REQUESTED_TRANSPORT, b"")], 400),
        ("too short", [(stun.REQUESTED_TRANSPORT, b"\x11")], 400),
        ("too long", [(stun.REQUESTED_TRANSPORT, b"\x11\0\0\0\0")], 400),
        ("TCP", [(stun.REQUESTED_TRANSPORT, b"\x06\0\0\0")], 442),
        ("none", [(stun.REQUESTED_TRANSPORT, b"\0\0\0\0")], 442),
        ("UDP in a wrong byte", [(stun.REQUESTED_TRANSPORT, b"\0\x11\0\0")], 442),
        ("first of two counts", [(stun.REQUESTED_TRANSPORT, b"\x06\0\0\0"), REQUESTED_UDP], 442),
        ("UDP with reserved bits", [(stun.REQUESTED_TRANSPORT, b"\x11\xff\xff\xff")], 0),
    )
    for what, attributes, code in rows:
        answer = Server().client().request(stun.ALLOCATE, list(attributes))
        assert answer.code == code, what


def test_rfc8656_7_2_lifetime_is_clamped() -> None:
    rows: tuple[tuple[str, Rows, int], ...] = (
        ("absent", [], 600),
        ("zero", [lifetime_row(0)], 600),
        ("below the default", [lifetime_row(599)], 600),
        ("above the default", [lifetime_row(601)], 601),
        ("at the maximum", [lifetime_row(3600)], 3600),
        ("above the maximum", [lifetime_row(3601)], 3600),
        ("as long as there is", [lifetime_row(0xFFFFFFFF)], 3600),
    )
    for what, attributes, lifetime in rows:
        assert Server().client().allocate(*attributes).number(stun.LIFETIME) == lifetime, what


def test_rfc8656_7_2_lifetime_of_a_wrong_size_is_400_and_costs_nothing() -> None:
    server = Server(max_allocations=1)
    alice = server.client()
    for value in (b"", b"\0", bytes(5)):
        assert alice.allocate((stun.LIFETIME, value)).code == 400
    assert server.turn.pool.free_slots() == 1
    assert alice.allocate().code == 0


def test_rfc8656_7_2_requested_address_family() -> None:
    rows = (
        ("IPv4", (IPV4, IPV6), IPV4, 0),
        ("IPv6", (IPV4, IPV6), IPV6, 0),
        ("IPv6 where there is none", (IPV4,), IPV6, 440),
        ("IPv4 where there is none", (IPV6,), IPV4, 440),
        ("unknown", (IPV4, IPV6), 3, 440),
        ("zero", (IPV4, IPV6), 0, 440),
    )
    for what, families, wanted, code in rows:
        answer = Server(families).client().allocate((stun.REQUESTED_ADDRESS_FAMILY, family(wanted)))
        assert answer.code == code, what
        if not code:
            assert answer.value(stun.XOR_RELAYED_ADDRESS)[1] == wanted, what


def test_rfc8656_7_2_no_family_asked_where_there_is_no_ipv4_is_440() -> None:
    assert Server((IPV6,)).client().allocate().code == 440


def test_rfc8656_18_6_family_ignores_the_reserved_bits_and_has_four_bytes() -> None:
    assert Server().client().allocate((stun.REQUESTED_ADDRESS_FAMILY, b"\x02\xff\xff\xff")).code == 0
    assert Server().client().allocate((stun.REQUESTED_ADDRESS_FAMILY, b"\x02")).code == 400


def test_rfc8656_7_2_even_port() -> None:
    server = Server(max_allocations=8, user_quota=0)
    ports = [port_of(parse(client.relayed(EVEN))) for client in others(server, 4)]
    assert sorted(ports) == [FIRST_PORT, FIRST_PORT + 2, FIRST_PORT + 4, FIRST_PORT + 6]
    fifth = server.client()
    assert fifth.allocate(EVEN).code == 508
    assert fifth.allocate().code == 0


def test_rfc8656_7_2_even_port_with_r_reserves_the_next() -> None:
    server = Server()
    answer = server.client().allocate(EVEN_AND_NEXT)
    port = port_of(parse(answer.address(stun.XOR_RELAYED_ADDRESS)))
    token = answer.value(stun.RESERVATION_TOKEN)
    assert port % 2 == 0 and len(token) == 8
    second = server.client("bob", "1.1.1.2:1000").relayed((stun.RESERVATION_TOKEN, token))
    assert port_of(parse(second)) == port + 1


def test_rfc8656_18_7_even_port_has_one_byte_and_ignores_the_other_bits() -> None:
    assert Server().client().allocate((stun.EVEN_PORT, b"")).code == 400
    assert Server().client().allocate((stun.EVEN_PORT, b"\x80\0")).code == 400
    assert not Server().client().allocate((stun.EVEN_PORT, b"\x7f")).has(stun.RESERVATION_TOKEN)


def test_rfc8656_7_2_even_port_with_r_but_no_free_neighbour_is_508() -> None:
    server = Server(max_allocations=3, user_quota=0)
    first = others(server, 1)[0].allocate(EVEN_AND_NEXT)
    assert first.address(stun.XOR_RELAYED_ADDRESS) == f"193.0.0.1:{FIRST_PORT}"
    assert server.client().allocate(EVEN_AND_NEXT).code == 508
    assert server.client().allocate(EVEN).code == 0


def test_rfc8656_7_2_reserved_port_is_given_to_nobody_else() -> None:
    server = Server(max_allocations=4, user_quota=0)
    reserved = port_of(parse(server.client().relayed(EVEN_AND_NEXT))) + 1
    answers = [client.allocate() for client in others(server, 3)]
    assert [answer.code for answer in answers] == [0, 0, 508]
    assert all(port_of(parse(answer.address(stun.XOR_RELAYED_ADDRESS))) != reserved for answer in answers[:2])


def test_rfc8656_7_2_reservation_lasts_30_seconds() -> None:
    for seconds, tick, code in ((29, True, 0), (29, False, 0), (30, True, 508), (30, False, 508)):
        server = Server()
        token = server.client().allocate(EVEN_AND_NEXT).value(stun.RESERVATION_TOKEN)
        server.wait(seconds, tick)
        assert server.client(source="1.1.1.2:1000").allocate((stun.RESERVATION_TOKEN, token)).code == code


def test_rfc8656_7_2_reservation_is_taken_up_though_the_pool_is_full() -> None:
    server = Server(max_allocations=2)
    token = server.client().allocate(EVEN_AND_NEXT).value(stun.RESERVATION_TOKEN)
    assert server.client("bob", "1.1.1.2:1000").allocate().code == 508
    assert server.client("bob", "1.1.1.2:1000").allocate((stun.RESERVATION_TOKEN, token)).code == 0
    assert server.turn.pool.free_slots() == 0


def test_rfc8656_7_2_expired_reservation_gives_everything_back() -> None:
    server = Server(max_allocations=2, user_quota=2)
    server.client().relayed(EVEN_AND_NEXT)
    assert server.client(source="1.1.1.2:1000").allocate().code == 508
    assert server.wait(29) == server.now + 1
    server.wait(1)
    assert server.client(source="1.1.1.2:1000").allocate().code == 0


def test_rfc8656_7_2_reservation_is_taken_up_once() -> None:
    server = Server()
    token = server.client().allocate(EVEN_AND_NEXT).value(stun.RESERVATION_TOKEN)
    assert server.client("bob", "1.1.1.2:1000").allocate((stun.RESERVATION_TOKEN, token)).code == 0
    assert server.client("bob", "1.1.1.3:1000").allocate((stun.RESERVATION_TOKEN, token)).code == 508


def test_rfc8656_7_2_reservation_outlives_the_allocation_that_made_it() -> None:
    server = Server()
    alice = server.client()
    token = alice.allocate(EVEN_AND_NEXT).value(stun.RESERVATION_TOKEN)
    assert alice.refresh(0).code == 0
    assert server.client("bob", "1.1.1.2:1000").allocate((stun.RESERVATION_TOKEN, token)).code == 0


def test_rfc8656_7_2_unknown_or_malformed_token() -> None:
    assert Server().client().allocate((stun.RESERVATION_TOKEN, bytes(8))).code == 508
    assert Server().client().allocate((stun.RESERVATION_TOKEN, b"\x01" * 8)).code == 508
    assert Server().client().allocate((stun.RESERVATION_TOKEN, bytes(7))).code == 400
    assert Server().client().allocate((stun.RESERVATION_TOKEN, b"")).code == 400


def test_rfc8656_7_2_reservation_counts_in_the_quota_of_its_user() -> None:
    server = Server(user_quota=2)
    token = server.client().allocate(EVEN_AND_NEXT).value(stun.RESERVATION_TOKEN)
    assert server.client(source="1.1.1.2:1000").allocate().code == 486
    assert server.client(source="1.1.1.2:1000").allocate(EVEN_AND_NEXT).code == 486
    assert server.client(source="1.1.1.2:1000").allocate((stun.RESERVATION_TOKEN, token)).code == 0
    assert server.client(source="1.1.1.3:1000").allocate().code == 486


def test_rfc8656_7_2_reservation_taken_by_another_user_counts_in_that_users_quota() -> None:
    server = Server(user_quota=2)
    token = server.client().allocate(EVEN_AND_NEXT).value(stun.RESERVATION_TOKEN)
    bobs = others(server, 3)
    assert [bobs[0].allocate().code, bobs[1].allocate((stun.RESERVATION_TOKEN, token)).code] == [0, 0]
    assert bobs[2].allocate().code == 486
    assert server.client(source="1.1.1.2:1000").allocate().code == 0


def test_rfc8656_7_2_even_port_with_r_needs_two_of_the_quota() -> None:
    server = Server(user_quota=1)
    assert server.client().allocate(EVEN_AND_NEXT).code == 486
    assert server.client().allocate(EVEN).code == 0


def test_rfc8656_7_2_forbidden_combinations_are_400() -> None:
    token: "tuple[int, bytes]" = (stun.RESERVATION_TOKEN, bytes(8))
    rows: "tuple[tuple[str, Rows, int], ...]" = (
        ("token and EVEN-PORT", [token, EVEN], 400),
        ("token and EVEN-PORT with R", [token, EVEN_AND_NEXT], 400),
        ("token and family", [token, WANT_IPV4], 400),
        ("token and additional family", [token, WANT_BOTH], 400),
        ("family and additional family", [WANT_IPV4, WANT_BOTH], 400),
        ("EVEN-PORT with R and additional family", [EVEN_AND_NEXT, WANT_BOTH], 400),
        ("additional family IPv4", [(stun.ADDITIONAL_ADDRESS_FAMILY, family(IPV4))], 400),
        ("additional family unknown", [(stun.ADDITIONAL_ADDRESS_FAMILY, family(3))], 400),
        ("additional family of a wrong size", [(stun.ADDITIONAL_ADDRESS_FAMILY, b"\x02")], 400),
        ("EVEN-PORT and additional family", [EVEN, WANT_BOTH], 0),
        ("EVEN-PORT and family", [EVEN, WANT_IPV6], 0),
        ("EVEN-PORT with R and family", [EVEN_AND_NEXT, WANT_IPV6], 0),
    )
    for what, attributes, code in rows:
        server = Server()
        assert server.client().allocate(*attributes).code == code, what
        if code:
            assert server.turn.pool.free_slots() == server.limits.max_allocations, what


def test_rfc8656_7_2_quota_of_a_user_is_486() -> None:
    server = Server(user_quota=2)
    first, second, third = others(server, 3)
    assert [first.allocate().code, second.allocate().code, third.allocate().code] == [0, 0, 486]
    assert server.client("alice").allocate().code == 0
    assert first.refresh(0).code == 0
    assert third.allocate().code == 0


def test_rfc8656_7_2_full_pool_is_508() -> None:
    server = Server(max_allocations=2)
    first, second, third = others(server, 3)
    assert [first.allocate().code, second.allocate().code, third.allocate().code] == [0, 0, 508]
    second.refresh(0)
    assert third.allocate().code == 0


def test_rfc8656_7_2_expired_allocation_frees_its_tuple() -> None:
    for tick in (True, False):
        server = Server(user_quota=1)
        alice = server.client()
        alice.relayed()
        server.wait(600, tick)
        assert alice.allocate().code == 0


def test_rfc8656_7_2_dont_fragment_is_understood() -> None:
    assert Server().client().allocate((stun.DONT_FRAGMENT, b"")).code == 0


def test_rfc8656_21_4_client_of_6to4_or_teredo_is_403() -> None:
    for source in ("[2002:808:808::1]:1000", "[2001:0:808:808::1]:1000"):
        assert Server().client(source=source).allocate(WANT_IPV4).code == 403, source


def test_draining_grants_nothing_new_and_keeps_what_is() -> None:
    server = Server()
    alice = server.client()
    alice.relayed()
    server.turn.draining = True
    assert server.client("bob", "1.1.1.2:1000").allocate().code == 508
    assert alice.refresh(600).code == 0
