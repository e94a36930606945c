"""Refresh (RFC 8656 §8.2), and how an allocation ends."""

from struct import pack

from edgeturn.protocol import stun
from edgeturn.protocol.address import IPV4, IPV6
from tests.core.dialogue import PEER, PEER6, WANT_BOTH, WANT_IPV4, WANT_IPV6, Server, family


def test_rfc8656_8_2_answer_has_lifetime_and_software_only() -> None:
    alice = Server().client()
    alice.relayed()
    answer = alice.refresh(900)
    assert (answer.method, answer.message_class, answer.number(stun.LIFETIME)) == (stun.REFRESH, stun.SUCCESS, 900)
    assert [kind for kind, _ in answer.rows] == [stun.LIFETIME, stun.SOFTWARE, stun.MESSAGE_INTEGRITY]


def test_rfc8656_8_2_desired_lifetime() -> None:
    for wanted, granted in ((1, 600), (600, 600), (601, 601), (3600, 3600), (3601, 3600), (0xFFFFFFFF, 3600)):
        alice = Server().client()
        alice.relayed()
        assert alice.refresh(wanted).number(stun.LIFETIME) == granted, wanted


def test_rfc8656_8_2_without_lifetime_is_the_default() -> None:
    alice = Server(default_lifetime=700).client()
    alice.relayed()
    assert alice.request(stun.REFRESH, []).number(stun.LIFETIME) == 700


def test_rfc8656_8_2_lifetime_of_a_wrong_size_is_400_and_changes_nothing() -> None:
    server = Server()
    alice = server.client()
    alice.relayed()
    server.wait(599)
    for value in (b"", b"\0\0\0", bytes(5)):
        assert alice.request(stun.REFRESH, [(stun.LIFETIME, value)]).code == 400
    server.wait(1)
    assert alice.refresh(600).code == 437


def test_rfc8656_8_2_the_time_runs_from_the_refresh() -> None:
    for tick in (True, False):
        server = Server()
        alice = server.client()
        alice.relayed()
        server.wait(500, tick)
        alice.refresh(600)
        server.wait(599, tick)
        assert alice.permit(PEER) == 0
        server.wait(1, tick)
        assert alice.permit(PEER) == 437


def test_rfc8656_8_2_may_shorten() -> None:
    server = Server()
    alice = server.client()
    alice.allocate((stun.LIFETIME, pack("!I", 3600)))
    alice.refresh(600)
    server.wait(600)
    assert alice.refresh(600).code == 437


def test_rfc8656_8_2_zero_deletes() -> None:
    server = Server()
    alice = server.client()
    relayed = alice.relayed()
    alice.permit(PEER)
    alice.bind(0x4000, PEER)
    answer = alice.refresh(0)
    assert answer.code == 0 and answer.number(stun.LIFETIME) == 0
    assert alice.permit(PEER) == 437
    assert alice.send(PEER, b"x") is None and alice.channel(0x4000, b"x") is None
    assert server.from_peer(relayed, PEER, b"x") is None


def test_rfc8656_8_2_retransmitted_zero_is_437() -> None:
    alice = Server().client()
    alice.relayed()
    assert [alice.refresh(0).code, alice.refresh(0).code] == [0, 437]


def test_rfc8656_5_without_an_allocation_is_437() -> None:
    alice = Server().client()
    assert alice.refresh(600).code == 437
    assert alice.refresh(0).code == 437


def test_rfc8656_5_another_user_is_441() -> None:
    server = Server()
    server.client("alice").relayed()
    bob = server.client("bob")
    assert bob.refresh(0).code == 441
    assert server.client("alice").refresh(600).code == 0


def test_rfc8656_5_other_listener_has_another_tuple() -> None:
    server = Server()
    server.client(listener=0).relayed()
    assert server.client(listener=1).refresh(600).code == 437


def test_rfc8656_8_2_family_that_is_not_there_is_443() -> None:
    rows = ((WANT_IPV4, IPV4, 0), (WANT_IPV4, IPV6, 443), (WANT_IPV6, IPV4, 443), (WANT_IPV6, IPV6, 0))
    for wanted, number, code in rows:
        for lifetime in (600, 0):
            alice = Server().client()
            alice.relayed(wanted)
            assert alice.refresh(lifetime, (stun.REQUESTED_ADDRESS_FAMILY, family(number))).code == code
    alice = Server().client()
    alice.relayed()
    assert alice.refresh(600, (stun.REQUESTED_ADDRESS_FAMILY, family(3))).code == 443
    assert alice.refresh(600, (stun.REQUESTED_ADDRESS_FAMILY, b"\x01")).code == 400


def test_rfc8656_8_2_without_family_refreshes_both() -> None:
    server = Server()
    alice = server.client()
    alice.relayed(WANT_BOTH)
    server.wait(500)
    alice.refresh(600)
    server.wait(500)
    assert alice.permit(PEER, PEER6) == 0
    alice.refresh(0)
    assert server.turn.pool.free_slots() == server.limits.max_allocations


def test_rfc8656_8_2_refreshing_a_dead_half_is_443_even_before_the_tick() -> None:
    for tick in (True, False):
        server = Server()
        alice = server.client()
        alice.relayed(WANT_BOTH)
        alice.refresh(3600, WANT_IPV6)
        server.wait(600, tick)
        assert alice.refresh(600, WANT_IPV4).code == 443
        assert alice.permit(PEER) == 443 and alice.permit(PEER6) == 0


def test_rfc8656_9_everything_ends_with_the_allocation_even_before_the_tick() -> None:
    for tick in (True, False):
        server = Server()
        alice = server.client()
        relayed = alice.relayed()
        server.wait(599, tick)
        alice.permit(PEER)
        alice.bind(0x4000, PEER)
        server.wait(1, tick)
        assert server.from_peer(relayed, PEER, b"x") is None
        assert alice.channel(0x4000, b"x") is None
        assert alice.send(PEER, b"x") is None
        alice.relayed()
        assert alice.send(PEER, b"x") is None and alice.channel(0x4000, b"x") is None
