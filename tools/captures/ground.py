"""
The ground on which calls fail: hosts at one router, which forwards, translates, drops or resets as a scene wants.

    client   192.168.1.11  ──┐
    second   192.168.1.12  ──┤  gate, .1 or .254 of each
    relay    192.0.2.1     ──┤
    peer     198.51.100.11 ──┘
             behind the gate's NAT, client and second are 203.0.113.9

Rule 1: no address is anybody's: documentation ranges, and 192.168.1.0/24 for those behind a NAT.
Rule 2: a recorder sees what its host's interface sees, as tcpdump there would.
"""

import os
import socket
import struct
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from tests.blackbox.client import Client, Peer
from tests.blackbox.relay import Relay, Value
from tests.kernel.lab.topology import Node
from tests.lab.network import PREFIX, ip

CLIENT, SECOND, RELAY, PEER, NAT = "192.168.1.11", "192.168.1.12", "192.0.2.1", "198.51.100.11", "203.0.113.9"
SERVER = RELAY, 3478
_HOSTS = {"client": (CLIENT, "192.168.1.1"), "second": (SECOND, "192.168.1.2"),
          "relay": (RELAY, "192.0.2.254"), "peer": (PEER, "198.51.100.254")}  # fmt: skip
_ETHERNET, _EVERYTHING = 1, 0x0003
_QUIET = 0.15  # seconds after the last packet until a recorder is read


class Recorder:
    """What passes a host's interface, until it's written; most: bytes of a frame that are kept, as of tcpdump -s."""

    def __init__(self, node: Node, most: int) -> None:
        self._sock = node.packet("uplink", _EVERYTHING)
        self._sock.settimeout(0.05)
        self._most = most
        self._frames: list[tuple[float, bytes]] = []
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ends.is_set():
            try:
                frame = self._sock.recv(65535)
            except TimeoutError:
                continue
            except OSError:  # the ground was left in the middle of a scene
                return
            if frame[12:14] in (b"\x08\x00", b"\x86\xdd"):
                self._frames.append((time.time(), frame))

    def write(self, path: Path) -> None:
        """End, and write a pcap file."""
        time.sleep(_QUIET)
        self._ends.set()
        self._thread.join()
        self._sock.close()
        rows = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, _ETHERNET)]
        for at, frame in self._frames:
            kept = frame[: self._most]
            rows.append(struct.pack("<IIII", int(at), int(at % 1 * 1e6), len(kept), len(frame)) + kept)
        path.write_bytes(b"".join(rows))


class Ground:
    """The drawn network; what it opens ends with the stack."""

    def __init__(self, stack: ExitStack, folder: Path, number: int) -> None:
        self._stack, self.folder, self._number = stack, folder, number
        folder.mkdir(parents=True, exist_ok=True)
        self.gate = self._node("gate")
        self.nodes = {name: self._host(name, *places) for name, places in _HOSTS.items()}
        self.gate.setting("ipv4/ip_forward", 1)
        self.gate.ip("address", "add", f"{NAT}/32", "dev", "lo")

    def _node(self, role: str) -> Node:
        node = Node(f"{PREFIX}-{os.getpid()}-{self._number}-{role}")
        ip("netns", "add", node.name)
        self._stack.callback(node.remove)
        node.ip("link", "set", "lo", "up")
        return node

    def _host(self, name: str, own: str, gateway: str) -> Node:
        node = self._node(name)
        self.gate.ip("link", "add", name, "type", "veth", "peer", "name", "uplink", "netns", node.name)
        self.gate.ip("link", "set", name, "up")
        node.ip("link", "set", "uplink", "up")
        node.ip("address", "add", f"{own}/24", "dev", "uplink")
        self.gate.ip("address", "add", f"{gateway}/32", "dev", name)
        self.gate.ip("route", "add", f"{own}/32", "dev", name)
        node.ip("route", "add", "default", "via", gateway)
        return node

    def start(self, **settings: Value) -> Relay:
        """Start the relay."""
        found: dict[str, Value] = {
            "listen": [f"{RELAY}:3478"],
            "relay_address": [RELAY],
            "allow_peer": ["198.51.100.0/24", "203.0.113.0/24"],
            "kernel": "off",
        }
        relay = Relay(self.nodes["relay"].command([sys.executable]), self.folder, found | settings)
        relay.port = 3478
        self._stack.callback(_end, relay)
        return relay.__enter__()

    def record(self, host: str = "client", most: int = 65535) -> Recorder:
        """Record at a host."""
        return Recorder(self.nodes[host], most)

    def client(self, user: str = "alice", password: str | None = None, host: str = "client") -> Client:
        """Return a client of the relay."""
        with self.nodes[host].entered():
            made = Client(SERVER, user, password, host=_HOSTS[host][0])
        self._stack.callback(made.close)
        return made

    def peer(self) -> Peer:
        """Return a peer."""
        with self.nodes["peer"].entered():
            made = Peer(PEER)
        self._stack.callback(made.close)
        return made

    def connect(self, host: str, server: tuple[str, int]) -> socket.socket:
        """Return a TCP connection of a host."""
        with self.nodes[host].entered():
            return socket.create_connection(server, 5)

    def rules(self, text: str) -> None:
        """Let the gate do something to what it forwards: the body of a forward chain of nftables."""
        self.gate.nft(
            "table inet scene {\n chain forward {\n"
            f" type filter hook forward priority 0; policy accept;\n{text}\n }}\n}}\n"
        )

    def translate(self, to: str = "masquerade") -> None:
        """Put client and second behind a NAT."""
        self.gate.nft(
            "table ip nat {\n chain srcnat {\n type nat hook postrouting priority 100; policy accept;\n"
            f" ip saddr 192.168.1.0/24 meta l4proto udp {to}\n }}\n}}\n"
        )


def _end(relay: Relay) -> None:
    if relay.process.poll() is None:
        relay.process.terminate()
        relay.ended()
