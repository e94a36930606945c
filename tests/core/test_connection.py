"""TCP allocations (RFC 6062): what a client is answered, what is told to who holds the sockets, and what ends when.

carol = Scene()                 alice, who has a TCP allocation, and the server
carol.connect(PEER)             a Connect that isn't answered yet; its connection
carol.reached(connection)       what alice is answered once the peer was reached
carol.comes(PEER)               a peer connects; its connection and what alice is told
carol.bind(connection.id)       alice binds it by another connection of hers; the answer's error code
"""

from edgeturn.protocol import stun
from edgeturn.protocol.address import parse
from edgeturn.protocol.limits import Limits
from edgeturn.protocol.listener import DTLS, NOWHERE, TCP, TLS
from edgeturn.protocol.pool import CONNECTING, WAITING, PeerConnection
from tests.core.dialogue import (
    EVEN,
    OTHER,
    PEER,
    PEER6,
    WANT_BOTH,
    WANT_IPV6,
    Answer,
    Client,
    Server,
    encode,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

REQUESTED_TCP = (stun.REQUESTED_TRANSPORT, b"\x06\0\0\0")
STREAM = 1  # which of the dialogue's listeners is a stream


def tcp_server(transport: str = TCP, **limits: int) -> Server:
    """Return a server that relays TCP, whose second listener is a stream."""
    server = Server(**({"tcp_relay": 1} | limits))  # type: ignore[arg-type]
    server.turn.listen(server.listeners[STREAM], transport)
    return server


class Scene:
    """alice and her TCP allocation."""

    def __init__(self, server: "Server | None" = None, *rows: "tuple[int, bytes | str]") -> None:
        self.server = server or tcp_server()
        self.alice = self.server.client("alice", listener=STREAM)
        answer = allocate(self.alice, *rows)
        assert answer.code == 0, answer.code
        self.relayed = answer.address(stun.XOR_RELAYED_ADDRESS)
        self._streams = 0
        self.events()

    def events(self) -> "list[tuple[object, ...]]":
        """Return what observers were told of connections since the last time."""
        told = ("connecting", "joined", "disconnected")
        return [event for event in self.server.recorder.take() if event[0] in told]

    def ask(self, peer: str) -> "Answer | None":
        """Send a Connect request; return its answer, None where there's none yet."""
        if not self.alice.nonce:
            self.alice.learn()
        return self.alice.ask(self.alice.signed(stun.CONNECT, [(stun.XOR_PEER_ADDRESS, peer)]))

    def code(self, peer: str) -> int:
        """Send a Connect request that is refused; return the error code."""
        answer = self.ask(peer)
        assert answer is not None
        return answer.code

    def connect(self, peer: str) -> PeerConnection:
        assert self.ask(peer) is None
        return self.connection(peer)

    def connection(self, peer: str) -> PeerConnection:
        return self.server.relay_at(self.relayed).connections[parse(peer)]

    def became(self, connection: PeerConnection, reached: bool) -> Answer:
        """Say whether the peer was reached; return alice's answer, which is signed."""
        sent = self.server.turn.connected(connection, reached, self.server.now)
        assert sent is not None and sent[:2] == (self.alice.via, parse(self.alice.source))
        answer = Answer(bytes(sent[2]))
        assert answer.method == stun.CONNECT and answer.is_signed(stun.MESSAGE_INTEGRITY, self.alice.key())
        return answer

    def reached(self, connection: PeerConnection) -> Answer:
        return self.became(connection, True)

    def comes(self, peer: str, named: str = "") -> "PeerConnection | None":
        """Let a peer connect to the relayed address; check what alice is told, by what name."""
        index = self.server.relay_at(self.relayed).index
        taken = self.server.turn.accepted(index, parse(peer), self.server.now)
        if taken is None:
            return None
        connection, sent = taken
        assert sent[:2] == (self.alice.via, parse(self.alice.source))
        told = Answer(bytes(sent[2]))
        assert (told.method, told.message_class) == (stun.CONNECTION_ATTEMPT, stun.INDICATION)
        assert (
            told.address(stun.XOR_PEER_ADDRESS) == (named or peer) and told.value(stun.CONNECTION_ID) == connection.id
        )
        return connection

    def bind(self, number: bytes, user: str = "alice", listener: int = STREAM) -> int:
        """Bind a connection from a stream of its own; return the error code."""
        return self.bind_from(self.stream(user, listener), number)

    def stream(self, user: str = "alice", listener: int = STREAM) -> Client:
        self._streams += 1
        return self.server.client(user, f"1.1.1.1:{2000 + self._streams}", listener)

    def bind_from(self, client: Client, number: bytes) -> int:
        return client.request(stun.CONNECTION_BIND, [(stun.CONNECTION_ID, number)]).code

    def free(self) -> int:
        """Return how many connections the pool has left."""
        return self.server.turn.pool._free_connections.count


def allocate(client: Client, *rows: "tuple[int, bytes | str]") -> Answer:
    return client.request(stun.ALLOCATE, [REQUESTED_TCP] + list(rows))


# Allocate.


def test_rfc6062_5_1_a_tcp_allocation_is_made_over_streams() -> None:
    for transport in (TCP, TLS):
        alice = tcp_server(transport).client(listener=STREAM)
        answer = allocate(alice)
        assert answer.code == 0 and answer.address(stun.XOR_RELAYED_ADDRESS).startswith("193.0.0.1:5")
        assert not answer.has(stun.RESERVATION_TOKEN)


def test_rfc6062_5_1_not_over_datagrams() -> None:
    assert allocate(tcp_server().client()).code == 400
    assert allocate(tcp_server(DTLS).client(listener=STREAM)).code == 400


def test_rfc6062_5_1_not_with_what_only_udp_has() -> None:
    token = (stun.RESERVATION_TOKEN, bytes(8))
    for row in (EVEN, token, (stun.DONT_FRAGMENT, b"")):
        assert allocate(tcp_server().client(listener=STREAM), row).code == 400, row


def test_it_is_off_by_default() -> None:
    assert not Limits().tcp_relay
    server = tcp_server(tcp_relay=0)
    assert allocate(server.client(listener=STREAM)).code == 442
    assert server.turn.pool.connections == []


def test_an_ipv6_address_and_both() -> None:
    assert Scene(tcp_server(), WANT_IPV6).relayed.startswith("[2a00::1]:")
    both = allocate(tcp_server().client(listener=STREAM), WANT_BOTH)
    assert len(both.addresses(stun.XOR_RELAYED_ADDRESS)) == 2


def test_a_tcp_allocation_does_not_move() -> None:
    server = tcp_server()
    server.turn.listen(99, NOWHERE)
    assert not allocate(server.client("bob", listener=STREAM), (stun.MOBILITY_TICKET, b"")).has(stun.MOBILITY_TICKET)
    server.turn.closed(server.listeners[STREAM], parse("1.1.1.1:1000"))
    scene = Scene(server, (stun.MOBILITY_TICKET, b""))
    scene.server.turn.closed(scene.alice.via, parse(scene.alice.source))
    assert scene.server.turn.live_sessions() == []


def test_what_only_udp_has_is_refused_or_dropped() -> None:
    scene = Scene()
    assert scene.alice.permit(PEER) == 0
    assert scene.alice.bind(0x4000, PEER) == 403
    assert scene.alice.send(PEER, b"x") is None
    assert scene.server.from_peer(scene.relayed, PEER, b"x") is None
    assert scene.server.turn.dropped == {"permission": 2}


def test_the_relay_is_one_of_udp_again_afterwards() -> None:
    scene = Scene(tcp_server(max_allocations=1))
    assert scene.alice.refresh(0).code == 0
    scene.server.reopen()
    assert not scene.server.relay_at(scene.relayed).tcp  # else a reservation would be listened on
    assert scene.alice.relayed() == scene.relayed
    assert scene.alice.permit(PEER) == 0
    assert scene.alice.send(PEER, b"x") is not None
    assert scene.code(PEER) == 403


# Connect.


def test_rfc6062_5_2_connect_is_answered_when_the_peer_was_reached() -> None:
    scene = Scene()
    pending = scene.connect(PEER)
    assert scene.events() == [("connecting", PEER)]
    scene.server.wait(3)
    answer = scene.reached(pending)
    assert answer.code == 0 and answer.value(stun.CONNECTION_ID) == pending.id and len(pending.id) == 4
    assert scene.bind(pending.id) == 0
    assert scene.events() == [("joined", PEER, "1.1.1.1:2001")]


def test_rfc6062_5_2_the_answer_has_the_transaction_and_fingerprint_of_its_request() -> None:
    scene = Scene()
    request = scene.alice.signed(stun.CONNECT, [(stun.XOR_PEER_ADDRESS, PEER)], fingerprint=True)
    assert scene.alice.ask(request) is None
    answer = scene.reached(scene.connection(PEER))
    assert answer.transaction == request[4:20] and answer.has(stun.FINGERPRINT)


def test_rfc6062_5_2_no_peer_400_no_allocation_437() -> None:
    scene = Scene()
    assert scene.alice.request(stun.CONNECT, []).code == 400
    assert scene.alice.request(stun.CONNECT, [(stun.XOR_PEER_ADDRESS, b"\0\1")]).code == 400
    stranger = scene.stream()
    assert stranger.request(stun.CONNECT, [(stun.XOR_PEER_ADDRESS, PEER)]).code == 437
    assert scene.code(PEER6) == 443


def test_rfc6062_5_2_446_while_connecting_waiting_and_bound() -> None:
    scene = Scene()
    pending = scene.connect(PEER)
    assert scene.code(PEER) == 446
    scene.reached(pending)
    assert scene.code(PEER) == 446
    assert scene.bind(pending.id) == 0
    assert scene.code(PEER) == 446
    scene.server.turn.disconnect(pending)
    scene.connect(PEER)
    scene.connect("8.8.8.8:5001")


def test_rfc6062_5_2_447_when_the_peer_was_not_reached() -> None:
    scene = Scene()
    pending = scene.connect(PEER)
    number = pending.id
    assert scene.became(pending, False).code == 447
    assert scene.events() == [("connecting", PEER), ("disconnected", PEER)]
    assert scene.bind(number) == 400
    assert scene.server.turn.connected(pending, True, scene.server.now) is None
    scene.connect(PEER)


def test_rfc6062_5_2_who_connects_has_30_seconds_and_is_not_waited_for_much_longer() -> None:
    scene = Scene()
    pending = scene.connect(PEER)
    scene.server.wait(30)
    assert pending.stage == CONNECTING
    scene.server.wait(5)
    assert scene.events() == [("connecting", PEER), ("disconnected", PEER)] and scene.free() == 64


def test_rfc6062_5_2_an_unbound_connection_is_closed_after_30_seconds() -> None:
    scene = Scene()
    pending = scene.connect(PEER)
    scene.server.wait(20)
    number = scene.reached(pending).value(stun.CONNECTION_ID)
    scene.server.wait(29)
    assert pending.stage == WAITING
    assert scene.server.wait(1, tick=False) == 0
    assert scene.bind(number) == 400  # at once, and not only when it is taken back
    scene.server.wait(0)
    assert scene.events() == [("connecting", PEER), ("disconnected", PEER)]


def test_a_bound_connection_lasts_as_long_as_its_allocation() -> None:
    scene = Scene()
    pending = scene.connect(PEER)
    scene.reached(pending)
    scene.bind(pending.id)
    scene.server.wait(590)
    assert scene.alice.refresh(600).code == 0
    scene.server.wait(590)
    scene.events()
    scene.server.wait(10)
    assert scene.events() == [("disconnected", PEER)] and scene.free() == 64


# What policy says.


def test_peers_that_are_denied() -> None:
    scene = Scene(tcp_server_denying("8.8.8.0/24"))
    for peer in (PEER, "127.0.0.1:80", "10.0.0.1:22", "169.254.169.254:80", "0.0.0.0:80", "224.0.0.1:1"):
        assert scene.code(peer) == 403, peer
    assert scene.free() == 64 and scene.events() == []


def test_ipv6_peers_are_judged_in_every_form() -> None:
    scene = Scene(tcp_server_denying("8.8.8.0/24"), WANT_IPV6)
    for peer in ("[::ffff:127.0.0.1]:80", "[::1]:80", "[64:ff9b::8.8.8.8]:80", "[2002:7f00:1::]:80", "[fe80::1]:1"):
        assert scene.code(peer) == 403, peer


def tcp_server_denying(prefix: str) -> Server:
    server = Server(deny=(prefix,), tcp_relay=1)
    server.turn.listen(server.listeners[STREAM], TCP)
    return server


def test_ports_of_this_machine_only_where_they_are_relayed_ones() -> None:
    scene = Scene()
    bob = scene.server.client("bob", "2.2.2.2:1", STREAM)
    bobs = allocate(bob).address(stun.XOR_RELAYED_ADDRESS)
    assert scene.code("193.0.0.1:22") == 403
    assert scene.code(scene.relayed) == 403
    scene.connect(bobs)


def test_behind_a_nat_relayed_addresses_are_reached_inside() -> None:
    server = Server(nat=True, tcp_relay=1)
    server.turn.listen(server.listeners[STREAM], TCP)
    scene = Scene(server)
    bobs = allocate(server.client("bob", "2.2.2.2:1", STREAM)).address(stun.XOR_RELAYED_ADDRESS)
    assert scene.code(scene.relayed) == 403
    assert scene.ask(bobs) is None
    assert scene.events() == [("connecting", bobs.replace("193.0.0.1", "10.0.0.1"))]
    server.turn.disconnect(scene.connection(bobs.replace("193.0.0.1", "10.0.0.1")))
    scene.alice.permit(bobs)
    assert scene.comes(bobs.replace("193.0.0.1", "10.0.0.1"), bobs) is not None


def test_a_policy_that_changes_ends_connections() -> None:
    scene = Scene()
    scene.connect(PEER)
    scene.connect(OTHER)
    scene.events()
    scene.server.turn.peers = tcp_server_denying("8.8.8.8").turn.peers
    scene.server.turn.reconsider_peers()
    assert scene.events() == [("disconnected", PEER)]


# Peers that connect.


def test_rfc6062_5_3_a_peer_with_a_permission_is_told_of() -> None:
    scene = Scene()
    assert scene.alice.permit("8.8.8.8:1") == 0
    came = scene.comes(PEER)
    assert came is not None and scene.bind(came.id) == 0
    assert scene.events() == [("joined", PEER, "1.1.1.1:2001")]


def test_rfc6062_5_3_a_peer_without_a_permission_is_not() -> None:
    scene = Scene()
    assert scene.comes(PEER) is None
    scene.alice.permit(PEER)
    scene.server.wait(300)
    assert scene.comes(PEER) is None
    assert scene.server.turn.dropped == {"permission": 2} and scene.free() == 64


def test_a_program_of_this_machine_is_no_peer() -> None:
    """Permissions are for IP addresses; on ours only ports that are relayed count."""
    scene = Scene()
    bobs = allocate(scene.server.client("bob", "2.2.2.2:1", STREAM)).address(stun.XOR_RELAYED_ADDRESS)
    assert scene.alice.permit(bobs) == 0
    assert scene.comes("193.0.0.1:22") is None
    assert scene.comes(bobs) is not None


def test_rfc6062_5_3_an_unbound_peer_is_closed_after_30_seconds() -> None:
    scene = Scene()
    scene.alice.permit(PEER)
    scene.comes(PEER)
    scene.server.wait(29)
    assert scene.events() == []
    scene.server.wait(1)
    assert scene.events() == [("disconnected", PEER)]


def test_peers_take_at_most_half_of_the_places() -> None:
    scene = Scene(tcp_server(max_peer_connections=4))
    scene.alice.permit(PEER)
    came = [scene.comes(f"8.8.8.8:{port}") for port in range(1, 5)]
    assert [each is not None for each in came] == [True, True, False, False]
    scene.connect(PEER)
    scene.connect(OTHER)
    assert scene.code("7.7.7.7:1") == 486


# ConnectionBind.


def test_rfc6062_5_4_an_id_that_is_none_400() -> None:
    scene = Scene()
    pending = scene.connect(PEER)
    assert scene.bind(pending.id) == 400  # not reached yet
    scene.reached(pending)
    for number in (b"", b"\0", bytes(4), pending.id + b"\0", b"none"):
        assert scene.bind(number) == 400, number
    assert scene.stream().request(stun.CONNECTION_BIND, []).code == 400
    assert scene.bind(pending.id) == 0
    assert scene.bind(pending.id) == 400  # once


def test_rfc6062_5_4_not_over_datagrams_and_not_on_the_control_connection() -> None:
    scene = Scene()
    pending = scene.connect(PEER)
    scene.reached(pending)
    assert scene.bind(pending.id, listener=0) == 400
    assert scene.bind_from(scene.alice, pending.id) == 400
    assert scene.bind(pending.id) == 0


def test_the_id_of_another_user_is_of_no_use() -> None:
    scene = Scene()
    pending = scene.connect(PEER)
    scene.reached(pending)
    assert scene.bind(pending.id, user="bob") == 400
    unsigned = encode(stun.CONNECTION_BIND, scene.alice.transaction(), [(stun.CONNECTION_ID, pending.id)])
    answer = scene.stream().server.receive(scene.alice.via, parse("1.1.1.1:9"), unsigned)
    assert answer is not None and Answer(answer[2]).code == 401
    assert scene.bind(pending.id) == 0


def test_ids_are_random_and_never_the_same() -> None:
    server = tcp_server(max_peer_connections=64, peers_per_minute=0, user_quota=0)
    scene = Scene(server)
    numbers = [scene.connect(f"8.8.8.8:{port}").id for port in range(1, 65)]
    assert len(set(numbers)) == 64
    fixed = Scene(tcp_server())
    fixed.server.turn.random = each_twice()
    assert fixed.connect(PEER).id != fixed.connect(OTHER).id


def each_twice() -> "Callable[[int], bytes]":
    """Return a source of random bytes that gives each result twice."""
    given: list[int] = []

    def random(size: int) -> bytes:
        given.append(0)
        return bytes([(len(given) + 1) // 2]) * size

    return random


# Bounds.


def test_max_peer_connections_of_an_allocation() -> None:
    scene = Scene(tcp_server(max_peer_connections=2))
    scene.connect(PEER)
    first = scene.connect(OTHER)
    assert scene.code("7.7.7.7:1") == 486
    scene.became(first, False)
    scene.connect("7.7.7.7:1")


def test_each_connect_counts_as_a_new_peer() -> None:
    """Else the relay were a port scanner: 447 is told of ports that are closed."""
    scene = Scene(tcp_server(peers_per_minute=3))
    scene.server.wait(-scene.server.now % 60)
    for port in (1, 2, 3):
        assert scene.became(scene.connect(f"8.8.8.8:{port}"), False).code == 447
    assert scene.code("8.8.8.8:4") == 508
    scene.server.wait(60)
    scene.connect("8.8.8.8:4")


def test_a_closed_control_connection_ends_all_of_it() -> None:
    scene = Scene()
    scene.alice.permit(PEER)
    scene.connect(PEER)
    scene.comes("8.8.8.8:9")
    bound = scene.connect(OTHER)
    scene.reached(bound)
    scene.bind(bound.id)
    scene.events()
    scene.server.turn.closed(scene.alice.via, parse(scene.alice.source))
    assert sorted([str(event[1]) for event in scene.events()]) == [PEER, "8.8.8.8:9", OTHER]
    assert scene.free() == 64 and scene.server.turn.pool.by_id == {}


def test_refresh_0_ends_all_of_it() -> None:
    scene = Scene()
    scene.connect(PEER)
    assert scene.alice.refresh(0).code == 0
    assert ("disconnected", PEER) in scene.events() and scene.free() == 64
