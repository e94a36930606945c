"""TURN over TLS and a web server on one port: who gets which certificate, with a real HTTPS server behind the relay."""

import http.client
import http.server
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeturn.protocol import proxy_header, stun
from tests.blackbox import certificates
from tests.blackbox.backend import Side
from tests.blackbox.certificates import NAME, Certificate
from tests.blackbox.client import encode, pack
from tests.blackbox.conftest import StartRelay
from tests.blackbox.relay import DEADLINE, HOST, Relay

WEB = "router.lan"
PAGE = b"the router's own page\n" * 10000
TURN, HTTP = ["stun.turn"], ["h2", "http/1.1"]
CLIENT = ("198.51.100.7", 56324)


class Pages(http.server.BaseHTTPRequestHandler):
    """Serves one page."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, Certificate]]:
    """A web server with a certificate of its own: where it is, and the certificate."""
    files = certificates.make(tmp_path, WEB)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    context.set_alpn_protocols(["http/1.1"])
    server = http.server.ThreadingHTTPServer((HOST, 0), Pages)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"{HOST}:{server.server_port}", files
    server.shutdown()
    thread.join(DEADLINE)
    server.server_close()


@pytest.fixture
def relay(start: StartRelay, certificate: Certificate, web: tuple[str, Certificate]) -> Relay:
    """A relay that shares its port with the web server."""
    return start(**certificate.settings(), https_backend=web[0])


def connect(relay: Relay, name: str | None, protocols: list[str], before: bytes = b"") -> ssl.SSLSocket:
    """Return a TLS connection that trusts anybody, for a name or none, that offers some protocols."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(protocols)
    sock = socket.create_connection((HOST, relay.port), DEADLINE)
    sock.sendall(before)
    return context.wrap_socket(sock, server_hostname=name)


def is_shown(sock: ssl.SSLSocket, files: Certificate) -> bool:
    """Say whether a server has shown a certificate."""
    return sock.getpeercert(True) == ssl.PEM_cert_to_DER_cert(files.certificate.read_text())


@pytest.mark.parametrize(
    ("name", "protocols", "is_ours"),
    [
        (NAME, TURN, True),
        (WEB, TURN, True),
        (None, TURN, True),
        (NAME, [], True),  # Chromium with turns:
        (None, [], True),
        (WEB, HTTP, False),
        (NAME, HTTP, False),  # a page by the relay's own name
        (None, HTTP, False),
        (WEB, [], False),  # wget
    ],
)
def test_rfc7443_who_gets_which_certificate(
    relay: Relay,
    certificate: Certificate,
    web: tuple[str, Certificate],
    name: str | None,
    protocols: list[str],
    is_ours: bool,
) -> None:
    with connect(relay, name, protocols) as sock:
        assert is_shown(sock, certificate if is_ours else web[1])
        if is_ours:
            assert Side(sock).binding() == sock.getsockname()[:2]


def test_tls_names_come_before_those_of_the_certificate(
    start: StartRelay, certificate: Certificate, web: tuple[str, Certificate]
) -> None:
    relay = start(**certificate.settings(), https_backend=web[0], tls_names=["other.example.org"])
    for name, files in (("other.example.org", certificate), (NAME, web[1])):
        with connect(relay, name, []) as sock:
            assert is_shown(sock, files)


def test_a_page_is_read_and_the_connection_is_used_again(relay: Relay, web: tuple[str, Certificate]) -> None:
    context = ssl.create_default_context(cafile=web[1].certificate)
    context.set_alpn_protocols(HTTP)
    context.check_hostname = False
    connection = http.client.HTTPSConnection(HOST, relay.port, context=context, timeout=DEADLINE)
    for _ in range(3):
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, PAGE)
    connection.close()


def test_curl_reads_a_page(relay: Relay, web: tuple[str, Certificate]) -> None:
    if shutil.which("curl") is None:
        pytest.skip("there's no curl")
    place = f"{WEB}:{relay.port}"
    words = ["curl", "-sS", "--cacert", str(web[1].certificate), "--resolve", f"{place}:{HOST}", f"https://{place}/"]
    assert subprocess.run(words, capture_output=True, timeout=DEADLINE, check=True).stdout == PAGE


def test_pages_and_turn_at_once(relay: Relay, web: tuple[str, Certificate]) -> None:
    with (
        connect(relay, NAME, TURN) as first,
        connect(relay, WEB, ["http/1.1"]) as page,
        connect(relay, NAME, TURN) as second,
    ):
        page.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        for sock in (first, second, first):
            assert Side(sock).binding() == sock.getsockname()[:2]
        assert Side(page).receive(len(PAGE)).startswith(b"HTTP/1.1 200")


def test_a_hello_of_single_bytes(relay: Relay, certificate: Certificate, web: tuple[str, Certificate]) -> None:
    for protocols, files in ((TURN, certificate), (HTTP, web[1])):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=files.certificate)
        context.set_alpn_protocols(protocols)
        tls = context.wrap_bio(incoming, outgoing, server_hostname=HOST)
        with socket.create_connection((HOST, relay.port), DEADLINE) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while not shaken(tls):
                for byte in outgoing.read():
                    sock.sendall(bytes([byte]))
                incoming.write(sock.recv(65536))


def shaken(tls: ssl.SSLObject) -> bool:
    """Go on with a handshake, which checks the certificate; say whether it's done."""
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


@pytest.mark.parametrize(
    ("what", "first"),
    [
        ("no hello", b"\x16\x03\x01\0\x05\x02\0\0\x01\0"),
        ("more than a connection keeps", b"\x16\x03\x01\x40\0\x01\0\x3f\xf0" + bytes(16380)),
    ],
)
def test_a_hello_that_cant_be_read_is_closed(relay: Relay, what: str, first: bytes) -> None:
    with socket.create_connection((HOST, relay.port), DEADLINE) as sock:
        client = Side(sock)
        client.send(first)
        assert not client.has_ended() or relay.logged("closed")
    assert relay.logged("closed", "malformed" if what == "no hello" else "too much")


def test_behind_a_proxy_the_client_is_known_inside_of_tls(start: StartRelay, certificate: Certificate) -> None:
    relay = start(**certificate.settings(), proxy_from=[HOST])
    header = proxy_header.encode(pack(CLIENT), pack((HOST, 443)))
    with connect(relay, NAME, TURN, header) as sock:
        assert Side(sock).binding() == CLIENT
        assert Side(sock).binding() == CLIENT


def test_inside_of_tls_there_is_only_turn(
    start: StartRelay, certificate: Certificate, web: tuple[str, Certificate]
) -> None:
    relay = start(**certificate.settings(), http_backend=web[0], https_backend=web[0])
    for first in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\0\x05", b"\xff"):
        with connect(relay, NAME, TURN) as sock:
            sock.sendall(first)
            assert Side(sock).receive(1) == b""
    with connect(relay, NAME, TURN) as sock:
        sock.sendall(encode(stun.BINDING, []))
        assert sock.recv(1) == b"\x01"
