"""
The maps of a relay, created, read and written by a test that stands in for the program and for who attaches it.

    test ── creates, pins, reads ──► maps ◄── opens, writes ── relay (either interpreter)
"""

import subprocess
import sys
import time
from pathlib import Path
from struct import pack as pack_numbers

import pytest

from edgeturn.kernel import bpf, flows, maps
from edgeturn.kernel.bpf import index
from edgeturn.kernel.maps import Maps
from edgeturn.protocol.limits import Limits
from tests.blackbox.client import CHANNEL, Client, unpack
from tests.blackbox.relay import Address, Relay, Value

ALLOCATIONS, CHANNELS = 8, 16
PERMISSION = 300
Key = tuple[Address, Address, int]


class Kernel:
    """A BPF file system, for the maps of the relay that has a certain control socket."""

    def __init__(self, folder: Path) -> None:
        self.pins = folder / "bpf"
        self.pins.mkdir()
        self.control = str(folder / "kernel.sock")
        mounted = subprocess.run(["mount", "-t", "bpf", "bpf", self.pins], capture_output=True, text=True)
        if mounted.returncode:
            pytest.skip(f"this kernel mounts no BPF file system here: {mounted.stderr.strip()}")
        self.folder = maps.folder(str(self.pins), maps.instance(self.control))
        self._maps: Maps | None = None

    @property
    def maps(self) -> Maps:
        assert self._maps is not None
        return self._maps

    def create(self, allocations: int = ALLOCATIONS, channels: int = CHANNELS) -> None:
        """Create and pin the maps, as `edgeturn kernel attach` does."""
        limits = Limits()
        limits.max_allocations, limits.max_channels = allocations, channels
        self.leave()
        try:
            self._maps = maps.create_all(self.folder, limits)
        except OSError as error:
            if error.args[0] != bpf.EPERM:
                raise
            pytest.skip("this kernel refuses bpf(2): operation not permitted")

    def remove(self) -> None:
        """Remove the pins, as `edgeturn kernel detach` does."""
        maps.remove_all(self.folder)

    def leave(self) -> None:
        if self._maps is not None:
            self._maps.close()
            self._maps = None

    def close(self) -> None:
        self.leave()
        subprocess.run(["umount", self.pins], check=True)

    def settings(self, **more: Value) -> dict[str, Value]:
        """Return the settings of the relay that uses the maps."""
        own: dict[str, Value] = {"control": self.control, "kernel_pins": str(self.pins), "max_allocations": ALLOCATIONS}
        return own | more

    def flows(self) -> dict[Key, flows.Flow]:
        """Return what is in the map."""
        found = {}
        keys = self.maps.flows.keys()
        for key in keys:
            value = self.maps.flows.get(key)
            if value is not None:
                local, remote, channel = flows.read_key(key)
                found[unpack(local), unpack(remote), channel] = flows.read_flow(value)
        return found

    def ways(self) -> dict[Key, tuple[Address, Address, int]]:
        """Return where the flows lead."""
        found = self.flows().items()
        return {key: (unpack(flow.source), unpack(flow.destination), flow.channel) for key, flow in found}

    def expires(self) -> set[int]:
        return {flow.expires for flow in self.flows().values()}

    def count(self, key: Key, packets: int, size: int) -> None:
        """Count as the program would, on each CPU the same."""
        numbers = pack_numbers("QQQ", packets, size, time.monotonic_ns())
        self.maps.counters.set(index(self.flows()[key].counter), numbers + bytes(flows.COUNTER_SIZE - len(numbers)))

    def end_at(self, expires: int) -> None:
        """Let all flows that are there expire at a time."""
        keys = self.maps.flows.keys()
        for key in keys:
            flow = flows.read_flow(self.maps.flows.get(key) or b"")
            flow.expires = expires
            self.maps.flows.set(key, flow.pack())

    def ports(self) -> set[int]:
        """Return the ports whose bits are set."""
        words = [int.from_bytes(self.maps.ports.get(index(at)) or b"", sys.byteorder) for at in range(1024)]
        return {64 * at + bit for at, word in enumerate(words) for bit in range(64) if word >> bit & 1}

    def cell(self, number: int) -> tuple[int, int]:
        """Return rate and rest of a budget."""
        value = self.maps.budgets.get(index(number)) or b""
        return int.from_bytes(value[:8], sys.byteorder), int.from_bytes(value[16:], sys.byteorder)


def between(relay: Relay, client: Client, relayed: Address, peer: Address) -> dict[Key, tuple[Address, Address, int]]:
    """Return where both flows of a client's first channel must lead."""
    return {
        (relay.server(), client.address, CHANNEL): (relayed, peer, 0),
        (relayed, peer, 0): (relay.server(), client.address, CHANNEL),
    }
