"""ADDITIONAL-ADDRESS-FAMILY (RFC 8656 §7.2, §18.11): an IPv4 and an IPv6 address in one allocation, or one of them."""

from edgeturn.protocol import stun
from edgeturn.protocol.address import IPV4, IPV6
from tests.core.dialogue import EVEN, OTHER, PEER, PEER6, WANT_BOTH, WANT_IPV4, WANT_IPV6, Server


def test_rfc8656_7_2_dual_has_two_relayed_addresses() -> None:
    answer = Server().client().allocate(WANT_BOTH)
    first, second = answer.addresses(stun.XOR_RELAYED_ADDRESS)
    assert first.startswith("193.0.0.1:") and second.startswith("[2a00::1]:")
    assert not answer.has(stun.ADDRESS_ERROR_CODE)


def test_rfc8656_7_2_dual_is_one_allocation_of_the_quota() -> None:
    server = Server(user_quota=1)
    alice = server.client()
    alice.relayed(WANT_BOTH)
    assert server.turn.pool.free_slots() == server.limits.max_allocations - 1
    assert server.client(source="1.1.1.2:1000").allocate().code == 486


def test_rfc8656_7_2_partial_success_says_which_family_is_missing_and_why() -> None:
    rows = (
        ("no IPv6 at all", (IPV4,), None, "193.0.0.1:", bytes([IPV6, 0, 4, 40])),
        ("no IPv4 at all", (IPV6,), None, "[2a00::1]:", bytes([IPV4, 0, 4, 40])),
        ("IPv6 used up", (IPV4, IPV6), WANT_IPV6, "193.0.0.1:", bytes([IPV6, 0, 5, 8])),
        ("IPv4 used up", (IPV4, IPV6), WANT_IPV4, "[2a00::1]:", bytes([IPV4, 0, 5, 8])),
    )
    for what, families, used, prefix, error in rows:
        server = Server(families, max_allocations=2)
        if used:
            for relay in list(server.turn.pool.free_relays(used[1][0])):
                server.turn.pool.take_relay(relay)
        answer = server.client().allocate(WANT_BOTH)
        assert answer.code == 0, what
        assert len(answer.values(stun.XOR_RELAYED_ADDRESS)) == 1, what
        assert answer.address(stun.XOR_RELAYED_ADDRESS).startswith(prefix), what
        assert answer.values(stun.ADDRESS_ERROR_CODE) == [error], what


def test_rfc8656_7_2_partial_success_is_repeated_for_a_retransmission() -> None:
    alice = Server((IPV4,)).client()
    request = alice.signed(stun.ALLOCATE, [(stun.REQUESTED_TRANSPORT, b"\x11\0\0\0"), WANT_BOTH])
    first = alice.raw(request)
    assert first is not None and alice.raw(request) == first


def test_rfc8656_7_2_neither_family_is_508() -> None:
    server = Server(max_allocations=1)
    for number in (IPV4, IPV6):
        for relay in list(server.turn.pool.free_relays(number)):
            server.turn.pool.take_relay(relay)
    assert server.client().allocate(WANT_BOTH).code == 508
    for number in (IPV4, IPV6):
        single = Server((number,), max_allocations=1)
        single.turn.pool.take_relay(single.turn.pool.free_relays(number)[0])
        assert single.client().allocate(WANT_BOTH).code == 508


def test_rfc8656_7_2_dual_and_even_port_are_both_even() -> None:
    answer = Server().client().allocate(WANT_BOTH, EVEN)
    assert [int(text.split(":")[-1]) % 2 for text in answer.addresses(stun.XOR_RELAYED_ADDRESS)] == [0, 0]


def test_rfc8656_10_2_dual_permits_peers_of_both_families_at_once() -> None:
    alice = Server().client()
    first, second = alice.allocate(WANT_BOTH).addresses(stun.XOR_RELAYED_ADDRESS)
    assert alice.permit(PEER, PEER6) == 0
    for peer, relayed in ((PEER, first), (PEER6, second)):
        packet = alice.send(peer, b"x")
        assert packet is not None and (packet.relayed, packet.destination) == (relayed, peer)


def test_rfc8656_12_dual_channels_share_the_numbers() -> None:
    alice = Server().client()
    first, second = alice.allocate(WANT_BOTH).addresses(stun.XOR_RELAYED_ADDRESS)
    assert alice.bind(0x4000, PEER) == 0
    assert alice.bind(0x4000, PEER6) == 400
    assert alice.bind(0x4001, PEER6) == 0
    for number, relayed, peer in ((0x4000, first, PEER), (0x4001, second, PEER6)):
        packet = alice.channel(number, b"x")
        assert packet is not None and (packet.relayed, packet.destination) == (relayed, peer)


def test_rfc8656_12_2_number_of_a_long_dead_channel_of_the_other_family_is_free() -> None:
    server = Server()
    alice = server.client()
    alice.relayed(WANT_BOTH, (stun.LIFETIME, b"\0\0\x0e\x10"))
    assert alice.bind(0x4000, PEER) == 0
    server.wait(899, tick=False)
    assert alice.bind(0x4000, PEER6) == 400
    server.wait(1, tick=False)
    assert alice.bind(0x4000, PEER6) == 0


def test_rfc8656_8_2_refresh_of_one_family_leaves_the_other() -> None:
    for tick in (True, False):
        server = Server()
        alice = server.client()
        first, second = alice.allocate(WANT_BOTH).addresses(stun.XOR_RELAYED_ADDRESS)
        alice.refresh(1200, WANT_IPV6)
        server.wait(599, tick)
        alice.permit(PEER, PEER6)
        assert server.from_peer(first, PEER, b"x") is not None
        server.wait(1, tick)
        assert server.from_peer(first, PEER, b"x") is None
        assert alice.send(PEER, b"x") is None
        assert server.from_peer(second, PEER6, b"x") is not None
        assert alice.send(PEER6, b"x") is not None


def test_rfc8656_8_2_refresh_0_of_one_family_ends_that_half() -> None:
    server = Server()
    alice = server.client()
    first, _ = alice.allocate(WANT_BOTH).addresses(stun.XOR_RELAYED_ADDRESS)
    alice.permit(PEER, PEER6)
    assert alice.refresh(0, WANT_IPV4).code == 0
    assert server.from_peer(first, PEER, b"x") is None
    assert alice.permit(OTHER) == 443 and alice.permit(PEER6) == 0
    assert alice.refresh(0, WANT_IPV4).code == 443
    assert server.turn.pool.free_slots() == server.limits.max_allocations - 1
    assert alice.refresh(0, WANT_IPV6).code == 0
    assert server.turn.pool.free_slots() == server.limits.max_allocations
    assert alice.refresh(0, WANT_IPV6).code == 437


def test_rfc8656_8_2_freed_half_can_be_had_by_others() -> None:
    server = Server(max_allocations=2)
    alice = server.client()
    alice.relayed(WANT_BOTH)
    alice.refresh(0, WANT_IPV6)
    assert len(server.turn.pool.free_relays(IPV6)) == 2
