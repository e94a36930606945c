"""
A call in headless Chromium by relayed candidates only, whose media is in the kernel's counters and not in Python's.

Until a channel is bound, Chromium sends by indications, which are Python's: a few packets at the beginning, while the
kernel's counter goes on to grow by hundreds a second.
"""

from pathlib import Path

import pytest

from tests.lab.conftest import StartRelay
from tests.lab.kernel_path import pins, prepared, relay_in_kernel, traffic
from tests.lab.network import Network, wait_until
from tests.lab.relay import Relay
from tests.lab.test_chromium import (
    OVER_WITHIN,
    SECONDS,
    Stats,
    assert_media_flowed,
    assert_messages_arrived,
    assert_relayed,
    browser,
    report,
)

pytestmark = pytest.mark.timeout(300)  # a busy machine needs minutes for what takes seconds
EARLY = 100  # packets that Python may have carried
A_CALL = 100 * SECONDS  # packets, at least


def carried(relay: Relay) -> tuple[int, int]:
    """Return how many packets the kernel has carried, and Python."""
    counted = traffic(relay)
    in_kernel = counted["kernel_packets"]
    return in_kernel, counted["up_packets"] + counted["down_packets"] - in_kernel


def call(network: Network, relay: Relay, families: list[int], folder: Path) -> tuple[Stats, list[tuple[int, int]]]:
    """Make the call; return the report, and what was carried meanwhile, again and again."""
    seen: list[tuple[int, int]] = []

    def is_over() -> bool:
        seen.append(carried(relay))
        return process.poll() is not None or (folder / "call.json").read_text().endswith("\n")

    with browser(network, families, folder) as process:
        wait_until(is_over, "the call is over", OVER_WITHIN, every=0.05)
        found = report(folder)
        wait_until(lambda: not relay.sessions(), "what the call took is released", 30)
    return found, [*seen, carried(relay)]


@pytest.mark.parametrize(("hook", "families"), [("tc", [4]), ("xdp", [6])], ids=["tc, IPv4", "XDP, IPv6"])
def test_the_media_of_a_call_is_in_the_kernel(
    start_relay: StartRelay, network: Network, tmp_path: Path, hook: str, families: list[int]
) -> None:
    with (
        prepared(network),
        pins(tmp_path / "fs") as folder,
        relay_in_kernel(network, start_relay, hook, folder, {"allow_peer": []}) as relay,
    ):
        found, seen = call(network, relay, families, tmp_path)
    start, end = found["start"], found["end"]
    for name, other in (("alice", "bob"), ("bob", "alice")):
        assert_relayed(end[name])
        assert_media_flowed(start[name], end[name])
        assert_messages_arrived(end[name], end[other])
    in_kernel, in_python = seen[-1]
    assert in_kernel > A_CALL, seen[-1]
    assert in_python < EARLY, seen[-1]
    begun = next(each for each in seen if each[0] > A_CALL // 2)
    assert (in_python - begun[1]) * 100 < in_kernel - begun[0], (begun, seen[-1])
