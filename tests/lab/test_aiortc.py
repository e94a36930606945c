"""
aiortc through the relay: WebRTC without a browser, a data channel between two namespaces that don't see each other.

The ends are given a URL and nothing else, as an application is: they offer their own addresses too, may use any, and
no peer is allowed by name, so that the relayed addresses are the only way there is.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.blackbox.certificates import Certificate
from tests.lab.conftest import StartRelay
from tests.lab.network import Host, Network, wait_until
from tests.lab.programs import python_package
from tests.lab.relay import PORT, Relay, credentials, relay_address, server
from tests.lab.test_aioice import Agent, read, write

PROGRAM = str(Path(__file__).with_name("aiortc_agent.py"))
MESSAGES = 100
TLS_PORT = 5349
URLS = {
    "UDP": f"turn:{server(4)}:{PORT}?transport=udp",
    "TCP": f"turn:{server(4)}:{PORT}?transport=tcp",
    "TLS": f"turns:{server(4)}:{TLS_PORT}?transport=tcp",
}


@pytest.fixture(scope="module")
def served(start_relay: StartRelay, certificate: Certificate) -> Iterator[Relay]:
    """A relay that knows TCP and TLS, and no peers but its own relayed addresses."""
    options = certificate.settings() | {"allow_peer": [], "listen_tls": [f"{server(4)}:{TLS_PORT}"]}
    with start_relay(**options) as relay:
        yield relay


def start(host: Host, name: str, url: str, *arguments: str) -> Agent:
    """Start an end in a host's namespace."""
    python_package("aiortc")
    user, password = credentials(name)
    login = ["--url", url, "--user", user, "--password", password]
    argv = [sys.executable, PROGRAM, name, "--messages", str(MESSAGES), *login, *arguments]
    return host.namespace.popen(argv, stdin=subprocess.PIPE, stderr=subprocess.PIPE)


def exchange(alice: Agent, bob: Agent) -> int:
    """Introduce the ends, check that each hears all that the other says, and return how many bytes the shorter said."""
    write(bob, read(alice))
    write(alice, read(bob))
    told, heard = read(alice), read(bob)
    assert len(told["sent"]) == len(heard["sent"]) == MESSAGES
    assert told["received"] == heard["sent"]
    assert heard["received"] == told["sent"]
    return min(sum(map(len, side["sent"])) for side in (told, heard))


def assert_relayed(sessions: list[dict[str, Any]], hosts: list[Host], said: int) -> None:
    """Each end has one allocation, bound to the other's relayed address, which carried all that was said."""
    assert {session["client"].rpartition(":")[0] for session in sessions} == {host.address(4) for host in hosts}
    one, other = sessions
    assert one["relayed"][0] in other["peers"] and other["relayed"][0] in one["peers"]
    for session in sessions:
        assert session["relayed"][0].startswith(f"{relay_address(4)}:")
        assert session["up_bytes"] >= said <= session["down_bytes"], session


@pytest.mark.parametrize("by", URLS)
def test_data_channel(
    served: Relay, network: Network, certificate: Certificate, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.certificate))
    before = served.ask("status")["traffic"]
    hosts = [network.client1, network.client2]
    agents = [start(hosts[0], "alice", URLS[by]), start(hosts[1], "bob", URLS[by], "--answers")]
    try:
        said = exchange(*agents)
        assert_relayed(served.sessions(), hosts, said)
        assert served.ask("status")["streams"]["connections"] == (0 if by == "UDP" else 2)
        for agent in agents:
            write(agent, {})
        assert [agent.wait(10) for agent in agents] == [0, 0]
    finally:
        for agent in agents:
            agent.kill()
            agent.communicate()
    wait_until(lambda: not served.sessions(), "the allocations are released", 30)
    after = served.ask("status")["traffic"]
    assert all(after[way] - before[way] >= 2 * said for way in ("up_bytes", "down_bytes"))
