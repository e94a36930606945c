"""
The kernel's half of a relay, without a daemon: its maps, its flows, and the program attached where a test wants it.

A binding is what ChannelBind makes of four addresses and a channel, and two entries of the map:

    client ──channel──► listener │ relayed ──────► peer
    client ◄──channel── listener │ relayed ◄────── peer
"""

import errno
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from edgeturn import seam
from edgeturn.kernel import flows, loader, maps
from edgeturn.kernel.bpf import index
from edgeturn.protocol.limits import Limits
from tests.blackbox.client import pack
from tests.kernel.lab.packets import ETHERNET_SIZE, Address
from tests.kernel.lab.topology import HOST, ROUTER, Node
from tests.lab.network import CLIENTS, PEERS

TC, XDP = "tc", "xdp"
_KINDS = {TC: flows.TC, XDP: flows.XDP}
_NATIVE = 4  # XDP_FLAGS_DRV_MODE
_INGRESS = "ffff:fff2"
_PRIORITY = 49152
LONG = 600  # seconds: longer than any test
CLIENT_PORT, PEER_PORT, LISTENING_PORT, RELAYED_PORT = 40001, 40002, 3478, 50001
CHANNEL = 0x4001
OUTCOMES = [name for name, _ in flows.OUTCOMES]


@dataclass(frozen=True)
class Binding:
    """A bound channel."""

    listener: Address
    client: Address
    relayed: Address
    peer: Address
    channel: int = CHANNEL

    def message(self, data: bytes) -> bytes:
        """Return ChannelData of this channel."""
        return self.channel.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data


def binding_of(client: int, peer: int) -> Binding:
    """Return a binding of the line's client and peer, reached by these families."""
    return Binding(
        (CLIENTS.address(client, ROUTER), LISTENING_PORT),
        (CLIENTS.address(client, HOST), CLIENT_PORT),
        (PEERS.address(peer, ROUTER), RELAYED_PORT),
        (PEERS.address(peer, HOST), PEER_PORT),
    )


@dataclass(frozen=True)
class Counted:
    """What the program counted of a flow."""

    packets: int
    bytes: int


@dataclass(frozen=True)
class Places:
    """Where a binding is counted, for each direction."""

    up: int
    down: int


@dataclass(frozen=True)
class Hook:
    """The program at an interface."""

    slot: int
    node: Node
    device: str
    kind: str


def _add_clsact(netlink: IPRoute, number: int) -> None:
    try:
        netlink.tc("add", "clsact", number)
    except NetlinkError as error:
        if error.code != errno.EEXIST:
            raise


def _set_xdp(netlink: IPRoute, number: int, file: int) -> None:
    netlink.link("set", index=number, xdp={"attrs": [("IFLA_XDP_FD", file), ("IFLA_XDP_FLAGS", _NATIVE)]})


@contextmanager
def bpffs(folder: Path) -> Iterator[Path]:
    """Mount a file system for pins, for as long as the block lasts; skip where the kernel knows none."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "bpf", "bpf", folder], capture_output=True, text=True, timeout=20)
    if mounted.returncode:
        pytest.skip(f"this kernel mounts no BPF file system here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True, timeout=20)


def added(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """Return what is more in the later counts."""
    return {name: count - before.get(name, 0) for name, count in after.items() if count != before.get(name, 0)}


class Kernel:
    """A set of maps, and all that hangs on it; a context manager that leaves nothing behind."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.maps = maps.create_all(str(folder), Limits())
        self._hooks: list[Hook] = []
        self._programs: list[loader.Program] = []
        self._counters = 0

    def close(self) -> None:
        for hook in self._hooks:
            with suppress(OSError):  # gone with its namespace
                self._detach(hook)
        for program in self._programs:
            program.close()
        self.maps.close()
        maps.remove_all(str(self._folder))

    def __enter__(self) -> "Kernel":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Flows.

    def open_port(self, *numbers: int) -> None:
        """Let the program look at packets to these ports."""
        for number in numbers:
            place = index(number >> 6)
            bits = int.from_bytes(self.maps.ports.get(place) or b"", sys.byteorder) | 1 << (number & 63)
            self.maps.ports.set(place, bits.to_bytes(8, sys.byteorder))

    def close_port(self, number: int) -> None:
        """Let the program pass packets to a port without a look; ports of the same 64 are closed as well."""
        self.maps.ports.set(index(number >> 6), bytes(flows.PORTS_SIZE))

    def bind(
        self, binding: Binding, expires: int | None = None, up: tuple[int, int, int] = (0, 0, 0),
        down: tuple[int, int, int] = (0, 0, 0),
    ) -> Places:  # fmt: skip
        """Write both flows of a binding; expires: seconds of CLOCK_MONOTONIC; up, down: places of budgets."""
        self.open_port(binding.listener[1], binding.relayed[1])
        places = Places(self._counters, self._counters + 1)
        self._counters += 2
        until = seam.clock() + LONG if expires is None else expires
        listener, client, relayed, peer = map(pack, (binding.listener, binding.client, binding.relayed, binding.peer))
        upward = flows.Flow(relayed, peer, 0, until, places.up, up)
        inside = peer[2:] == relayed[2:]
        downward = flows.Flow(listener, client, binding.channel, until, places.down, down, inside)
        self.maps.flows.set(flows.key(listener, client, binding.channel), upward.pack())
        self.maps.flows.set(flows.key(relayed, peer, 0), downward.pack())
        return places

    def forget(self) -> None:
        """Unbind everything and close all ports."""
        for each in list(self.maps.flows.keys()):
            self.maps.flows.delete(each)
        for place in range(maps.PORTS):
            self.maps.ports.set(index(place), bytes(flows.PORTS_SIZE))

    def counted(self, place: int) -> Counted:
        """Return what a flow has carried."""
        return Counted(*flows.read_counter(self.maps.counters.get(index(place)) or b"")[:2])

    def allow(self, place: int, rate: int) -> None:
        """Set a budget to so many bytes a second."""
        self.maps.budgets.set(index(place), rate.to_bytes(8, sys.byteorder) + bytes(flows.BUDGET_SIZE - 8))

    # Hooks.

    def attach(self, node: Node, device: str, kind: str, link_size: int = ETHERNET_SIZE) -> Hook:
        """Attach the program to an interface; with XDP, the interface takes what is redirected there, too."""
        hook = Hook(len(self._hooks), node, device, kind)
        program = loader.load(kind, self.maps, {"hook_slot": hook.slot, "link_size": link_size})
        number = node.index(device)
        with node.entered(), IPRoute() as netlink:
            if kind == TC:
                _add_clsact(netlink, number)
                netlink.tc(
                    "add-filter", "bpf", number, fd=program.file, name="edgeturn-test", parent=_INGRESS,
                    direct_action=True, prio=_PRIORITY, handle=1,
                )  # fmt: skip
            else:
                _set_xdp(netlink, number, program.file)
                self.maps.devices.set(index(number), index(number))
        self._hooks.append(hook)
        self._programs.append(program)
        return hook

    def attach_all(self, node: Node, devices: list[str], kind: str, link_size: int = ETHERNET_SIZE) -> None:
        """Attach to interfaces as the relay does: tc everywhere, before it XDP where that's asked for."""
        for device in devices:
            for each in [TC] if kind == TC else [TC, XDP]:
                self.attach(node, device, each, link_size)

    def _detach(self, hook: Hook) -> None:
        number = hook.node.index(hook.device)
        with hook.node.entered(), IPRoute() as netlink:
            if hook.kind == XDP:
                _set_xdp(netlink, number, -1)
            else:
                netlink.tc("del-filter", "bpf", number, prio=_PRIORITY, handle=1, parent=_INGRESS)

    def outcomes(self, kind: str | None = None) -> dict[str, int]:
        """Return how many packets came out how, at hooks of one kind or at all; only what is not zero.

        What neighbours tell each other is counted as seen at any time, so it's left out.
        """
        found: dict[str, int] = {}
        for hook in self._hooks:
            if kind in (None, hook.kind):
                for at, name in enumerate(OUTCOMES):
                    if name == "seen":
                        continue
                    value = self.maps.tallies.get(index(hook.slot * len(OUTCOMES) + at)) or b""
                    packets = flows.read_tally(value)[0]
                    if packets:
                        found[name] = found.get(name, 0) + packets
        return found

    def count(self, action: Callable[[], object], kind: str | None = None) -> dict[str, int]:
        """Return what an action adds to the outcomes."""
        before = self.outcomes(kind)
        action()
        return added(before, self.outcomes(kind))
