"""
Two households behind a NAT each, and a relay that both reach.

    alice  192.168.1.11 ── 192.168.1.1  left   203.0.113.21 ──┐
                                                               ├── 203.0.113.1, .2  relay
    bob    192.168.2.12 ── 192.168.2.1  right  203.0.113.22 ──┘

With a carrier, whose NAT both houses are behind, they are 100.64.0.21 and .22, and both appear as 203.0.113.30.

Rule 1: a NAT keeps a port as long as it can, as most do; a symmetric one draws another for each destination.
Rule 2: what comes to a house unasked is dropped, as routers do; else Linux counts it as a flow whose port is taken.
Rule 3: both houses forward IPv4 only; the relay's namespace forwards nothing.
"""

import itertools
import os
from collections.abc import Sequence
from types import TracebackType

from tests.lab.network import PREFIX, Namespace, ip, remove_leftovers

RELAY, SECOND = "203.0.113.1", "203.0.113.2"
HOUSES = (("alice", "left", "192.168.1", "11", "21"), ("bob", "right", "192.168.2", "12", "22"))
_counter = itertools.count()


class Street:
    """The drawn network; a context manager that leaves nothing behind."""

    def __init__(self, symmetric: Sequence[str] = (), carrier: bool = False, open_house: str = "") -> None:
        """Remember how its NATs are."""
        self._symmetric = symmetric
        self._carrier = carrier
        self._open = open_house
        self._made: list[Namespace] = []

    def __enter__(self) -> "Street":
        """Build it."""
        remove_leftovers()
        self.relay = self._namespace("relay")
        self.relay.ip("link", "add", "net", "type", "bridge")
        self.relay.ip("link", "set", "net", "up")
        for address in (RELAY, SECOND):
            self.relay.ip("address", "add", f"{address}/24", "dev", "net")
        self._hub, self._outside = (
            (self._behind_a_carrier(), "100.64.0") if self._carrier else (self.relay, "203.0.113")
        )
        self.clients = {house[0]: self._house(*house) for house in HOUSES}
        return self

    def _behind_a_carrier(self) -> Namespace:
        carrier = self._namespace("carrier")
        carrier.ip("link", "add", "net", "type", "bridge")
        carrier.ip("link", "add", "wan", "type", "veth", "peer", "name", "street", "netns", self.relay.name)
        self.relay.ip("link", "set", "street", "master", "net", "up")
        for device, address in (("net", "100.64.0.1/24"), ("wan", "203.0.113.30/24")):
            carrier.ip("link", "set", device, "up")
            carrier.ip("address", "add", address, "dev", device)
        self._nat(carrier)
        return carrier

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Take it away."""
        while self._made:
            self._made.pop().remove()

    def _namespace(self, role: str) -> Namespace:
        made = Namespace(f"{PREFIX}-{os.getpid()}-{next(_counter)}-{role}")
        ip("netns", "add", made.name)
        self._made.append(made)
        made.ip("link", "set", "lo", "up")
        return made

    def _house(self, name: str, side: str, network: str, number: str, outside: str) -> Namespace:
        client, home = self._namespace(name), self._namespace(side)
        home.ip("link", "add", "lan", "type", "veth", "peer", "name", "uplink", "netns", client.name)
        home.ip("link", "add", "wan", "type", "veth", "peer", "name", side, "netns", self._hub.name)
        self._hub.ip("link", "set", side, "master", "net", "up")
        for node, device, address in (
            (home, "lan", f"{network}.1/24"),
            (home, "wan", f"{self._outside}.{outside}/24"),
            (client, "uplink", f"{network}.{number}/24"),
        ):  # fmt: skip
            node.ip("link", "set", device, "up")
            node.ip("address", "add", address, "dev", device)
        client.ip("route", "add", "default", "via", f"{network}.1")
        if self._carrier:
            home.ip("route", "add", "default", "via", "100.64.0.1")
        self._nat(home, side in self._symmetric)
        if side == self._open:
            self.chain(home, "prerouting", f"iifname wan dnat to {network}.{number}", "nat", -100)
        setattr(self, side, home)
        return client

    def _nat(self, home: Namespace, symmetric: bool = False) -> None:
        way = "masquerade random,fully-random" if symmetric else "masquerade"
        self.shell(home, "echo 1 > /proc/sys/net/ipv4/ip_forward")
        self.chain(home, "postrouting", f"oifname wan {way}", "nat", 100)
        self.chain(home, "input", "iifname wan ct state new drop")

    def shell(self, node: Namespace, line: str) -> None:
        """Run a line of shell in a namespace."""
        done = node.run(["sh", "-c", line], timeout=10)
        if done.returncode:
            raise RuntimeError(f"{line}: {done.stdout}")

    def chain(self, node: Namespace, hook: str, rule: str, kind: str = "filter", priority: int = 0) -> None:
        """Add a rule of nftables in a namespace, in a chain of its own hook."""
        done = node.run(["nft", _chain(hook, rule, kind, priority)], timeout=10)
        if done.returncode:
            raise RuntimeError(f"{rule}: {done.stdout}")

    def drop(self, side: str, rule: str) -> None:
        """Have a house's firewall drop what passes it and fits a rule."""
        home: Namespace = getattr(self, side)
        self.chain(home, "forward", f"{rule} drop")

    def cutting(self, side: str, rule: str) -> list[str]:
        """Return the command that has a house's firewall take a rule."""
        home: Namespace = getattr(self, side)
        return home.command(["nft", _chain("forward", rule)])


def _chain(hook: str, rule: str, kind: str = "filter", priority: int = 0) -> str:
    return f"table ip street {{\n chain {hook} {{\n type {kind} hook {hook} priority {priority};\n {rule}\n }}\n}}\n"
