"""TLS: versions and protocols, records that come in pieces or together with the handshake's end, and what isn't TLS."""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from edgeturn.protocol import stun
from edgeturn.protocol.address import port_of
from edgeturn.relay import listeners
from edgeturn.relay.configuration import Configuration
from edgeturn.seam import cpython_tls
from tests.blackbox import certificates
from tests.blackbox.certificates import NAME, Certificate
from tests.blackbox.client import encode
from tests.blackbox.conftest import NewStream, StartRelay
from tests.blackbox.relay import DEADLINE, HOST, Relay, configuration, until

BINDING = encode(stun.BINDING, [])
VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
ANSWER_SIZE = 32


@pytest.fixture
def served(start: StartRelay, certificate: Certificate) -> Relay:
    """A relay with a certificate."""
    return start(**certificate.settings())


def context(certificate: Certificate, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=certificate.certificate)
    made.maximum_version = version
    return made


class Wire:
    """A client of TLS whose records are in our hands before they are sent."""

    def __init__(self, server: tuple[str, int], context: ssl.SSLContext) -> None:
        self.sock = socket.create_connection(server, DEADLINE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=NAME)

    def records(self) -> bytes:
        """Return what is to be sent."""
        return self._outgoing.read()

    def handshake(self, pieces: int = 1 << 20) -> None:
        """Do the handshake in pieces of so many bytes; what ends it isn't sent."""
        while True:
            try:
                self.tls.do_handshake()
                return
            except ssl.SSLWantReadError:
                self.send(self.records(), pieces)
                self.receive()

    def send(self, data: bytes, pieces: int = 1 << 20) -> None:
        for at in range(0, len(data), pieces):
            self.sock.sendall(data[at : at + pieces])

    def receive(self) -> None:
        data = self.sock.recv(65536)
        assert data, "the relay closed"
        self._incoming.write(data)

    def read(self, size: int) -> bytes:
        """Return so many decrypted bytes."""
        got = b""
        while len(got) < size:
            try:
                got += self.tls.read(size - len(got))
            except ssl.SSLWantReadError:
                self.receive()
        return got


def connect(relay: Relay) -> socket.socket:
    return socket.create_connection(relay.server(), DEADLINE)


@contextlib.contextmanager
def wire(relay: Relay, certificate: Certificate, version: ssl.TLSVersion) -> Iterator[Wire]:
    made = Wire(relay.server(), context(certificate, version))
    with made.sock:
        yield made


@pytest.mark.parametrize("version", VERSIONS)
def test_the_first_message_may_come_with_the_end_of_the_handshake(
    served: Relay, certificate: Certificate, version: ssl.TLSVersion
) -> None:
    with wire(served, certificate, version) as client:
        client.handshake()
        if version == ssl.TLSVersion.TLSv1_3:  # of 1.2 the server ends the handshake
            client.tls.write(BINDING)
        client.send(client.records())
        if version == ssl.TLSVersion.TLSv1_2:
            client.tls.write(BINDING)
            client.send(client.records())
        assert client.read(ANSWER_SIZE)[4:20] == BINDING[4:20]


@pytest.mark.parametrize("version", VERSIONS)
def test_records_may_come_byte_by_byte(served: Relay, certificate: Certificate, version: ssl.TLSVersion) -> None:
    with wire(served, certificate, version) as client:
        client.handshake(1)
        client.tls.write(BINDING)
        client.send(client.records(), 1)
        assert client.read(ANSWER_SIZE)[4:20] == BINDING[4:20]


@pytest.mark.parametrize("version", VERSIONS)
def test_several_records_in_a_segment_and_messages_across_records(
    served: Relay, certificate: Certificate, version: ssl.TLSVersion
) -> None:
    with wire(served, certificate, version) as client:
        client.handshake()
        stream = BINDING * 40
        for at in range(0, len(stream), 7):
            client.tls.write(stream[at : at + 7])
        client.send(client.records())
        answers = client.read(40 * ANSWER_SIZE)
        assert all(answers[at + 4 : at + 20] == BINDING[4:20] for at in range(0, len(answers), ANSWER_SIZE))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_record_may_be_larger_than_what_is_read_at_once(
    served: Relay, certificate: Certificate, version: ssl.TLSVersion
) -> None:
    with wire(served, certificate, version) as client:
        client.handshake()
        client.tls.write(BINDING * 800)  # 16000 bytes, in one record
        client.send(client.records())
        assert client.read(800 * ANSWER_SIZE)[4 - ANSWER_SIZE : 20 - ANSWER_SIZE] == BINDING[4:20]


def test_each_message_is_a_record(served: Relay, new_stream: NewStream) -> None:
    client = new_stream(served, tls=True)
    client.raw.sendall(BINDING * 5)  # whose answers are gathered
    assert [len(client.raw.recv(65536)) for _ in range(5)] == 5 * [ANSWER_SIZE]


@pytest.mark.parametrize("version", VERSIONS)
def test_rfc7443_3_the_protocol_is_negotiated(
    served: Relay, certificate: Certificate, version: ssl.TLSVersion, interpreter_name: str
) -> None:
    if interpreter_name == "micropython":
        pytest.skip("MicroPython has no ALPN")
    for protocol in ("stun.turn", "stun.nat-discovery"):
        asks = context(certificate, version)
        asks.set_alpn_protocols(["other", protocol])
        with asks.wrap_socket(connect(served), server_hostname=NAME) as tls:
            assert tls.selected_alpn_protocol() == protocol
            assert tls.version() == version.name.replace("_", ".") and tls.compression() is None


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_older_versions_are_refused(served: Relay, certificate: Certificate) -> None:
    asks = context(certificate)
    asks.minimum_version = ssl.TLSVersion.TLSv1
    asks.maximum_version = ssl.TLSVersion.TLSv1_1
    asks.set_ciphers("ALL:@SECLEVEL=0")
    with socket.create_connection(served.server(), DEADLINE) as sock, pytest.raises((ssl.SSLError, ConnectionError)):
        asks.wrap_socket(sock, server_hostname=NAME)
    until(lambda: served.status()["streams"]["connections"] == 0, "it's closed")


def test_rsa_keys_work(start: StartRelay, tmp_path_factory: pytest.TempPathFactory) -> None:
    made = certificates.make(tmp_path_factory.mktemp("rsa"), use_rsa=True)
    relay = start(**made.settings())
    for version in VERSIONS:
        with wire(relay, made, version) as client:
            client.handshake()
            client.tls.write(BINDING)
            client.send(client.records())
            assert client.read(ANSWER_SIZE)


def test_a_session_is_not_remembered(served: Relay, certificate: Certificate) -> None:
    asks = context(certificate)
    with asks.wrap_socket(connect(served), server_hostname=NAME) as tls:
        tls.sendall(BINDING)
        assert tls.recv(100)
        first = tls.session
    with asks.wrap_socket(connect(served), server_hostname=NAME, session=first) as tls:
        assert not tls.session_reused


def test_strangers_leave_no_sessions_in_the_library(certificate: Certificate) -> None:
    serves = cpython_tls.context(str(certificate.certificate), str(certificate.key), ())
    asks = context(certificate, ssl.TLSVersion.TLSv1_2)
    asks.options |= ssl.OP_NO_TICKET  # so that the server has to remember
    buffer = memoryview(bytearray(4096))
    for _ in range(5):
        ours, theirs = socket.socketpair()
        layer = cpython_tls.Layer(serves, ours)
        ours.setblocking(False)
        with ThreadPoolExecutor(1) as pool:
            client = pool.submit(asks.wrap_socket, theirs, server_hostname=NAME)
            while not client.done():
                layer.read(buffer)
        layer.close()
        client.result().close()
        assert not layer.handshaking
        del layer
    assert serves.session_stats()["accept_good"] == 5
    assert serves.session_stats()["number"] == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_what_was_asked_before_a_goodbye_is_answered(
    served: Relay, certificate: Certificate, version: ssl.TLSVersion
) -> None:
    for messages in (0, 1, 5):
        with wire(served, certificate, version) as client:
            client.handshake()
            client.send(client.records())
            for _ in range(messages):
                client.tls.write(BINDING)
            with contextlib.suppress(ssl.SSLWantReadError):
                client.tls.unwrap()
            client.send(client.records())
            until(lambda: served.status()["streams"]["connections"] == 0, "the relay closes")
    until(lambda: len(served.log("Binding success")) == 6, "every answer is in the log")


def test_what_is_not_tls_behind_its_first_byte_ends_the_connection(served: Relay) -> None:
    for garbage in (b"\x16garbage, and more of it than a record's header has", b"\x16\x03\x01\xff\xff" + bytes(20000)):
        with socket.create_connection(served.server(), DEADLINE) as sock:
            with contextlib.suppress(ConnectionError):
                sock.sendall(garbage)
            with contextlib.suppress(ConnectionError):
                while sock.recv(4096):
                    pass
    until(lambda: served.status()["streams"]["connections"] == 0, "all are closed")
    assert served.status()["failures"] == 0


def test_garbage_inside_of_tls_ends_the_connection(served: Relay, new_stream: NewStream) -> None:
    for garbage in (b"\x80\0\0\0", b"\x16\x03\x01\x00\x80\x01", b"HELO"):
        client = new_stream(served, tls=True)
        client.raw.sendall(garbage)
        if garbage == b"HELO":
            client.raw.sendall(bytes(20000))
            continue
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            assert client.raw.recv(1) == b""
    assert served.status()["failures"] == 0


def test_a_handshake_that_is_slow_delays_nobody(served: Relay, certificate: Certificate, new_stream: NewStream) -> None:
    with wire(served, certificate, ssl.TLSVersion.TLSv1_3) as slow:
        with contextlib.suppress(ssl.SSLWantReadError):
            slow.tls.do_handshake()
        hello = slow.records()
        for at in range(0, len(hello) - 1, 50):
            slow.send(hello[at : min(at + 50, len(hello) - 1)])
            assert new_stream(served, tls=True).binding().code == 0
        slow.send(hello[-1:])
        slow.handshake()
        slow.tls.write(BINDING)
        slow.send(slow.records())
        assert slow.read(ANSWER_SIZE)


def test_a_wrong_certificate_is_said_at_start(start: StartRelay, certificate: Certificate) -> None:
    for wrong in ({"certificate": "/nowhere"}, {"certificate": str(certificate.key)}):
        with pytest.raises(AssertionError, match=wrong["certificate"]):
            start(**certificate.settings() | wrong)
    with pytest.raises(AssertionError, match="option 'certificate' needs option 'key'"):
        start(certificate=str(certificate.certificate))
    with pytest.raises(AssertionError, match="option 'listen_tls' needs option 'certificate'"):
        start(listen_tls=[f"{HOST}:0"])


def places(**settings: str | list[str]) -> list[tuple[int, bool]]:
    """Return the ports that are listened on, and whether each serves TCP and TLS."""
    read = Configuration(configuration(dict(settings)), "written")
    return [(port_of(place), listeners.serves_tcp(read, place)) for place in listeners.wanted(read)]


def test_one_port_serves_all_and_5349_is_added_with_a_certificate(certificate: Certificate) -> None:
    files = certificate.settings()
    assert places(listen=[HOST]) == [(3478, True)]
    assert places(listen=[HOST], tcp="0") == [(3478, False)]
    assert places(**files) == 2 * [(3478, True)] + 2 * [(5349, True)]
    assert places(listen=[HOST, f"{HOST}:3479"], **files) == [(3478, True), (3479, True), (5349, True)]
    assert places(listen=[HOST], listen_tls=[f"{HOST}:443"], **files) == [(3478, True), (443, True)]
    assert places(listen=[HOST], listen_tls=[HOST], tcp="0", **files) == [(3478, False), (5349, True)]
