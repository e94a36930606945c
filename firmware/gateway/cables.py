"""
The emulated router's place in the lab's network: its two cards are taps on two switches.

    client1  192.0.2.11 ──┐                ╔════════ the machine ════════╗
                          ├── switch ── tap ║ lan 192.0.2.1               ║
    client2  192.0.2.12 ──┘                ║             198.51.100.1 wan ║ tap ── switch ──── 198.51.100.11  peer
                                           ╚═════════════════════════════╝
             2001:db8:1::/64, 2001:db8:2::/64, hosts numbered alike

Rule 1: Both switches are bridges in the namespace that is the router in the other networks of the lab, and QEMU runs
        there. They have no address, and the namespace forwards nothing.
Rule 2: The hosts of a switch reach the machine only, never each other: what arrives was relayed.
"""

from dataclasses import dataclass, field

from tests.lab.network import CLIENTS, PEERS, ROUTER, Host, Network, Side

_SWITCHES = ((CLIENTS, "lan"), (PEERS, "wan"))
TAPS = tuple(f"tap-{name}" for _, name in _SWITCHES)


@dataclass
class Cables(Network):
    """The drawn network without the machine, whose taps wait in it."""

    _switches: dict[Side, str] = field(default_factory=dict)

    def _join(self, host: Host, link: str) -> None:
        switch = self._switches.get(host.side) or self._switch(host.side)
        self.router.ip("link", "add", link, "type", "veth", "peer", "name", "uplink", "netns", host.namespace.name)
        self.router.ip("link", "set", link, "master", switch, "up")
        self.router.ip("link", "set", link, "type", "bridge_slave", "isolated", "on")
        host.namespace.ip("link", "set", "uplink", "up")
        for family, network in ((4, "/24"), (6, "/64")):
            host.namespace.ip("address", "add", host.address(family) + network, "dev", "uplink", "nodad")
            host.namespace.ip("route", "add", "default", "via", host.side.address(family, ROUTER))

    def _switch(self, side: Side) -> str:
        """Make a side's switch and plug the machine's tap in."""
        name = dict(_SWITCHES)[side]
        tap = f"tap-{name}"
        # Neighbour discovery is multicast, and nobody here answers a switch that asks who listens.
        self.router.ip("link", "add", name, "type", "bridge", "mcast_snooping", "0")
        self.router.ip("link", "set", name, "up")
        self.router.ip("tuntap", "add", "dev", tap, "mode", "tap")
        self.router.ip("link", "set", tap, "master", name, "up")
        self._switches[side] = name
        return name
