"""TCP and TLS: pieces and merged messages, padding, ends at any moment, bounds, a full pool, slow readers."""

import contextlib
import socket
import struct
from collections.abc import Callable

import pytest

from edgeturn.protocol import stun
from tests.blackbox.certificates import Certificate
from tests.blackbox.client import CHANNEL, REQUESTED_UDP, Stream, TcpClient, encode, lifetime
from tests.blackbox.conftest import NewClient, NewPeer, NewStream, StartRelay
from tests.blackbox.relay import HOST, HOST6, Relay, Value, until
from tests.blackbox.test_relaying import SIZES, WANTED, echo_by_channel, echo_by_indication, payload

BOTH = pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
OTHER_PREFIX = "127.0.1.1"
BINDING = encode(stun.BINDING, [])
RESET = struct.pack("ii", 1, 0)

StartServing = Callable[..., Relay]


@pytest.fixture
def serve(start: StartRelay, certificate: Certificate) -> StartServing:
    """Start a relay that knows TCP and TLS."""

    def serve(**settings: Value) -> Relay:
        return start(**certificate.settings(), **settings)

    return serve


def connections(relay: Relay) -> int:
    count: int = relay.status()["streams"]["connections"]
    return count


def is_closed(client: TcpClient) -> bool:
    """Wait until the relay has closed; say whether it did so without a byte."""
    try:
        return client.raw.recv(1) == b""
    except ConnectionError:
        return True


def reset(client: TcpClient) -> None:
    """End a connection by a reset."""
    client.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.close()


# Dialogues.


@BOTH
@pytest.mark.parametrize("host", [HOST, HOST6])
def test_data_goes_both_ways(
    serve: StartServing, new_stream: NewStream, new_peer: NewPeer, tls: bool, host: str
) -> None:
    relay = serve()
    client, peer = new_stream(relay, at=host, tls=tls), new_peer(host)
    answer = client.allocate(WANTED[host])
    assert answer.mapped == client.address and answer.relayed[0][0] == host
    assert client.bind(CHANNEL, peer.address) == 0
    for size in SIZES:
        echo_by_channel(client, peer, answer.relayed[0], payload(size))
    other = new_peer(host)
    assert client.permit(other.address) == 0
    for size in SIZES:
        echo_by_indication(client, other, answer.relayed[0], payload(size))
    assert relay.sessions()[0]["transport"] == ("tls" if tls else "tcp")
    assert client.refresh(0).code == 0 and not relay.sessions()


def test_udp_tcp_and_tls_are_three_5_tuples_on_one_port(
    serve: StartServing, new_stream: NewStream, new_client: NewClient
) -> None:
    relay = serve()
    clients = [new_client(relay), new_stream(relay), new_stream(relay, tls=True)]
    assert len({client.allocate().relayed[0] for client in clients}) == 3
    assert [each["transport"] for each in relay.sessions()] == ["udp", "tcp", "tls"]


@BOTH
def test_a_message_may_come_in_two_pieces(serve: StartServing, new_stream: NewStream, tls: bool) -> None:
    relay = serve()
    client = new_stream(relay, tls=tls)
    for at in range(1, len(BINDING)):
        client.raw.sendall(BINDING[:at])
        relay.turn()
        client.raw.sendall(BINDING[at:])
        assert client.answer(BINDING).mapped == client.address


@BOTH
def test_a_message_may_come_byte_by_byte(serve: StartServing, new_stream: NewStream, tls: bool) -> None:
    client = new_stream(serve(), tls=tls)
    request = client.signed(stun.ALLOCATE, REQUESTED_UDP)
    for byte in request:
        client.raw.sendall(bytes([byte]))
    assert client.answer(request).relayed


@BOTH
def test_messages_may_come_merged(serve: StartServing, new_stream: NewStream, tls: bool) -> None:
    client = new_stream(serve(), tls=tls)
    asked = [encode(stun.BINDING, []) for _ in range(300)]
    stream = b"".join(asked)
    client.raw.sendall(stream[:-7])
    client.raw.sendall(stream[-7:])
    for message in asked:
        assert client.sock.recv()[4 : stun.HEADER_SIZE] == message[4 : stun.HEADER_SIZE]


@BOTH
def test_rfc8656_12_5_channel_data_is_padded_with_zeros(
    serve: StartServing, new_stream: NewStream, new_peer: NewPeer, tls: bool
) -> None:
    client, peer = new_stream(serve(), tls=tls), new_peer()
    relayed = client.allocate().relayed[0]
    assert client.bind(CHANNEL, peer.address) == 0
    for size in (8, 5, 6, 7, 1):
        peer.send(relayed, b"\xff" * size)
        wanted = CHANNEL.to_bytes(2, "big") + size.to_bytes(2, "big") + b"\xff" * size + bytes(-size % 4)
        got = b""
        while len(got) < len(wanted):
            got += client.raw.recv(len(wanted) - len(got))
        assert got == wanted


@BOTH
def test_a_message_that_is_too_large_is_skipped(
    serve: StartServing, new_stream: NewStream, new_peer: NewPeer, tls: bool
) -> None:
    relay = serve(stream_buffer=2048)
    client, peer = new_stream(relay, tls=tls), new_peer()
    relayed = client.allocate().relayed[0]
    assert client.bind(CHANNEL, peer.address) == 0
    for size in (2045, 4095, 65535):
        client.channel(CHANNEL, bytes(size))
    client.channel(CHANNEL, bytes(2044))
    assert peer.receive() == (bytes(2044), relayed)
    assert relay.dropped("size") == 3


def test_what_begins_no_message_ends_the_connection(serve: StartServing, new_stream: NewStream) -> None:
    relay = serve()
    for garbage in (b"\x80", b"\xff\xff\xff\xff", BINDING[:2] + b"\0\3" + BINDING[4:], BINDING[:4] + bytes(16)):
        for before in (b"", BINDING):
            client = new_stream(relay)
            client.raw.sendall(before + garbage)
            if before:
                client.answer(BINDING)
            assert is_closed(client), garbage
    assert connections(relay) == 0


# Ends.


@BOTH
def test_a_closed_connection_ends_its_allocation(serve: StartServing, new_stream: NewStream, tls: bool) -> None:
    relay = serve()
    client = new_stream(relay, tls=tls)
    client.allocate()
    client.close()
    until(lambda: not relay.sessions(), "the allocation ends")
    assert connections(relay) == 0


def test_what_was_asked_before_a_half_close_is_answered(serve: StartServing, new_stream: NewStream) -> None:
    relay = serve()
    client = new_stream(relay)
    client.raw.sendall(BINDING * 100)
    client.raw.shutdown(socket.SHUT_WR)
    for _ in range(100):
        assert client.answer(BINDING).mapped == client.address
    assert is_closed(client)
    assert connections(relay) == 0


@BOTH
def test_a_reset_may_come_at_any_moment(serve: StartServing, new_stream: NewStream, tls: bool) -> None:
    relay = serve()
    for sent in (b"", BINDING[:1], BINDING[:19], BINDING, BINDING * 50, BINDING + BINDING[:3]):
        client = new_stream(relay, tls=tls)
        client.raw.sendall(sent)
        reset(client)
    for _ in range(3):
        client = new_stream(relay, tls=tls)
        client.allocate()
        client.raw.sendall(BINDING * 50)
        reset(client)
    until(lambda: connections(relay) == 0 and not relay.sessions(), "all are gone")
    assert relay.status()["failures"] == 0


def test_resets_and_ends_in_a_handshake(serve: StartServing, new_stream: NewStream) -> None:
    relay = serve()
    hello = b"\x16\x03\x01\x00\x80\x01\x00\x00\x7c\x03\x03"
    for end in (reset, TcpClient.close):
        for size in range(1, len(hello) + 1):
            client = new_stream(relay)
            client.raw.sendall(hello[:size])
            end(client)
    until(lambda: connections(relay) == 0, "all are gone")
    assert relay.status()["failures"] == relay.status()["streams"]["handshakes"] == 0


# Bounds.


def test_a_connection_that_says_nothing_is_closed(serve: StartServing, new_stream: NewStream) -> None:
    relay = serve(handshake_timeout=1)
    silent, partial, in_tls = new_stream(relay), new_stream(relay), new_stream(relay)
    partial.raw.sendall(BINDING[:10])
    in_tls.raw.sendall(b"\x16\x03\x01\x00\x80\x01")
    assert is_closed(silent) and is_closed(partial) and is_closed(in_tls)
    until(lambda: len(relay.log("said nothing in time")) == 3, "three log lines")


@BOTH
def test_a_connection_without_an_allocation_is_closed(serve: StartServing, new_stream: NewStream, tls: bool) -> None:
    relay = serve(unauthenticated_timeout=1, log_level="debug")
    alice, stranger = new_stream(relay, tls=tls), new_stream(relay, tls=tls)
    alice.allocate()
    while relay.log("unauthenticated") == []:
        try:
            stranger.binding()  # looks alive, and that doesn't help
        except (EOFError, OSError):
            break
    relay.logged("unauthenticated")
    assert alice.refresh(600).code == 0
    assert alice.refresh(0).code == 0
    assert is_closed(alice)


def test_bounds_follow_a_reload(serve: StartServing, new_stream: NewStream) -> None:
    relay = serve()
    stranger = new_stream(relay)
    stranger.binding()
    relay.configure(unauthenticated_timeout=1)
    assert relay.command("reload")["applied"] == ["unauthenticated_timeout"]
    assert is_closed(stranger)
    relay.logged("unauthenticated")


def test_an_idle_connection_is_closed(serve: StartServing, new_stream: NewStream) -> None:
    relay = serve(idle_timeout=1)
    client = new_stream(relay)
    client.allocate()
    assert is_closed(client)
    assert relay.logged("idle") and not relay.sessions()


def test_a_message_that_does_not_end_ends_the_connection(serve: StartServing, new_stream: NewStream) -> None:
    relay = serve(stuck_timeout=1)
    client = new_stream(relay)
    client.allocate()
    client.raw.sendall(BINDING[:10])
    assert is_closed(client)
    relay.logged("stuck")


# Slow readers.


def fill(relay: Relay, client: TcpClient, peer: socket.socket, relayed: tuple[str, int]) -> None:
    """Send media to a client that doesn't read, until the relay has to drop some."""

    def more() -> int:
        for _ in range(100):
            peer.sendto(bytes(1200), relayed)
        return relay.dropped("stream full")

    until(more, "media is dropped")


@BOTH
def test_a_full_stream_drops_media_and_no_answer(
    serve: StartServing, new_stream: NewStream, new_peer: NewPeer, tls: bool
) -> None:
    relay = serve()
    client, peer = new_stream(relay, tls=tls), new_peer()
    relayed = client.allocate().relayed[0]
    assert client.bind(CHANNEL, peer.address) == 0
    fill(relay, client, peer.sock, relayed)
    asked = [client.signed(stun.REFRESH, lifetime(600)) for _ in range(30)]
    for message in asked:
        client.sock.send(message)
    for message in asked:
        assert client.answer(message).code == 0
    assert all(len(each.data) == 1200 for each in client.waiting())


def test_who_never_takes_an_answer_is_not_read_from_and_closed(serve: StartServing, new_stream: NewStream) -> None:
    relay = serve(stuck_timeout=2)
    client, other = new_stream(relay), new_stream(relay)
    client.raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # so that there's soon no room for answers
    client.raw.setblocking(False)

    def push() -> bool:
        try:
            client.raw.send(BINDING * 1000)
        except BlockingIOError:
            return True
        except ConnectionError:
            return bool(relay.log("stuck"))
        return False

    until(push, "the relay stops reading")
    assert other.binding().mapped == other.address
    until(lambda: push() and relay.log("stuck"), "the relay closes", 30)
    until(lambda: connections(relay) == 1, "it's closed")


@pytest.mark.timeout(300)
def test_a_reader_that_starts_again_gets_every_answer(serve: StartServing, new_stream: NewStream) -> None:
    client = new_stream(serve(log_level="info", stuck_timeout=60, unauthenticated_timeout=300))
    client.raw.setblocking(False)
    sent = 0
    stream = BINDING * 1000

    def push() -> bool:
        nonlocal sent
        try:
            sent += client.raw.send(stream[sent % len(stream) :])
        except BlockingIOError:
            return True
        return False

    until(push, "the relay stops reading")
    client.raw.settimeout(5)
    for _ in range(sent // len(BINDING)):
        assert client.sock.recv()[4 : stun.HEADER_SIZE] == BINDING[4 : stun.HEADER_SIZE]


# The pool.


@BOTH
def test_a_full_pool_prefers_who_has_an_allocation(serve: StartServing, new_stream: NewStream, tls: bool) -> None:
    relay = serve(max_connections=4)
    alice, bob = new_stream(relay, tls=tls), new_stream(relay, user="bob", tls=tls)
    alice.allocate(), bob.allocate()
    first, second = [new_stream(relay, tls=tls, host=OTHER_PREFIX) for _ in range(2)]
    assert first.binding().code == second.binding().code == 0
    third = new_stream(relay, tls=tls)
    assert third.binding().code == 0
    assert is_closed(first)
    assert second.binding().code == alice.refresh(600).code == bob.refresh(600).code == 0
    assert relay.status()["streams"]["gave_way"] == 1


def test_a_pool_full_of_allocations_refuses(serve: StartServing, new_stream: NewStream) -> None:
    relay = serve(max_connections=2)
    clients = []
    for _ in range(2):
        clients.append(new_stream(relay))
        clients[-1].allocate()
    with contextlib.suppress(ConnectionResetError):  # while it still connected
        assert is_closed(new_stream(relay))
    assert relay.status()["streams"]["refused"] == 1 and relay.logged("connections-full max_connections=2")
    assert [client.refresh(600).code for client in clients] == [0, 0]
    clients[0].close()
    until(lambda: connections(relay) == 1, "a place is free")
    assert new_stream(relay).binding().code == 0


def test_a_prefix_has_half_of_the_places_of_strangers(serve: StartServing, new_stream: NewStream) -> None:
    relay = serve(max_connections=8)
    strangers = [new_stream(relay) for _ in range(8)]
    other = new_stream(relay, host=OTHER_PREFIX)
    assert other.binding().code == 0
    assert all(is_closed(each) for each in strangers[:4])
    assert all(each.binding().code == 0 for each in strangers[4:])
    assert connections(relay) == 5


def test_the_oldest_handshake_gives_way(serve: StartServing, new_stream: NewStream) -> None:
    relay = serve(max_handshakes=2)
    begun = [new_stream(relay) for _ in range(2)]
    for each in begun:
        each.raw.sendall(b"\x16\x03\x01\x00\x80\x01")
        relay.turn()
    until(lambda: relay.status()["streams"]["handshakes"] == 2, "both are under way")
    client = new_stream(relay, tls=True)
    assert client.binding().mapped == client.address
    assert is_closed(begun[0])
    until(lambda: relay.status()["streams"]["handshakes"] == 1, "one is left")


def test_handshakes_are_charged_to_strangers(serve: StartServing, new_stream: NewStream) -> None:
    relay = serve(unauthenticated_rate=1)

    def is_refused() -> bool:
        client = new_stream(relay)
        client.raw.sendall(b"\x16\x03\x01\x00\x80\x01")
        relay.turn()
        return relay.dropped("over budget") >= 2 and is_closed(client)

    assert any(is_refused() for _ in range(24)), "more handshakes came than a source may begin"
    assert new_stream(relay, host=OTHER_PREFIX, tls=True).allocate().code == 0


def test_out_of_files_accepts_again_later(serve: StartServing, new_stream: NewStream) -> None:
    relay = serve()
    with relay.without_files():
        client = new_stream(relay)
        relay.logged("accept-failed")
    assert client.binding().mapped == client.address


# Configuration.


def test_without_a_certificate_there_is_no_tls(relay: Relay, new_stream: NewStream) -> None:
    client = new_stream(relay)
    client.raw.sendall(b"\x16\x03\x01\x00\x80\x01")
    assert is_closed(client)
    relay.logged("no certificate")


def test_tcp_0_leaves_udp_and_the_places_of_tls(
    serve: StartServing, new_stream: NewStream, new_client: NewClient
) -> None:
    relay = serve(tcp=0, listen_tls=[f"{HOST}:0"])
    assert new_client(relay).binding().code == 0
    with pytest.raises(ConnectionRefusedError):
        new_stream(relay)


def test_messages_of_a_stream_keep_their_order(serve: StartServing, new_stream: NewStream) -> None:
    client = new_stream(serve())
    with socket.create_connection(client.raw.getpeername()) as sock:
        stream = Stream(sock)
        asked = [encode(stun.BINDING, []) for _ in range(5)]
        for message in asked:
            stream.send(message)
        assert [stream.recv()[8:20] for _ in asked] == [message[8:20] for message in asked]
