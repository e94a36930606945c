"""
What the kernel believes to be the sum over a packet (CHECKSUM_COMPLETE), read by a program of ten instructions.

Some devices sum up what they receive, and so does a VXLAN device; the sum travels with the packet, over a veth, too. If
whoever rewrites a packet doesn't keep it right, the receiver blames its hardware and computes it anew for each packet.
"""

import sys
from struct import pack

from pyroute2 import IPRoute

from edgeturn.kernel import bpf
from edgeturn.seam import memory_address
from tests.kernel.lab.packets import fold
from tests.kernel.lab.topology import Node

_LOAD, _SCHED_CLS = 5, 3
_LOOK_UP, _CSUM_UPDATE = 1, 40
_INGRESS, _CLSACT = "ffff:fff2", "clsact"
_NO_SUM = -524  # ENOTSUPP, which is the kernel's own


def _instruction(code: int, to: int = 0, source: int = 0, offset: int = 0, value: int = 0) -> bytes:
    registers = source << 4 | to if sys.byteorder == "little" else to << 4 | source
    return pack("BBhi", code, registers, offset, value)


def _program(file: int) -> bytes:
    """Write what bpf_csum_update(skb, 0) returns, which is the sum, into a map's entry 0."""
    return b"".join(
        (
            _instruction(0xB7, to=2, value=0),
            _instruction(0x85, value=_CSUM_UPDATE),
            _instruction(0xBF, to=7, source=0),
            _instruction(0x62, to=10, offset=-4, value=0),
            _instruction(0xBF, to=2, source=10),
            _instruction(0x07, to=2, value=-4),
            _instruction(0x18, to=1, source=1, value=file) + _instruction(0),
            _instruction(0x85, value=_LOOK_UP),
            _instruction(0x15, to=0, offset=1, value=0),
            _instruction(0x7B, to=0, source=7),
            _instruction(0xB7, to=0, value=-1),
            _instruction(0x95),
        )
    )


class SumReader:
    """Reads the sums of what comes into an interface."""

    def __init__(self, node: Node, device: str) -> None:
        self._map = bpf.create(bpf.ARRAY, 4, 8, 1, 0, "sums")
        code, text = bytearray(_program(self._map.file)), bytearray(b"GPL\0")
        addresses = memory_address(code), memory_address(text)
        file = bpf.charge(_LOAD, bytearray(pack("IIQQIIQ", _SCHED_CLS, len(code) // 8, *addresses, 0, 0, 0)))
        number = node.index(device)
        with node.entered(), IPRoute() as netlink:
            netlink.tc("add", _CLSACT, number)
            netlink.tc("add-filter", "bpf", number, fd=file, name="sums", parent=_INGRESS, direct_action=True, prio=1)
        bpf.close(file)

    def close(self) -> None:
        self._map.close()

    def last(self) -> int | None:
        """Return the sum over the last packet from its IP header on, None where it had none."""
        found = int.from_bytes(self._map.get(bpf.index(0)) or b"", sys.byteorder, signed=True)
        if found == _NO_SUM:
            return None
        low, high = found & 0xFFFF, found >> 16 & 0xFFFF
        return fold(low.to_bytes(2, sys.byteorder) + high.to_bytes(2, sys.byteorder))
