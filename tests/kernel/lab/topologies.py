"""The line, with other things between client, router and peer; test_topologies.py draws each."""

from tests.kernel.lab.kernel import PEER_PORT, RELAYED_PORT, Binding, binding_of
from tests.kernel.lab.topology import FAMILIES, HOST, ROUTER, Line, Topology, address, addresses, cable, number
from tests.kernel.lab.tunnel import Tunnel
from tests.lab.network import CLIENTS, PEERS, Side


class Bridge(Line):
    """The LAN is a bridge."""

    port, lan = "port", "br-lan"

    def build(self) -> None:
        self.relay = self.router()
        self.client, self.peer = self.node("client"), self.node("peer")
        self.relay.ip("link", "add", self.lan, "type", "bridge", "mcast_snooping", "0")
        cable(self.relay, self.port, self.client)
        self.relay.ip("link", "set", self.port, "master", self.lan)
        self.relay.ip("link", "set", self.lan, "up")
        cable(self.relay, self.wan, self.peer)
        addresses(self.relay, self.lan, self.client, "uplink", CLIENTS)
        addresses(self.relay, self.wan, self.peer, "uplink", PEERS)


class Tagged(Line):
    """Both sides are VLANs."""

    lan, wan = "lan.7", "wan.8"
    client_device, peer_device = "uplink.7", "uplink.8"

    def build(self) -> None:
        self.relay = self.router()
        self.client, self.peer = self.node("client"), self.node("peer")
        cable(self.relay, "lan", self.client)
        cable(self.relay, "wan", self.peer)
        for node, device in ((self.relay, self.lan), (self.client, self.client_device), (self.relay, self.wan),
                             (self.peer, self.peer_device)):  # fmt: skip
            parent, tag = device.split(".")
            node.ip("link", "add", "link", parent, "name", device, "type", "vlan", "id", tag)
            node.ip("link", "set", device, "up")
        addresses(self.relay, self.lan, self.client, self.client_device, CLIENTS)
        addresses(self.relay, self.wan, self.peer, self.peer_device, PEERS)


class Headless(Line):
    """One side, or both, without Ethernet headers."""

    def __init__(self, lan: bool, wan: bool, kind: int) -> None:
        """Say which sides are tunnels, and what the devices call themselves."""
        self._which, self._kind = (lan, wan), kind
        self._tunnels: list[Tunnel] = []
        super().__init__()

    def build(self) -> None:
        self.relay = self.router()
        self.client, self.peer = self.node("client"), self.node("peer")
        rows = ((self.lan, self.client, CLIENTS), (self.wan, self.peer, PEERS))
        for tunnelled, (device, far, side) in zip(self._which, rows, strict=True):
            if tunnelled:
                self._tunnels.append(Tunnel(self.relay, device, far, "uplink", self._kind))
                number(self.relay, device, far, "uplink", side)
            else:
                cable(self.relay, device, far)
                addresses(self.relay, device, far, "uplink", side)

    def close(self) -> None:
        while self._tunnels:
            self._tunnels.pop().close()
        super().close()


class Summed(Line):
    """The LAN is a VXLAN, whose device keeps the sum over a packet that it has unpacked."""

    def build(self) -> None:
        self.relay = self.router()
        self.client, self.peer = self.node("client"), self.node("peer")
        cable(self.relay, "under", self.client, "under")
        self.client.feature("under", "tx-checksum-ip-generic", False)  # the sum must be there when the packet arrives
        for node, device, own, other in (
            (self.relay, self.lan, "203.0.113.1", "203.0.113.11"),
            (self.client, "uplink", "203.0.113.11", "203.0.113.1"),
        ):
            address(node, "under", own + "/24")
            ends = ("local", own, "remote", other, "dev", "under", "dstport", "4789")
            node.ip("link", "add", device, "type", "vxlan", "id", "5", *ends, "udpcsum")
            node.ip("link", "set", device, "up")
        addresses(self.relay, self.lan, self.client, "uplink", CLIENTS)
        cable(self.relay, self.wan, self.peer)
        addresses(self.relay, self.wan, self.peer, "uplink", PEERS)


SECOND_WAN = Side("203.0.113.", "2001:db8:3::")
EVERYWHERE = Side("198.18.0.", "2001:db8:99::")


class TwoWans(Topology):
    """Two ways out, each with addresses of its own; one peer that is reached by both."""

    lan, wans = "lan", ("wan1", "wan2")
    sides = (PEERS, SECOND_WAN)

    def build(self) -> None:
        self.relay = self.router()
        self.client = self.node("client")
        cable(self.relay, self.lan, self.client)
        addresses(self.relay, self.lan, self.client, "uplink", CLIENTS)
        self.providers = [self.node("provider1"), self.node("provider2")]
        for at, (provider, wan, side) in enumerate(zip(self.providers, self.wans, self.sides, strict=True)):
            cable(self.relay, wan, provider)
            addresses(self.relay, wan, provider, "uplink", side)
            for family in FAMILIES:
                address(provider, "lo", EVERYWHERE.address(family, HOST) + ("/32" if family == 4 else "/128"))
                gateway = ("via", side.address(family, HOST), "dev", wan)
                self.relay.ip("route", "add", "default", *gateway, "metric", str(100 + at))
                self.relay.ip(f"-{family}", "route", "add", "default", *gateway, "table", str(100 + at))

    def rule(self, at: int, family: int, action: str) -> None:
        """Add or delete the rule that sends what has a WAN's address out by it."""
        source = self.sides[at].address(family, ROUTER)
        self.relay.ip(f"-{family}", "rule", action, "from", source, "table", str(100 + at))

    def binding(self, at: int, family: int) -> Binding:
        """Return a binding whose relayed address is that of one WAN."""
        line = binding_of(family, family)
        peer = (EVERYWHERE.address(family, HOST), PEER_PORT)
        return Binding(
            line.listener, line.client, (self.sides[at].address(family, ROUTER), RELAYED_PORT + at), peer, 0x4100 + at
        )
