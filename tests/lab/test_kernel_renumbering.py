"""
The WAN is renumbered while the kernel carries the media: what ends leaves the kernel, what stays is carried on in it.

The drawing stands in tests/lab/household.py. Clients speak IPv6 and IPv4 with the internet; the latter changes.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.blackbox.client import WANT_IPV6
from tests.blackbox.relay import until
from tests.kernel.lab.kernel import bpffs
from tests.kernel.lab.topology import NO_FORWARDING
from tests.lab.household import MANY, NEW, OLD, OLD6, Household, Stream, Talk, assert_lost_nothing
from tests.lab.kernel_path import COMMAND_ENDS_WITHIN
from tests.lab.programs import ROOT

NOTICED = 1.0  # seconds
STREAMS = 4
PACKETS = 20


@pytest.fixture
def attached(household: Household, interpreter: list[str], tmp_path: Path) -> Iterator[Household]:
    """The household with both addresses, and a relay whose media the kernel carries."""
    household.give(OLD)
    household.give(OLD6)
    household.router.nft(NO_FORWARDING)
    for node in (household.lan, household.internet):
        node.feature("uplink", "rx-gro", True)
    with bpffs(tmp_path / "bpf") as folder:
        household.start(interpreter, tmp_path, kernel_pins=str(folder / "edgeturn"), **MANY)
        told = json.loads(kernel(household, "attach", "--enable-forwarding", "--json"))
        assert {each["state"] for each in told["hooks"]} == {"proven"} and told["relay"]["state"] == "on", told
        yield household
        kernel(household, "detach")


def kernel(home: Household, *arguments: str) -> str:
    """Run `edgeturn kernel` for the relay; return what it printed."""
    words = [sys.executable, "-m", "edgeturn", "kernel", *arguments, "-c", str(home.relay.file)]
    done = home.router.run(["env", f"PYTHONPATH={ROOT}", *words], COMMAND_ENDS_WITHIN)
    assert done.returncode == 0, done.stdout
    return done.stdout


def carried(home: Household) -> int:
    count: int = home.relay.status()["traffic"]["kernel_packets"]
    return count


def test_a_renumbered_wan_moves_the_flows(attached: Household) -> None:
    home = attached
    four = [Stream(home, OLD) for _ in range(STREAMS)]
    six = [Stream(home, OLD6, WANT_IPV6) for _ in range(STREAMS)]
    assert home.relay.status()["kernel"]["channels"] == 2 * STREAMS
    before = carried(home)
    with Talk(four + six):
        until(lambda: carried(home) >= before + PACKETS, "the kernel carries")
        home.take(OLD)
        home.give(NEW)
        until(lambda: home.relay.status()["kernel"]["channels"] == STREAMS, "the flows of the old address end", NOTICED)
        before = carried(home)
        until(lambda: carried(home) >= before + PACKETS, "the kernel carries the others on")
    assert_lost_nothing(six)
    for stream in four:
        stream.client.forget()
        assert stream.client.refresh(600).code == 437
    new = Stream(home, NEW)
    assert home.relay.status()["kernel"]["channels"] == STREAMS + 1
    before = carried(home)
    for _ in range(PACKETS):
        new.talk()
    assert_lost_nothing([new])
    assert carried(home) == before + 2 * PACKETS  # by the kernel, all of it


def test_an_address_that_comes_back_finds_its_flows(attached: Household) -> None:
    stream = Stream(attached, OLD)
    attached.take(OLD)
    until(lambda: attached.changes(), "it is noticed", NOTICED)
    assert attached.relay.status()["kernel"]["channels"] == 1
    attached.give(OLD)
    until(lambda: len(attached.changes()) > 1, "it is noticed", NOTICED)
    before = carried(attached)
    for _ in range(PACKETS):
        stream.talk()
    assert_lost_nothing([stream])
    assert carried(attached) == before + 2 * PACKETS
