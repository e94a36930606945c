"""The bitmap `ports`: what is sent to any other port is none of ours, and the program looks no further.

Rule 1: a bit too many costs a look-up, a bit too few costs the kernel's help: it's set before a flow is written.
"""

from struct import pack, unpack

from edgeturn.kernel.bpf import Map, index


class Ports:
    """Bits of ports, 64 in an entry."""

    def __init__(self, entries: Map) -> None:
        """Take the map."""
        self._entries = entries

    def open(self, port: int) -> None:
        """Set a port's bit."""
        self._write(port >> 6, self._read(port >> 6) | 1 << (port & 63))

    def close(self, port: int) -> None:
        """Clear a port's bit."""
        self._write(port >> 6, self._read(port >> 6) & ~(1 << (port & 63)))

    def replace(self, ports: "set[int]") -> None:
        """Set the bits of some ports and clear all others."""
        bits: dict[int, int] = {}
        for port in ports:
            bits[port >> 6] = bits.get(port >> 6, 0) | 1 << (port & 63)
        for at in range(self._entries.entries):
            self._write(at, bits.get(at, 0))

    def _read(self, at: int) -> int:
        value = self._entries.get(index(at))
        assert value is not None  # an array has all of its entries
        bits: int = unpack("Q", value)[0]
        return bits

    def _write(self, at: int, bits: int) -> None:
        self._entries.set(index(at), pack("Q", bits))
