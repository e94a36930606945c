"""
`edgeturn probe` in a home behind a NAT of each kind, made by nftables, against a real relay with two addresses.

    home  10.9.0.2 ── 10.9.0.1  client2  192.0.2.12 ── 192.0.2.1  router: a relay that serves RFC 5780, and on
                                the NAT                192.0.2.2          port 3500 one that doesn't
"""

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from aioice import Candidate

from tests.lab.home import HOME, behind, masquerade
from tests.lab.network import CLIENTS, Namespace, Network
from tests.lab.programs import ROOT, program, why_no_namespaces
from tests.lab.relay import PASSWORD, USER, Options, running, server

SECOND = CLIENTS.address(4, 2)
OUTSIDE = CLIENTS.address(4, 12)
LOGIN = ("--user", USER, "--password", PASSWORD)
WITHIN = 60.0
WITHOUT_DISCOVERY = 3500


@pytest.fixture(scope="module")
def network(interpreter: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """A network with both relays."""
    lacking = why_no_namespaces()
    if lacking:
        pytest.skip(lacking)
    options: Options = {"listen": [f"{server(4)}:3478", f"{SECOND}:3478"], "unauthenticated_rate": "0", "kernel": "off"}
    plain: Options = {
        "listen": [f"{each}:{WITHOUT_DISCOVERY}" for each in (server(4), SECOND)],
        "relay_ports": "40000-40255",
    }
    with Network() as made:
        made.router.ip("address", "add", f"{SECOND}/32", "dev", "lo")
        folders = [tmp_path_factory.mktemp(name) for name in ("discovery", "plain")]
        with (
            running(interpreter, made.router, folders[0], options | {"nat_discovery": "1"}),
            running(interpreter, made.router, folders[1], options | plain),
        ):
            yield made


@pytest.fixture(scope="module")
def home(network: Network) -> Namespace:
    return behind(network)


def probe(space: Namespace, *words: str) -> dict[str, Any]:
    """Return the JSON of a probe in a namespace."""
    argv = ["env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "edgeturn", "probe", *words, "--json"]
    done = space.run(argv, WITHIN)
    assert done.returncode == 0, done.stdout
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def candidates(found: dict[str, Any]) -> dict[str, Candidate]:
    """Return the candidates by type, as aioice's own parser reads them."""
    lines = [each["candidate"].removeprefix("candidate:") for each in found["candidates"]]
    return {each.type: each for each in map(Candidate.from_sdp, lines)}


def test_without_nat(network: Network) -> None:
    found = probe(network.client1.namespace, f"stun:{server(4)}")
    assert [each["type"] for each in found["candidates"]] == ["host", "host"]  # no srflx: it would be the host again
    (nat,) = found["nat"]
    assert (nat["mapping"], nat["filtering"], nat["unknown"]) == ("none", "endpoint-independent", [])
    assert "Over IPv4: no NAT and no firewall: calls go direct with everybody who can send UDP." in found["verdict"]


@pytest.mark.parametrize(
    ("how", "open_to", "mapping", "filtering", "said"),
    [
        ("", "", "endpoint-independent", "address-and-port-dependent", "but with those behind a symmetric NAT the"),
        ("", "known", "endpoint-independent", "address-dependent", "with everybody, even behind a symmetric NAT"),
        ("", "anybody", "endpoint-independent", "endpoint-independent", "with everybody, even behind a symmetric NAT"),
        (
            "random",
            "",
            "address-and-port-dependent",
            "address-and-port-dependent",
            "with all others the relay is needed",
        ),
    ],
)
def test_nat(
    network: Network, home: Namespace, how: str, open_to: str, mapping: str, filtering: str, said: str
) -> None:
    masquerade(network, how, open_to)
    found = probe(home, f"turn:{server(4)}", *LOGIN)
    (nat,) = found["nat"]
    assert (nat["mapping"], nat["filtering"], nat["hairpin"]) == (mapping, filtering, False)
    assert any(said in sentence for sentence in found["verdict"])
    known = candidates(found)
    assert known["host"].host == HOME
    assert (known["srflx"].host, known["srflx"].related_address) == (OUTSIDE, HOME)
    assert known["relay"].related_address == OUTSIDE and known["relay"].host.startswith("198.51.100.")
    assert known["srflx"].related_port == known["host"].port  # one socket, one base


def test_servers_with_one_address_are_compared(network: Network, home: Namespace) -> None:
    masquerade(network, "random")
    uris = [f"stun:{each}:{WITHOUT_DISCOVERY}" for each in (server(4), SECOND)]
    with ThreadPoolExecutor() as pool:
        two, one = pool.map(lambda asked: probe(home, *asked)["nat"][0], (uris, uris[:1]))
    assert (two["mapping"], two["filtering"]) == ("destination-dependent", None)
    assert any("OTHER-ADDRESS" in reason for reason in two["unknown"])
    assert one["mapping"] is None and any("name a second server" in reason for reason in one["unknown"])


@contextmanager
def filtered(space: Namespace, hook: str, what: str) -> Iterator[None]:
    """Drop what a rule matches in a namespace."""
    table = f"table ip block {{ chain c {{ type filter hook {hook} priority 0; {what} drop; }}; }}"
    assert space.run([program("nft"), table], WITHIN).returncode == 0
    yield
    space.run([program("nft"), "delete table ip block"], WITHIN)


def test_each_tenth_packet_is_lost(network: Network, home: Namespace) -> None:
    """A packet of 300 bytes is a datagram of 312 with the headers of channel and UDP."""
    client = network.client1.namespace
    with filtered(client, "input", "udp sport 3478 udp length 312 numgen inc mod 10 == 0"):
        words = ("--relay-echo", "--seconds", "1", "--rate", "100", "--size", "300")
        (row,) = probe(client, f"turn:{server(4)}", *LOGIN, *words)["relays"]
    assert (row["sent"], row["lost"], row["loss_percent"]) == (100, 10, 10)
    lost = [number for number, latency in enumerate(row["latencies"]) if latency is None]
    assert lost == list(range(lost[0], 100, 10))
