"""DTLS at the UDP listeners: all that a client does over UDP, and handshakes, also those that lose packets."""

import os
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from edgeturn.protocol import stun
from tests.blackbox.certificates import Certificate, make
from tests.blackbox.client import CHANNEL, Client, encode
from tests.blackbox.conftest import NewClient, NewPeer, StartRelay
from tests.blackbox.dtls import Dtls, DtlsClient, lacks
from tests.blackbox.relay import (
    HOST,
    HOST6,
    Relay,
    Value,
    until,
)

HELLO_VERIFY_REQUEST, SERVER_HELLO = 3, 2
PLAIN = encode(stun.BINDING, [])


@pytest.fixture(scope="session")
def library(interpreter: list[str]) -> dict[str, str]:
    """What the relay's interpreter lacks for DTLS."""
    return lacks(interpreter)


class Needs(Protocol):
    """Skips a test that the library of the relay's interpreter can't pass, by the seam's constant."""

    def __call__(self, name: str) -> None: ...


@pytest.fixture
def needs(library: dict[str, str]) -> Needs:
    def needs(name: str) -> None:
        if name in library:
            pytest.skip(library[name])

    return needs


class Serve(Protocol):
    """Starts a relay with DTLS."""

    def __call__(self, **settings: Value) -> Relay: ...


@pytest.fixture
def serve(start: StartRelay, certificate: Certificate, library: dict[str, str]) -> Serve:
    if "all" in library:
        pytest.skip(f"the relay's interpreter {library['all']}")

    def serve(**settings: Value) -> Relay:
        every: dict[str, Value] = {"dtls": 1, **certificate.settings(), **settings}
        return start(**every)

    return serve


class New(Protocol):
    """Opens a DTLS client of a relay, from a host."""

    def __call__(self, relay: Relay, at: str = HOST, host: str | None = None) -> DtlsClient: ...


@pytest.fixture
def new(stack: ExitStack, certificate: Certificate) -> New:
    def new(relay: Relay, at: str = HOST, host: str | None = None) -> DtlsClient:
        made = DtlsClient(relay.server(at), certificate.certificate, host=host)
        stack.callback(made.close)
        return made

    return new


class Open(Protocol):
    """Opens a session that hasn't begun its handshake, from a host."""

    def __call__(self, relay: Relay, host: str = HOST, mtu: int = 1200) -> Dtls: ...


@pytest.fixture
def opened(stack: ExitStack) -> Open:
    def opened(relay: Relay, host: str = HOST, mtu: int = 1200) -> Dtls:
        sock = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sock.bind((host, 0))
        sock.connect(relay.server())
        sock.settimeout(10)
        return Dtls(sock, mtu=mtu)

    return opened


def dtls(relay: Relay, name: str) -> int:
    """Return a number of the status."""
    found: int = relay.status()["dtls"][name]
    return found


def ask(session: Dtls, datagram: bytes) -> bytes:
    """Send a datagram; return the next one that comes."""
    session.udp.send(datagram)
    return session.udp.recv(65535)


def begin(session: Dtls) -> bytes:
    """Send a hello, and the hello with its cookie; return the first datagram of the relay's flight."""
    hello = session.step()[0]
    verify = ask(session, hello)
    assert verify[13] == HELLO_VERIFY_REQUEST
    flight = ask(session, session.step(verify)[0])
    assert flight[13] == SERVER_HELLO
    return flight


def is_closed(relay: Relay, client: DtlsClient) -> bool:
    """Wait for the end of a client's session."""
    host, port = client.sock.udp.getsockname()[:2]
    return bool(relay.logged("closed", f"client={host}:{port}", "transport=dtls"))


# What clients do.


@pytest.mark.parametrize("host", [HOST, HOST6])
def test_a_client_is_served_as_over_udp(serve: Serve, new: New, new_peer: NewPeer, host: str) -> None:
    relay, peer = serve(), new_peer()
    alice = new(relay, at=host)
    relayed = alice.allocate().relayed[0]
    assert alice.permit(peer.address) == 0
    alice.send(peer.address, b"up")
    assert peer.receive() == (b"up", relayed)
    peer.send(relayed, b"down")
    assert alice.receive().data == b"down"
    assert alice.bind(CHANNEL, peer.address) == 0
    for data in (b"", b"x", os.urandom(1399), os.urandom(1400)):
        alice.channel(CHANNEL, data)
        assert peer.receive() == (data, relayed)
        peer.send(relayed, data)
        assert alice.receive().data == data
    assert [each["transport"] for each in relay.sessions()] == ["dtls"]
    assert alice.refresh(0).code == 0 and relay.sessions() == []


def test_many_messages_of_one_datagram(serve: Serve, new: New, new_peer: NewPeer) -> None:
    relay, peer = serve(), new_peer()
    alice = new(relay)
    alice.allocate()
    assert alice.bind(CHANNEL, peer.address) == 0
    records = [alice.sock.wrap(b"\x40\x00\x00\x01" + bytes([number])) for number in range(20)]
    alice.sock.udp.send(b"".join(records))
    assert [peer.receive()[0][0] for _ in range(20)] == list(range(20))


def test_rfc7983_plain_and_dtls_of_one_port_are_two_clients(serve: Serve, new_client: NewClient) -> None:
    relay = serve()
    plain = new_client(relay)
    plain.allocate()
    plain.sock.connect(relay.server())
    session = Dtls(plain.sock)
    session.shake()
    session.send(PLAIN)
    assert session.recv()[4:20] == PLAIN[4:20]
    hidden = Client(relay.server())
    hidden.sock.close()
    hidden.sock = session
    assert hidden.allocate().code == 0
    assert {each["transport"] for each in relay.sessions()} == {"udp", "dtls"}
    assert len({each["client"] for each in relay.sessions()}) == 1
    assert plain.refresh(600).code == 0


def test_rfc7443_alpn_and_the_version(needs: Needs, serve: Serve, new: New) -> None:
    needs("ALPN")
    alice = new(serve())
    assert alice.sock.connection.get_alpn_proto_negotiated() == b"stun.turn"
    assert alice.sock.connection.get_protocol_version_name() == "DTLSv1.2"


def test_a_closed_session_ends_its_allocation(serve: Serve, new: New) -> None:
    relay = serve()
    alice = new(relay)
    alice.allocate()
    alice.sock.bye()
    until(lambda: not relay.sessions(), "the end of the allocation")
    assert dtls(relay, "sessions") == 0


def test_the_end_of_the_relay_is_told(needs: Needs, serve: Serve, new: New) -> None:
    needs("GOOD_BYE")
    relay = serve()
    alice = new(relay)
    alice.allocate()
    relay.process.terminate()
    with pytest.raises(EOFError):
        alice.sock.recv()


# Handshakes.


def test_rfc6347_4_2_3_a_long_chain_is_fragmented(
    needs: Needs, serve: Serve, opened: Open, certificate: Certificate, tmp_path: Path
) -> None:
    needs("FRAGMENTS")
    chain = certificate.certificate.read_text()
    for number in range(8):
        chain += make(tmp_path, f"issuer{number}.example.org", use_rsa=True).certificate.read_text()
    long = tmp_path / "chain.pem"
    long.write_text(chain)
    relay = serve(certificate=str(long))
    session = opened(relay)
    flight = [begin(session)]
    while not session.done:
        for each in session.step(flight[-1]):
            session.udp.send(each)
        if not session.done:
            flight.append(session.udp.recv(65535))
    assert sum(len(each) for each in flight) > 7000
    assert max(len(each) for each in flight) <= 1200


def test_rfc6347_4_2_4_the_relay_repeats_a_lost_flight(serve: Serve, opened: Open) -> None:
    session = opened(serve())
    lost = begin(session)
    repeated = session.udp.recv(65535)
    assert repeated[13] == SERVER_HELLO and repeated[25:59] == lost[25:59]  # up to the random value
    for each in session.step(repeated):
        session.udp.send(each)
    session.shake()
    session.send(PLAIN)
    assert session.recv()[4:20] == PLAIN[4:20]


def test_rfc6347_4_2_4_the_relay_repeats_its_lost_finished(serve: Serve, opened: Open) -> None:
    session = opened(serve())
    for each in session.step(begin(session)):
        session.udp.send(each)
    session.udp.recv(65535)  # lost
    session.shake()
    session.send(PLAIN)
    assert session.recv()[4:20] == PLAIN[4:20]


def test_a_repeated_hello_does_not_begin_anew(serve: Serve, opened: Open) -> None:
    relay = serve()
    session = opened(relay)
    first = session.step()[0]
    verify = ask(session, first)
    second = session.step(verify)[0]
    flight = ask(session, second)
    for _ in range(3):
        session.udp.send(first)
        session.udp.send(second)
    for each in session.step(flight):
        session.udp.send(each)
    session.shake()
    assert dtls(relay, "accepted") == dtls(relay, "completed") == 1


def test_rfc6347_4_2_8_a_new_session_replaces_the_old_once_its_cookie_is_back(
    serve: Serve, new: New, new_peer: NewPeer
) -> None:
    relay, peer = serve(), new_peer()
    alice = new(relay)
    relayed = alice.allocate().relayed[0]
    assert alice.permit(peer.address) == 0
    again = Dtls(alice.sock.udp)
    verify = ask(again, again.step()[0])
    alice.send(peer.address, b"still here")
    assert peer.receive() == (b"still here", relayed)
    for each in again.step(ask(again, again.step(verify)[0])):
        again.udp.send(each)
    again.shake()
    assert relay.sessions() == []
    alice.sock, alice.nonce = again, b""
    assert alice.allocate().code == 0
    assert dtls(relay, "sessions") == 1


def test_a_renewed_certificate_is_for_new_sessions(serve: Serve, new: New, tmp_path: Path, stack: ExitStack) -> None:
    first, second = make(tmp_path), make(tmp_path, "other.example.org")
    relay = serve(**first.settings())
    alice = DtlsClient(relay.server(), first.certificate)
    stack.callback(alice.close)
    alice.allocate()
    second.key.replace(first.key)
    second.certificate.replace(first.certificate)
    relay.logged("certificate", "other.example.org")
    bob = DtlsClient(relay.server(), first.certificate, "bob")
    stack.callback(bob.close)
    assert bob.allocate().code == alice.refresh(600).code == 0
