"""The IP addresses that are relayed from: which they are now, and what becomes of those that were.

    at home   the machine has it: new allocations get it, unless another took its place; then it's a former one
    away      the machine hasn't got it now: allocations stay for a grace, new ones are made elsewhere
    lost      it is away and another took its place, or the grace is over: its allocations end

Rule 1: an address that comes back while nothing took its place was never lost: the sockets that are bound to it work.
Rule 2: nothing is chosen instead of something: where there's no route, what was chosen stays.
Rule 3: the loopback address stands in as long as there's nothing else at all.
"""

from edgeturn.protocol.address import family

_LOOPBACK = b"\x7f\x00\x00\x01"


class Relayed:
    """Follows the machine's addresses, family by family."""

    def __init__(self, families: "tuple[int, ...]") -> None:
        """Take the families that the pool has relays of."""
        self.families = families
        self.ips: "dict[int, list[bytes]]" = {kind: [] for kind in families}  # to relay from, none until there is one
        self.former: "list[bytes]" = []  # at home still, and chosen no longer
        self.away: "dict[bytes, int]" = {}  # chosen ones that aren't at home, and when they are lost; 0 afterwards

    def chosen(self) -> "list[bytes]":
        """Return the addresses to relay from, IPv4 first."""
        return [ip for kind in sorted(self.ips) for ip in self.ips[kind]]

    def homes(self) -> "dict[int, list[bytes]]":
        """Return by family where relays are to be opened: at addresses at home, unless all are away."""
        return {kind: [ip for ip in ips if ip not in self.away] or ips for kind, ips in self.ips.items()}

    def known(self) -> "list[bytes]":
        """Return every address on which a relayed address of ours may live."""
        return self.chosen() + self.former

    def choose(
        self, wanted: "list[bytes]", is_written: bool, home: "list[bytes]", now: int, grace: int
    ) -> "list[bytes]":
        """Choose what is wanted, given what is at home; return what is lost.

        is_written: it stands in the configuration, and nothing else is wanted.
        """
        stand_in = self.chosen() == [_LOOPBACK]
        if not wanted and (stand_in or not self.chosen()):
            wanted = [_LOOPBACK]
        for kind in self.ips:
            found = [ip for ip in wanted if family(ip) == kind]
            if found or is_written or stand_in:
                self._replace(kind, found)
        lost = [ip for ip in self.former if ip not in home]
        self.former = [ip for ip in self.former if ip in home]
        self.away = {ip: self.away.get(ip, now + grace) for ip in self.chosen() if ip not in home}
        over = [ip for ip in self.away if 0 < self.away[ip] <= now]
        for ip in over:
            self.away[ip] = 0
        return lost + over

    def due(self) -> int:
        """Return when the next one is lost, 0 where none is."""
        return min([when for when in self.away.values() if when] or [0])

    def _replace(self, kind: int, found: "list[bytes]") -> None:
        gone = [ip for ip in self.ips[kind] if ip not in found]
        self.former = [ip for ip in self.former if ip not in found] + gone
        self.ips[kind] = found
