"""What the tests of the gateway share: one boot of the router, and an echo beyond it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from firmware.gateway import image, packages, programs
from firmware.gateway.cables import TAPS, Cables
from firmware.gateway.emulator import Emulator
from firmware.gateway.machines import ROUTER, Machine
from tests.gateway.router import Router, assert_well, laid
from tests.lab.network import wait_until
from tests.lab.programs import program, why_no_namespaces
from tests.lab.uclient import ECHO_PORT
from tools.micropython.apt import AptError

HERE = Path(__file__).parent
BUILDS_AND_BOOTS_WITHIN = 900  # seconds, where the firmware has yet to be built


collect_ignore = [] if "EDGETURN_GATEWAY_LONG" in os.environ else ["test_long.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(BUILDS_AND_BOOTS_WITHIN))


def unpacked(machine: Machine) -> Path:
    """Return a machine's packages, or skip and say what can't be had."""
    try:
        programs.require(machine)
        return packages.fetched(machine)
    except (programs.Unavailable, AptError) as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def cables() -> Iterator[Cables]:
    lacking = why_no_namespaces()
    if lacking:
        pytest.skip(lacking)
    made = Cables()
    with made:
        yield made


@contextmanager
def booting(machine: Machine, cables: Cables, made: Path, *layers: Path) -> Iterator[Router]:
    """Boot a machine as a router whose relay starts from /etc/config/edgeturn; it runs for as long as the block."""
    folder, initial = unpacked(machine), made / "initial.gz"
    firmware = programs.firmware(machine)
    initial.write_bytes(image.router(machine, folder, firmware, laid(made / "layer"), *layers).compressed())
    files = (packages.kernel(folder), initial)
    with Emulator(machine, files, made / "console", TAPS, cables.router.command([])) as emulator:
        router = Router(emulator, cables)
        router.wait_ready()
        yield router


@pytest.fixture(scope="session")
def booted(cables: Cables, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    """The router with 64 MB."""
    with booting(ROUTER, cables, tmp_path_factory.mktemp("router")) as router:
        yield router


@pytest.fixture
def router(booted: Router) -> Iterator[Router]:
    """The router, whose kernel must have no complaint after the test, and whose sessions the test ends."""
    yield booted
    assert_well(booted.machine)
    booted.kick()


@pytest.fixture(scope="session")
def echo(cables: Cables) -> Iterator[None]:
    """A peer in the internet that echoes on both of its addresses."""
    space = cables.peer.namespace
    addresses = ["-L", cables.peer.address(4), "-L", cables.peer.address(6)]
    process = space.popen([program("turnutils_peer"), *addresses, "-p", str(ECHO_PORT)])
    wait_until(lambda: space.listens(ECHO_PORT), "turnutils_peer listens", 30)
    yield
    process.kill()
    process.wait()
