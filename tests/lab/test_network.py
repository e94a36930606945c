"""The lab proves something only while nothing but the relay carries packets, and it is kept only if it cleans up."""

import subprocess
import sys

import pytest

from tests.lab.network import PREFIX, ROUTER, Host, Namespace, Network, ip, remove_leftovers

CLOSED_PORT = "9"
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=1)"


def is_reached(host: Host, address: str) -> bool:
    """Tell whether a host refuses a connection: it has to be asked for that."""
    tried = host.namespace.run([sys.executable, "-c", CONNECT, address, CLOSED_PORT], timeout=10)
    return "ConnectionRefusedError" in tried.stdout


@pytest.mark.parametrize("family", [4, 6])
def test_a_host_reaches_the_router_and_no_other_host(network: Network, family: int) -> None:
    client, peer = network.client1, network.peer
    for host in (client, peer):
        assert is_reached(host, host.side.address(family, ROUTER))
    assert not is_reached(client, network.client2.address(family))
    assert not is_reached(client, peer.address(family))
    assert not is_reached(peer, client.address(family))


def test_what_a_dead_run_left_is_removed(network: Network) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = Namespace(f"{PREFIX}-{dead.pid}-0-router")
    ip("netns", "add", left.name)
    process = left.popen(["sleep", "60"])
    remove_leftovers()
    assert process.wait(5) == -9
    names = ip("netns", "list")
    assert left.name not in names
    assert network.router.name in names
