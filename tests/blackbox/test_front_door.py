"""One port for all: what isn't ours is handed through to a backend byte for byte; proxies in front tell who comes.

    client ──► relay ──► backend       HTTP by its method, TLS by its ClientHello; STUN stays
    client ──► proxy ──► relay         a PROXY header first

The backends are sockets of the test, so that each end, reset and full buffer is its own doing.
"""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from edgeturn.protocol import proxy_header, stun
from edgeturn.relay.configuration import Configuration
from edgeturn.relay.uci import ConfigError
from tests.blackbox.backend import LARGE, Backend, Side, passes_in_order
from tests.blackbox.client import encode, pack
from tests.blackbox.conftest import StartRelay
from tests.blackbox.relay import DEADLINE, HOST, HOST6, Address, Relay, Settings, until
from tests.core import hellos

REQUEST = b"GET / HTTP/1.1\r\nHost: router.lan\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
OTHER_HOST = "127.0.0.2"
CLIENT = ("198.51.100.7", 56324)


Connect = Callable[..., Side]


@pytest.fixture
def backend(stack: ExitStack) -> Backend:
    made = Backend()
    stack.callback(made.sock.close)
    return made


@pytest.fixture
def connect(stack: ExitStack) -> Connect:
    def connect(relay: Relay, at: str = HOST, source: str | None = None) -> Side:
        own = None if source is None else (source, 0)
        stream = Side(socket.create_connection((at, relay.port), DEADLINE, own))
        stack.callback(stream.sock.close)
        return stream

    return connect


@pytest.fixture
def pair(start: StartRelay, backend: Backend, connect: Connect) -> Iterator[tuple[Side, Side]]:
    """A client and the backend's end of what it said, both ends open; the request is read."""
    relay = start(http_backend=backend.place, max_connections=8)
    client = connect(relay)
    client.send(REQUEST)
    server = backend.accept()
    assert server.receive(len(REQUEST)) == REQUEST
    yield client, server
    client.sock.close()
    server.sock.close()
    until(lambda: not relay.status()["streams"]["spliced"], "the splice is free")


# What goes where.


@pytest.mark.parametrize(
    ("what", "first"),
    [
        ("http", REQUEST),
        ("http", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("https", hellos.CURL),
        ("https", hellos.CHROMIUM_PAGE),
    ],
)
def test_what_isnt_ours_arrives_as_it_was_sent_from_the_first_byte_on(
    start: StartRelay, backend: Backend, connect: Connect, what: str, first: bytes
) -> None:
    backends: Settings = {f"{what}_backend": backend.place}
    client = connect(start(**backends))
    client.send(first)
    server = backend.accept()
    assert server.receive(len(first)) == first
    server.send(ANSWER)
    assert client.receive(len(ANSWER)) == ANSWER
    for text in (b"more", b"and more"):
        client.send(text)
        assert server.receive(len(text)) == text


def test_a_request_of_single_bytes(start: StartRelay, backend: Backend, connect: Connect) -> None:
    client = connect(start(http_backend=backend.place))
    client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for at in range(len(REQUEST)):
        client.send(REQUEST[at : at + 1])
    assert backend.accept().receive(len(REQUEST)) == REQUEST


def test_turn_is_served_on_the_same_port(start: StartRelay, backend: Backend, connect: Connect) -> None:
    relay = start(http_backend=backend.place, https_backend=backend.place)
    for at in (HOST, HOST6):
        client = connect(relay, at)
        assert client.binding() == client.address
    assert backend.nobody_came()


@pytest.mark.parametrize("first", [b"\x05\x01\0", b"\x80\0", b"GET / HTTP/1.1\r\n", b"\x16\x03\x01\0\0"])
def test_what_is_nobodys_is_closed(start: StartRelay, backend: Backend, connect: Connect, first: bytes) -> None:
    client = connect(start(https_backend=backend.place) if first[0] == 0x16 else start())
    client.send(first)
    if first[0] == 0x16:  # without a certificate of our own all TLS is the backend's, whatever it is
        assert backend.accept().receive(len(first)) == first
    else:
        assert client.receive(1) == b""


def test_a_reload_brings_another_backend(start: StartRelay, backend: Backend, connect: Connect) -> None:
    relay = start()
    relay.configure(http_backend=backend.place)
    assert "http_backend" in relay.command("reload")["applied"]
    connect(relay).send(REQUEST)
    assert backend.accept().receive(len(REQUEST)) == REQUEST


# Ends.


def test_a_clients_end_is_passed_on_and_the_answer_comes_back(pair: tuple[Side, Side]) -> None:
    client, server = pair
    client.end()
    assert server.has_ended()
    server.send(ANSWER)
    server.end()
    assert client.receive(1000) == ANSWER


def test_a_servers_end_is_passed_on_and_the_client_goes_on(pair: tuple[Side, Side]) -> None:
    client, server = pair
    server.send(ANSWER)
    server.end()
    assert client.receive(1000) == ANSWER
    client.send(b"a last word")
    assert server.receive(11) == b"a last word"
    client.end()
    assert server.has_ended()


def test_resets_are_passed_on_both_ways(start: StartRelay, backend: Backend, connect: Connect) -> None:
    relay = start(http_backend=backend.place)
    for by_client in (True, False):
        client = connect(relay)
        client.send(REQUEST)
        server = backend.accept()
        server.receive(len(REQUEST))
        gone, other = (client, server) if by_client else (server, client)
        gone.reset()
        assert not other.has_ended()
    until(lambda: not relay.status()["streams"]["connections"], "no connection is left")


# Bounds.


def test_what_the_server_doesnt_read_stops_the_client_and_nothing_is_lost(pair: tuple[Side, Side]) -> None:
    client, server = pair
    assert passes_in_order(client, server)


def test_what_the_client_doesnt_read_stops_the_server_and_nothing_is_lost(pair: tuple[Side, Side]) -> None:
    client, server = pair
    assert passes_in_order(server, client)


def test_both_directions_at_once(pair: tuple[Side, Side]) -> None:
    texts = [os.urandom(LARGE), os.urandom(LARGE)]
    senders = [threading.Thread(target=end.send, args=(text,)) for end, text in zip(pair, texts, strict=True)]
    received = [b"", b""]

    def read(number: int) -> None:
        received[number] = pair[1 - number].receive(LARGE)

    readers = [threading.Thread(target=read, args=(number,)) for number in range(2)]
    for each in senders + readers:
        each.start()
    for each in senders + readers:
        each.join(DEADLINE)
    assert received == texts


def test_a_backend_that_isnt_there_is_a_reset(start: StartRelay, backend: Backend, connect: Connect) -> None:
    relay = start(http_backend=backend.place)
    backend.sock.close()
    client = connect(relay)
    client.send(REQUEST)
    assert not client.has_ended()
    assert relay.logged("the backend can't be reached")


def test_a_backend_that_never_accepts_is_given_up(start: StartRelay, stack: ExitStack, connect: Connect) -> None:
    backend = Backend(backlog=0)
    stack.callback(backend.sock.close)
    stack.callback(socket.create_connection(backend.sock.getsockname()).close)  # its queue is full now
    relay = start(http_backend=backend.place)
    client = connect(relay)
    client.send(REQUEST)
    client.sock.settimeout(3 * DEADLINE)
    assert not client.has_ended()
    assert relay.logged("the backend is too slow")


def test_a_backend_that_reads_nothing_is_given_up(start: StartRelay, backend: Backend, connect: Connect) -> None:
    relay = start(http_backend=backend.place)
    relay.configure(stuck_timeout=1)
    assert relay.command("reload")["applied"] == ["stuck_timeout"]
    client = connect(relay)
    client.send(REQUEST)
    server = backend.accept()
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        client.fill()
        client.send(bytes(1000))
    assert relay.logged("the backend is too slow")
    server.sock.close()


def test_who_isnt_ours_isnt_bound_by_the_time_for_strangers_but_by_silence(
    start: StartRelay, backend: Backend, connect: Connect
) -> None:
    relay = start(http_backend=backend.place, unauthenticated_timeout=1, handshake_timeout=1, idle_timeout=3)
    client = connect(relay)
    client.send(REQUEST)
    server = backend.accept()
    assert server.receive(len(REQUEST)) == REQUEST
    stranger = connect(relay)
    assert stranger.binding() == stranger.address
    assert stranger.has_ended()  # more than a second has passed
    client.send(b"still there")
    assert server.receive(11) == b"still there"
    assert server.receive(1) == b""
    assert relay.logged("closed", "idle")


def test_who_was_silent_for_longest_gives_way(start: StartRelay, backend: Backend, connect: Connect) -> None:
    relay = start(http_backend=backend.place, max_spliced=2)
    servers = []
    for _ in range(3):
        connect(relay).send(REQUEST)
        servers.append(backend.accept())
        assert servers[-1].receive(len(REQUEST)) == REQUEST
    assert relay.logged("closed", "gave way to another")
    assert relay.status()["streams"]["spliced"] <= 2


def test_backends_take_at_most_half_of_the_connections(start: StartRelay, backend: Backend, connect: Connect) -> None:
    relay = start(http_backend=backend.place, max_spliced=32, max_connections=6)
    for _ in range(6):
        connect(relay).send(REQUEST)
        backend.accept()
    assert relay.status()["streams"]["max_spliced"] == 3
    assert relay.status()["streams"]["spliced"] <= 3
    for _ in range(3):
        client = connect(relay)
        assert client.binding() == client.address


def test_only_those_who_may_reach_the_backend(start: StartRelay, backend: Backend, connect: Connect) -> None:
    relay = start(http_backend=backend.place, backend_from=["127.0.0.2/32", "::1"])
    refused = connect(relay)
    refused.send(REQUEST)
    assert not refused.has_ended()
    for at, source in ((HOST, OTHER_HOST), (HOST6, HOST6)):
        connect(relay, at, source).send(REQUEST)
        assert backend.accept().receive(len(REQUEST)) == REQUEST
    assert backend.nobody_came()


def test_a_backend_that_is_the_relay_itself_is_no_loop(start: StartRelay, connect: Connect) -> None:
    relay = start()
    relay.configure(listen=[f"0.0.0.0:{relay.port}"], http_backend=f"127.0.0.1:{relay.port}")
    relay.command("reload")
    client = connect(relay)
    client.send(REQUEST)
    assert not client.has_ended()
    assert relay.logged("the backend is this relay itself")


@pytest.mark.parametrize("name", ["https_backend", "http_backend"])
@pytest.mark.parametrize(
    ("backend", "complaint"),
    [
        ("192.0.2.1:8080", "the relay itself listens there"),
        ("0.0.0.0:8080", "is no server's address"),
        ("192.0.2.1:0", "is no server's address"),
        ("router.lan", "must be an address"),
    ],
)
def test_what_is_no_backend_is_an_error_of_the_configuration(name: str, backend: str, complaint: str) -> None:
    text = f"config relay 'main'\n\tlist listen '192.0.2.1:8080'\n\toption {name} '{backend}'\n"
    with pytest.raises(ConfigError, match=complaint) as error:
        Configuration(text, "a.conf")
    assert name in str(error.value)


# PROXY headers.


def v1(source: Address) -> bytes:
    return f"PROXY TCP4 {source[0]} 192.0.2.1 {source[1]} 443\r\n".encode()


def v2(source: Address) -> bytes:
    return proxy_header.encode(pack(source), pack((HOST6 if ":" in source[0] else HOST, 443)))


LOCAL = proxy_header.SIGNATURE + b"\x20\0\0\0"
SAID = [
    ("version 1", v1(CLIENT), CLIENT),
    ("version 2", v2(CLIENT), CLIENT),
    ("version 2, IPv6", v2(("2001:db8::7", 1)), ("2001:db8::7", 1)),
    ("version 2 with values", v2(CLIENT)[:15] + b"\x0f" + v2(CLIENT)[16:] + b"\x04\0\0", CLIENT),
    ("version 1, unknown", b"PROXY UNKNOWN\r\n", None),
    ("version 2, its own", LOCAL, None),
]


@pytest.mark.parametrize(("what", "header", "said"), SAID, ids=[row[0] for row in SAID])
def test_a_listed_proxy_says_who_the_client_is(
    start: StartRelay, connect: Connect, what: str, header: bytes, said: Address | None
) -> None:
    relay = start(proxy_from=["127.0.0.0/8"])
    together, apart = connect(relay), connect(relay)
    assert together.binding(header) == (said or together.address)
    together.sock.close()
    for at in range(len(header)):
        apart.send(header[at : at + 1])
    assert apart.binding() == (said or apart.address)
    assert apart.binding() == (said or apart.address)


@pytest.mark.parametrize(
    "first",
    [encode(stun.BINDING, []), REQUEST, hellos.CURL, v2(CLIENT)[:13] + b"\xff" + v2(CLIENT)[14:], v1(CLIENT)[1:]],
)
def test_a_listed_proxy_without_a_header_is_closed(start: StartRelay, connect: Connect, first: bytes) -> None:
    client = connect(start(proxy_from=[HOST]))
    client.send(first)
    assert client.receive(1) == b""


def test_a_header_of_anybody_else_is_no_header(start: StartRelay, connect: Connect) -> None:
    relay = start(proxy_from=[OTHER_HOST], handshake_timeout=1)
    for header in (v1(CLIENT), v2(CLIENT)):
        client = connect(relay)
        client.send(header + encode(stun.BINDING, []))
        assert client.receive(1) == b""
    proxied = connect(relay, source=OTHER_HOST)
    assert proxied.binding(v2(CLIENT)) == CLIENT


def test_a_proxy_that_never_says_its_header_is_closed(start: StartRelay, connect: Connect) -> None:
    relay = start(proxy_from=[HOST], handshake_timeout=1)
    client = connect(relay)
    client.send(v2(CLIENT)[:20])
    assert client.receive(1) == b""


def test_the_log_and_the_bounds_know_the_client_and_not_the_proxy(start: StartRelay, connect: Connect) -> None:
    relay = start(proxy_from=[HOST], max_connections=4)
    streams = []
    for number in range(4):
        told = (f"198.51.{number}.7", 1000)
        streams.append(connect(relay))
        assert streams[-1].binding(v1(told)) == told
    assert not relay.log("gave way")
    streams[0].end()
    assert relay.logged("closed", "client=198.51.0.7:1000")


def test_a_proxys_clients_of_one_prefix_have_half_of_all_places(start: StartRelay, connect: Connect) -> None:
    relay = start(proxy_from=[HOST], max_connections=4)
    streams = []
    for number in range(3):
        streams.append(connect(relay))
        assert streams[-1].binding(v1((f"198.51.100.{number}", 1000))) == (f"198.51.100.{number}", 1000)
    assert relay.logged("gave way", "client=198.51.100.0:1000")
    assert not streams[0].has_ended()
    assert streams[1].binding() and streams[2].binding()


def test_a_backend_is_told_who_the_client_is(start: StartRelay, backend: Backend, connect: Connect) -> None:
    relay = start(http_backend=backend.place, backend_proxy_protocol=1, proxy_from=[OTHER_HOST])
    direct, proxied = connect(relay), connect(relay, source=OTHER_HOST)
    for client, before, source in ((direct, b"", direct.address), (proxied, v1(CLIENT), CLIENT)):
        client.send(before + REQUEST)
        header = proxy_header.encode(pack(source), pack((HOST, relay.port)))
        assert backend.accept().receive(len(header) + len(REQUEST)) == header + REQUEST
