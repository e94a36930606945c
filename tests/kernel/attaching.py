"""What the tests of attaching share: a router with a relay's configuration, programs of others, a look at it all."""

import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from struct import pack

from pyroute2 import IPRoute

from edgeturn.kernel import bpf, flows, maps
from edgeturn.kernel.attaching import attachment, survey, xdp
from edgeturn.kernel.attaching.attachment import Row
from edgeturn.kernel.bpf import index
from edgeturn.kernel.direct import gro, inspection
from edgeturn.kernel.direct.netlink import Netlink
from edgeturn.relay.configuration import Configuration
from edgeturn.seam import crc32, memory_address
from tests.blackbox.client import pack as pack_address
from tests.kernel.lab.kernel import Binding
from tests.kernel.lab.topology import Line, Node

SCHED_CLS, XDP = 3, 6  # enum bpf_prog_type
BOTH = {"lan tc": "proven", "wan tc": "proven"}
ALL = {**BOTH, "lan xdp": "proven", "wan xdp": "proven"}
PASS = {SCHED_CLS: -1, XDP: 2}  # TC_ACT_UNSPEC, XDP_PASS
_LOAD = 5  # enum bpf_cmd
_NEW_FILTER = 44  # RTM_NEWTFILTER
FORWARDING = ("ipv4/conf/{}/forwarding", "ipv6/conf/{}/forwarding")


@dataclass
class Site:
    """A relay on the router of a line: what it is configured with, and attaching and looking there."""

    line: Line
    pins: Path
    control: str = "/run/edgeturn/control.sock"
    lines: tuple[str, ...] = ()

    @property
    def node(self) -> Node:
        """Return where the relay is."""
        return self.line.relay

    @property
    def settings(self) -> Configuration:
        """Return the configuration; a tool reads it anew each time."""
        return Configuration(self.settings_text, "test")

    @property
    def settings_text(self) -> str:
        """Return what stands in the configuration's file."""
        own = (f"option kernel_pins '{self.pins}'", f"option control '{self.control}'")
        here = ("list listen 192.0.2.1", "list listen 2001:db8:1::1", "list relay_address 198.51.100.1")
        return "\n".join(["config relay", *own, *here, *self.lines])

    @property
    def name(self) -> str:
        return maps.instance(self.control)

    @property
    def folder(self) -> Path:
        return self.pins / self.name

    def attach(self, hook: str = "tc", *names: str, forward: bool = False, again: bool = True) -> dict[str, str]:
        """Attach, and return what became of each hook: "lan tc" is "proven", or why it was given up."""
        with self.node.entered():
            return told(attachment.attach(self.settings, hook, names, forward, again))

    def detach(self) -> list[str]:
        with self.node.entered():
            return attachment.detach(self.settings)

    def inspect(self) -> inspection.Inspection:
        with self.node.entered():
            found = inspection.inspect(str(self.folder))
        assert found is not None
        return found


def told(rows: list[Row]) -> dict[str, str]:
    """Return each hook's state, or the reason for which it was given up."""
    kinds = {flows.TC: "tc", flows.XDP: "xdp"}
    words = {flows.ATTACHED: "attached", flows.PROVEN: "proven"}
    return {
        f"{row.interface} {kinds[row.kind]}": words.get(row.state) or flows.HOOK_REASONS[row.reason][0] for row in rows
    }


class Refusing(Netlink):
    """Netlink that refuses what sets a filter, with an error of the kernel."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def change(self, kind: int, flags: int, body: bytes) -> None:
        if kind == _NEW_FILTER:
            raise OSError(self._number, os.strerror(self._number))
        super().change(kind, flags, body)


def look(node: Node, *devices: str) -> dict[str, str]:
    """Return all that attaching could leave behind at some interfaces."""
    seen = {}
    for device in devices:
        seen[f"{device} qdiscs"] = node.tc("qdisc", "show", "dev", device)
        seen[f"{device} filters"] = node.tc("filter", "show", "dev", device, "ingress")
        seen[f"{device} xdp"] = str(xdp_program(node, device))
        with node.entered():
            seen[f"{device} rx-gro-list"] = str(gro.is_on(device))
            for setting in FORWARDING:
                seen[setting.format(device)] = Path("/proc/sys/net", setting.format(device)).read_text()
    return seen


def xdp_program(node: Node, device: str) -> int:
    """Return the number of the XDP program on an interface."""
    with node.entered(), IPRoute() as netlink:
        (link,) = netlink.get_links(socket.if_nametoindex(device))
        return link.get_nested("IFLA_XDP", "IFLA_XDP_PROG_ID") or 0


def load_trivial(kind: int, answer: int | None = None) -> int:
    """Load a program that gives one answer, by default letting packets pass; return its file."""
    code = bytearray(pack("BBhiBBhi", 0xB7, 0, 0, PASS[kind] if answer is None else answer, 0x95, 0, 0, 0))
    licence = bytearray(b"GPL\0")
    start = pack("IIQQ", kind, 2, memory_address(code), memory_address(licence))
    return bpf.charge(_LOAD, bytearray(start + bytes(24) + b"of_another".ljust(16, b"\0")))


def add_filter(node: Node, device: str, priority: int, handle: int, name: str, answer: int = -1) -> None:
    """Put another's filter at the ingress of an interface that has clsact."""
    file = load_trivial(SCHED_CLS, answer)
    with node.entered(), IPRoute() as netlink:
        netlink.tc(
            "add-filter", "bpf", socket.if_nametoindex(device), fd=file, name=name, parent="ffff:fff2",
            direct_action=True, prio=priority, handle=handle, protocol=3,
        )  # fmt: skip
    bpf.close(file)


def add_xdp(node: Node, device: str) -> int:
    """Put another's XDP program on an interface; return its number."""
    file = load_trivial(XDP)
    with node.entered(), Netlink() as netlink:
        xdp.attach(netlink, socket.if_nametoindex(device), file, 0)
    bpf.close(file)
    return xdp_program(node, device)


def carry(opened: maps.Maps, binding: Binding, ends: int = 10**9, counter: int = 0) -> None:
    """Write both flows of a binding, and let the program look at its ports; ends: seconds of CLOCK_MONOTONIC."""
    listener, client = pack_address(binding.listener), pack_address(binding.client)
    relayed, peer = pack_address(binding.relayed), pack_address(binding.peer)
    up = flows.Flow(relayed, peer, 0, ends, counter)
    down = flows.Flow(listener, client, binding.channel, ends, counter + 1)
    opened.flows.set(flows.key(listener, client, binding.channel), up.pack())
    opened.flows.set(flows.key(relayed, peer, 0), down.pack())
    for port in (binding.listener[1], binding.relayed[1]):
        before = int.from_bytes(opened.ports.get(index(port >> 6)) or b"", sys.byteorder)
        opened.ports.set(index(port >> 6), (before | 1 << (port & 63)).to_bytes(8, sys.byteorder))


def filters_of(site: Site, device: str) -> list[str]:
    """Return what tc tells of the filters that have a handle."""
    told = site.node.tc("filter", "show", "dev", device, "ingress")
    return [each for each in told.splitlines() if " handle " in each]


def filters_handle(site: Site) -> str:
    return hex(crc32(site.name.encode()) & 0xFFFF or 1)


def set_fraglists(site: Site, on: bool) -> None:
    for device in ("lan", "wan"):
        site.node.feature(device, gro.NAME, on)


def look_for(site: Site) -> survey.Survey:
    with site.node.entered():
        return survey.survey(site.settings, site.inspect().places)
