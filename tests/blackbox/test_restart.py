"""What a relay leaves in the kernel when it ends or is killed, and what the next one makes of it."""

import os
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.blackbox.client import CHANNEL, Client
from tests.blackbox.conftest import Bind, NewClient, NewPeer, StartRelay
from tests.blackbox.kernel import ALLOCATIONS, PERMISSION, Kernel, between
from tests.blackbox.relay import HOST, Address, Relay, Value, free_port, until


def is_free(place: Address) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind(place)
        except OSError:
            return False
        return True


class Before:
    """A relay that was killed, and a channel that it left in the kernel."""

    def __init__(self, kernel: Kernel, start: StartRelay, client: Client, peer: Address, port: int) -> None:
        self.kernel, self.start, self.port = kernel, start, port
        self.client, self.peer = client, peer
        self.relayed = client.allocate().relayed[0]
        assert client.bind(CHANNEL, peer) == 0
        self.ways = kernel.ways()

    def restart(self, **settings: Value) -> Relay:
        places: dict[str, Value] = {"listen": [f"{HOST}:{self.port}"]}
        return self.start(**self.kernel.settings(**places | settings))


@pytest.fixture
def before(kernel: Kernel, start: StartRelay, new_peer: NewPeer, stack: ExitStack) -> Before:
    port = free_port()
    relay = start(**kernel.settings(listen=[f"{HOST}:{port}"]))
    client = Client((HOST, port))
    stack.callback(client.close)
    found = Before(kernel, start, client, new_peer().address, port)
    relay.process.kill()
    relay.ended()
    assert found.ways and kernel.ways() == found.ways
    return found


def test_a_killed_relays_channels_go_on_and_their_ports_are_nobodys(before: Before, new_client: NewClient) -> None:
    kernel = before.kernel
    relay = before.restart()
    assert kernel.ways() == before.ways and relay.status()["kernel"]["orphans"] == 1
    assert not is_free(before.relayed) and before.relayed[1] in kernel.ports()
    relay.port = before.port
    for _ in range(ALLOCATIONS):
        other = new_client(relay)
        assert other.allocate().relayed[0] != before.relayed
        assert other.bind(CHANNEL, (HOST, 9)) == 0
    assert before.ways.items() <= kernel.ways().items()
    counters = [flow.counter for flow in kernel.flows().values()]
    assert len(counters) == len(set(counters)) == 2 * ALLOCATIONS + 2


def test_peers_of_an_orphan_hear_of_no_closed_port(before: Before, new_peer: NewPeer) -> None:
    before.restart()
    peer = new_peer()
    peer.sock.connect(before.relayed)
    peer.sock.send(b"not carried by a flow")
    peer.sock.settimeout(0.3)
    with pytest.raises(TimeoutError):  # and not ConnectionRefusedError
        peer.sock.recv(100)


def test_orphans_end_in_time(before: Before) -> None:
    kernel = before.kernel
    kernel.end_at(int(time.monotonic()) + 3)
    relay = before.restart()
    assert relay.status()["kernel"]["orphans"] == 1 and not is_free(before.relayed)
    until(lambda: kernel.flows() == {}, "the end of the orphans")
    until(lambda: is_free(before.relayed), "a free port")
    assert relay.status()["kernel"]["orphans"] == 0 and kernel.ports() == {before.port}


def test_what_has_expired_is_not_taken_over(before: Before) -> None:
    before.kernel.end_at(int(time.monotonic()))
    relay = before.restart()
    assert relay.status()["kernel"]["orphans"] == 0 and before.kernel.flows() == {} and is_free(before.relayed)


def test_a_relay_that_leaves_the_kernel_alone_ends_what_was_left(before: Before) -> None:
    relay = before.restart(kernel="off")
    assert before.kernel.flows() == {} and relay.command("kernel")["state"] == "off"


def test_a_client_that_comes_back_ends_its_orphans(before: Before) -> None:
    relay = before.restart()
    before.client.nonce = b""
    relayed = before.client.allocate().relayed[0]
    assert before.kernel.flows() == {} and relay.status()["kernel"]["orphans"] == 0
    until(lambda: is_free(before.relayed), "a free port")
    relay.port = before.port
    assert before.client.bind(CHANNEL, before.peer) == 0
    assert before.kernel.ways() == between(relay, before.client, relayed, before.peer)


def test_orphans_of_another_listener_or_to_a_denied_peer_are_deleted(before: Before) -> None:
    relay = before.restart(deny_peer=["127.0.0.0/8"])
    assert relay.status()["kernel"]["orphans"] == 0 and before.kernel.flows() == {}


def test_a_listener_that_is_gone_ends_its_orphans(before: Before) -> None:
    relay = before.restart(listen=[f"{HOST}:{free_port()}"])
    assert relay.status()["kernel"]["orphans"] == 0 and before.kernel.flows() == {}


def test_a_reload_ends_orphans_that_it_denies(before: Before) -> None:
    relay = before.restart()
    relay.configure(deny_peer=["127.0.0.0/8"])
    relay.command("reload")
    assert before.kernel.flows() == {} and relay.status()["kernel"]["orphans"] == 0


def test_orphans_whose_port_was_taken_meanwhile_are_deleted(before: Before) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(before.relayed)
        relay = before.restart()
        assert relay.status()["kernel"]["orphans"] == 0 and before.kernel.flows() == {}


def test_too_few_files_for_orphans_keep_no_relay_from_starting(
    kernel: Kernel, start: StartRelay, new_client: NewClient, interpreter: list[str], tmp_path: Path, stack: ExitStack
) -> None:
    relay = start(**kernel.settings())
    files = len(os.listdir(f"/proc/{relay.process.pid}/fd"))
    for _ in range(ALLOCATIONS):
        alice = new_client(relay)
        alice.allocate()
        assert alice.bind(CHANNEL, (HOST, 9)) == 0
    relay.process.kill()
    relay.ended()
    folder = tmp_path / "limited"
    folder.mkdir()
    limited = ["prlimit", f"--nofile={files + ALLOCATIONS // 2}", *interpreter]
    settings = kernel.settings(listen=relay.settings["listen"])
    again = stack.enter_context(Relay(limited, folder, settings))
    assert again.status()["kernel"] | {"folder": ""} == {
        "state": "on",
        "reason": "",
        "folder": "",
        "channels": 0,
        "orphans": 0,
        "failures": 0,
    }
    assert kernel.flows() == {}


def test_a_second_relay_does_not_touch_the_flows_of_the_first(
    kernel: Kernel, start: StartRelay, new_client: NewClient, interpreter: list[str], tmp_path: Path
) -> None:
    relay = start(**kernel.settings())
    alice = new_client(relay)
    alice.allocate()
    assert alice.bind(CHANNEL, (HOST, 9)) == 0
    folder = tmp_path / "second"
    folder.mkdir()
    with pytest.raises(AssertionError, match="another relay uses"), Relay(interpreter, folder, kernel.settings()):
        pass
    assert len(kernel.flows()) == 2


def test_an_ordinary_end_leaves_the_flows_and_says_so(kernel: Kernel, bound: Bind) -> None:
    relay, alice, peer, relayed = bound(kernel)
    relay.process.terminate()
    assert relay.ended() == 0
    assert kernel.ways() == between(relay, alice, relayed, peer.address)
    (line,) = relay.log("info stopped")
    assert "kernel-channels=1 for-seconds=" in line and "`edgeturn kernel detach -c /" in line
    assert int(line.partition("for-seconds=")[2].partition(" ")[0]) in range(PERMISSION - 30, PERMISSION + 1)


def test_an_end_without_channels_promises_none(kernel: Kernel, start: StartRelay) -> None:
    relay = start(**kernel.settings())
    relay.process.terminate()
    assert relay.ended() == 0 and relay.log("info stopped kernel-program=attached hint=")
