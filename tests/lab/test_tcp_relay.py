"""
RFC 6062 with coturn's turnutils_uclient: -T asks for TCP between relay and peer, over TCP (-t) or TLS (-t -S).

With -e it connects to a peer that echoes; with -y its clients connect to each other's relayed addresses, so that the
relay connects and accepts, and both sides bind. There are two streams a row in any case. A row takes 5 to 7 s, so they
run at the same time.
"""

import sys
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from tests.blackbox.certificates import Certificate
from tests.lab.conftest import StartRelay
from tests.lab.network import Network, wait_until
from tests.lab.relay import Relay, server
from tests.lab.uclient import (
    ECHO_PORT,
    LIMITS,
    MESSAGES,
    STATIC,
    TO_PEER4,
    TO_PEER6,
    Outcome,
    Row,
    run_all,
)

SIZE = 100  # bytes of a message unless -l says otherwise
PROGRAM = str(Path(__file__).with_name("tcp_echo.py"))
TCP, TLS = ["-T", "-t"], ["-T", "-t", "-S"]
ROWS = {
    "TCP": Row(4, 2, [*TCP, *STATIC, "-c", *TO_PEER4]),
    "TCP, 1300 bytes": Row(4, 2, [*TCP, *STATIC, "-c", "-l", "1300", *TO_PEER4]),
    "TCP, IPv6": Row(6, 2, [*TCP, *STATIC, "-c", "-x", *TO_PEER6]),
    "TCP, client to client": Row(4, 2, [*TCP, *STATIC, "-c", "-y", "-m", "2"]),
    "TLS": Row(4, 2, [*TLS, *STATIC, "-c", *TO_PEER4]),
    "TLS, client to client": Row(4, 2, [*TLS, *STATIC, "-c", "-y", "-m", "2"]),
}


@pytest.fixture(scope="module")
def tcp_echo(network: Network) -> Iterator[None]:
    """A peer that echoes on both of its addresses."""
    space = network.peer.namespace
    process = space.popen([sys.executable, PROGRAM, str(ECHO_PORT), network.peer.address(4), network.peer.address(6)])
    wait_until(lambda: space.listens(ECHO_PORT, "tcp"), "the echo listens", 30)
    yield
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def served(start_relay: StartRelay, certificate: Certificate) -> Iterator[Relay]:
    """A relay of TCP."""
    places = [f"{server(4)}:5349", f"[{server(6)}]:5349"]
    pools: dict[str, str | list[str]] = {"max_allocations": "40", "max_connections": "64", "stream_buffer": "2048"}
    options = LIMITS | pools | certificate.settings() | {"listen_tls": places, "tcp_relay": "1"}
    with start_relay(**options) as relay:
        yield relay


@pytest.fixture(scope="module")
def runs(served: Relay, network: Network, tcp_echo: None) -> dict[str, Future[Outcome]]:
    """All rows, run at the same time."""
    return run_all(network, ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_all_is_sent_and_comes_back(runs: dict[str, Future[Outcome]], name: str) -> None:
    """turnutils_uclient counts what it reads at once as one message, so that it may count fewer than came back."""
    told = runs[name].result()
    assert told.sent == ROWS[name].streams * MESSAGES and told.sent >= told.received > told.sent // 2, told.text


def test_not_a_byte_is_lost(runs: dict[str, Future[Outcome]], served: Relay) -> None:
    """What the relay took from its clients and peers, it gave on; its counters hold still once all is released."""
    sizes = {name: 1300 if "1300" in row.arguments else SIZE for name, row in ROWS.items()}
    sent = sum(run.result().sent * sizes[name] for name, run in runs.items())
    wait_until(lambda: not served.sessions(), "the allocations end with their connections", 30)
    traffic = served.ask("status")["traffic"]
    assert traffic["up_bytes"] == traffic["down_bytes"] == sent


def test_nothing_is_left(runs: dict[str, Future[Outcome]], served: Relay) -> None:
    assert len(runs) == len(ROWS)
    wait_until(lambda: not served.sessions(), "the allocations end with their connections", 30)
    assert served.ask("status")["streams"]["connections"] == 0
