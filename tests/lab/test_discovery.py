"""
Finding the relay without being told (RFC 8155): a client whose gateway is the router, and a real dnsmasq.

    client1 ── default route ──► router: 192.0.2.1, 192.0.0.10 and 2001:1::2 on its loopback interface, dnsmasq
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.blackbox.relay import REALM
from tests.lab.network import Namespace, Network, wait_until
from tests.lab.programs import ROOT, program
from tests.lab.relay import Options, configuration, defaults, server

ANYCAST = ("192.0.0.10", "2001:1::2")
WITHIN = 15.0
QUESTIONS = """
import json, dns.resolver
from edgeturn.probing import resolve, uri
from edgeturn.protocol import address
resolver = dns.resolver.Resolver(configure=False)
resolver.nameservers = ["192.0.2.1"]
dns.resolver.default_resolver = resolver
names = [str(row.target) for row in resolver.resolve("_turn._udp.lan", "PTR")]
resolve.socket.getaddrinfo = lambda host, port, **_: [
    (2, 2, 17, "", (str(row.address), port)) for row in resolver.resolve(host, "A")
]
found = [(address.format(each.place), each.transport) for each in resolve.resolve(uri.parse("turn:lan"))]
print(json.dumps({"instances": names, "found": found}))
"""


def addresses(router: Namespace) -> list[str]:
    """Return which of the anycast addresses the router has."""
    listed = router.ip("-oneline", "address", "show", "dev", "lo")
    return [each for each in ANYCAST if f" {each}/" in listed]


def ask(client: Namespace, *argv: str) -> dict[str, Any]:
    """Run Python in a namespace; return the JSON that it prints."""
    done = client.run(["env", f"PYTHONPATH={ROOT}", sys.executable, *argv], timeout=30)
    assert done.returncode == 0, done.stdout
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


@pytest.fixture
def file(network: Network, tmp_path: Path) -> Iterator[Path]:
    """The configuration of a relay that is to be found; the router is left without addresses whatever happens."""
    options: Options = {"realm": REALM, "discovery": "1", "kernel": "off", "log_level": "debug"}
    made = tmp_path / "edgeturn.conf"
    made.write_text(configuration(defaults(tmp_path) | options))
    yield made
    network.router.run([*edgeturn("discovery", "detach", "-c", str(made))], timeout=20)
    assert not addresses(network.router)


def edgeturn(*words: str) -> list[str]:
    return ["env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "edgeturn", *words]


@pytest.fixture
def relay(network: Network, file: Path) -> Iterator[subprocess.Popen[str]]:
    """A relay that `edgeturn run` started."""
    log = file.parent / "log"
    with log.open("w") as stream:
        process = network.router.popen(edgeturn("run", "-c", str(file)), stdout=stream, cwd=str(ROOT))
    wait_until(lambda: "edgeturn ready" in log.read_text(), "the relay's first line", WITHIN)
    yield process
    process.kill()
    process.wait()
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize(("anycast", "family"), [(ANYCAST[0], 4), (ANYCAST[1], 6)])
def test_rfc8155_6_a_client_finds_the_relay_by_anycast(
    network: Network, relay: subprocess.Popen[str], anycast: str, family: int
) -> None:
    assert addresses(network.router) == list(ANYCAST)
    client = network.client1.namespace
    told = ask(client, "-m", "tests.lab.discover", anycast)
    assert told == {"code": 300, "alternate": f"{server(4)}:3478" if family == 4 else f"[{server(6)}]:3478"}
    assert ask(client, "-m", "tests.lab.discover", server(family))["code"] == 0


def test_the_addresses_come_and_go_with_the_option_and_with_the_relay(
    network: Network, relay: subprocess.Popen[str], file: Path
) -> None:
    text = file.read_text()
    for wanted in ("0", "1"):
        file.write_text(text.replace("option discovery '1'", f"option discovery '{wanted}'"))
        relay.send_signal(signal.SIGHUP)
        there = list(ANYCAST) if wanted == "1" else []
        wait_until(lambda there=there: addresses(network.router) == there, f"discovery {wanted}", WITHIN)  # type: ignore[misc]
    assert ask(network.client1.namespace, "-m", "tests.lab.discover", ANYCAST[0])["code"] == 300
    relay.send_signal(signal.SIGTERM)
    wait_until(lambda: not addresses(network.router), "no address after the relay's end", WITHIN)


def test_an_address_that_somebody_else_added_stays(network: Network, file: Path) -> None:
    router = network.router
    router.ip("address", "add", ANYCAST[0] + "/32", "dev", "lo")
    assert f"Served: {', '.join(ANYCAST)}" in router.run(edgeturn("discovery", "attach", "-c", str(file)), 20).stdout
    assert f"Removed: {ANYCAST[1]}." in router.run(edgeturn("discovery", "detach", "-c", str(file)), 20).stdout
    assert addresses(router) == [ANYCAST[0]]
    router.ip("address", "del", ANYCAST[0] + "/32", "dev", "lo")


def test_rfc5928_dnsmasq_names_the_relay(network: Network, file: Path) -> None:
    """The records of `discovery records` in dnsmasq, asked by a client that knows the domain only."""
    printed = network.router.run(edgeturn("discovery", "records", "--domain", "lan", "-c", str(file)), timeout=20)
    assert printed.returncode == 0, printed.stdout
    records = file.parent / "records.conf"
    records.write_text(printed.stdout)
    folder = file.parent
    command = [program("dnsmasq"), "--keep-in-foreground", "--no-resolv", "--no-hosts", "--user=root", "--local=/lan/"]
    command += [f"--conf-file={records}", f"--pid-file={folder}/dnsmasq.pid", f"--listen-address={server(4)}"]
    served = network.router.popen([*command, "--bind-interfaces"])
    try:
        wait_until(lambda: network.router.listens(53) or served.poll() is not None, "dnsmasq on port 53", WITHIN)
        assert served.poll() is None, served.stdout.read() if served.stdout else ""
        told = ask(network.client1.namespace, "-c", QUESTIONS)
    finally:
        os.kill(served.pid, signal.SIGTERM)
        served.wait()
    assert told == {"instances": ["edgeturn._turn._udp.lan."], "found": [[f"{server(4)}:3478", "udp"]]}
