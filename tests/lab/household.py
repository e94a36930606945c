"""
A household: a router whose addresses change under a relay that serves clients of the LAN.

    lan  192.168.1.11 ──── 192.168.1.1  router  198.51.100.1 ──── 198.51.100.11  internet
         fd00:1::11        fd00:1::1            2001:db8:2::1     2001:db8:2::11
                                    later also  203.0.113.1       203.0.113.11
                                                2001:db8:3::1     2001:db8:3::11

Rule 1: the router's addresses are found by itself, as those of a household are: no address is in its configuration.
Rule 2: addresses are moved by `ip`, as PPPoE, DHCP and router advertisements move them.
"""

import os
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

from tests.blackbox.client import CHANNEL, Client, Peer, Row
from tests.blackbox.relay import Address, Relay, Value, until
from tests.kernel.lab.topology import Node
from tests.lab.network import PREFIX, ip

ROUTER, ROUTER6 = "192.168.1.1", "fd00:1::1"
OLD, NEW = "198.51.100.1", "203.0.113.1"
OLD6, NEW6 = "2001:db8:2::1", "2001:db8:3::1"
GATEWAYS = {OLD: "198.51.100.11", NEW: "203.0.113.11", OLD6: "2001:db8:2::11", NEW6: "2001:db8:3::11"}
MANY: dict[str, Value] = {"max_allocations": 64, "user_quota": 0, "log_level": "info"}


class Household:
    """The drawn network, without addresses on the router's way to the internet."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.lan, self.router, self.internet = (self._node(role) for role in ("lan", "home", "far"))
        self._cable("lan", self.lan)
        self._cable("wan", self.internet)
        for node, place in ((self.router, ".1"), (self.lan, ".11")):
            device = "lan" if node is self.router else "uplink"
            node.ip("address", "add", f"192.168.1{place}/24", "dev", device)
            node.ip("address", "add", f"fd00:1:{place.replace('.', ':')}/64", "dev", device, "nodad")
        for gateway in GATEWAYS.values():
            self.internet.ip("address", "add", f"{gateway}/{64 if ':' in gateway else 24}", "dev", "uplink", "nodad")

    def _node(self, role: str) -> Node:
        node = Node(f"{PREFIX}-{os.getpid()}-0-{role}")
        ip("netns", "add", node.name)
        self._stack.callback(node.remove)
        node.ip("link", "set", "lo", "up")
        return node

    def _cable(self, device: str, far: Node) -> None:
        self.router.ip("link", "add", device, "type", "veth", "peer", "name", "uplink", "netns", far.name)
        self.router.ip("link", "set", device, "up")
        far.ip("link", "set", "uplink", "up")

    def give(self, place: str) -> None:
        """Give the router an address and the default route that belongs to it."""
        self.router.ip("address", "add", f"{place}/{_length(place)}", "dev", "wan", *_nodad(place))
        self.route(place)

    def route(self, place: str) -> None:
        self.router.ip("route", "replace", "default", "via", GATEWAYS[place], "dev", "wan", "src", place)

    def take(self, place: str) -> None:
        """Take an address away, and with it the routes that have it as their source."""
        self.router.ip("address", "delete", f"{place}/{_length(place)}", "dev", "wan")

    def client(self, user: str = "alice") -> Client:
        """Return a client in the LAN."""
        with self.lan.entered():
            made = Client((ROUTER, self.relay.port), user, host="192.168.1.11")
        self._stack.callback(made.close)
        return made

    def peer(self, place: str) -> Peer:
        """Return a peer in the internet, in the router's subnet of that address."""
        with self.internet.entered():
            made = Peer(GATEWAYS[place])
        self._stack.callback(made.close)
        return made

    def start(self, interpreter: list[str], folder: Path, **settings: Value) -> Relay:
        """Start the relay."""
        found: dict[str, Value] = {
            "listen": [],
            "relay_address": [],
            "allow_peer": ["198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"],
        }
        heap = ["-X", "heapsize=8M"] if interpreter != [sys.executable] else []
        relay = Relay(self.router.command([*interpreter, *heap]), folder, found | settings)
        relay.port = 3478
        self.relay = self._stack.enter_context(relay)
        return self.relay

    def changes(self) -> list[str]:
        """Return the log lines that announce addresses."""
        return self.relay.log("addresses-changed")


def _length(place: str) -> int:
    return 64 if ":" in place else 24


def _nodad(place: str) -> list[str]:
    return ["nodad"] if ":" in place else []


class Stream:
    """A client that talks with a peer through a channel."""

    def __init__(self, home: Household, place: str, *rows: Row) -> None:
        self.client, self.peer = home.client(), home.peer(place)
        self.relayed: Address = self.client.allocate(*rows).relayed[0]
        assert self.relayed[0] == place
        assert self.client.bind(CHANNEL, self.peer.address) == 0
        self.sent = 0

    def talk(self) -> None:
        """Send one packet each way."""
        self.client.channel(CHANNEL, b"up")
        self.peer.send(self.relayed, b"down")
        self.sent += 1

    def received(self) -> tuple[int, int]:
        """Return how many came to the peer and to the client, without waiting."""
        return len(self.peer.queued()), len(self.client.waiting())


class Talk:
    """Streams that go on in the background until the block ends."""

    def __init__(self, streams: list[Stream]) -> None:
        self._streams = streams
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._ends.wait(0.05):
            for stream in self._streams:
                stream.talk()

    def __enter__(self) -> "Talk":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()


def assert_lost_nothing(streams: list[Stream]) -> None:
    for stream in streams:
        counts = [0, 0]

        def complete(stream: Stream = stream, counts: list[int] = counts) -> bool:
            counts[:] = [before + more for before, more in zip(counts, stream.received(), strict=True)]
            return counts == [stream.sent, stream.sent]

        until(complete, f"{stream.sent} packets each way")
