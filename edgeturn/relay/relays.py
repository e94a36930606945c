"""The relay sockets: open before the first request, at ports nobody can guess, changed after each use.

Rule 1: every relay of the pool has a bound socket from the start, so an Allocate that is granted can't fail afterwards.
Rule 2: ports are drawn at random from a range larger than the pool (RFC 6056), and drawn anew when a relay was used.
Rule 3: a few relays are opened in pairs N, N+1 with N even, for EVEN-PORT and its reservation (RFC 8656 §7.2);
        all others have no neighbour, so that one port tells nothing of the next client's.
Rule 4: only what has an allocation is polled; what strangers queued before is read away first.
Rule 5: where TCP is relayed, a relay has the same port of TCP too, on which nothing is received until it's in use.
Rule 6: where an address changes, free relays move and live ones stay until they end; where one is lost, they end.
"""

from edgeturn import seam
from edgeturn.protocol.address import format_ip, ip_of, join
from edgeturn.protocol.pool import Relay
from edgeturn.protocol.turn import Turn
from edgeturn.relay import sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeturn.relay.configuration import Configuration
    from edgeturn.relay.nat.external import External

PAIRS = 8  # of each family; clients that ask for even ports are rare
_TRIES = 200  # draws of a port before giving up; at three quarters of the range taken that fails once in 10^25
_RECEIVE_BUFFER = 106496  # bytes; doubled by the kernel, and then its own default
_AT_ONCE = 256  # relays that are opened anew in one turn of the loop; 20 µs each
_DRAIN_MOST = 4096  # datagrams; far more than a receive buffer holds


class StartError(Exception):
    """What keeps the relay from starting, in one sentence."""


class RelaySockets:
    """Opens, drains and renews the sockets of the pool."""

    def __init__(self, turn: Turn, configuration: "Configuration", ips: "dict[int, list[bytes]]") -> None:
        """Take the core, the configuration, and for each family the IP addresses to relay from."""
        self._turn = turn
        self._configuration = configuration
        self._ips = ips
        self._idle: list[int] = []  # relays whose address isn't there; they're opened once it is
        first, last = configuration.values["relay_ports"]  # type: ignore[misc]
        self._first_port: int = first  # type: ignore[has-type]
        self._ports: int = last - first + 1  # type: ignore[has-type]
        self.sockets: "list[seam.Socket | None]" = [None] * len(turn.pool.relays)
        self._tcp = turn.limits.tcp_relay
        self._tcp_sockets: "list[seam.Socket | None]" = [None] * len(turn.pool.relays)  # they only hold the ports
        self.worn: list[int] = []
        self.is_behind = False  # whether there were too many worn ones for one turn
        self.withheld: set[int] = set()  # relays that are open and not offered, because nobody outside could reach them
        self.on_open: "Callable[[int], None]" = lambda index: None
        self.external: External

    def open_all(self) -> None:
        """Open every socket of the pool; StartError where one can't be."""
        self.worn = [relay.index for relay in self._turn.pool.relays]
        try:
            self._renew(len(self.worn))
        except OSError as error:
            ips = ", ".join([format_ip(ip) for ips in self._ips.values() for ip in ips])
            raise StartError(f"can't relay from {ips}: {seam.reason(error)}")
        if self.worn:
            raise StartError("too few free ports in relay_ports")

    def renew(self) -> None:
        """Move the relays that were used to other ports; what finds none now is tried again at the next call."""
        try:
            self._renew(_AT_ONCE)
        except OSError:  # the address is gone for now
            pass

    def follow(self, configuration: "Configuration", ips: "dict[int, list[bytes]]", lost: "list[bytes]") -> None:
        """Move what is free to other IP addresses, by family, and end what lives on lost ones or is announced wrongly.

        An address is one of the pool's `away` where sockets can't be opened on it now.
        """
        self._configuration = configuration
        self._ips = ips
        pool = self._turn.pool
        for relay in pool.relays:
            if relay.expires and (ip_of(relay.address) in lost or not self._is_announced(relay)):
                self._turn.release(relay)
            elif relay.offered and not (self._is_announced(relay) and ip_of(relay.address) == self._ip(relay)):
                pool.withdraw(relay)
                self.worn.append(relay.index)
            elif relay.index in self.withheld and ip_of(relay.address) != self._ip(relay):
                self.withheld.discard(relay.index)
                self.worn.append(relay.index)
        self.worn += self._idle
        self._idle = []

    def _is_announced(self, relay: Relay) -> bool:
        """Say whether clients of a relay were told the address that is announced for it now."""
        return self.external.place(relay.address) in (relay.announced, b"")

    def _renew(self, most: int) -> None:
        """Open so many worn relays anew; where one can't be, it stays worn."""
        batch, self.worn = self.worn[:most], self.worn[most:]
        self.is_behind = bool(self.worn)
        try:
            while batch:
                relay = self._turn.pool.relays[batch[-1]]
                if not self._is_there(relay):
                    self._idle.append(relay.index)
                elif not self._open([relay]):
                    self.worn.append(relay.index)
                batch.pop()
        finally:
            self.worn += batch
        self._turn.pool.pair_taken = False
        for family in self._turn.pool.families:
            self._make_pairs(self._turn.pool.free_relays(family))

    def _make_pairs(self, free: "list[Relay]") -> None:
        """Move free relays without a neighbour until there are enough pairs, or too few to make one of."""
        singles = [relay for relay in free if not relay.paired]
        wanted = min(PAIRS, max(len(free) // 4, 1)) - (len(free) - len(singles)) // 2
        while wanted > 0 and len(singles) >= 2:
            first = singles.pop()
            for index in range(len(singles)):
                if self._ip(singles[index]) == self._ip(first):
                    self._open([first, singles.pop(index)])
                    break
            wanted -= 1

    def drain(self, index: int) -> None:
        """Get a relay ready for its client: room for peers' datagrams, and away with what strangers queued before."""
        sock = self.sockets[index]
        assert sock is not None
        sockets.set_receive_buffer(sock, _RECEIVE_BUFFER)
        for _ in range(_DRAIN_MOST):
            try:
                sock.recv(1)
            except OSError as error:
                if error.args[0] == seam.EAGAIN:
                    return

    def close(self, index: int) -> None:
        """Close a relay's sockets for good."""
        for table in (self.sockets, self._tcp_sockets):
            sock, table[index] = table[index], None
            if sock is not None:
                sock.close()

    def _ip(self, relay: Relay) -> bytes:
        """Return the IP address that a relay is to live on, b"" without any; several share the pool in turn."""
        ips = self._ips[relay.family]
        return ips[relay.index % len(ips)] if ips else b""

    def _is_there(self, relay: Relay) -> bool:
        ip = self._ip(relay)
        return ip != b"" and ip not in self._turn.pool.away

    def _open(self, relays: "list[Relay]") -> bool:
        """Open one relay, or two on neighbouring ports, the first of them even; False where no port was found."""
        for _ in range(_TRIES):
            port = self._draw()
            if len(relays) == 2 and (port & 1 or port + 1 >= self._first_port + self._ports):
                continue
            bound = [self._bind(relay, port + place) for place, relay in enumerate(relays)]
            if all(bound):
                for place, relay in enumerate(relays):
                    self._use(relay, bound[place], port + place, len(relays) == 2)
                return True
            for socks in bound:
                for sock in socks:
                    sock.close()
        return False

    def _draw(self) -> int:
        return self._first_port + int.from_bytes(seam.random_bytes(4), "big") % self._ports

    def _bind(self, relay: Relay, port: int) -> "list[seam.Socket]":
        """Return what is bound to a port of a relay's address, nothing where it is taken; OSError for all else."""
        ip = self._ip(relay)
        sock: seam.Socket = sockets.udp_socket(ip)
        try:
            sock.bind(seam.native(join(ip, port)))
            bound = [sock, sockets.tcp_socket(join(ip, port), False)] if self._tcp else [sock]
        except OSError as error:
            sock.close()
            if error.args[0] != seam.EADDRINUSE:
                raise
            return []
        sockets.report_errors(sock, ip)
        sockets.set_receive_buffer(sock, 0)  # as little as there is: nobody has the port yet
        return bound

    def _use(self, relay: Relay, bound: "list[seam.Socket]", port: int, paired: bool) -> None:
        self.close(relay.index)
        self.sockets[relay.index] = bound[0]
        self._tcp_sockets[relay.index] = bound[1] if self._tcp else None
        ip = self._ip(relay)
        self.on_open(relay.index)
        self.external.opened(relay.index, join(ip, port), paired)
