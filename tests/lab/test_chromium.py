"""
A call in headless Chromium whose two ends may use relayed candidates only: audio, video and data, both ways, for 10 s.

Both ends are one user at one address, as in a household, every limit is the relay's default, and no peer is allowed by
name: so the test also tells whether the defaults fit a browser, and prints what it took.
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab.conftest import StartRelay
from tests.lab.network import Network, wait_until
from tests.lab.programs import node_modules, program
from tests.lab.relay import PORT, Relay, credentials, relay_address, server

pytestmark = pytest.mark.timeout(300)  # a busy machine needs minutes for what takes seconds
HERE = Path(__file__).parent
SECONDS = 10
# With the browser's start and the connecting.
OVER_WITHIN = SECONDS + 60.0
CLOSES_WITHIN = 15.0
# What the call may take of the relay's default limits: 12 allocations a user, 16 permissions and 16 channels for each.
MOST_ALLOCATIONS, MOST_PERMISSIONS, MOST_CHANNELS = 12, 8, 8
Stats = dict[str, Any]


@dataclass
class Taken:
    """The most that the call took at once: allocations in all, permissions and channels of one allocation."""

    allocations: int = 0
    permissions: int = 0
    channels: int = 0

    def look(self, relay: Relay) -> None:
        sessions = relay.sessions()
        self.allocations = max(self.allocations, len(sessions))
        self.permissions = max([self.permissions, *(session["permissions"] for session in sessions)])
        self.channels = max([self.channels, *(session["channels"] for session in sessions)])


def ice_servers(families: list[int]) -> list[dict[str, Any]]:
    """Return what a page is given, with a time-limited credential."""
    hosts = {4: server(4), 6: f"[{server(6)}]"}
    urls = [f"turn:{hosts[family]}:{PORT}?transport=udp" for family in families]
    user, password = credentials("household")
    return [{"urls": urls, "username": user, "credential": password}]


@contextmanager
def browser(network: Network, families: list[int], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run call.mjs in the client's namespace; it makes the call and stays until the block is left."""
    order = {
        "modules": str(node_modules()),
        "chromium": program("chromium"),
        "page": (HERE / "call.html").as_uri(),
        "screenshot": str(folder / "call.png"),
        "iceServers": ice_servers(families),
        "seconds": SECONDS,
    }
    argv = [program("node"), str(HERE / "call.mjs"), json.dumps(order)]
    with (folder / "call.json").open("w") as printed, (folder / "call.log").open("w") as errors:
        process = network.client1.namespace.popen(argv, stdin=subprocess.PIPE, stdout=printed, stderr=errors)
    try:
        yield process
        process.communicate(timeout=CLOSES_WITHIN)
    finally:
        process.kill()
        process.wait()


def call(network: Network, relay: Relay, families: list[int], folder: Path) -> tuple[Stats, Taken]:
    """Make the call, watch what it takes of the relay, and see that it gives all of it back."""
    taken = Taken()

    def is_over() -> bool:
        taken.look(relay)
        return process.poll() is not None or (folder / "call.json").read_text().endswith("\n")

    with browser(network, families, folder) as process:
        wait_until(is_over, "the call is over", OVER_WITHIN, every=0.05)
        found = report(folder)
        wait_until(lambda: not relay.sessions(), "what the call took is released", 30)
    return found, taken


def report(folder: Path) -> Stats:
    """Return what the page reported; anything else is a failure that says all that is known."""
    printed, errors = ((folder / name).read_text() for name in ("call.json", "call.log"))
    assert printed, f"no report:\n{errors}"
    told: Stats = json.loads(printed)
    assert "report" in told, f"{told}\n{errors}"
    found: Stats = told["report"]
    return found


def assert_relayed(side: Stats) -> None:
    """The connection in use goes from a relayed address of this relay to a relayed address."""
    assert (side["pair"]["local"], side["pair"]["remote"]) == ("relay", "relay"), side
    assert side["pair"]["address"] == relay_address(4), side


def assert_media_flowed(start: Stats, end: Stats) -> None:
    """Audio and video arrived all the time, and next to nothing was lost."""
    assert end["audio"]["bytesReceived"] - start["audio"]["bytesReceived"] > 1000 * SECONDS, (start, end)
    assert end["video"]["bytesReceived"] - start["video"]["bytesReceived"] > 10000 * SECONDS, (start, end)
    assert end["video"]["framesDecoded"] - start["video"]["framesDecoded"] > 5 * SECONDS, (start, end)
    for kind in ("audio", "video"):
        assert end[kind]["packetsLost"] <= end[kind]["packetsReceived"] // 100, (kind, end)


def assert_messages_arrived(receiver: Stats, sender: Stats) -> None:
    """The data channel delivered all that was sent, about 50 messages a second."""
    assert receiver["data"]["received"] == sender["data"]["sent"] > 20 * SECONDS, (receiver, sender)
    assert receiver["data"]["bytesReceived"] >= 1000 * receiver["data"]["received"], receiver


@pytest.mark.parametrize("families", [[4], [6], [4, 6]], ids=["IPv4", "IPv6", "IPv4 and IPv6"])
def test_a_call(start_relay: StartRelay, network: Network, tmp_path: Path, families: list[int]) -> None:
    with start_relay(allow_peer=[]) as relay:
        found, taken = call(network, relay, families, tmp_path)
        start, end = found["start"], found["end"]
        print(f"Chromium took at most {taken}; {end}")
        for name, other in (("alice", "bob"), ("bob", "alice")):
            assert_relayed(end[name])
            assert_media_flowed(start[name], end[name])
            assert_messages_arrived(end[name], end[other])
        assert 2 <= taken.allocations <= MOST_ALLOCATIONS, taken
        assert taken.permissions <= MOST_PERMISSIONS, taken
        assert taken.channels <= MOST_CHANNELS, taken
