"""
The daemon dies, comes back and is replaced under streams of numbered datagrams: none is lost, doubled or misled.

    client1 ══ channel ══ relay ══ peer, port 5001        each datagram carries its stream's name and its number,
    client2 ══ channel ══ relay ══ peer, port 5002        and is waited for before the stream's next

A thread keeps all four directions going; what the tests do to the relay happens meanwhile. What arrives while there is
no daemon can't have been carried by Python.
"""

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.blackbox import client as blackbox
from tests.blackbox.relay import REALM
from tests.kernel.lab.topology import Node
from tests.lab.kernel_path import attach, detach, launch, pins, prepared, traffic
from tests.lab.network import Host, Network, wait_until
from tests.lab.relay import PASSWORD, PORT, USER, Options, server

ROUNDS = 300  # of all streams, for each thing that is done
STREAM_WITHIN = 60.0
ARRIVES_WITHIN = 2.0
ENDS_WITHIN = 10.0
PEER_PORTS = (5001, 5002)
ALLOCATIONS = 10
RELAYED_PORTS = range(50000, 50024)


@dataclass
class Stream:
    """One direction: how a datagram is sent, where it arrives, and the channel that it then has."""

    name: str
    send: Callable[[bytes], object]
    arrival: socket.socket
    channel: int = 0

    def round(self, number: int) -> str:
        """Send a datagram and wait for it; return what went wrong."""
        data = f"{self.name} {number}".encode()
        head = self.channel.to_bytes(2, "big") + len(data).to_bytes(2, "big") if self.channel else b""
        self.send(data)
        try:
            found = self.arrival.recv(2048)
        except TimeoutError:
            return f"{data!r} is lost"
        return "" if found == head + data else f"{head + data!r} was to arrive and {found!r} did"


class Streams:
    """All streams, kept going by a thread; a context manager that at its end wants them all to have been right."""

    def __init__(self, streams: list[Stream]) -> None:
        self._streams = streams
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._rounds = 0
        self._wrong: list[str] = []

    def __enter__(self) -> "Streams":
        self._thread.start()
        self.go_on()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        assert self._wrong == []
        for each in self._streams:
            each.arrival.setblocking(False)
            with pytest.raises(BlockingIOError):
                each.arrival.recv(2048)

    def go_on(self) -> None:
        """Wait for a good number of further rounds; every one of them must be right."""
        enough = self._rounds + ROUNDS
        wait_until(lambda: self._rounds >= enough or bool(self._wrong), "the streams go on", STREAM_WITHIN)
        assert self._wrong == []

    def _run(self) -> None:
        while not self._stopping.is_set() and not self._wrong:
            self._wrong += filter(None, [each.round(self._rounds) for each in self._streams])
            self._rounds += 1


class Caller:
    """A client with a bound channel, and its peer."""

    def __init__(self, network: Network, host: Host, number: int, family: int, stack: ExitStack) -> None:
        self._channel = 0x4000 + number
        with Node(host.namespace.name).entered():
            self.client = blackbox.Client((server(family), PORT), USER, PASSWORD, host.address(family))
        stack.callback(self.client.close)
        peers = Node(network.peer.namespace.name)
        self._peer = stack.enter_context(peers.udp((network.peer.address(4), PEER_PORTS[number])))
        self.relayed = self.client.allocate(blackbox.WANT_IPV4).relayed[0]
        assert self.client.bind(self._channel, (network.peer.address(4), PEER_PORTS[number])) == 0
        for sock in (self.client.sock, self._peer):
            sock.settimeout(ARRIVES_WITHIN)

    def streams(self) -> list[Stream]:
        """Return both directions."""
        return [
            Stream(f"up {self._channel}", lambda data: self.client.channel(self._channel, data), self._peer),
            Stream(f"down {self._channel}", self._send_down, self.client.sock, self._channel),
        ]

    def _send_down(self, data: bytes) -> None:
        self._peer.sendto(data, self.relayed)


class Scene:
    """A relay, attached, that is ended and started; a context manager."""

    def __init__(self, network: Network, interpreter: list[str], folder: Path, options: Options) -> None:
        self.network = network
        self._interpreter = interpreter
        self.relay = launch(interpreter, network, folder, options)

    def start(self) -> None:
        """Start the relay again: same configuration, same folder."""
        self.relay = launch(self._interpreter, self.network, self.relay.folder)

    def end(self, number: signal.Signals) -> None:
        """End it and wait until it's gone."""
        self.relay.process.send_signal(number)
        self.relay.process.wait(ENDS_WITHIN)

    def orphans(self) -> Any:
        """Return how many flows of an earlier daemon this one looks after."""
        return self.relay.ask("status")["kernel"]["orphans"]


@pytest.fixture(scope="module", params=["tc", "xdp"])
def scene(
    request: pytest.FixtureRequest,
    network: Network,
    interpreter: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Scene]:
    """A relay that is attached, for all tests of a hook."""
    folder = tmp_path_factory.mktemp("relay")
    with prepared(network), pins(folder / "fs") as made:
        options: Options = {
            "kernel": request.param,
            "kernel_pins": made,
            "realm": REALM,
            "max_allocations": str(ALLOCATIONS),
            "relay_ports": f"{RELAYED_PORTS[0]}-{RELAYED_PORTS[-1]}",
        }
        scene = Scene(network, interpreter, folder, options)
        try:
            attach(network, scene.relay)
            yield scene
            detach(network, scene.relay)
            scene.relay.end()
        finally:
            scene.relay.process.kill()
            scene.relay.process.wait()


@pytest.fixture
def callers(scene: Scene) -> Iterator[list[Caller]]:
    """A caller by IPv4 and one by IPv6; what earlier tests left in the kernel is still there."""
    hosts = ((scene.network.client1, 4), (scene.network.client2, 6))
    with ExitStack() as stack:
        yield [Caller(scene.network, host, number, family, stack) for number, (host, family) in enumerate(hosts)]


def streams_of(callers: list[Caller]) -> Streams:
    return Streams([stream for caller in callers for stream in caller.streams()])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "terminated"])
def test_a_relay_ends_and_comes_back(scene: Scene, callers: list[Caller], number: signal.Signals) -> None:
    before = scene.orphans()
    with streams_of(callers) as streams:
        for _ in range(2):  # the second daemon takes over what the first one had taken over
            scene.end(number)
            streams.go_on()
            scene.start()
            streams.go_on()
        assert scene.orphans() == before + 2


def test_the_ports_of_those_before_are_given_to_nobody(scene: Scene, callers: list[Caller]) -> None:
    with streams_of(callers) as streams, ExitStack() as stack:
        scene.end(signal.SIGKILL)
        scene.start()
        kept = {caller.relayed[1] for caller in callers}
        given = set()
        for _ in range(ALLOCATIONS):
            with Node(scene.network.client1.namespace.name).entered():
                host = scene.network.client1.address(4)
                client = blackbox.Client((server(4), PORT), USER, PASSWORD, host)
            stack.callback(client.close)
            given.add(client.allocate().relayed[0][1])
            stack.callback(client.refresh, 0)
        assert len(given) == ALLOCATIONS
        assert not given & kept
        streams.go_on()


def test_all_of_it_is_carried_by_the_kernel(scene: Scene, callers: list[Caller]) -> None:
    before = traffic(scene.relay)
    with streams_of(callers):
        pass
    after = traffic(scene.relay)
    counted = {name: after[name] - before[name] for name in after}
    assert counted["kernel_packets"] == counted["up_packets"] + counted["down_packets"] >= 4 * ROUNDS


def test_attaching_again_costs_no_packet(scene: Scene, callers: list[Caller]) -> None:
    with streams_of(callers) as streams:
        attach(scene.network, scene.relay)
        streams.go_on()


def test_media_moves_between_python_and_the_kernel(scene: Scene, callers: list[Caller]) -> None:
    """No stream runs while clsact comes or goes, for then the kernel stops the interface for a moment."""
    for action, is_in_kernel in ((detach, False), (attach, True)):
        action(scene.network, scene.relay)
        before = traffic(scene.relay)
        with streams_of(callers):
            pass
        after = traffic(scene.relay)
        assert after["up_packets"] > before["up_packets"]
        assert (after["kernel_packets"] > before["kernel_packets"]) is is_in_kernel
