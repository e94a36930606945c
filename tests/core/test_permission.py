"""Permissions (RFC 8656 §9) and CreatePermission (§10.2)."""

from edgeturn.protocol import stun
from tests.core.dialogue import OTHER, PEER, PEER6, WANT_IPV6, Server, append, mask

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.core.dialogue import Rows


TOO_MANY = [(stun.XOR_PEER_ADDRESS, f"9.9.9.{number}:1") for number in range(16)]


def test_rfc8656_10_2_success_needs_no_attribute() -> None:
    alice = Server().client()
    alice.relayed()
    answer = alice.request(stun.CREATE_PERMISSION, [(stun.XOR_PEER_ADDRESS, PEER)])
    assert (answer.method, answer.message_class) == (stun.CREATE_PERMISSION, stun.SUCCESS)
    assert [kind for kind, _ in answer.rows] == [stun.MESSAGE_INTEGRITY]


def test_rfc8656_9_without_a_permission_nothing_passes() -> None:
    server = Server()
    alice = server.client()
    relayed = alice.relayed()
    assert alice.send(PEER, b"x") is None
    assert server.from_peer(relayed, PEER, b"x") is None
    assert alice.permit(OTHER) == 0
    assert alice.send(PEER, b"x") is None
    assert server.from_peer(relayed, PEER, b"x") is None


def test_rfc8656_9_permission_is_for_every_port_of_an_address() -> None:
    server = Server()
    alice = server.client()
    relayed = alice.relayed()
    assert alice.permit("8.8.8.8:0") == 0
    for peer in ("8.8.8.8:1", "8.8.8.8:65535"):
        packet = alice.send(peer, b"x")
        assert packet is not None and packet.destination == peer
        assert server.data_from_peer(relayed, peer, b"y") == (peer, b"y")
    for peer in ("8.8.8.9:1", "8.8.8.7:1"):
        assert alice.send(peer, b"x") is None and server.from_peer(relayed, peer, b"y") is None


def test_rfc8656_9_permissions_of_two_allocations_are_unrelated() -> None:
    server = Server()
    alice, bob = server.client("alice"), server.client("bob", "1.1.1.2:1000")
    alice.relayed()
    relayed = bob.relayed()
    assert alice.permit(PEER) == 0
    assert bob.send(PEER, b"x") is None and server.from_peer(relayed, PEER, b"x") is None


def test_rfc8656_9_lasts_300_seconds_in_both_directions() -> None:
    for tick in (True, False):
        server = Server()
        alice = server.client()
        relayed = alice.relayed()
        alice.permit(PEER)
        server.wait(299, tick)
        assert alice.send(PEER, b"x") is not None and server.from_peer(relayed, PEER, b"x") is not None
        server.wait(1, tick)
        assert alice.send(PEER, b"x") is None and server.from_peer(relayed, PEER, b"x") is None


def test_rfc8656_9_a_second_request_starts_the_time_anew() -> None:
    server = Server()
    alice = server.client()
    alice.relayed()
    alice.permit(PEER)
    server.wait(299)
    assert alice.permit(PEER) == 0
    server.wait(299)
    assert alice.send(PEER, b"x") is not None
    server.wait(1)
    assert alice.send(PEER, b"x") is None


def test_rfc8656_11_2_data_refreshes_no_permission() -> None:
    server = Server()
    alice = server.client()
    relayed = alice.relayed()
    alice.permit(PEER)
    for _ in range(3):
        server.wait(99)
        assert alice.send(PEER, b"x") is not None and server.from_peer(relayed, PEER, b"x") is not None
    server.wait(3)
    assert alice.send(PEER, b"x") is None and server.from_peer(relayed, PEER, b"x") is None


def test_rfc8656_10_2_many_peers_at_once() -> None:
    alice = Server().client()
    alice.relayed()
    peers = [f"8.8.8.{number}:1" for number in range(16)]
    assert alice.permit(*peers) == 0
    assert all(alice.send(peer, b"x") is not None for peer in peers)


def test_rfc8656_10_2_same_address_twice_is_one_permission() -> None:
    server = Server(max_permissions=1)
    alice = server.client()
    alice.relayed()
    assert alice.permit("8.8.8.8:1", "8.8.8.8:2", "8.8.8.8:1") == 0


def test_rfc8656_10_2_all_or_nothing() -> None:
    rows: tuple[tuple[str, Rows, int], ...] = (
        ("forbidden", [(stun.XOR_PEER_ADDRESS, "127.0.0.1:1")], 403),
        ("of another family", [(stun.XOR_PEER_ADDRESS, PEER6)], 443),
        ("malformed", [(stun.XOR_PEER_ADDRESS, b"\0\x01\0\0")], 400),
        ("too many", list(TOO_MANY), 508),
    )
    for what, bad, code in rows:
        good: Rows = [(stun.XOR_PEER_ADDRESS, PEER)]
        for attributes in (good + bad, bad + good):
            alice = Server().client()
            alice.relayed()
            assert alice.request(stun.CREATE_PERMISSION, attributes).code == code, what
            assert alice.send(PEER, b"x") is None, what


def test_rfc8656_10_2_no_peer_is_400() -> None:
    alice = Server().client()
    alice.relayed()
    assert alice.permit() == 400


def test_rfc8656_10_2_invalid_peer_is_400() -> None:
    rows = (
        ("empty", b""),
        ("no address", b"\0\x01\x10\x10"),
        ("IPv4 too short", b"\0\x01\x10\x10\x01\x02\x03"),
        ("IPv4 too long", b"\0\x01\x10\x10\x01\x02\x03\x04\x05"),
        ("IPv4 with the family of IPv6", b"\0\x02\x10\x10\x01\x02\x03\x04"),
        ("IPv6 with the family of IPv4", b"\0\x01\x10\x10" + bytes(16)),
        ("IPv6 too short", b"\0\x02\x10\x10" + bytes(15)),
        ("unknown family", b"\0\x03\x10\x10\x01\x02\x03\x04"),
    )
    for what, value in rows:
        alice = Server().client()
        alice.relayed()
        assert alice.request(stun.CREATE_PERMISSION, [(stun.XOR_PEER_ADDRESS, value)]).code == 400, what


def test_rfc8656_10_2_peer_of_another_family_is_443() -> None:
    alice = Server().client()
    alice.relayed()
    assert alice.permit(PEER6) == 443
    bob = Server().client("bob")
    bob.relayed(WANT_IPV6)
    assert bob.permit(PEER) == 443 and bob.permit(PEER6) == 0


def test_rfc8656_10_2_denied_peer_is_403() -> None:
    server = Server()
    alice = server.client()
    alice.relayed()
    for peer in ("127.0.0.1:1", "10.1.2.3:1", "192.168.1.1:1", "0.0.0.0:1", "224.0.0.1:1", "255.255.255.255:1"):
        assert alice.permit(peer) == 403, peer


def test_rfc8656_5_without_an_allocation_is_437() -> None:
    assert Server().client().permit(PEER) == 437


def test_rfc8656_5_another_user_is_441() -> None:
    server = Server()
    server.client("alice").relayed()
    assert server.client("bob").permit(PEER) == 441
    assert server.client("alice").send(PEER, b"x") is None


def test_rfc8489_14_peer_behind_the_integrity_is_not_read() -> None:
    server = Server()
    alice = server.client()
    alice.relayed()
    request = alice.signed(stun.CREATE_PERMISSION, [(stun.XOR_PEER_ADDRESS, PEER)])
    answer = alice.ask(append(request, stun.XOR_PEER_ADDRESS, mask(OTHER, request[4:20])))
    assert answer is not None and answer.code == 0
    assert alice.send(PEER, b"x") is not None and alice.send(OTHER, b"x") is None


def test_more_peers_than_permissions_cost_no_work() -> None:
    server = Server(max_permissions=4)
    alice = server.client()
    alice.relayed()
    asked: list[bytes] = []
    denies = server.turn.peers.denies
    server.turn.peers.denies = lambda ip: asked.append(ip) or denies(ip)  # type: ignore[method-assign, func-returns-value]
    assert alice.permit("1.1.1.1:1", "1.1.1.2:1", "1.1.1.3:1", "1.1.1.4:1", "1.1.1.5:1") == 508
    assert not asked
    assert alice.permit("1.1.1.1:1", "1.1.1.1:2", "1.1.1.1:3", "1.1.1.1:4", "1.1.1.1:5") == 0
    assert len(asked) == 1
