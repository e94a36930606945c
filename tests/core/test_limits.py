"""Every limit is enforced: each option of Limits with a dialogue that reaches it."""

from edgeturn.protocol import stun
from edgeturn.protocol.credentials import Credentials
from edgeturn.protocol.digests import hmac_sha1
from edgeturn.protocol.limits import Limits
from edgeturn.protocol.listener import TCP
from edgeturn.protocol.peers import Peers
from edgeturn.seam import base64
from tests.core.dialogue import (
    OTHER,
    PEER,
    PEER6,
    REALM,
    REQUESTED_UDP,
    WALL,
    WANT_BOTH,
    Client,
    Server,
    credentials,
    encode,
)

USERS = (("alice", "pa"), ("bob", "pb"))


def clients(server: Server, count: int, user: str = "alice") -> list[Client]:
    """Return clients of one user at addresses of different prefixes."""
    return [server.client(user, f"1.2.{number}.1:1000") for number in range(count)]


def flood(client: Client, relayed: str, size: int, count: int) -> tuple[int, int]:
    """Send packets in both directions at once; return how many passed up and down."""
    up = sum([client.send(PEER, bytes(size)) is not None for _ in range(count)])
    down = sum([client.server.from_peer(relayed, PEER, bytes(size)) is not None for _ in range(count)])
    return up, down


def test_max_allocations() -> None:
    server = Server(max_allocations=3, user_quota=0)
    assert [client.allocate().code for client in clients(server, 5)] == [0, 0, 0, 508, 508]


def test_user_quota() -> None:
    server = Server(user_quota=2)
    assert [client.allocate().code for client in clients(server, 3)] == [0, 0, 486]
    assert server.client("bob", "1.3.1.1:1").allocate().code == 0
    unlimited = Server(user_quota=0, max_allocations=20)
    assert [client.allocate().code for client in clients(unlimited, 20)] == [0] * 20


def test_user_quota_is_counted_by_the_name_behind_the_expiry() -> None:
    server = Server(secrets=(b"s",), user_quota=2)
    codes = []
    for number, name in enumerate(("60:carol", "61:carol", "62:carol", "62:dave")):
        client = server.client(str(WALL)[:-2] + name, f"1.2.{number}.1:1000")
        client.password = base64(hmac_sha1(b"s", client.user))
        codes.append(client.allocate().code)
    assert codes == [0, 0, 486, 0]


def test_max_permissions_of_an_allocation_over_both_families() -> None:
    server = Server(max_permissions=3)
    alice, bob = clients(server, 2)
    alice.relayed(WANT_BOTH)
    bob.relayed()
    assert [alice.permit(PEER), alice.permit(PEER6), alice.bind(0x4000, OTHER)] == [0, 0, 0]
    assert [alice.permit("7.7.7.7:1"), alice.bind(0x4001, "7.7.7.7:1")] == [508, 508]
    assert alice.permit(PEER, PEER6, OTHER) == 0
    assert bob.permit("7.7.7.7:1") == 0
    server.wait(300, tick=False)
    assert alice.permit("7.7.7.7:1", "7.7.7.8:1", "7.7.7.9:1") == 0


def test_max_channels_of_an_allocation() -> None:
    server = Server(max_channels=2)
    alice, bob = clients(server, 2)
    alice.relayed((stun.LIFETIME, b"\0\0\x0e\x10"))
    bob.relayed()
    assert [alice.bind(0x4000, "8.8.8.8:1"), alice.bind(0x4001, "8.8.8.8:2")] == [0, 0]
    assert alice.bind(0x4002, "8.8.8.8:3") == 508
    assert alice.bind(0x4001, "8.8.8.8:2") == 0
    assert bob.bind(0x4002, "8.8.8.8:3") == 0
    server.wait(899, tick=False)
    assert alice.bind(0x4002, "8.8.8.8:3") == 508
    server.wait(1, tick=False)
    assert alice.bind(0x4002, "8.8.8.8:3") == 0


def test_refused_channel_leaves_no_permission() -> None:
    alice = Server(max_channels=1).client()
    alice.relayed()
    alice.bind(0x4000, PEER)
    assert alice.bind(0x4001, OTHER) == 508
    assert alice.send(OTHER, b"x") is None


def test_peers_per_minute_of_a_user() -> None:
    server = Server(peers_per_minute=3)
    server.wait(-server.now % 60)
    first, second = clients(server, 2)
    for client in (first, second):
        client.relayed()
    bob = server.client("bob", "1.3.1.1:1")
    bob.relayed()
    assert [first.permit("7.7.7.1:1", "7.7.7.2:1"), second.bind(0x4000, "7.7.7.3:1")] == [0, 0]
    assert [first.permit("7.7.7.4:1"), second.permit("7.7.7.4:1"), second.bind(0x4001, "7.7.7.4:1")] == [508] * 3
    assert first.permit("7.7.7.1:1") == 0
    assert bob.permit("7.7.7.4:1") == 0
    server.wait(59)
    assert first.permit("7.7.7.4:1") == 508
    server.wait(1)
    assert first.permit("7.7.7.4:1", "7.7.7.5:1", "7.7.7.6:1") == 0


def test_peers_per_minute_are_not_forgotten_with_the_allocation() -> None:
    server = Server(peers_per_minute=1)
    alice = server.client()
    for code in (0, 508, 508):
        alice.relayed()
        assert alice.permit(PEER) == code
        alice.refresh(0)


def within(packets: int, size: int, rate: int) -> bool:
    """Say whether packets of a size come near a rate of bytes and not over it, but for one draw left from before."""
    return rate * 4 // 5 - size <= packets * size <= rate + max(2048, rate // 16)


def test_bandwidth_of_an_allocation_in_each_direction() -> None:
    for rate in (5000, 40_000):
        server = Server(bandwidth=rate)
        alice, bob = clients(server, 2)
        for client in (alice, bob):
            relayed = client.relayed()
            client.permit(PEER)
            for _ in range(3):
                up, down = flood(client, relayed, 1000, 2 * rate // 1000)
                assert within(up, 1000, rate) and within(down, 1000, rate), (up, down, rate)
                server.wait(1)


def test_user_bandwidth_is_shared_by_all_allocations_of_a_user() -> None:
    server = Server(user_bandwidth=50_000)
    total = [0, 0]
    for client in clients(server, 3):
        relayed = client.relayed()
        client.permit(PEER)
        up, down = flood(client, relayed, 1000, 60)
        total = [total[0] + up, total[1] + down]
    assert within(total[0], 1000, 50_000) and within(total[1], 1000, 50_000), total
    bob = server.client("bob", "1.3.1.1:1")
    relayed = bob.relayed()
    bob.permit(PEER)
    assert within(flood(bob, relayed, 1000, 100)[0], 1000, 50_000)


def test_total_bandwidth_is_shared_by_all() -> None:
    server = Server(total_bandwidth=50_000)
    total = [0, 0]
    for user, source in (("alice", "1.2.1.1:1"), ("bob", "1.3.1.1:1")):
        client = server.client(user, source)
        relayed = client.relayed()
        client.permit(PEER)
        up, down = flood(client, relayed, 1000, 60)
        total = [total[0] + up, total[1] + down]
    assert within(total[0], 1000, 50_000) and within(total[1], 1000, 50_000), total
    assert server.turn.dropped["bandwidth"] == 240 - sum(total)


def test_bandwidth_counts_channels_too_and_counts_right() -> None:
    server = Server(bandwidth=10_000)
    alice = server.client()
    relayed = alice.relayed()
    alice.bind(0x4000, PEER)
    up = sum([alice.channel(0x4000, bytes(500)) is not None for _ in range(60)])
    down = sum([server.from_peer(relayed, PEER, bytes(500)) is not None for _ in range(60)])
    assert within(up, 500, 10_000) and within(down, 500, 10_000)
    owner = server.relay_at(relayed).allocation
    assert owner is not None
    assert (owner.up_bytes(), owner.down_bytes()) == (500 * up, 500 * down)
    assert (owner.up_packets, owner.down_packets) == (up, down)


def test_without_bandwidth_limits_everything_passes_and_is_counted() -> None:
    server = Server()
    alice = server.client()
    relayed = alice.relayed()
    alice.permit(PEER)
    assert flood(alice, relayed, 60_000, 40) == (40, 40)
    owner = server.relay_at(relayed).allocation
    assert owner is not None and owner.up_bytes() == owner.down_bytes() == 2_400_000


def test_unauthenticated_rate_of_bindings_and_challenges() -> None:
    server = Server(unauthenticated_rate=2)
    stranger, neighbour = server.client(source="1.1.1.1:1"), server.client(source="1.1.1.200:2")
    for kind in (stun.BINDING, stun.ALLOCATE):
        server.wait(-server.now % 4 + 4)
        request = encode(kind, stranger.transaction(), [REQUESTED_UDP])
        assert [stranger.raw(request) is not None for _ in range(10)] == [True] * 8 + [False] * 2
        assert neighbour.raw(request) is None
        assert server.client(source="1.1.2.1:1").raw(request) is not None
    assert server.turn.dropped["over budget"] > 0


def test_unauthenticated_rate_of_wrong_passwords() -> None:
    server = Server(unauthenticated_rate=2)
    server.wait(-server.now % 4)
    mallory = server.client("alice")
    mallory.learn()
    mallory.password = b"guess"
    request = mallory.signed(stun.ALLOCATE, [REQUESTED_UDP])
    assert [mallory.raw(request) is not None for _ in range(9)] == [True] * 7 + [False] * 2


def test_unauthenticated_rate_spares_valid_credentials_of_live_sessions() -> None:
    server = Server(unauthenticated_rate=2)
    alice = server.client()
    alice.relayed()
    stranger = server.client(source="1.1.1.200:2")
    while stranger.raw(encode(stun.BINDING, stranger.transaction(), [])) is not None:
        pass
    assert all(alice.permit(PEER) == 0 for _ in range(50))
    assert alice.send(PEER, b"x") is not None


def test_unauthenticated_rate_does_not_count_valid_requests() -> None:
    server = Server(unauthenticated_rate=2)
    alice = server.client()
    alice.relayed()
    assert all(alice.refresh(600).code == 0 for _ in range(50))


def test_unauthenticated_rate_0_is_unlimited() -> None:
    server = Server(unauthenticated_rate=0)
    stranger = server.client()
    assert all(stranger.raw(encode(stun.BINDING, stranger.transaction(), [])) for _ in range(500))


def test_default_and_max_lifetime() -> None:
    for wanted, granted in ((None, 700), (1, 700), (701, 701), (1000, 1000), (9999, 1000)):
        alice = Server(default_lifetime=700, max_lifetime=1000).client()
        rows = [] if wanted is None else [(stun.LIFETIME, wanted.to_bytes(4, "big"))]
        assert alice.allocate(*rows).number(stun.LIFETIME) == granted
        assert alice.request(stun.REFRESH, list(rows)).number(stun.LIFETIME) == granted


def test_nonce_lifetime() -> None:
    server = Server(nonce_lifetime=100)
    alice = server.client()
    alice.learn()
    server.wait(99)
    assert alice.allocate().code == 0
    server.wait(1)
    assert alice.refresh(600).code == 438


def test_wide_channels() -> None:
    for wide, code in ((0, 400), (1, 0)):
        alice = Server(wide_channels=wide).client()
        alice.relayed()
        assert alice.bind(0x6000, PEER) == code


def test_mobility() -> None:
    for mobility, code in ((0, 405), (1, 0)):
        assert Server(mobility=mobility).client().allocate((stun.MOBILITY_TICKET, b"")).code == code


def test_tcp_relay_max_peer_connections_and_max_tcp_peers() -> None:
    server = Server(tcp_relay=1, max_peer_connections=2, max_tcp_peers=3, user_quota=0)
    server.turn.listen(server.listeners[1], TCP)
    codes = []
    for number in range(2):
        client = server.client(source=f"1.2.{number}.1:1000", listener=1)
        client.request(stun.ALLOCATE, [(stun.REQUESTED_TRANSPORT, b"\x06\0\0\0")])
        for port in range(1, 4):
            answer = client.ask(client.signed(stun.CONNECT, [(stun.XOR_PEER_ADDRESS, f"8.8.8.8:{port}")]))
            codes.append(answer.code if answer else 0)
    assert codes == [0, 0, 486, 0, 508, 508]


def test_every_limit_has_a_test() -> None:
    of_streams = ("max_connections", "max_spliced", "stream_buffer")  # the core has none; tests/blackbox knows them
    with open(__file__, "rb") as file:  # bytecode has the names, too
        source = file.read()
    for name in Limits().__dict__:
        assert source.count(name.encode()) > 0 or name in of_streams, name


# A reload: other limits, users and peers while sessions go on.


def reload(server: Server, limits: "Limits | None" = None, users: "Credentials | None" = None, deny: str = "") -> None:
    peers = Peers([], [deny] if deny else [])
    server.turn.use(limits or Limits(), users or credentials(USERS, ()), peers)


def test_reload_keeps_sessions_and_takes_limits() -> None:
    server = Server()
    alice = server.client()
    relayed = alice.relayed()
    alice.permit(PEER)
    assert flood(alice, relayed, 1000, 50) == (50, 50)
    limits = Limits()
    limits.bandwidth, limits.user_quota, limits.max_lifetime = 20_000, 1, 800
    reload(server, limits)
    server.wait(1)
    up, down = flood(alice, relayed, 1000, 50)
    assert within(up, 1000, 20_000) and within(down, 1000, 20_000)
    owner = server.relay_at(relayed).allocation
    assert owner is not None and owner.up_bytes() == 1000 * (50 + up) and owner.down_bytes() == 1000 * (50 + down)
    assert alice.refresh(3600).number(stun.LIFETIME) == 800
    assert server.client(source="1.1.1.2:1").allocate().code == 486


def test_reload_takes_users() -> None:
    server = Server()
    alice = server.client()
    alice.relayed()
    users = Credentials(REALM.encode(), bytes(32))
    users.add_user(b"bob", b"pb")
    reload(server, users=users)
    assert alice.refresh(600).code == 0
    assert server.client("alice", "1.1.1.2:1").allocate().code == 401
    assert server.client("bob", "1.1.1.3:1").allocate().code == 0


def test_reload_takes_back_permissions_of_peers_that_are_denied_now() -> None:
    server = Server()
    alice = server.client()
    relayed = alice.relayed()
    alice.bind(0x4000, PEER)
    alice.permit(OTHER)
    reload(server, deny="8.8.8.8")
    assert alice.channel(0x4000, b"x") is None and alice.send(PEER, b"x") is None
    assert server.from_peer(relayed, PEER, b"x") is None
    assert alice.send(OTHER, b"x") is not None
    assert alice.permit(PEER) == 403
    assert alice.bind(0x4000, OTHER) == 0
