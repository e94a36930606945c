"""
aioice through the relay: two agents in namespaces that don't see each other, with nothing but the candidates given.

aioice asks for no address family, so its relayed address is always IPv4 (RFC 8656 §7.2), also where it reaches the
relay by IPv6. It binds a channel for each peer candidate and wants every answer authenticated. Relay to relay needs no
`allow_peer`: a relay's own relayed addresses are peers that it always admits.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.lab.conftest import StartRelay
from tests.lab.network import Host, Network, wait_until
from tests.lab.programs import python_package
from tests.lab.relay import PASSWORD, PORT, USER, credentials, relay_address, server

PROGRAM = str(Path(__file__).with_name("aioice_agent.py"))
MESSAGES = 100
Agent = subprocess.Popen[str]


def start(host: Host, name: str, *arguments: str) -> Agent:
    """Start an agent in a host's namespace."""
    python_package("aioice")
    argv = [sys.executable, PROGRAM, name, "--messages", str(MESSAGES), *arguments]
    return host.namespace.popen(argv, stdin=subprocess.PIPE, stderr=subprocess.PIPE)


def relayed(family: int, login: tuple[str, str]) -> list[str]:
    """Return the arguments of an agent that may use the relay only, reached by this family."""
    user, password = login
    return ["--server", server(family), "--port", str(PORT), "--user", user, "--password", password]


def read(agent: Agent) -> Any:
    """Return the next document an agent prints; what it says on standard error is why there is none."""
    assert agent.stdout and agent.stderr
    line = agent.stdout.readline()
    assert line, f"the agent ended:\n{agent.stderr.read()}"
    return json.loads(line)


def write(agent: Agent, document: dict[str, Any]) -> None:
    assert agent.stdin
    agent.stdin.write(json.dumps(document) + "\n")
    agent.stdin.flush()


def types(description: dict[str, Any]) -> set[str]:
    """Return the kinds of candidates offered, each with its address."""
    return {f"{fields[7]} {fields[4]}" for fields in (candidate.split() for candidate in description["candidates"])}


def converse(alice: Agent, bob: Agent) -> tuple[set[str], set[str]]:
    """Introduce the agents, check that each hears all that the other says, and return what each had offered."""
    try:
        offer, answer = read(alice), read(bob)
        write(alice, answer)
        write(bob, offer)
        told, heard = read(alice), read(bob)
        assert len(told["sent"]) == len(heard["sent"]) == MESSAGES
        assert sorted(told["received"]) == sorted(heard["sent"])
        assert sorted(heard["received"]) == sorted(told["sent"])
        assert alice.wait(10) == bob.wait(10) == 0
        return types(offer), types(answer)
    finally:
        for agent in (alice, bob):
            agent.kill()
            agent.communicate()


RELAYED = {f"relay {relay_address(4)}"}


@pytest.mark.parametrize(("alice_by", "bob_by"), [(4, 4), (6, 6), (4, 6)], ids=["IPv4", "IPv6", "IPv4 and IPv6"])
def test_relay_to_relay(start_relay: StartRelay, network: Network, alice_by: int, bob_by: int) -> None:
    with start_relay(allow_peer=[]) as relay:
        alice = start(network.client1, "alice", "--controlling", *relayed(alice_by, (USER, PASSWORD)))
        bob = start(network.client2, "bob", *relayed(bob_by, credentials("bob")))
        assert converse(alice, bob) == (RELAYED, RELAYED)
        wait_until(lambda: not relay.sessions(), "the allocations are released", 30)


@pytest.mark.parametrize("family", [4, 6])
def test_relay_to_host(start_relay: StartRelay, network: Network, family: int) -> None:
    with start_relay() as relay:
        alice = start(network.client1, "alice", "--controlling", *relayed(family, (USER, PASSWORD)))
        bob = start(network.peer, "bob")
        assert converse(alice, bob) == (RELAYED, {f"host {network.peer.address(4)}"})
        wait_until(lambda: not relay.sessions(), "the allocations are released", 30)
