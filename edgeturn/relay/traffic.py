"""What a session carried: Python's packets and the kernel's, each counted once.

Rule 1: what the kernel counted for channels that ended is in the allocation; the others' counters are read now.
"""

from edgeturn.protocol.pool import Allocation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.kernel.carrier import Carrier

COUNTS = ("up_packets", "up_bytes", "down_packets", "down_bytes", "kernel_packets", "kernel_bytes")


class Traffic:
    """The counts of an allocation, how many of its channels the kernel carries, and when the last packet came."""

    def __init__(self, owner: Allocation, carrier: "Carrier | None") -> None:
        """Count, and ask the kernel where it carries."""
        self.channels = 0
        self.used_at = owner.used_at
        self.up_packets, self.up_bytes = owner.up_packets, owner.up_bytes()
        self.down_packets, self.down_bytes = owner.down_packets, owner.down_bytes()
        self.kernel_packets, self.kernel_bytes = owner.kernel_packets, owner.kernel_bytes
        if carrier is not None:
            for channel in owner.channels.values():
                if channel.place:
                    self._add(*carrier.read(channel))

    def counts(self) -> "dict[str, int]":
        """Return packets and bytes by name; the kernel's are part of the others."""
        return {name: getattr(self, name) for name in COUNTS}

    def _add(self, up: "tuple[int, int, int]", down: "tuple[int, int, int]") -> None:
        self.channels += 1
        self.up_packets += up[0]
        self.up_bytes += up[1]
        self.down_packets += down[0]
        self.down_bytes += down[1]
        self.kernel_packets += up[0] + down[0]
        self.kernel_bytes += up[1] + down[1]
        self.used_at = max(self.used_at, up[2], down[2])
