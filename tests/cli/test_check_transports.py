"""`edgeturn check` over TCP, TLS and DTLS, against real relays and against what is none."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgeturn.cli.check_advice import Advice
from tests.blackbox.certificates import NAME, Certificate
from tests.blackbox.relay import HOST, ROOT, Relay, free_port
from tests.cli.conftest import Call, StartRelay
from tests.cli.test_check import steps

LOGIN = ("--user", "alice", "--password", "s3cret")


@pytest.fixture
def relay(start: StartRelay, certificate: Certificate, interpreter_name: str) -> Relay:
    """A relay that serves every transport, on one port."""
    return start(**certificate.settings(), dtls=1, tls_names=[NAME])


@contextmanager
def somebody_else(answer: bytes) -> Iterator[int]:
    """Serve something else over TCP to whoever says something; give its port."""
    with socket.create_server((HOST, 0)) as server:

        def serve() -> None:
            while True:
                client = server.accept()[0]
                with client:
                    asked = client.recv(4096)
                    client.sendall(answer if asked else b"")
                if asked == b"end":
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        socket.create_connection(server.getsockname()).sendall(b"end")
        thread.join()


def test_every_transport_is_checked(relay: Relay, call: Call) -> None:
    said = call("check", "-c", str(relay.file))
    for transport, connection in (("TCP", "stands"), ("TLS", "TLSv1.3, ALPN stun.turn"), ("DTLS", "DTLSv1.2")):
        part = said.partition(f"over {transport}\n")[2]
        assert connection in part.splitlines()[0], said
    assert "0 failed" in said


@pytest.mark.parametrize("query", ["turn:{}:{}?transport=tcp", "turns:{}:{}", "turns:{}:{}?transport=udp"])
def test_a_uri_names_the_transport(relay: Relay, certificate: Certificate, call: Call, query: str) -> None:
    uri = query.format(HOST, relay.port)
    found = steps(call("check", uri, *LOGIN, "--ca", str(certificate.certificate), "--json"))
    assert "failed" not in {row["state"] for row in found.values()}
    wanted = "dtls" if "udp" in query else "tls" if "turns" in query else "tcp"
    assert {row["transport"] for row in found.values()} == {wanted}


@pytest.mark.parametrize("query", ["turns:{}:{}", "turns:{}:{}?transport=udp"])
def test_a_certificate_of_nobody_is_not_trusted(relay: Relay, call: Call, query: str) -> None:
    uri = query.format(HOST, relay.port)
    said = call("check", uri, *LOGIN, code=3)
    assert "its certificate isn't trusted" in said and "--ca FILE" in said
    assert "0 failed" in call("check", uri, *LOGIN, "--insecure")


@pytest.mark.parametrize("query", ["turns:{}:{}", "turns:{}:{}?transport=udp"])
def test_a_certificate_for_another_name_is_not_trusted(
    relay: Relay, certificate: Certificate, call: Call, query: str
) -> None:
    ca = ("--ca", str(certificate.certificate))
    said = call("check", query.format("localhost", relay.port), *LOGIN, *ca, code=3)
    assert "its certificate isn't trusted" in said


def test_nothing_listens_for_tcp(start: StartRelay, call: Call) -> None:
    relay = start(tcp=0)
    said = call("check", f"turn:{HOST}:{relay.port}?transport=tcp", *LOGIN, code=3)
    assert "can't connect: connection refused" in said and "nothing listens at this port for this transport" in said


def test_nobody_answers_by_dtls(call: Call) -> None:
    said = call("check", f"turns:{HOST}:{free_port()}?transport=udp", *LOGIN, code=3)
    assert "✗ connection" in said


@pytest.mark.parametrize(
    ("scheme", "said"),
    [("turns:{}:{}", "no TLS handshake"), ("turn:{}:{}?transport=tcp", "the server sent what is no message")],
)
def test_somebody_else_holds_the_port(call: Call, scheme: str, said: str) -> None:
    with somebody_else(b"\xff\xfb\x01\xff\xfb\x03login: ") as port:  # as telnet does
        assert said in call("check", scheme.format(HOST, port), *LOGIN, code=3)


def test_a_relay_that_closes_is_told(call: Call) -> None:
    with somebody_else(b"") as port:
        said = call("check", f"turn:{HOST}:{port}?transport=tcp", *LOGIN, code=3)
    assert "the server closed the connection" in said


def test_a_file_that_is_no_certificate(relay: Relay, call: Call, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("nothing of the kind")
    said = call("check", f"turns:{HOST}:{relay.port}", *LOGIN, "--ca", str(wrong), code=3)
    assert f"{wrong} can't be used as a certificate" in said and "nothing answers" not in said
    assert f"'{tmp_path / 'none.pem'}' does not exist" in call("check", "--ca", str(tmp_path / "none.pem"), code=2)


def test_a_tool_without_dtls_says_nothing_of_the_server() -> None:
    script = "import sys; sys.modules['OpenSSL'] = None; import edgeturn.probing.dtls_way"
    failed = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    reason = failed.stderr.splitlines()[-1].partition("NoWay: ")[2]
    assert reason.startswith("the Python package pyopenssl is missing here: `")
    assert "says nothing of the server" in Advice(None).find("connection", reason)[0]
