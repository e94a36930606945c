"""What the tests of the lab share: one network a run, and relays with a folder of their own each."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import Protocol

import pytest

from tests.blackbox import certificates
from tests.blackbox.certificates import Certificate
from tests.lab.household import Household
from tests.lab.network import Network, remove_leftovers, wait_until
from tests.lab.programs import program, why_no_namespaces
from tests.lab.relay import Relay, running, server
from tests.lab.uclient import ECHO_PORT


class StartRelay(Protocol):
    """Start a relay with these options besides the lab's own, for as long as the block lasts."""

    def __call__(self, **options: str | list[str]) -> AbstractContextManager[Relay]: ...


@pytest.fixture(scope="session")
def network() -> Iterator[Network]:
    lacking = why_no_namespaces()
    if lacking:
        pytest.skip(lacking)
    with Network() as made:
        yield made


@pytest.fixture(scope="session")
def start_relay(interpreter: list[str], network: Network, tmp_path_factory: pytest.TempPathFactory) -> StartRelay:
    def start(**options: str | list[str]) -> AbstractContextManager[Relay]:
        return running(interpreter, network.router, tmp_path_factory.mktemp("relay"), options)

    return start


@pytest.fixture
def household() -> Iterator[Household]:
    lacking = why_no_namespaces()
    if lacking:
        pytest.skip(lacking)
    remove_leftovers()
    with ExitStack() as stack:
        yield Household(stack)


@pytest.fixture(scope="module")
def echo(network: Network) -> Iterator[None]:
    """A peer that echoes on both of its addresses."""
    space = network.peer.namespace
    addresses = ["-L", network.peer.address(4), "-L", network.peer.address(6)]
    process = space.popen([program("turnutils_peer"), *addresses, "-p", str(ECHO_PORT)])
    wait_until(lambda: space.listens(ECHO_PORT), "turnutils_peer listens", 30)
    yield
    process.kill()
    process.wait()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for the relay's addresses."""
    return certificates.make(tmp_path_factory.mktemp("certificate"), hosts=[server(4), server(6)])
