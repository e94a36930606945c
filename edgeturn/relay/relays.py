"""The relay sockets: open before the first request, at ports nobody can guess, changed after each use.

Rule 1: every relay of the pool has a bound socket from the start, so an Allocate that is granted can't fail afterwards.
Rule 2: ports are drawn at random from a range larger than the pool (RFC 6056), and drawn anew when a relay was used.
Rule 3: sockets are drawn in pairs N, N+1 with N even, so that EVEN-PORT and its reservation find one (RFC 8656 §7.2);
        two that lost each other are paired again when both are free.
Rule 4: only what has an allocation is polled; what strangers queued before is read away first.
"""

from edgeturn import seam
from edgeturn.protocol.address import format_ip, join
from edgeturn.protocol.pool import Relay
from edgeturn.protocol.turn import Turn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeturn.relay.configuration import Configuration

_TRIES = 200  # draws of a port before giving up; at three quarters of the range taken that fails once in 10^25
_DRAIN_MOST = 4096  # datagrams; a receive buffer of the kernel's default size holds a few hundred


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
        relays = self._turn.pool.relays
        for index in range(0, len(relays), 2):
            pair = [relay for relay in relays[index : index + 2] if relay.family == relays[index].family]
            if len(pair) == 2 and self._open_pair(pair[0], pair[1]):
                continue
            for relay in relays[index : index + 2]:
                if not self._open_single(relay):
                    raise StartError(f"no free port in relay_ports on {format_ip(self._ip(relay))}")

    def renew(self) -> None:
        """Move the relays that were used to other ports; what finds none now is tried again at the next call."""
        worn, self.worn = self.worn, []
        for index in worn:
            relay = self._turn.pool.relays[index]
            buddy = self._turn.pool.relays[min(index ^ 1, len(self.sockets) - 1)]
            paired = buddy.family == relay.family and buddy is not relay and not buddy.expires
            if not (paired and self._open_pair(relay, buddy)) and not self._open_single(relay):
                self.worn.append(index)

    def drain(self, index: int) -> None:
        """Read away what strangers queued before the allocation."""
        sock = self.sockets[index]
        assert sock is not None
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
        """Return the IP address that a relay lives on; several share the pool in turn, pair by pair."""
        ips = self._ips[relay.family]
        return ips[relay.index // 2 % len(ips)]

    def _open_pair(self, relay: Relay, buddy: Relay) -> bool:
        """Open two relays on neighbouring ports, the even one first; False where no such pair was found."""
        for _ in range(_TRIES):
            port = self._draw() & ~1
            if port < self._first_port or port + 1 >= self._first_port + self._ports:
                continue
            even = self._bind(relay, port)
            odd = self._bind(buddy, port + 1) if even else None
            if even and odd:
                self._use(relay, even, port)
                self._use(buddy, odd, port + 1)
                return True
            if even:
                even.close()
        return False

    def _open_single(self, relay: Relay) -> bool:
        for _ in range(_TRIES):
            port = self._draw()
            sock = self._bind(relay, port)
            if sock:
                self._use(relay, sock, port)
                return True
        return False

    def _draw(self) -> int:
        return self._first_port + int.from_bytes(seam.random_bytes(4), "big") % self._ports

    def _bind(self, relay: Relay, port: int) -> "seam.Socket | None":
        """Return a socket bound to a port of a relay's address, None where the port is taken."""
        ip = self._ip(relay)
        sock: seam.Socket = seam.udp_socket(ip)
        try:
            sock.bind(seam.native(join(ip, port)))
        except OSError as error:
            sock.close()
            if error.args[0] != seam.EADDRINUSE:
                raise StartError(f"can't relay from {format_ip(ip)}: {seam.reason(error)}")
            return None
        seam.report_errors(sock, ip)
        return sock

    def _use(self, relay: Relay, sock: "seam.Socket", port: int) -> None:
        self.close(relay.index)
        self.sockets[relay.index] = sock
        ip = self._ip(relay)
        self.on_open(relay.index)
        self._turn.opened(relay.index, join(ip, port), join(self._configuration.announced(ip), port))
