"""ALTERNATE-SERVER (RFC 8489 §10): an Allocate that finds no room is sent elsewhere, and never in circles."""

from edgeturn.protocol import stun
from edgeturn.protocol.address import parse
from edgeturn.protocol.listener import DTLS, TCP, TLS
from edgeturn.protocol.redirect import REDIRECTIONS, WINDOW, Alternates
from tests.core.dialogue import EVEN, PEER, REQUESTED_UDP, WANT_IPV6, Client, Server, encode

ELSEWHERE, THIRD, ELSEWHERE6 = "192.0.2.7:3478", "192.0.2.8:443", "[2001:db8::7]:3478"
DOMAIN = b"turn.example.net"


def full(*alternates: str, domain: bytes = b"") -> Server:
    """Return a server of whose two allocations none is left."""
    server = Server(max_allocations=2, unauthenticated_rate=0)
    server.turn.alternates = Alternates([parse(each) for each in alternates], domain, b"secret")
    for port in ("7", "8"):
        server.client("bob", "7.7.7.7:" + port).relayed()
    return server


def plain(*places: str) -> list[bytes]:
    return [bytes([0, 1 if len(parse(each)) == 6 else 2]) + parse(each) for each in places]


def test_rfc8489_10_a_full_relay_names_another_one_and_signs_it() -> None:
    alice = full(ELSEWHERE).client()
    answer = alice.allocate()  # its integrity is checked there
    assert answer.code == 300 and answer.values(stun.ALTERNATE_SERVER) == plain(ELSEWHERE)
    kinds = [kind for kind, _ in answer.rows]
    assert kinds == [stun.ERROR_CODE, stun.ALTERNATE_SERVER, stun.MESSAGE_INTEGRITY]


def test_without_alternates_it_is_508() -> None:
    assert full().client().allocate().code == 508


def test_a_draining_relay_redirects_but_serves_on_who_is_there() -> None:
    server = Server()
    server.turn.alternates = Alternates([parse(ELSEWHERE)], b"", b"secret")
    alice = server.client()
    alice.relayed()
    server.turn.draining = True
    assert alice.refresh(600).code == 0 and alice.permit(PEER) == 0 and alice.bind(0x4000, PEER) == 0
    assert alice.allocate().code == 437
    assert server.client(source="2.2.2.2:2").allocate().code == 300
    server.turn.draining = False
    assert server.client(source="2.2.2.2:2").allocate().code == 0


def test_who_has_not_proven_a_thing_is_challenged_and_not_redirected() -> None:
    server = full(ELSEWHERE)
    alice = server.client()
    answer = alice.ask(encode(stun.ALLOCATE, alice.transaction(), [REQUESTED_UDP]))
    assert answer is not None and answer.code == 401 and not answer.has(stun.ALTERNATE_SERVER)
    alice.password = b"guessed"
    assert alice.allocate().code == 401


def test_rfc8489_10_first_the_family_of_the_client_and_then_the_other() -> None:
    server = full(ELSEWHERE, ELSEWHERE6)
    four, six = server.client(), server.client(source="[2a02::1]:7")
    assert four.allocate().values(stun.ALTERNATE_SERVER) == plain(ELSEWHERE, ELSEWHERE6)
    assert six.allocate().values(stun.ALTERNATE_SERVER) == plain(ELSEWHERE6, ELSEWHERE)
    assert full(ELSEWHERE).client(source="[2a02::1]:7").allocate().code == 508


def test_alternates_take_turns() -> None:
    alice = full(ELSEWHERE, THIRD).client()
    named = [alice.allocate().value(stun.ALTERNATE_SERVER) for _ in range(4)]
    assert set(named[:2]) == set(plain(ELSEWHERE, THIRD)) and named[2:] == named[:2]


def test_what_is_wrong_by_itself_is_not_redirected() -> None:
    server = full(ELSEWHERE)
    alice = server.client()
    assert alice.request(stun.ALLOCATE, []).code == 400
    assert alice.allocate((stun.RESERVATION_TOKEN, bytes(8))).code == 508
    assert alice.allocate(EVEN).code == 300
    assert alice.allocate(WANT_IPV6, EVEN).code == 300
    assert alice.permit(PEER) == 437
    server.limits.user_quota = 2
    server.client("bob", "7.7.7.7:7").refresh(0)
    server.client("bob", "7.7.7.7:7").relayed()
    server.client("bob", "7.7.7.7:8").refresh(0)
    server.limits.user_quota = 1
    assert server.client("bob", "7.7.7.7:9").allocate().code == 486


def test_we_never_name_ourselves() -> None:
    server = full("10.0.0.1:3478", "193.0.0.1:3478", "10.0.0.1:3479", ELSEWHERE)
    server.turn.listeners[server.listeners[0]].place = parse("10.0.0.1:3478")
    server.turn.wire_ips[parse("193.0.0.1:0")[2:]] = parse("10.0.0.1:0")[2:]
    alice = server.client()
    named = {alice.allocate().value(stun.ALTERNATE_SERVER) for _ in range(6)}
    assert named == set(plain("10.0.0.1:3479", ELSEWHERE))


def test_only_ourselves_left_is_508() -> None:
    server = full("10.0.0.1:3478")
    server.turn.listeners[server.listeners[1]].place = parse("10.0.0.1:3478")
    assert server.client().allocate().code == 508


def test_relays_that_send_clients_to_each_other_end_it() -> None:
    servers = [full(ELSEWHERE), full(THIRD)]
    codes = []
    for turn in range(4 * REDIRECTIONS):
        source = "1.1.1.1:" + str(1000 + turn)  # many clients take a new port for a new server
        codes.append(servers[turn % 2].client(source=source).allocate().code)
        servers[turn % 2].now += 1
    assert codes == [300] * 2 * REDIRECTIONS + [508] * 2 * REDIRECTIONS


def test_who_was_redirected_too_often_may_come_again_later() -> None:
    server = full(ELSEWHERE)
    alice = server.client()
    codes = [alice.allocate().code for _ in range(REDIRECTIONS + 1)]
    assert codes == [300] * REDIRECTIONS + [508]
    assert server.client(source="1.1.1.2:1").allocate().code == 300  # another address
    assert server.client("bob").allocate().code == 300  # another user
    for client in ("7", "8"):
        server.client("bob", "7.7.7.7:" + client).refresh(3600)
    server.wait(WINDOW)
    assert alice.allocate().code == 300


def test_rfc8489_14_16_the_domain_is_for_those_who_came_by_tls() -> None:
    for transport, told in ((TLS, [DOMAIN]), (DTLS, [DOMAIN]), (TCP, []), ("udp", [])):
        server = full(ELSEWHERE, domain=DOMAIN)
        via = server.listeners[1]
        server.turn.listen(via, transport)
        alice = Client(server, "1.1.1.1:1", via, b"alice", b"pa")
        assert alice.allocate().values(stun.ALTERNATE_DOMAIN) == told, transport
    assert not full(ELSEWHERE).client().allocate().has(stun.ALTERNATE_DOMAIN)
