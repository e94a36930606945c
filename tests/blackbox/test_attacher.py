"""
A relay whose maps are there has its program attached again where an interface appears: in a namespace of its own.

    relay on the loopback ── interface `late`, 203.0.113.1, which comes while it runs
"""

import os
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.blackbox.conftest import StartRelay
from tests.blackbox.kernel import Kernel
from tests.blackbox.relay import Relay, until

LOOK = 20.0  # seconds; the relay looks every ten, when something wakes it


def inside(process: int, command: str) -> None:
    """Run a command in the network namespace of a process."""
    subprocess.run(["nsenter", "-t", str(process), "-n", *shlex.split(command)], check=True, timeout=20)


@pytest.fixture
def isolated(interpreter: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Start relays in network namespaces of their own, with the loopback up."""
    tried = subprocess.run(["unshare", "-n", "true"], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"this kernel gives no network namespace: {tried.stderr.strip()}")
    monkeypatch.setenv("PATH", os.environ["PATH"] + ":/usr/sbin:/sbin")
    plain = list(interpreter)
    interpreter[:] = ["unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$@"', "sh", *plain]
    yield
    interpreter[:] = plain


def appear(process: int) -> None:
    inside(process, "ip link add late type veth peer name cable")
    inside(process, "ip address add 203.0.113.1/24 dev late")
    inside(process, "ip link set late up")


def awake(relay: Relay, condition: Callable[[], bool]) -> Callable[[], bool]:
    """Return a condition that wakes the relay up each time before it's looked at."""

    def check() -> bool:
        relay.status()
        return condition()

    return check


@pytest.mark.parametrize("told", (True, False))
def test_an_interface_that_appears(
    told: bool, isolated: None, kernel: Kernel, start: StartRelay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = tmp_path / "attached again"
    if told:
        monkeypatch.setenv("EDGETURN_ATTACH", shlex.join(["touch", str(done)]))
    relay = start(**kernel.settings())
    until(lambda: relay.log("kernel-path state=on"), "the maps")
    assert not done.exists()
    appear(relay.process.pid)
    if told:
        until(awake(relay, done.exists), "attaching again", LOOK)
    else:
        until(awake(relay, lambda: bool(relay.log("interfaces-changed hint="))), "the hint", LOOK)
        assert not done.exists()
