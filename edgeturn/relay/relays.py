"""The relay sockets: open before the first request, at ports nobody can guess, changed after each use.

Rule 1: every relay of the pool has a bound socket from the start, so an Allocate that is granted can't fail afterwards.
Rule 2: ports are drawn at random from a range larger than the pool (RFC 6056), and drawn anew when a relay was used.
Rule 3: a few relays are opened in pairs N, N+1 with N even, for EVEN-PORT and its reservation (RFC 8656 §7.2);
        all others have no neighbour, so that one port tells nothing of the next client's.
Rule 4: only what has an allocation is polled; what strangers queued before is read away first.
"""

from edgeturn import seam
from edgeturn.protocol.address import format_ip, join
from edgeturn.protocol.pool import Relay
from edgeturn.protocol.turn import Turn
from edgeturn.relay import sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeturn.relay.configuration import Configuration

PAIRS = 8  # of each family; clients that ask for even ports are rare
_TRIES = 200  # draws of a port before giving up; at three quarters of the range taken that fails once in 10^25
_RECEIVE_BUFFER = 106496  # bytes; doubled by the kernel, and then its own default
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
        first, last = configuration.values["relay_ports"]  # type: ignore[misc]
        self._first_port: int = first  # type: ignore[has-type]
        self._ports: int = last - first + 1  # type: ignore[has-type]
        self.sockets: "list[seam.Socket | None]" = [None] * len(turn.pool.relays)
        self.worn: list[int] = []
        self.on_open: "Callable[[int], None]" = lambda index: None

    def open_all(self) -> None:
        """Open every socket of the pool; StartError where one can't be."""
        self.worn = [relay.index for relay in self._turn.pool.relays]
        try:
            self._renew()
        except OSError as error:
            ips = ", ".join([format_ip(ip) for ips in self._ips.values() for ip in ips])
            raise StartError(f"can't relay from {ips}: {seam.reason(error)}")
        if self.worn:
            raise StartError("too few free ports in relay_ports")

    def renew(self) -> None:
        """Move the relays that were used to other ports; what finds none now is tried again at the next call."""
        try:
            self._renew()
        except OSError:  # the address is gone for now
            pass

    def _renew(self) -> None:
        for index in list(self.worn):
            if self._open(self._turn.pool.relays[index : index + 1]):
                self.worn.remove(index)
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
        """Close a relay's socket for good."""
        sock, self.sockets[index] = self.sockets[index], None
        if sock is not None:
            sock.close()

    def _ip(self, relay: Relay) -> bytes:
        """Return the IP address that a relay lives on; several share the pool in turn."""
        ips = self._ips[relay.family]
        return ips[relay.index % len(ips)]

    def _open(self, relays: "list[Relay]") -> bool:
        """Open one relay, or two on neighbouring ports, the first of them even; False where no port was found."""
        for _ in range(_TRIES):
            port = self._draw()
            if len(relays) == 2 and (port & 1 or port + 1 >= self._first_port + self._ports):
                continue
            socks = [self._bind(relay, port + place) for place, relay in enumerate(relays)]
            if all(socks):
                for place, relay in enumerate(relays):
                    self._use(relay, socks[place], port + place, len(relays) == 2)
                return True
            for sock in socks:
                if sock is not None:
                    sock.close()
        return False

    def _draw(self) -> int:
        return self._first_port + int.from_bytes(seam.random_bytes(4), "big") % self._ports

    def _bind(self, relay: Relay, port: int) -> "seam.Socket | None":
        """Return a socket bound to a port of a relay's address, None where the port is taken; OSError for all else."""
        ip = self._ip(relay)
        sock: seam.Socket = sockets.udp_socket(ip)
        try:
            sock.bind(seam.native(join(ip, port)))
        except OSError as error:
            sock.close()
            if error.args[0] != seam.EADDRINUSE:
                raise
            return None
        sockets.report_errors(sock, ip)
        sockets.set_receive_buffer(sock, 0)  # as little as there is: nobody has the port yet
        return sock

    def _use(self, relay: Relay, sock: "seam.Socket | None", port: int, paired: bool) -> None:
        self.close(relay.index)
        self.sockets[relay.index] = sock
        ip = self._ip(relay)
        self.on_open(relay.index)
        self._turn.opened(relay.index, join(ip, port), join(self._configuration.announced(ip), port), paired)
