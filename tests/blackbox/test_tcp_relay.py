"""
TCP allocations (RFC 6062) with real sockets: bytes between a client's connections and its peers', and their ends.
"""

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from edgeturn.protocol import stun
from tests.blackbox.certificates import Certificate
from tests.blackbox.client import WANT_IPV6, Answer, encode
from tests.blackbox.conftest import StartRelay
from tests.blackbox.relay import DEADLINE, HOST, HOST6, Relay, until
from tests.blackbox.tcp_relay import (
    MEGABYTE,
    REQUESTED_TCP,
    Control,
    TcpPeer,
    TlsControl,
    exactly,
    exchange,
    is_closed,
    is_turned_away,
    reset,
    rest,
    send_all_at_once,
    tcp_peers,
)

NewControl = Callable[..., Control]


@pytest.fixture
def relay(start: StartRelay) -> Relay:
    return start(tcp_relay=1, peers_per_minute=0, user_quota=0)


@pytest.fixture
def new_control(stack: ExitStack) -> NewControl:
    def new(relay: Relay, user: str = "alice", at: str = HOST) -> Control:
        control = Control(relay.server(at), user)
        stack.callback(control.close)
        return control

    return new


@pytest.fixture
def peer() -> Iterator[TcpPeer]:
    made = TcpPeer()
    yield made
    made.close()


# Both ways.


def test_rfc6062_5_2_a_client_connects_to_a_peer(relay: Relay, new_control: NewControl, peer: TcpPeer) -> None:
    alice = new_control(relay)
    relayed = alice.allocate_tcp()
    data = alice.reach(peer.address)
    far = peer.accept()
    assert far.getpeername() == relayed
    data.sendall(b"up")
    assert exactly(far, 2) == b"up"
    far.sendall(b"down")
    assert exactly(data, 4) == b"down"
    session = relay.sessions()[0]
    assert (session["up_bytes"], session["down_bytes"]) == (2, 4)
    assert (session["relayed_transport"], session["tcp_peers"]) == ("tcp", [f"{HOST}:{peer.address[1]}"])


def test_rfc6062_5_3_a_peer_connects(relay: Relay, new_control: NewControl, peer: TcpPeer) -> None:
    alice = new_control(relay)
    relayed = alice.allocate_tcp()
    assert alice.permit(peer.address) == 0
    far = peer.connect(relayed)
    far.sendall(b"early")
    source, number = alice.attempt()
    assert source == far.getsockname()
    data = alice.take(number)
    assert exactly(data, 5) == b"early"
    data.sendall(b"answer")
    assert exactly(far, 6) == b"answer"


def test_rfc6062_5_3_a_peer_without_permission_is_closed(relay: Relay, new_control: NewControl, peer: TcpPeer) -> None:
    alice = new_control(relay)
    relayed = alice.allocate_tcp()
    assert is_turned_away(peer, relayed)
    assert relay.dropped("permission") == 1
    assert alice.refresh(600).code == 0


def test_what_follows_the_bind_in_its_segment_is_data(relay: Relay, new_control: NewControl, peer: TcpPeer) -> None:
    alice = new_control(relay)
    alice.allocate_tcp()
    for behind in (b"\xff", b"\0\1\0\0 looks like a message" * 9, b"\x40\0\0\1?", MEGABYTE[:1500]):
        number = alice.number(peer.address)
        far = peer.accept()
        code, data = alice.bind_data(number, "alice", behind)
        assert code == 0 and exactly(far, len(behind)) == behind
        data.close()
        assert is_closed(far)
        far.close()
        until(lambda: not tcp_peers(relay), "the connection is forgotten")


def test_ipv6(relay: Relay, new_control: NewControl) -> None:
    alice, peer = new_control(relay), TcpPeer(HOST6)
    relayed = alice.allocate_tcp(WANT_IPV6)
    data, far = alice.reach(peer.address), peer.accept()
    assert far.getpeername()[:2] == relayed
    far.sendall(b"six")
    assert exactly(data, 3) == b"six"
    assert alice.permit(peer.address) == 0
    other = peer.connect(relayed)
    source, number = alice.attempt()
    assert source == other.getsockname()[:2]
    alice.take(number).sendall(b"!")
    assert exactly(other, 1) == b"!"


def test_client_to_client_through_two_allocations(relay: Relay, new_control: NewControl) -> None:
    alice, bob = new_control(relay), new_control(relay, "bob")
    of_alice, of_bob = alice.allocate_tcp(), bob.allocate_tcp()
    assert bob.permit(of_alice) == 0
    mine = alice.reach(of_bob)
    source, number = bob.attempt()
    assert source == of_alice
    theirs = bob.take(number)
    mine.sendall(MEGABYTE[:50000])
    assert exactly(theirs, 50000) == MEGABYTE[:50000]


def test_a_megabyte_each_way_at_the_same_time(relay: Relay, new_control: NewControl, peer: TcpPeer) -> None:
    alice = new_control(relay)
    alice.allocate_tcp()
    data, far = alice.reach(peer.address), peer.accept()
    assert exchange({data: MEGABYTE, far: MEGABYTE[::-1]}) == {data: MEGABYTE[::-1], far: MEGABYTE}
    until(lambda: relay.sessions()[0]["up_bytes"] == relay.sessions()[0]["down_bytes"] == len(MEGABYTE), "counts")


def test_over_tls_on_both_connections(
    start: StartRelay, stack: ExitStack, certificate: Certificate, peer: TcpPeer
) -> None:
    relay = start(tcp_relay=1, **certificate.settings())
    alice = TlsControl(relay.server(), certificate.certificate)
    stack.callback(alice.close)
    alice.allocate_tcp()
    data, far = alice.reach(peer.address), peer.accept()
    assert isinstance(data, ssl.SSLSocket)
    for sender, receiver in ((data, far), (far, data)):
        sending = threading.Thread(target=sender.sendall, args=(MEGABYTE,))
        sending.start()
        assert exactly(receiver, len(MEGABYTE)) == MEGABYTE
        sending.join()
    far.sendall(b"last words")
    far.close()
    assert rest(data) == b"last words"


# Ends.


def test_half_a_close_is_passed_on_both_ways(relay: Relay, new_control: NewControl, peer: TcpPeer) -> None:
    alice = new_control(relay)
    alice.allocate_tcp()
    for first in ("client", "peer"):
        data, far = alice.reach(peer.address), peer.accept()
        one, other = (data, far) if first == "client" else (far, data)
        one.sendall(MEGABYTE[:100000])
        one.shutdown(socket.SHUT_WR)
        assert rest(other) == MEGABYTE[:100000]
        other.sendall(b"still")
        other.shutdown(socket.SHUT_WR)
        assert rest(one) == b"still"
        until(lambda: not tcp_peers(relay), "both have ended")


def test_rfc6062_5_5_a_reset_ends_the_other_side(relay: Relay, new_control: NewControl, peer: TcpPeer) -> None:
    alice = new_control(relay)
    alice.allocate_tcp()
    for first in ("client", "peer"):
        data, far = alice.reach(peer.address), peer.accept()
        one, other = (data, far) if first == "client" else (far, data)
        reset(one)
        assert is_closed(other)
        until(lambda: not tcp_peers(relay), "it is forgotten")


@pytest.mark.parametrize("how", ["refresh", "close", "kick"])
def test_rfc6062_5_5_what_belongs_to_an_allocation_ends_with_it(
    relay: Relay, new_control: NewControl, peer: TcpPeer, how: str
) -> None:
    alice = new_control(relay)
    relayed = alice.allocate_tcp()
    data, far = alice.reach(peer.address), peer.accept()
    assert alice.permit(peer.address) == 0
    waiting = peer.connect(relayed)
    alice.attempt()
    if how == "refresh":
        assert alice.refresh(0).code == 0
    elif how == "close":
        alice.close()
    else:
        relay.command("kick", user="alice")
    assert [is_closed(sock) for sock in (data, far, waiting)] == [True] * 3
    until(lambda: not relay.sessions(), "the allocation has ended")
    with pytest.raises(ConnectionRefusedError):
        peer.connect(relayed)


# Refusals.


def test_rfc6062_5_2_446_and_447(relay: Relay, new_control: NewControl, peer: TcpPeer) -> None:
    alice = new_control(relay)
    alice.allocate_tcp()
    alice.reach(peer.address)
    assert alice.ask_for(peer.address).code == 446
    closed = TcpPeer()
    closed.close()
    assert alice.ask_for(closed.address).code == 447
    assert tcp_peers(relay) == 1


def test_denied_peers_are_not_connected_to(start: StartRelay, new_control: NewControl, peer: TcpPeer) -> None:
    relay = start(tcp_relay=1, deny_peer=["127.0.0.7"])
    alice = new_control(relay)
    relayed = alice.allocate_tcp()
    for denied in (("127.0.0.7", peer.address[1]), ("10.0.0.1", 22), ("169.254.169.254", 80), relayed):
        assert alice.ask_for(denied).code == 403, denied
    assert relay.logged("refused Connect code=403")


def test_an_id_is_of_no_use_to_another_user(relay: Relay, new_control: NewControl, peer: TcpPeer) -> None:
    alice = new_control(relay)
    alice.allocate_tcp()
    number = alice.number(peer.address)
    assert alice.bind_data(number, "bob")[0] == 400
    assert alice.bind_data(bytes(4), "alice")[0] == 400
    alice.take(number)
    assert alice.bind_data(number, "alice")[0] == 400


def test_off_by_default(start: StartRelay, new_control: NewControl) -> None:
    alice = new_control(start())
    assert alice.request(stun.ALLOCATE, REQUESTED_TCP).code == 442


def test_a_strangers_connect_is_challenged(relay: Relay, new_control: NewControl, peer: TcpPeer) -> None:
    alice = new_control(relay)
    assert alice.ask(encode(stun.CONNECT, [(stun.XOR_PEER_ADDRESS, peer.address)])).code == 401


# Bounds.


def test_max_peer_connections_and_max_tcp_peers(start: StartRelay, new_control: NewControl) -> None:
    relay = start(tcp_relay=1, max_peer_connections=2, max_tcp_peers=3, user_quota=0)
    alice, bob = new_control(relay), new_control(relay, "bob")
    alice.allocate_tcp()
    relayed = bob.allocate_tcp()
    peers = [TcpPeer() for _ in range(4)]
    assert [alice.ask_for(each.address).code for each in peers[:3]] == [0, 0, 486]
    assert [bob.ask_for(each.address).code for each in peers[:2]] == [0, 508]
    assert bob.permit(peers[0].address) == 0
    assert is_turned_away(peers[3], relayed)
    assert relay.dropped("connection") == 1
    assert alice.refresh(0).code == 0
    assert bob.ask_for(peers[1].address).code == 0


def test_connects_count_as_new_peers(start: StartRelay, new_control: NewControl) -> None:
    """A relay that tells open ports from closed ones is a port scanner, so it's a slow one."""
    relay = start(tcp_relay=1, peers_per_minute=5)
    alice, closed = new_control(relay), TcpPeer()
    alice.allocate_tcp()
    closed.close()
    codes = [alice.ask_for(closed.address).code for _ in range(12)]
    assert codes.count(447) <= 10 and codes[-1] == 508  # the minute may have turned once


@pytest.mark.timeout(300)
def test_the_thirty_seconds(relay: Relay, new_control: NewControl, peer: TcpPeer) -> None:
    """A peer that doesn't answer is given up, and one that nobody takes up is closed."""
    alice, deaf = new_control(relay), TcpPeer(backlog=0)
    relayed = alice.allocate_tcp()
    crowd = [socket.socket() for _ in range(4)]  # the queue is full, so the kernel ignores who comes then
    for each in crowd:
        each.setblocking(False)
        each.connect_ex(deaf.address)
    alice.sock.settimeout(3 * DEADLINE + 5)
    request = alice.signed(stun.CONNECT, (stun.XOR_PEER_ADDRESS, deaf.address))
    alice.sock.send(request)
    assert alice.permit(peer.address) == 0
    waiting = peer.connect(relayed)
    began = time.monotonic()
    alice.attempt()
    deadline = began + 40
    while not alice._inbox and time.monotonic() < deadline:
        alice._inbox += [alice.sock.recv(65535)]
    assert Answer(stun.Message(alice._inbox.pop())).code == 447
    assert 28 < time.monotonic() - began < 34
    assert is_closed(waiting)
    assert not tcp_peers(relay)


# Attacks: who doesn't read.


@pytest.mark.parametrize("who", ["client", "peer"])
def test_who_never_reads_is_waited_for_and_nothing_is_lost(
    start: StartRelay, new_control: NewControl, peer: TcpPeer, who: str
) -> None:
    relay = start(tcp_relay=1, stuck_timeout=1)  # which is for those who could be sent media
    alice = new_control(relay)
    alice.allocate_tcp()
    data, far = alice.reach(peer.address), peer.accept()
    sender, lazy = (far, data) if who == "client" else (data, far)
    before = relay.status()["memory_bytes"]
    much = MEGABYTE * 32
    sent = send_all_at_once(sender, much)
    assert sent < len(much)
    full = relay.status()
    assert full["memory_bytes"] - before < 4 << 20
    assert alice.refresh(600).code == 0  # and nothing else waits
    elsewhere = TcpPeer("127.0.0.2")
    alice.reach(elsewhere.address).sendall(b"x")
    assert exactly(elsewhere.accept(), 1) == b"x"
    until(lambda: relay.status()["uptime_seconds"] > full["uptime_seconds"] + 3, "the bound for media is over")
    assert exactly(lazy, sent) == much[:sent]
    sender.sendall(b"more")
    assert exactly(lazy, 4) == b"more"


def test_without_files_peers_wait_and_connects_fail(relay: Relay, new_control: NewControl, peer: TcpPeer) -> None:
    alice = new_control(relay)
    relayed = alice.allocate_tcp()
    assert alice.permit(peer.address) == 0
    with relay.without_files():
        far = peer.connect(relayed)
        assert alice.ask_for(peer.address).code == 447
    assert alice.attempt()[0] == far.getsockname()
    assert alice.ask_for(peer.address).code == 0


@pytest.mark.parametrize("way", ["up", "down"])
def test_bandwidth_delays_and_drops_nothing(
    start: StartRelay, new_control: NewControl, peer: TcpPeer, way: str
) -> None:
    relay = start(tcp_relay=1, bandwidth=100000)
    alice = new_control(relay)
    alice.allocate_tcp()
    data, far = alice.reach(peer.address), peer.accept()
    sender, receiver = (data, far) if way == "up" else (far, data)
    began = time.monotonic()
    sending = threading.Thread(target=sender.sendall, args=(MEGABYTE[:400000],))
    sending.start()
    assert exactly(receiver, 400000) == MEGABYTE[:400000]
    sending.join()
    assert 2 < time.monotonic() - began < 8
    assert relay.sessions()[0][f"{way}_bytes"] == 400000


def test_no_file_is_left_open(relay: Relay, new_control: NewControl, peer: TcpPeer) -> None:
    def files() -> int:
        return len(os.listdir(f"/proc/{relay.process.pid}/fd"))

    alice = new_control(relay)
    alice.allocate_tcp()
    assert alice.refresh(0).code == 0
    relay.turn()
    before = files()
    for number in range(20):
        relayed = alice.allocate_tcp()
        assert alice.permit(peer.address) == 0
        data, far = alice.reach(peer.address), peer.accept()
        waiting = peer.connect(relayed)
        alice.attempt()
        for sock in (data, far, waiting)[number % 3 :]:
            sock.close()
        assert alice.refresh(0).code == 0
    until(lambda: files() == before, "all is closed")
    assert relay.status()["failures"] == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_as_another_user(start: StartRelay, new_control: NewControl, peer: TcpPeer) -> None:
    """Sockets that were bound before and after share a port only where the kernel lets them."""
    alice = new_control(start(tcp_relay=1, user="nobody"))
    for _ in range(2):
        relayed = alice.allocate_tcp()
        assert alice.permit(peer.address) == 0
        alice.reach(peer.address).sendall(b"x")
        assert exactly(peer.accept(), 1) == b"x"
        far = peer.connect(relayed)
        alice.take(alice.attempt()[1]).sendall(b"y")
        assert exactly(far, 1) == b"y"
        assert alice.refresh(0).code == 0
