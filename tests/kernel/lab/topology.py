"""
Namespaces and cables of the kernel path's laboratory. The plainest, on which the others are built:

    client  192.0.2.11 ──── 192.0.2.1  router  198.51.100.1 ──── 198.51.100.11  peer
            2001:db8:1::11      ::1            2001:db8:2::1               ::11

Rule 1: the router forwards, for the FIB look-up needs it; but a firewall of its own drops whatever is forwarded the
        ordinary way: what arrives was relayed.
Rule 2: the test process steps into a namespace to open its sockets there, so one process holds every end.
Rule 3: neighbours are known, unless a test is about them: no packet waits for an address.
"""

import ctypes
import itertools
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from tests.kernel.lab.features import set_feature
from tests.kernel.lab.packets import Address, family_of
from tests.lab.network import CLIENTS, PEERS, PREFIX, Namespace, NetworkError, Side, ip, remove_leftovers

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_counter = itertools.count()

WITHIN = 3.0  # how long a socket waits for what must come


class Node(Namespace):
    """A network namespace that the test process can step into."""

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Let this thread open sockets, files of /proc/sys and netlink in the namespace."""
        with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{self.name}") as there:
            _set_namespace(there.fileno())
            try:
                yield
            finally:
                _set_namespace(home.fileno())

    def index(self, device: str) -> int:
        """Return the number of a network interface."""
        with self.entered():
            return socket.if_nametoindex(device)

    def mac(self, device: str) -> str:
        """Return the Ethernet address of an interface."""
        return self.ip("-br", "link", "show", device).split()[2]

    def setting(self, name: str, value: int | str) -> None:
        """Write a file under /proc/sys/net."""
        with self.entered():
            Path("/proc/sys/net", name).write_text(str(value))

    def read_setting(self, name: str) -> str:
        """Read a file under /proc/sys/net."""
        with self.entered():
            return Path("/proc/sys/net", name).read_text().strip()

    def feature(self, device: str, name: str, on: bool) -> bool:
        """Switch a feature of an interface by ethtool's name for it; return whether it was on before."""
        with self.entered():
            return set_feature(device, name, on)

    def udp(self, place: Address) -> socket.socket:
        """Return a bound UDP socket."""
        with self.entered():
            made = socket.socket(socket.AF_INET6 if family_of(place[0]) == 6 else socket.AF_INET, socket.SOCK_DGRAM)
        made.settimeout(WITHIN)
        made.bind(place)
        return made

    def packet(self, device: str, protocol: int, kind: int = socket.SOCK_RAW) -> socket.socket:
        """Return a packet socket on an interface."""
        with self.entered():
            made = socket.socket(socket.AF_PACKET, kind, socket.htons(protocol))
            made.bind((device, protocol))
        made.settimeout(WITHIN)
        return made

    def nft(self, rules: str) -> None:
        """Load an nftables ruleset."""
        done = subprocess.run(
            self.command(["nft", "-f", "-"]), input=rules, capture_output=True, text=True, check=False, timeout=20
        )
        if done.returncode:
            raise NetworkError(f"nft: {done.stderr.strip()}")

    def tc(self, *arguments: str) -> str:
        """Run iproute2's tc and return what it printed."""
        done = subprocess.run(
            ["tc", "-n", self.name, *arguments], capture_output=True, text=True, check=False, timeout=20
        )
        if done.returncode:
            raise NetworkError(f"tc {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout


def _set_namespace(file: int) -> None:
    if _libc.setns(file, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


NO_FORWARDING = """
table inet ordinary_forwarding {
    chain forward { type filter hook forward priority 0; policy drop; }
}
"""


class Topology:
    """Namespaces that belong together; a context manager that leaves none behind."""

    def __init__(self) -> None:
        self._nodes: list[Node] = []
        remove_leftovers()
        try:
            self.build()
        except BaseException:
            self.close()
            raise

    def build(self) -> None:
        """Make the nodes and the cables."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        while self._nodes:
            try:
                self._nodes.pop().remove()
            except NetworkError as error:
                print(f"left behind: {error}")

    def node(self, role: str) -> Node:
        """Make a namespace."""
        node = Node(f"{PREFIX}-{os.getpid()}-{next(_counter)}-kernel_{role}")
        ip("netns", "add", node.name)
        self._nodes.append(node)
        node.ip("link", "set", "lo", "up")
        return node

    def router(self) -> Node:
        """Make a namespace that forwards and drops what was forwarded (rule 1)."""
        router = self.node("router")
        forward(router, True)
        router.nft(NO_FORWARDING)
        return router


def forward(node: Node, on: bool) -> None:
    """Switch forwarding of both families, on every interface, those to come included."""
    node.setting("ipv4/ip_forward", int(on))
    node.setting("ipv6/conf/all/forwarding", int(on))


def cable(near: Node, near_device: str, far: Node, far_device: str = "uplink") -> None:
    """Join two nodes by a veth whose far end may receive what XDP redirects."""
    near.ip("link", "add", near_device, "type", "veth", "peer", "name", far_device, "netns", far.name)
    near.ip("link", "set", near_device, "up")
    far.ip("link", "set", far_device, "up")
    far.feature(far_device, "rx-gro", True)  # a veth takes what XDP redirects only while its far end polls


def address(node: Node, device: str, place: str) -> None:
    """Give an interface an address, usable at once."""
    node.ip("address", "add", place, "dev", device, *(["nodad"] if family_of(place) == 6 else []))


def know(node: Node, device: str, host: str, mac: str) -> None:
    """Make a neighbour known for good."""
    node.ip("neighbour", "replace", host, "lladdr", mac, "dev", device, "nud", "permanent")


FAMILIES = (4, 6)
PREFIX_LENGTH = {4: "/24", 6: "/64"}
ROUTER, HOST = 1, 11


def number(near: Node, near_device: str, far: Node, far_device: str, side: Side) -> None:
    """Give both ends of a link their addresses, and let the far end reach everything by it."""
    for family in FAMILIES:
        gateway = side.address(family, ROUTER)
        address(near, near_device, gateway + PREFIX_LENGTH[family])
        address(far, far_device, side.address(family, HOST) + PREFIX_LENGTH[family])
        far.ip("route", "add", "default", "via", gateway)


def addresses(near: Node, near_device: str, far: Node, far_device: str, side: Side) -> None:
    """Give both ends of a cable their addresses, and introduce them (rule 3)."""
    number(near, near_device, far, far_device, side)
    for family in FAMILIES:
        know(near, near_device, side.address(family, HOST), far.mac(far_device))
        know(far, far_device, side.address(family, ROUTER), near.mac(near_device))


class Line(Topology):
    """The drawn line."""

    lan, wan = "lan", "wan"

    def build(self) -> None:
        self.relay = self.router()
        self.client, self.peer = self.node("client"), self.node("peer")
        cable(self.relay, self.lan, self.client)
        cable(self.relay, self.wan, self.peer)
        addresses(self.relay, self.lan, self.client, "uplink", CLIENTS)
        addresses(self.relay, self.wan, self.peer, "uplink", PEERS)
