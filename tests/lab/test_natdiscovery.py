"""
coturn's turnutils_natdiscovery finds out by the relay what NAT it is behind: none, and two kinds of one made by nft.

    home  10.9.0.2 ── 10.9.0.1  client2  192.0.2.12 ── 192.0.2.1  router
                                the NAT                192.0.2.2  its second address

client1 has no NAT. Masquerading keeps the port of a source as long as nobody else wants it, which looks
endpoint-independent; `random` takes another port per destination. Both let in only what was written to.
"""

from collections.abc import Iterator

import pytest

from tests.lab.home import HOME, behind, masquerade, run
from tests.lab.network import CLIENTS, Namespace, Network
from tests.lab.programs import program, why_no_namespaces
from tests.lab.relay import Relay, running, server

SECOND = CLIENTS.address(4, 2)


@pytest.fixture(scope="module")
def home() -> Iterator[tuple[Network, Namespace]]:
    """A network of its own with a home behind client2."""
    lacking = why_no_namespaces()
    if lacking:
        pytest.skip(lacking)
    with Network() as network:
        network.router.ip("address", "add", f"{SECOND}/32", "dev", "lo")
        yield network, behind(network)


@pytest.fixture(scope="module")
def relay(
    interpreter: list[str], home: tuple[Network, Namespace], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Relay]:
    options: dict[str, str | list[str]] = {
        "listen": [f"{server(4)}:3478", f"{SECOND}:3478"],
        "nat_discovery": "1",
        "unauthenticated_rate": "0",
    }
    with running(interpreter, home[0].router, tmp_path_factory.mktemp("relay"), options) as made:
        yield made


def discovered(space: Namespace, source: str, *more: str) -> list[str]:
    """Return what turnutils_natdiscovery concludes about mapping and filtering."""
    told = run(space, program("turnutils_natdiscovery"), "-m", "-f", *more, "-L", source, server(4))
    return [line for line in told.splitlines() if line.endswith("!") or line.startswith("No NAT")]


NO_NAT = "No NAT! (Endpoint Independent Mapping)"


@pytest.mark.parametrize("more", [[], ["-P"]])
def test_no_nat(home: tuple[Network, Namespace], relay: Relay, more: list[str]) -> None:
    client = home[0].client1
    told = discovered(client.namespace, client.address(4), *more)
    assert told == [
        NO_NAT, "NAT with Endpoint Independent Mapping!",
        NO_NAT, "NAT with Endpoint Independent Filtering!",
    ]  # fmt: skip


@pytest.mark.parametrize(("how", "mapping"), [("", "Endpoint Independent"), ("random", "Address and Port Dependent")])
def test_nat(home: tuple[Network, Namespace], relay: Relay, how: str, mapping: str) -> None:
    network, space = home
    masquerade(network, how)
    assert discovered(space, HOME) == [f"NAT with {mapping} Mapping!", "NAT with Address and Port Dependent Filtering!"]
