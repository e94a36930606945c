"""TCP connections with peers: pools are whole, and bounds hold, whatever clients, peers and time do."""

from edgeturn.protocol import stun
from edgeturn.protocol.address import parse
from tests.core.dialogue import OTHER, PEER, Answer, Client, Server
from tests.core.test_connection import STREAM, Scene, allocate, tcp_server
from tests.core.test_pool import Dice


def test_max_tcp_peers_in_all() -> None:
    server = tcp_server(max_tcp_peers=2, user_quota=0)
    scene = Scene(server)
    scene.connect(PEER)
    scene.connect(OTHER)
    assert scene.code("7.7.7.7:1") == 508
    scene.alice.permit(PEER)
    assert scene.comes("8.8.8.8:7") is None
    assert server.turn.dropped == {"connection": 1}


def test_a_user_has_at_most_half_of_all() -> None:
    scene = Scene(tcp_server(max_tcp_peers=4))
    scene.alice.permit(PEER)
    scene.connect(PEER)
    assert scene.comes("8.8.8.8:9") is not None
    assert scene.code(OTHER) == 486
    assert scene.comes("8.8.8.8:10") is None
    bob = scene.server.client("bob", "2.2.2.2:1", STREAM)
    allocate(bob)
    assert bob.ask(bob.signed(stun.CONNECT, [(stun.XOR_PEER_ADDRESS, OTHER)])) is None


def test_pools_are_whole_after_1000_random_operations() -> None:
    server = tcp_server(max_peer_connections=2, max_tcp_peers=5, peers_per_minute=0, user_quota=0)
    clients = [server.client(user, f"1.1.1.{at}:1", STREAM) for at, user in enumerate(("alice", "alice", "bob", "bob"))]
    dice, pool = Dice(b"connections"), server.turn.pool
    seen: set[int] = set()
    for step in range(1000):
        client = clients[dice.below(4)]
        seen.add(act(server, client, dice.below(9), f"8.8.8.{dice.below(4)}:5", step))
        live = list(server.turn.pool.by_id.values())
        assert pool._free_connections.count + len(live) == 5
        assert all(each.relay.connections[each.wire] is each and each.relay.tcp for each in live)
        assert len([each for relay in pool.relays for each in relay.connections]) == len(live)
        assert max([len(owner.connections()) for owner in server.turn.live_sessions()] or [0]) <= 2
    assert {0, 400, 437, 446, 447, 486, 508} <= seen
    server.wait(100000)
    assert pool._free_connections.count == 5 and pool.free_slots() == 16 and not server.turn.relayed


def act(server: Server, client: Client, action: int, peer: str, step: int) -> int:
    """Do one of many things; return the code of the answer, 0 where there's none."""
    live = list(server.turn.pool.by_id.values())
    one = live[step % len(live)] if live else None
    if action == 0:
        return allocate(client).code
    if action == 1:
        return client.refresh(step % 3 * 600).code
    if action == 2:
        return client.permit(peer)
    if action in (3, 4):
        client.learn()
        answer = client.ask(client.signed(stun.CONNECT, [(stun.XOR_PEER_ADDRESS, peer)]))
        return answer.code if answer else 0
    if action == 5 and one is not None:
        sent = server.turn.connected(one, step % 3 > 0, server.now)
        return Answer(bytes(sent[2])).code if sent else 0
    if action == 6 and live:
        server.turn.accepted(live[0].relay.index, parse(peer), server.now)
    elif action == 7 and one is not None:
        stream = server.client(("alice", "bob")[step % 2], f"2.2.2.2:{1 + step}", STREAM)
        return stream.request(stun.CONNECTION_BIND, [(stun.CONNECTION_ID, one.id)]).code
    elif action == 8:
        server.wait(step % 20)
        if one is not None and step % 5 == 0 and one.relay.allocation is not None:
            server.turn.disconnect(one)
    return 0
