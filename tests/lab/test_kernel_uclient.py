"""
coturn's turnutils_uclient with channels, by tc and by XDP: nothing is lost, and Python carries not one packet.

A message to the echo goes up and comes back down; from client to client it's one client's up and the other's down. So
each is counted twice, and in the kernel only.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from tests.lab.conftest import StartRelay
from tests.lab.kernel_path import pins, prepared, relay_in_kernel, traffic
from tests.lab.network import Network, wait_until
from tests.lab.test_uclient import ROWS, only_probes_are_left
from tests.lab.uclient import LIMITS, Outcome, assert_nothing_lost, uclient

NAMES = [
    "IPv4, channels",
    "IPv4, 1300 bytes",
    "IPv4, even port",
    "IPv6, channels",
    "IPv4 client, IPv6 peer",
    "IPv6 client, IPv4 peer",
    "client to client, IPv4, channels",
    "client to client, IPv6, channels",
]


@dataclass
class Runs:
    """What the clients told, by name, and what the relay counted in all."""

    told: dict[str, Outcome]
    traffic: dict[str, Any]


@pytest.fixture(scope="module", params=["tc", "xdp"])
def runs(
    request: pytest.FixtureRequest,
    start_relay: StartRelay,
    network: Network,
    echo: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Runs]:
    """All rows, run at the same time by one relay."""
    folder = tmp_path_factory.mktemp("bpf") / "fs"
    with (
        prepared(network),
        pins(folder) as made,
        relay_in_kernel(network, start_relay, request.param, made, LIMITS) as relay,
    ):
        with ThreadPoolExecutor(len(NAMES)) as pool:
            told = pool.map(lambda name: uclient(network.client1, ROWS[name]), NAMES)
        wait_until(lambda: only_probes_are_left(relay, len(NAMES)), "what carried messages is released", 30)
        yield Runs(dict(zip(NAMES, told, strict=True)), traffic(relay))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_lost(runs: Runs, name: str) -> None:
    assert_nothing_lost(runs.told[name], ROWS[name].streams)


def test_all_of_it_went_by_the_kernel(runs: Runs) -> None:
    messages = sum(each.sent for each in runs.told.values())
    assert runs.traffic["up_packets"] == runs.traffic["down_packets"] == messages
    assert runs.traffic["kernel_packets"] == 2 * messages
    assert runs.traffic["kernel_bytes"] == runs.traffic["up_bytes"] + runs.traffic["down_bytes"]
