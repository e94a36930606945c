"""
TCP and TLS with outside clients: turnutils_uclient, aioice and openssl in namespaces of their own.

turnutils_uclient checks no certificate; aioice and openssl trust the lab's by SSL_CERT_FILE, as a machine would.
"""

import re
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from tests.blackbox.certificates import NAME, Certificate
from tests.lab.conftest import StartRelay
from tests.lab.network import Network, wait_until
from tests.lab.programs import program
from tests.lab.relay import PASSWORD, PORT, USER, Relay, credentials, server
from tests.lab.test_aioice import RELAYED, converse, relayed, start
from tests.lab.uclient import (
    LIMITS,
    SHARED_SECRET,
    STATIC,
    TO_PEER4,
    TO_PEER6,
    Outcome,
    Row,
    assert_nothing_lost,
    run_all,
    uclient,
)

TLS_PORT = 5349
POOLS: dict[str, str | list[str]] = {  # for the clients of all rows, in the heap that MicroPython has by default
    "max_allocations": "80",
    "max_connections": "64",
    "stream_buffer": "2048",
}
TCP, TLS = ["-t"], ["-t", "-S"]
ROWS = {
    "TCP, channels": Row(4, 1, [*TCP, *STATIC, "-c", *TO_PEER4]),
    "TCP, indications": Row(4, 1, [*TCP, *STATIC, "-c", "-s", *TO_PEER4]),
    "TCP, 1300 bytes": Row(4, 1, [*TCP, *STATIC, "-c", "-l", "1300", *TO_PEER4]),
    "TCP, sizes that need padding": Row(4, 1, [*TCP, *STATIC, "-c", "-l", "171", *TO_PEER4]),
    "TCP, even port": Row(4, 2, [*TCP, *STATIC, *TO_PEER4]),
    "TCP, IPv6": Row(6, 1, [*TCP, *STATIC, "-c", "-x", *TO_PEER6]),
    "TCP, client to client": Row(4, 4, [*TCP, *STATIC, "-y", "-m", "4"]),
    "TLS, channels": Row(4, 1, [*TLS, *STATIC, "-c", *TO_PEER4]),
    "TLS, indications": Row(4, 1, [*TLS, *STATIC, "-c", "-s", *TO_PEER4]),
    "TLS, 1300 bytes": Row(4, 1, [*TLS, *SHARED_SECRET, "-c", "-l", "1300", *TO_PEER4]),
    "TLS, sizes that need padding": Row(4, 1, [*TLS, *STATIC, "-c", "-l", "171", *TO_PEER4]),
    "TLS, IPv6": Row(6, 1, [*TLS, *STATIC, "-c", "-x", *TO_PEER6]),
    "TLS, client to client": Row(4, 4, [*TLS, *STATIC, "-y", "-m", "4"]),
    "TLS at the port of all else": Row(4, 1, [*TLS, *STATIC, "-c", "-p", str(PORT), *TO_PEER4]),
}


@pytest.fixture(scope="module")
def served(start_relay: StartRelay, certificate: Certificate) -> Iterator[Relay]:
    """A relay that knows TCP and TLS."""
    places = [f"{server(4)}:{TLS_PORT}", f"[{server(6)}]:{TLS_PORT}"]
    with start_relay(**LIMITS | POOLS | certificate.settings() | {"listen_tls": places}) as relay:
        yield relay


@pytest.fixture(scope="module")
def runs(served: Relay, network: Network, echo: None) -> dict[str, Future[Outcome]]:
    """All rows, run at the same time."""
    return run_all(network, ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_nothing_is_lost(runs: dict[str, Future[Outcome]], name: str) -> None:
    assert_nothing_lost(runs[name].result(), ROWS[name].streams)


def test_a_closed_connection_leaves_nothing(runs: dict[str, Future[Outcome]], served: Relay) -> None:
    assert len(runs) == len(ROWS)
    wait_until(lambda: not served.sessions(), "the allocations end with their connections", 30)
    streams = served.ask("status")["streams"]
    assert streams["connections"] == 0 < streams["most_connections"]


@pytest.mark.parametrize("by", [TCP, TLS], ids=["TCP", "TLS"])
def test_many_clients(served: Relay, network: Network, echo: None, by: list[str]) -> None:
    told = uclient(network.client1, Row(4, 40, [*by, *STATIC, "-m", "40", *TO_PEER4]))
    assert_nothing_lost(told, streams=40)


@pytest.mark.parametrize(("port", "tls"), [(PORT, False), (TLS_PORT, True)], ids=["TCP", "TLS"])
@pytest.mark.parametrize("family", [4, 6])
def test_aioice(
    served: Relay,
    network: Network,
    certificate: Certificate,
    monkeypatch: pytest.MonkeyPatch,
    family: int,
    port: int,
    tls: bool,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.certificate))
    by = ["--transport", "tcp", "--port", str(port), *["--tls"] * tls]
    alice = start(network.client1, "alice", "--controlling", *relayed(family, (USER, PASSWORD)), *by)
    bob = start(network.client2, "bob", *relayed(family, credentials("bob")), *by)
    assert converse(alice, bob) == (RELAYED, RELAYED)
    wait_until(lambda: not served.sessions(), "the allocations are released", 30)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_verifies_and_negotiates(
    served: Relay, network: Network, certificate: Certificate, interpreter_name: str, version: str
) -> None:
    place = f"{server(4)}:{TLS_PORT}"
    arguments = ["-connect", place, "-alpn", "stun.turn", "-verify_return_error", "-servername", NAME]
    trust = ["-CAfile", str(certificate.certificate), "-verify_hostname", NAME]
    argv = [program("openssl"), "s_client", version, *arguments, *trust]
    done = network.client1.namespace.run(argv, 20)
    assert "Verification: OK" in done.stdout and "Compression: NONE" in done.stdout, done.stdout
    protocol = re.search(r"ALPN protocol: (\S+)", done.stdout)
    assert (protocol[1] if protocol else None) == ("stun.turn" if interpreter_name == "cpython" else None)
