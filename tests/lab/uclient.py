"""
turnutils_uclient, run by rows: what it's asked for, and what it printed.

One run takes it 4 to 8 s, whatever it sends, so some rows run at the same time; with too many it loses messages itself.
"""

import re
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from tests.lab.network import PEER, PEERS, Host, Network
from tests.lab.programs import program
from tests.lab.relay import PASSWORD, SECRET, USER, server

ECHO_PORT = 3480
MESSAGES = 50
AT_A_TIME = 6
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


def run_all(network: Network, rows: dict[str, Row]) -> dict[str, Future[Outcome]]:
    """Run rows, some at a time; return them once all have ended."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return {name: pool.submit(uclient, network.client1, row) for name, row in rows.items()}
