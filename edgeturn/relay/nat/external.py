"""By which addresses the world knows the relay: its own, those that are written, or with `auto` those that are found.

Rule 1: what isn't known yet isn't told: a relay without a known place outside is withheld, and offered once it has one.
Rule 2: what finds addresses is loaded only where the configuration asks for it.
"""

from edgeturn.protocol import address
from edgeturn.protocol.address import ip_of, join, port_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.relay.configuration import Configuration
    from edgeturn.relay.daemon import Daemon
    from edgeturn.relay.nat.front import Nat

AUTO = (b"", b"")  # the value of option external_address


class External:
    """The places of relays as the world knows them."""

    def __init__(self, daemon: "Daemon") -> None:
        """Take the daemon, whose relay sockets aren't open yet."""
        self._daemon = daemon
        self._nat: Nat | None = None
        self._found: dict[bytes, bytes] = {}  # by relay address; the configuration's `announced` looks there
        self._told: set[bytes] = set()
        self._settings = daemon.settings
        daemon.relays.external = self
        self.use(daemon.settings)

    def use(self, settings: "Configuration") -> None:
        """Follow a configuration."""
        self._settings = settings
        settings.found = self._found
        if AUTO in settings.items("external_address"):
            if self._nat is None:
                from edgeturn.relay.nat.front import Nat

                self._nat = Nat(self._daemon, self._found)
            self._nat.use(settings)
        elif self._nat is not None:
            self._nat.close()
            self._daemon.relays.withheld.clear()
            self._nat = None
            self._found.clear()

    def place(self, bound: bytes) -> bytes:
        """Return the port||ip by which the world knows a relay that is bound to one, b"" where that isn't known yet."""
        if self._nat is not None and self._nat.finds(ip_of(bound)):
            return self._nat.place(bound)
        return join(self._settings.announced(ip_of(bound)), port_of(bound))

    def opened(self, index: int, bound: bytes, paired: bool) -> None:
        """Offer a relay whose socket was just bound to port||ip, at once or once its place is known."""
        if self._nat is not None and self._nat.opened(index, bound, paired):
            return
        self._daemon.turn.opened(index, bound, self.place(bound), paired)

    def tick(self, now: int) -> None:
        """Do what is due by time."""
        if self._nat is not None:
            self._nat.tick(now)
        else:
            self._warn()

    def wanted_in(self) -> int:
        """Return in how many seconds the next tick is due at the latest."""
        return 10 if self._nat is None else self._nat.wanted_in()

    def withdraw(self) -> None:
        """Give back what was mapped, for a second or two at most."""
        if self._nat is not None:
            self._nat.withdraw()

    def describe(self) -> "list[dict[str, object]]":
        """Return for each relay address what is announced, how that's known, what stands in front and what's wrong."""
        return [self._describe(ip) for ip in self._daemon.relaying()]

    def _describe(self, ip: bytes) -> "dict[str, object]":
        if self._nat is not None and self._nat.finds(ip):
            return self._nat.describe(ip)
        from edgeturn.protocol.mapping.judgement import CGNAT, Evidence, judge

        announced = self._settings.announced(ip)
        judged = judge(Evidence(ip))
        written = announced != ip
        return {
            "relay_address": address.format_ip(ip),
            "address": address.format_ip(announced),
            "by": "configuration" if written else judged.by,
            "nat": "one-to-one" if written else judged.nat,
            "problems": judged.problems if judged.nat == CGNAT and not written else [],
        }

    def _warn(self) -> None:
        """Say once of an address that it is a provider's (RFC 6598), where nobody has said by which one it's known."""
        ips = self._daemon.relaying()
        self._told = {ip for ip in self._told if ip in ips}
        for ip in ips:
            if ip not in self._told and len(ip) == 4 and ip[0] == 100 and ip[1] & 0xC0 == 64:
                self._told.add(ip)
                for problem in self._describe(ip)["problems"]:  # type: ignore[attr-defined]
                    self._daemon.log.write("warning", f"external problem='{problem}'")
