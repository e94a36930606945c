"""
DTLS with outside clients: turnutils_uclient and openssl in namespaces of their own.

turnutils_uclient draws DTLS 1.0 or 1.2 for each attempt, until the relay, which has 1.2 only, admits it.
"""

import re
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from tests.blackbox.certificates import NAME, Certificate
from tests.blackbox.dtls import lacks
from tests.lab.conftest import StartRelay
from tests.lab.network import Network, wait_until
from tests.lab.programs import program
from tests.lab.relay import PORT, Relay, server
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
    "max_dtls_sessions": "80",
    "max_connections": "16",
    "stream_buffer": "2048",
    "log_level": "debug",
}
DTLS = ["-S"]
ROWS = {
    "channels": Row(4, 1, [*DTLS, *STATIC, "-c", *TO_PEER4]),
    "indications": Row(4, 1, [*DTLS, *STATIC, "-c", "-s", *TO_PEER4]),
    "1300 bytes": Row(4, 1, [*DTLS, *SHARED_SECRET, "-c", "-l", "1300", *TO_PEER4]),
    "even port": Row(4, 2, [*DTLS, *STATIC, *TO_PEER4]),
    "IPv6": Row(6, 1, [*DTLS, *STATIC, "-c", "-x", *TO_PEER6]),
    "IPv4 client, IPv6 peer": Row(4, 1, [*DTLS, *STATIC, "-c", "-x", *TO_PEER6]),
    "client to client": Row(4, 4, [*DTLS, *STATIC, "-y", "-m", "4"]),
    "at the port of all else": Row(4, 1, [*DTLS, *STATIC, "-c", "-p", str(PORT), *TO_PEER4]),
    "UDP at the same port": Row(4, 1, [*STATIC, "-c", "-p", str(TLS_PORT), *TO_PEER4]),
}


@pytest.fixture(scope="module")
def dtls_library(interpreter: list[str]) -> dict[str, str]:
    """What the relay's interpreter lacks for DTLS."""
    return lacks(interpreter)


@pytest.fixture(scope="module")
def served(start_relay: StartRelay, certificate: Certificate, dtls_library: dict[str, str]) -> Iterator[Relay]:
    """A relay that knows DTLS."""
    if "all" in dtls_library:
        pytest.skip(f"the relay's interpreter {dtls_library['all']}")
    places = [f"{server(4)}:{TLS_PORT}", f"[{server(6)}]:{TLS_PORT}"]
    with start_relay(**LIMITS | POOLS | certificate.settings() | {"listen_tls": places, "dtls": "1"}) as relay:
        yield relay


@pytest.fixture(scope="module")
def runs(served: Relay, network: Network, echo: None) -> dict[str, Future[Outcome]]:
    """All rows, run at the same time."""
    return run_all(network, ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_nothing_is_lost(runs: dict[str, Future[Outcome]], name: str) -> None:
    assert_nothing_lost(runs[name].result(), ROWS[name].streams)


def test_many_clients(served: Relay, network: Network, echo: None) -> None:
    """Forty streams at once, half of them RTCP on reserved ports."""
    told = uclient(network.client1, Row(4, 40, [*DTLS, *STATIC, "-m", "40", *TO_PEER4]))
    assert_nothing_lost(told, streams=40)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("mtu", [600, 1500])
def test_openssl_verifies_and_negotiates(
    served: Relay, network: Network, certificate: Certificate, dtls_library: dict[str, str], family: int, mtu: int
) -> None:
    host = server(family)
    place = f"[{host}]:{TLS_PORT}" if family == 6 else f"{host}:{TLS_PORT}"
    arguments = ["-connect", place, "-alpn", "stun.turn", "-verify_return_error", "-servername", NAME]
    trust = ["-CAfile", str(certificate.certificate), "-verify_hostname", NAME]
    ended = len(re.findall("closed .*transport=dtls", served.log))
    argv = [program("openssl"), "s_client", "-dtls1_2", "-mtu", str(mtu), *arguments, *trust]
    done = network.client1.namespace.run(argv, 20)
    assert "Verification: OK" in done.stdout and "Protocol  : DTLSv1.2" in done.stdout, done.stdout
    protocol = re.search(r"ALPN protocol: (\S+)", done.stdout)
    assert (protocol[1] if protocol else None) == (None if "ALPN" in dtls_library else "stun.turn")
    wait_until(lambda: len(re.findall("closed .*transport=dtls", served.log)) > ended, "openssl's good-bye", 30)
