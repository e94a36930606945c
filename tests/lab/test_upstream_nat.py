"""
A relay behind another router, which translates addresses and maps ports by miniupnpd: PCP, NAT-PMP and UPnP-IGD.

    relay 192.168.77.2 ──── 192.168.77.1  gate  11.0.0.2 ──────────────────────────────── 11.0.0.11  client
                                                                                          11.0.0.12  peer
                                                                                          11.0.0.13  STUN server
    behind a second NAT:            gate  100.64.0.2 ──── 100.64.0.1  provider  11.0.0.2 ── the same

Rule 1: the gate drops what comes from outside, but for answers and for what a mapping lets in.
Rule 2: the addresses outside are public ones that nobody announces; miniupnpd maps no ports where its own isn't public.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from edgeturn.protocol import stun
from tests.blackbox.client import CHANNEL, Client, Peer, pack
from tests.blackbox.relay import Relay, Value, until
from tests.kernel.lab.topology import Node
from tests.lab.network import PREFIX, ip, remove_leftovers
from tests.lab.programs import program, why_no_namespaces

RELAY, GATE = "192.168.77.2", "192.168.77.1"
OUTSIDE, SHARED = "11.0.0.2", "100.64.0.2"
CLIENT, PEER, STUN = "11.0.0.11", "11.0.0.12", "11.0.0.13"
RELAYS = 8
PORTS = RELAYS + 2  # the listener's by UDP and TCP
WITHIN = 30.0
PROTOCOLS = ("pcp", "nat-pmp", "upnp")

MASQUERADING = """
table inet fw {
    chain miniupnpd {
    }
    chain prerouting_miniupnpd {
    }
    chain postrouting_miniupnpd {
    }
    chain forward {
        type filter hook forward priority 0; policy drop;
        ct state established,related accept
        iifname lan accept
        jump miniupnpd
    }
    chain dstnat {
        type nat hook prerouting priority -100; policy accept;
        iifname wan jump prerouting_miniupnpd
    }
    chain srcnat {
        type nat hook postrouting priority 100; policy accept;
        oifname wan jump postrouting_miniupnpd
        oifname wan masquerade
    }
}
"""
# Everything from outside leads to the relay: a one-to-one NAT, or what routers call a DMZ host.
ONE_TO_ONE = f"""
table ip onetoone {{
    chain dstnat {{
        type nat hook prerouting priority -100; policy accept;
        iifname wan dnat to {RELAY}
    }}
    chain srcnat {{
        type nat hook postrouting priority 100; policy accept;
        oifname wan snat to {OUTSIDE}
    }}
}}
"""
MINIUPNPD = """
ext_ifname=wan
listening_ip=lan
http_port=5000
enable_natpmp={natpmp}
enable_upnp={upnp}
secure_mode=yes
upnp_table_name=fw
upnp_nat_table_name=fw
upnp_forward_chain=miniupnpd
upnp_nat_chain=prerouting_miniupnpd
upnp_nat_postrouting_chain=postrouting_miniupnpd
uuid=12345678-1234-1234-1234-123456789abc
allow 1024-65535 0.0.0.0/0 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
"""


class Upstream:
    """The drawn network, without anything that maps ports yet."""

    def __init__(self, stack: ExitStack, folder: Path, interpreter: list[str]) -> None:
        self._stack, self._folder, self._interpreter = stack, folder, interpreter
        self.home, self.gate, self.internet = (self._node(role) for role in ("home", "gate", "internet"))
        self._cable(self.gate, "lan", self.home)
        self.gate.ip("address", "add", f"{GATE}/24", "dev", "lan")
        self.home.ip("address", "add", f"{RELAY}/24", "dev", "uplink")
        self.home.ip("route", "add", "default", "via", GATE)

    def _node(self, role: str) -> Node:
        node = Node(f"{PREFIX}-{os.getpid()}-0-{role}")
        ip("netns", "add", node.name)
        self._stack.callback(node.remove)
        node.ip("link", "set", "lo", "up")
        return node

    def _cable(self, near: Node, device: str, far: Node) -> None:
        near.ip("link", "add", device, "type", "veth", "peer", "name", "uplink", "netns", far.name)
        near.ip("link", "set", device, "up")
        far.ip("link", "set", "uplink", "up")

    def connect(self, rules: str = MASQUERADING, behind_provider: bool = False) -> None:
        """Connect the gate to the internet."""
        last = self.gate
        if behind_provider:
            last = self._node("provider")
            self._cable(self.gate, "wan", last)
            self.gate.ip("address", "add", f"{SHARED}/24", "dev", "wan")
            last.ip("address", "add", "100.64.0.1/24", "dev", "uplink")
            self.gate.ip("route", "add", "default", "via", "100.64.0.1")
            last.nft("table ip nat { chain s { type nat hook postrouting priority 100; oifname wan masquerade; }; }")
            self._forward(last)
        self._cable(last, "wan", self.internet)
        last.ip("address", "add", f"{OUTSIDE}/24", "dev", "wan")
        for place in (CLIENT, PEER, STUN):
            self.internet.ip("address", "add", f"{place}/24", "dev", "uplink")
        self.gate.nft(rules)
        self._forward(self.gate)
        self._serve_stun()

    def _forward(self, node: Node) -> None:
        done = node.run(["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"], 5)
        assert done.returncode == 0, done.stdout

    def _serve_stun(self) -> None:
        sock = self.internet.udp((STUN, 3478))
        sock.settimeout(None)

        def serve() -> None:
            while True:
                try:
                    data, source = sock.recvfrom(2000)
                    number = stun.Message(data).transaction
                    value = stun.encode_xor_address(pack((source[0], source[1])), number)
                    answer = stun.encode(stun.BINDING | stun.SUCCESS, number, [(stun.XOR_MAPPED_ADDRESS, value)])
                    sock.sendto(answer, source)
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()

    def map_ports(self, protocol: str = "auto") -> subprocess.Popen[str]:
        """Start miniupnpd, with UPnP or with PCP and NAT-PMP only where one is named."""
        answers = {"natpmp": "yes" if protocol != "upnp" else "no", "upnp": "yes" if protocol == "upnp" else "no"}
        file = self._folder / "miniupnpd.conf"
        file.write_text(MINIUPNPD.format(**answers))
        argv = [program("miniupnpd"), "-d", "-f", str(file), "-P", str(self._folder / "miniupnpd.pid")]
        process = self.gate.popen(argv, stdout=subprocess.DEVNULL)
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        port, kind = (5000, "tcp") if protocol == "upnp" else (5351, "udp")
        until(lambda: self.gate.listens(port, kind), "miniupnpd answers")
        return process

    def mappings(self) -> int:
        """Return how many mappings the gate has."""
        return self.gate.run(["nft", "list", "table", "inet", "fw"], 10).stdout.count("dnat")

    def start(self, **settings: Value) -> Relay:
        """Start the relay."""
        given: dict[str, Value] = {
            "listen": [],
            "relay_address": [],
            "allow_peer": [],
            "external_address": ["auto"],
            "max_allocations": RELAYS,
        }
        relay = Relay(self.home.command(self._interpreter), self._folder, given | settings)
        relay.port = 3478
        self.relay = self._stack.enter_context(relay)
        return self.relay

    def edgeturn(self, *words: str) -> str:
        """Return what a command says at the relay."""
        return self.home.run([sys.executable, "-m", "edgeturn", *words, "-c", str(self.relay.file)], 60).stdout

    def external(self) -> dict[str, Any]:
        found: list[dict[str, Any]] = self.relay.status()["external"]
        return next(each for each in found if each["relay_address"] == RELAY)

    def found(self) -> dict[str, Any]:
        """Wait until it's known what stands in front; return that."""
        until(lambda: self.relay.log(f"external relay={RELAY}"), "what stands in front", WITHIN)
        return self.external()

    def mapped(self) -> None:
        """Wait until each port is mapped."""
        until(lambda: self.external()["mapped_ports"] == PORTS, "every port is mapped", WITHIN)

    def client(self) -> Client:
        """Return a client in the internet."""
        with self.internet.entered():
            made = Client((OUTSIDE, 3478), host=CLIENT)
        self._stack.callback(made.close)
        return made

    def peer(self) -> Peer:
        """Return a peer in the internet."""
        with self.internet.entered():
            made = Peer(PEER)
        self._stack.callback(made.close)
        return made


@pytest.fixture
def upstream(interpreter: list[str], tmp_path: Path) -> Iterator[Upstream]:
    lacking = why_no_namespaces()
    if lacking:
        pytest.skip(lacking)
    remove_leftovers()
    with ExitStack() as stack:
        yield Upstream(stack, tmp_path, interpreter)


def assert_media_passes(upstream: Upstream) -> Client:
    """Let a client outside exchange media with a peer outside, by the announced address."""
    client, peer = upstream.client(), upstream.peer()
    relayed = client.allocate().relayed[0]
    assert relayed[0] == OUTSIDE and client.bind(CHANNEL, peer.address) == 0
    peer.send(relayed, b"first down")  # nothing from inside has opened the NAT for it
    assert client.receive().data == b"first down"
    client.channel(CHANNEL, b"up")
    assert peer.receive() == (b"up", relayed)
    return client


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_client_and_a_peer_outside_meet_through_mapped_ports(upstream: Upstream, protocol: str) -> None:
    upstream.connect()
    upstream.map_ports(protocol)
    relay = upstream.start(stun_server=[STUN], port_mapping="auto" if protocol == "upnp" else protocol)
    found = upstream.found()
    assert (found["address"], found["nat"], found["by"], found["problems"]) == (OUTSIDE, "port-mapped", protocol, [])
    upstream.mapped()
    assert upstream.mappings() == PORTS
    assert_media_passes(upstream)
    relay.process.terminate()
    assert relay.ended() == 0
    assert upstream.mappings() == 0


def test_two_clients_outside_meet_relay_to_relay(upstream: Upstream) -> None:
    upstream.connect()
    upstream.map_ports()
    upstream.start()
    upstream.found()
    upstream.mapped()
    alice, bob = upstream.client(), upstream.client()
    relayed_a, relayed_b = alice.allocate().relayed[0], bob.allocate().relayed[0]
    assert [alice.bind(CHANNEL, relayed_b), bob.bind(CHANNEL, relayed_a)] == [0, 0]
    alice.channel(CHANNEL, b"hello")
    assert bob.receive().data == b"hello"


def test_a_gateway_that_starts_anew_is_asked_anew(upstream: Upstream) -> None:
    upstream.connect()
    process = upstream.map_ports()
    upstream.start()
    upstream.found()
    upstream.mapped()
    client = assert_media_passes(upstream)
    process.send_signal(signal.SIGTERM)
    process.wait()
    for chain in ("miniupnpd", "prerouting_miniupnpd", "postrouting_miniupnpd"):
        upstream.gate.nft(f"flush chain inet fw {chain}")  # as when the router itself starts anew
    assert upstream.mappings() == 0
    upstream.map_ports()
    until(lambda: upstream.mappings() == PORTS, "all mappings are there again", 60)
    assert client.refresh(600).code == 0
    assert_media_passes(upstream)


def test_what_commands_say_of_it(upstream: Upstream) -> None:
    upstream.connect()
    upstream.map_ports()
    upstream.start()
    upstream.found()
    upstream.mapped()

    known = f"known as        {OUTSIDE} for {RELAY}, port-mapped by pcp, {PORTS} of {PORTS} ports"
    assert known in upstream.edgeturn("status")
    assert f"✓ external address      {OUTSIDE} for {RELAY}" in upstream.edgeturn("check")
    assert f"turn:{OUTSIDE}:3478" in upstream.edgeturn("credentials")


def test_a_one_to_one_nat_by_stun_alone(upstream: Upstream) -> None:
    upstream.connect(ONE_TO_ONE)
    upstream.start(stun_server=[STUN])
    found = upstream.found()
    assert (found["address"], found["nat"], found["by"]) == (OUTSIDE, "one-to-one", "stun")
    assert_media_passes(upstream)


def test_a_provider_that_translates_too_is_recognised(upstream: Upstream) -> None:
    upstream.connect(behind_provider=True)
    upstream.map_ports()
    relay = upstream.start(stun_server=[STUN])
    found = upstream.found()
    assert (found["address"], found["nat"]) == (OUTSIDE, "double")
    assert len(found["problems"]) == 1 and "CGNAT" in found["problems"][0] and "IPv6" in found["problems"][0]
    assert relay.logged("warning external problem=", "CGNAT")
    assert found["problems"][0] in upstream.edgeturn("status")
    said = upstream.edgeturn("check")
    assert "✗ external address" in said and f"means: {found['problems'][0]}" in said


def test_a_relay_on_a_router_behind_a_provider(upstream: Upstream) -> None:
    upstream.connect(behind_provider=True)
    upstream.home = upstream.gate
    relay = upstream.start(stun_server=[STUN], listen=[f"{SHARED}:3478"], relay_address=[SHARED])
    assert relay.logged(f"external relay={SHARED}", f"address={OUTSIDE}", "nat=cgnat")
    assert relay.logged("warning external problem=", "CGNAT")
