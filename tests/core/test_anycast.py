"""Discovery by anycast (RFC 8155 §6): who asks at a well-known address is told which address to use."""

from edgeturn.protocol import stun
from edgeturn.protocol.address import IPV4, format, parse
from edgeturn.protocol.anycast import ADDRESSES
from edgeturn.protocol.listener import TCP, UDP
from tests.core.dialogue import Server

ANYCAST, ANYCAST6 = "192.0.0.10:3478", "[2001:1::2]:3478"
LAN, GUESTS, LAN6 = "192.168.1.1:3478", "10.7.0.1:3478", "[2a00:1::1]:3478"
PLACES = ((ANYCAST, UDP), (LAN, UDP), (GUESTS, UDP), (LAN6, UDP), (ANYCAST6, UDP), (ANYCAST, TCP), (LAN, TCP))


def server() -> Server:
    """Return a relay that listens at the anycast addresses and at those of two networks."""
    made = Server()
    first = max(made.listeners) + 1
    made.listeners = list(range(first, first + len(PLACES)))
    for via, (place, transport) in zip(made.listeners, PLACES):
        made.turn.listen(via, transport, parse(place))
    return made


def alternate(made: Server, place: str, transport: str, source: str) -> str:
    """Return what a client is told that allocates at one of the places."""
    client = made.client("alice", source, PLACES.index((place, transport)))
    answer = client.allocate()
    assert answer.code == 300, answer.code
    value = answer.value(stun.ALTERNATE_SERVER)
    assert value[:2] == bytes([0, 1 if len(value) == 8 else 2])
    return format(value[2:])


def test_the_addresses_are_those_of_the_registry() -> None:
    assert [format(b"\x0d\x96" + ip) for ip in ADDRESSES] == [ANYCAST, ANYCAST6]


def test_rfc8155_6_the_listener_on_the_clients_side_is_named() -> None:
    made = server()
    assert alternate(made, ANYCAST, UDP, "192.168.1.77:1000") == LAN
    assert alternate(made, ANYCAST, UDP, "10.7.9.9:1000") == GUESTS
    assert alternate(made, ANYCAST6, UDP, "[2a00:1::99]:1000") == LAN6


def test_rfc8155_6_the_transport_stays() -> None:
    made = server()
    assert alternate(made, ANYCAST, TCP, "10.7.9.9:1000") == LAN


def test_nothing_is_allocated_there() -> None:
    made = server()
    free = made.turn.pool.free_slots()
    alternate(made, ANYCAST, UDP, "192.168.1.77:1000")
    assert made.turn.pool.free_slots() == free and not made.turn.live_sessions()


def test_where_nothing_else_listens_nothing_is_named() -> None:
    made = Server((IPV4,))
    made.turn.unlisten(made.listeners[1])
    made.turn.listen(made.listeners[0], UDP, parse(ANYCAST))
    answer = made.client("alice").allocate()
    assert answer.code == 508 and not answer.has(stun.ALTERNATE_SERVER)


def test_strangers_are_challenged_first() -> None:
    made = server()
    client = made.client("alice", "192.168.1.77:1000", 0)
    assert client.learn().code == 401


def test_at_its_own_address_a_relay_allocates() -> None:
    made = server()
    assert made.client("alice", "192.168.1.77:1000", PLACES.index((LAN, UDP))).allocate().code == 0
