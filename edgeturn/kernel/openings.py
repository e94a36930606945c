"""The observer that keeps the firewall's set of relayed ports: a port is in it while it's given to a client.

Rule 1: the table and its sets are made by others; where they aren't there, every event tries again, at the cost of one
        message. Where the relay isn't permitted to write, it never tries again.
Rule 2: an element ends by itself with its allocation, so a relay that is killed leaves no port open for long.
Rule 3: trouble is said when it begins, not at each port.
"""

from edgeturn import seam
from edgeturn.kernel import netfilter
from edgeturn.protocol import stun
from edgeturn.protocol.address import port_of
from edgeturn.protocol.observer import Observer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeturn.protocol.pool import Relay
    from edgeturn.protocol.request import Request

_AT_ONCE = 256  # ports of one message; each takes 28 bytes in it three times over

# What an error means: who reads it, and in which words. Most relays have no table; what isn't here may need a hand.
_TROUBLES = {
    netfilter.NOT_PERMITTED: ("debug", "not permitted"),
    netfilter.NO_ENTRY: ("debug", "there is no such table"),
    netfilter.NO_PROTOCOL: ("debug", "this kernel has no nf_tables"),
    netfilter.NOT_SUPPORTED: ("debug", "this kernel has no nf_tables"),
}


class Openings(Observer):
    """Follows what the core tells."""

    def __init__(self, table: str, write: "Callable[[str, str], None]") -> None:
        """Take the table's name, and what writes a log line of a level."""
        self._table = table
        self._ports = netfilter.Relayed(table)
        self._write = write
        self._trouble = 0
        self._expires: dict[int, int] = {}  # of relays by their index, as the kernel was told

    def allocated(self, relay: "Relay") -> None:
        self._renew([relay])

    def answered(self, request: "Request", answer: bytes) -> None:
        if request.message.method == stun.REFRESH and request.allocation is not None:
            self._renew([relay for relay in request.allocation.relays if relay])

    def freed(self, relay: "Relay") -> None:
        if self._expires.pop(relay.index, 0):
            self._tell(lambda: self._close(port_of(relay.address)))

    def refill(self, relays: "list[Relay]") -> "tuple[int, str]":
        """Put every live port of some relays into a table that is new; return how many, and what keeps them out."""
        live = [relay for relay in relays if relay.expires]
        self._trouble = 0
        self._expires.clear()
        for at in range(0, len(live), _AT_ONCE):
            self._renew(live[at : at + _AT_ONCE])
        if not live:  # nothing was tried
            self._tell(lambda: self._ports.open([]))
        return len(self._expires), _words(self._trouble)[1]

    def _renew(self, relays: "list[Relay]") -> None:
        """Tell the kernel of each relay until when it is given, unless it knows."""
        moved = [relay for relay in relays if self._expires.get(relay.index) != relay.expires]
        if not moved:
            return
        now = seam.clock()
        ports = [(port_of(relay.address), max(relay.expires - now, 1)) for relay in moved]
        if self._tell(lambda: self._ports.open(ports)):
            for relay in moved:
                self._expires[relay.index] = relay.expires

    def _close(self, number: int) -> int:
        """Take a port out; that it isn't there, because it has ended by itself, tells nothing new."""
        trouble = self._ports.close(number)
        return self._trouble if trouble == netfilter.NO_ENTRY else trouble

    def _tell(self, send: "Callable[[], int]") -> bool:
        """Send to the kernel; say whether it took that. What is new about it is logged."""
        if self._trouble == netfilter.NOT_PERMITTED:
            return False
        try:
            trouble = send()
        except OSError as error:
            trouble = error.args[0]
        if trouble != self._trouble:
            self._trouble = trouble
            level, reason = _words(trouble)
            said = f"unfollowed reason='{reason}'" if reason else "followed"
            self._write(level, f"firewall table={self._table} {said}")
        return not trouble


def _words(trouble: int) -> "tuple[str, str]":
    """Return level and words of an error, none for none."""
    if not trouble:
        return "debug", ""
    return _TROUBLES.get(trouble) or ("warning", seam.reason(seam.failure(trouble)))
