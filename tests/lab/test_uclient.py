"""
coturn's turnutils_uclient against the relay: what was sent comes back, all of it.

The client talks to coturn's echo (turnutils_peer) on the peer side, or to itself through two allocations (-y). Without
-c it takes a second allocation for RTCP, at the port above: EVEN-PORT with R, then RESERVATION-TOKEN. It draws channel
numbers from RFC 5766's range, which the relay admits by an option, and all of its clients are one user at one address,
so the limits on users and addresses stand wide open here. One run takes it 4 to 8 s, whatever it sends, so the rows run
at the same time.
"""

from concurrent.futures import Future

import pytest

from tests.lab.conftest import StartRelay
from tests.lab.network import Network, wait_until
from tests.lab.relay import Relay, relay_address
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

# -x asks for an IPv6 relayed address, -X for an IPv4 one; -s sends by indications instead of channels, -g asks for
# DONT-FRAGMENT, -c leaves RTCP away, -v prints the relayed addresses.
ROWS = {
    "IPv4, channels": Row(4, 1, [*STATIC, "-c", *TO_PEER4]),
    "IPv4, indications": Row(4, 1, [*STATIC, "-c", "-s", *TO_PEER4]),
    "IPv4, indications with DONT-FRAGMENT": Row(4, 1, [*STATIC, "-c", "-s", "-g", *TO_PEER4]),
    "IPv4, 1300 bytes": Row(4, 1, [*STATIC, "-c", "-l", "1300", *TO_PEER4]),
    "IPv4, shared secret": Row(4, 1, [*SHARED_SECRET, "-c", *TO_PEER4]),
    "IPv4, even port": Row(4, 2, [*STATIC, "-v", *TO_PEER4]),
    "IPv4, mobility": Row(4, 1, [*STATIC, "-c", "-M", *TO_PEER4]),
    "IPv6, channels": Row(6, 1, [*STATIC, "-c", "-x", *TO_PEER6]),
    "IPv6, indications": Row(6, 1, [*STATIC, "-c", "-x", "-s", *TO_PEER6]),
    "IPv4 client, IPv6 peer": Row(4, 1, [*STATIC, "-c", "-x", *TO_PEER6]),
    "IPv6 client, IPv4 peer": Row(6, 1, [*STATIC, "-c", "-X", *TO_PEER4]),
    "client to client, IPv4, channels": Row(4, 4, [*STATIC, "-y", "-m", "4", "-v"]),
    "client to client, IPv4, indications": Row(4, 4, [*STATIC, "-y", "-m", "4", "-s"]),
    "client to client, IPv6, channels": Row(6, 4, [*STATIC, "-y", "-m", "4", "-x", "-v"]),
}


def only_probes_are_left(relay: Relay, probes: int) -> bool:
    """Tell whether all is released but the probes: each run's (with -m, each pair's) first allocation, never used."""
    left = relay.sessions()
    return len(left) == probes and not any(session["up_packets"] or session["down_packets"] for session in left)


@pytest.fixture(scope="module")
def runs(start_relay: StartRelay, network: Network, echo: None) -> dict[str, Future[Outcome]]:
    """All rows, run at the same time by one relay."""
    with start_relay(**LIMITS) as relay:
        started = run_all(network, ROWS)
        if not any(run.exception() for run in started.values()):
            wait_until(lambda: only_probes_are_left(relay, len(ROWS)), "what carried messages is released", 30)
            assert "info moved session=" in relay.log, relay.log
    return started


@pytest.mark.parametrize("name", ROWS)
def test_nothing_is_lost(runs: dict[str, Future[Outcome]], name: str) -> None:
    assert_nothing_lost(runs[name].result(), ROWS[name].streams)


def test_the_reserved_port_is_the_one_above_the_even_port(runs: dict[str, Future[Outcome]]) -> None:
    told = runs["IPv4, even port"].result()
    ports = {port for _, port in told.relayed}
    assert any(port % 2 == 0 and port + 1 in ports for port in ports), told.text


@pytest.mark.parametrize("family", [4, 6])
def test_client_to_client_is_relay_to_relay(runs: dict[str, Future[Outcome]], family: int) -> None:
    told = runs[f"client to client, IPv{family}, channels"].result()
    assert {address for address, _ in told.relayed} == {relay_address(family)}, told.text


def test_many_clients(start_relay: StartRelay, network: Network, echo: None) -> None:
    """Forty streams at once, half of them RTCP on reserved ports."""
    with start_relay(**LIMITS) as relay:
        told = uclient(network.client1, Row(4, 40, [*STATIC, "-m", "40", *TO_PEER4]))
        assert_nothing_lost(told, streams=40)
        wait_until(lambda: only_probes_are_left(relay, 20), "what carried messages is released", 30)
