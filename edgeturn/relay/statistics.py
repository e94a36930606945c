"""Statistics: counters of what was answered and relayed since the start; live sessions are added when somebody asks."""

from edgeturn.protocol import stun
from edgeturn.protocol.observer import Observer
from edgeturn.protocol.pool import Allocation, Relay
from edgeturn.protocol.request import Request
from edgeturn.relay.traffic import COUNTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.relay.kernel import KernelPath


class Statistics(Observer):
    """Counts what the core tells."""

    def __init__(self, kernel: "KernelPath") -> None:
        """Begin at nothing; the kernel path is asked for what it carried."""
        self.allocated_ever = 0
        self.refused_codes: dict[int, int] = {}
        self._kernel = kernel
        self._ended = dict.fromkeys(COUNTS, 0)

    def allocated(self, relay: Relay) -> None:
        if relay.allocation is not None:
            self.allocated_ever += 1

    def freed(self, relay: Relay) -> None:
        owner = relay.allocation
        if owner is not None and len([other for other in owner.relays if other]) == 1:
            self._add(self._ended, owner)

    def refused(self, request: Request, reject: stun.Reject) -> None:
        self.refused_codes[reject.code] = self.refused_codes.get(reject.code, 0) + 1

    def traffic(self, live: "list[Allocation]") -> "dict[str, int]":
        """Return packets and bytes in both directions, of the sessions that ended and of those that live."""
        total = dict(self._ended)
        for owner in live:
            self._add(total, owner)
        return total

    def _add(self, total: "dict[str, int]", owner: Allocation) -> None:
        counts = self._kernel.traffic(owner).counts()
        for name in COUNTS:
            total[name] += counts[name]
