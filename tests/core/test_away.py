"""Relays whose address is away, or that there's none of yet: who asks for one is told so, and all else goes on."""

from edgeturn.protocol import stun
from edgeturn.protocol.address import IPV4, IPV6, ip_of, parse
from tests.core.dialogue import FIRST_PORT, RELAY_IPS, WANT_BOTH, WANT_IPV6, Server

RELAY_IP = ip_of(parse(RELAY_IPS[1]))


def test_a_family_without_an_address_yet_is_440() -> None:
    """RFC 8656 §7.2: the family isn't supported, for now."""
    server = Server()
    server.turn.pool.served = (IPV4,)
    assert server.client("bob", "1.1.1.2:1000").allocate(WANT_IPV6).code == 440
    both = server.client().allocate(WANT_BOTH)
    assert both.code == 0 and len(both.addresses(stun.XOR_RELAYED_ADDRESS)) == 1
    assert both.value(stun.ADDRESS_ERROR_CODE)[2:4] == b"\x04\x28"
    server.turn.pool.served = (IPV4, IPV6)
    assert server.client("bob", "1.1.1.2:1000").allocate(WANT_IPV6).code == 0


def test_an_address_that_is_away_is_508_and_allocations_stay() -> None:
    server = Server()
    client = server.client()
    client.relayed()
    server.turn.pool.away = {RELAY_IP}
    assert server.client("bob", "1.1.1.2:1000").allocate().code == 508
    assert server.client("bob", "1.1.1.2:1001").allocate(WANT_IPV6).code == 0
    assert client.refresh(600).code == 0
    server.turn.pool.away = set()
    assert server.client("bob", "1.1.1.2:1000").allocate().code == 0


def test_a_relay_that_is_withdrawn_is_nobodys_until_it_is_open_again() -> None:
    server = Server(max_allocations=1)
    pool = server.turn.pool
    (relay,) = pool.free_relays(IPV4)
    pool.withdraw(relay)
    assert pool.free_relays(IPV4) == [] and server.client().allocate().code == 508
    server.open(relay, FIRST_PORT + 1)
    assert pool.free_relays(IPV4) == [relay] and server.client().allocate().code == 0


def test_what_was_announced_of_an_address_is_forgotten_with_it() -> None:
    server = Server(nat=True)
    turn = server.turn
    bound = ip_of(turn.pool.free_relays(IPV4)[0].address)
    announced = ip_of(turn.pool.free_relays(IPV4)[0].announced)
    assert turn.wire(announced) == bound
    turn.forget_announced([bound])
    assert turn.wire(announced) == bound
    turn.forget_announced([])
    assert turn.wire(announced) == announced
