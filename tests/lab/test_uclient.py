"""
coturn's turnutils_uclient against the relay: what was sent comes back, all of it.

The client talks to coturn's echo (turnutils_peer) on the peer side, or to itself through two allocations (-y). Without
-c it takes a second allocation for RTCP, at the port above: EVEN-PORT with R, then RESERVATION-TOKEN. It draws channel
numbers from RFC 5766's range, which the relay admits by an option, and all of its clients are one user at one address,
so the limits on users and addresses stand wide open here. One run takes it 4 to 8 s, whatever it sends, so the rows run
at the same time.
"""

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.lab.conftest import StartRelay
from tests.lab.network import PEER, PEERS, Host, Network, wait_until
from tests.lab.programs import program
from tests.lab.relay import PASSWORD, SECRET, USER, Relay, relay_address, server

ECHO_PORT = 3480
MESSAGES = 50
ENDS_WITHIN = 40.0
STATIC = ["-u", USER, "-w", PASSWORD]
SHARED_SECRET = ["-u", "lab", "-W", SECRET]
LIMITS: dict[str, str | list[str]] = {
    "wide_channels": "1",
    "max_allocations": "128",
    "user_quota": "128",
    "peers_per_minute": "0",
    "unauthenticated_rate": "0",
}


@dataclass(frozen=True)
class Row:
    """One run of turnutils_uclient: the family of its way to the relay, and how many streams it sends."""

    family: int
    streams: int
    arguments: list[str]


TO_PEER4 = ["-e", PEERS.address(4, PEER)]
TO_PEER6 = ["-e", PEERS.address(6, PEER)]
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


@dataclass(frozen=True)
class Outcome:
    """What turnutils_uclient printed, and the statistics at its end."""

    text: str
    sent: int
    received: int
    lost: int
    dropped: int

    @property
    def relayed(self) -> list[tuple[str, int]]:
        """The relayed addresses and ports that it was given (with -v)."""
        return [(address, int(port)) for address, port in re.findall(r"Received relay addr: (\S+):(\d+)", self.text)]


def outcome(text: str) -> Outcome:
    """Read the statistics; the last count of messages is the final one."""
    counts = re.findall(r"tot_send_msgs=(\d+), tot_recv_msgs=(\d+)", text)
    losses = re.search(r"Total lost packets (\d+) .*total send dropped (\d+)", text)
    assert counts, f"no statistics in:\n{text}"
    assert losses, f"no losses in:\n{text}"
    return Outcome(text, int(counts[-1][0]), int(counts[-1][1]), int(losses[1]), int(losses[2]))


def uclient(client: Host, row: Row) -> Outcome:
    """Run turnutils_uclient against the relay's address of the row's family."""
    argv = [program("turnutils_uclient"), "-n", str(MESSAGES), "-z", "5", *row.arguments, server(row.family)]
    done = client.namespace.run(argv, ENDS_WITHIN)
    assert done.returncode == 0, f"turnutils_uclient ended with {done.returncode}:\n{done.stdout}"
    return outcome(done.stdout)


def assert_nothing_lost(told: Outcome, streams: int) -> None:
    """All the messages of so many streams were sent and came back."""
    assert told.sent == streams * MESSAGES, told.text
    assert told.received == told.sent, told.text
    assert told.lost == told.dropped == 0, told.text


def only_probes_are_left(relay: Relay, probes: int) -> bool:
    """Tell whether all is released but the probes: each run's (with -m, each pair's) first allocation, never used."""
    left = relay.sessions()
    return len(left) == probes and not any(session["up_packets"] or session["down_packets"] for session in left)


@pytest.fixture(scope="module")
def echo(network: Network) -> Iterator[None]:
    """A peer that echoes on both of its addresses."""
    space = network.peer.namespace
    addresses = ["-L", network.peer.address(4), "-L", network.peer.address(6)]
    process = space.popen([program("turnutils_peer"), *addresses, "-p", str(ECHO_PORT)])
    wait_until(lambda: space.listens(ECHO_PORT), "turnutils_peer listens", 5)
    yield
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def runs(start_relay: StartRelay, network: Network, echo: None) -> dict[str, Future[Outcome]]:
    """All rows, run at the same time by one relay."""
    with start_relay(**LIMITS) as relay:
        with ThreadPoolExecutor(len(ROWS)) as pool:
            started = {name: pool.submit(uclient, network.client1, row) for name, row in ROWS.items()}
        if not any(run.exception() for run in started.values()):
            wait_until(lambda: only_probes_are_left(relay, len(ROWS)), "what carried messages is released", 5)
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
        wait_until(lambda: only_probes_are_left(relay, 20), "what carried messages is released", 5)
