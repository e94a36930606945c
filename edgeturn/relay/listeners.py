"""Where a relay listens: the addresses that a configuration asks for, and the sockets that are open on them.

Rule 1: a wildcard is every address of its family, one socket each, so that an answer leaves from the address that was
        asked (RFC 8489 §6.3.1.2).
Rule 2: where an address goes away its socket stays for a grace: if it comes back the socket works again.
Rule 3: what can't be opened is tried again each second.
"""

from edgeturn import seam
from edgeturn.protocol import address, anycast
from edgeturn.relay import behaviour, options, sockets
from edgeturn.relay.relays import StartError

_EACCES = 13
_HINTS = {
    seam.EADDRINUSE: "; is another TURN server running? `netstat -lnp` or `ss -lnp` says, as root, who has it",
    seam.EADDRNOTAVAIL: "; `ip addr` lists this machine's addresses",
    _EACCES: "; who isn't root needs a port from sysctl net.ipv4.ip_unprivileged_port_start on",
}

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeturn.relay.configuration import Configuration
    from edgeturn.relay.log import Log
    from edgeturn.relay.loop import Loop
    from edgeturn.relay.network import Interface

    Beside = tuple[Callable[[bytes], None], Callable[[bytes], None]]


def wanted(settings: "Configuration") -> "list[bytes]":
    """Return the port||ip that are written, wildcards as they stand; without any, the wildcard of each family."""
    found = _written(settings, "listen", options.DEFAULT_PORT) + wanted_for_tls(settings)
    return found + _anycast(settings, found)


def wanted_for_tls(settings: "Configuration") -> "list[bytes]":
    """Return the port||ip that are written for TLS; with a certificate and without any, 5349 where `listen` is."""
    if not settings.text("certificate"):
        return []
    if settings.items("listen_tls"):
        return _written(settings, "listen_tls", options.TLS_PORT)
    found: list[bytes] = []
    for each in _written(settings, "listen", options.DEFAULT_PORT):
        place = address.join(address.ip_of(each), options.TLS_PORT)
        found += [place] if place not in found else []
    return found


def _anycast(settings: "Configuration", others: "list[bytes]") -> "list[bytes]":
    """Return the anycast addresses of RFC 8155 where they are to be served, with the ports of the others."""
    if not settings.values["discovery"]:
        return []
    ports = sorted({address.port_of(place) for place in others})
    return [address.join(ip, port) for ip in anycast.ADDRESSES for port in ports]


def _written(settings: "Configuration", name: str, port: int) -> "list[bytes]":
    written = [each for each in settings.items(name) if isinstance(each, bytes)]
    return written or [address.join(bytes(size), port) for size in (address.IPV4_SIZE, address.IPV6_SIZE)]


def addresses(settings: "Configuration", interfaces: "list[Interface]") -> "list[bytes]":
    """Return the port||ip of every listener that a configuration asks for on a machine with these addresses."""
    found: list[bytes] = []
    for each in wanted(settings):
        found += [one for one in _expand(each, interfaces) if one not in found]
    return found + behaviour.more(settings, found)


def _expand(place: bytes, interfaces: "list[Interface]") -> "list[bytes]":
    ip = address.ip_of(place)
    if any(ip):
        return [place]
    mine = [each.ip for each in interfaces if len(each.ip) == len(ip) and each.can_listen()]
    return [address.join(each, address.port_of(place)) for each in mine]


def serves_tcp(settings: "Configuration", place: bytes) -> bool:
    """Say whether a listener's port||ip serves TCP and TLS too, which share a port."""
    return bool(settings.values["tcp"]) or is_asked(place, wanted_for_tls(settings))


def open_at(place: bytes) -> "seam.Socket":
    """Return a socket bound to a port||ip; OSError where it can't be."""
    sock: seam.Socket = sockets.udp_socket(address.ip_of(place))
    try:
        sock.bind(seam.native(place))
    except OSError:
        sock.close()
        raise
    return sock


def is_home(ip: bytes) -> bool:
    """Say whether this machine has an address, be it that of a route only: whether a socket can be bound to it."""
    try:
        open_at(address.join(ip, 0)).close()
    except OSError:
        return False
    return True


class Listeners:
    """The listeners that are open.

    places: port||ip by number, of the UDP ones.
    beside: whoever opens and closes another transport at the same places; opening raises OSError where it can't.
    """

    def __init__(self, loop: "Loop", log: "Log") -> None:
        """Take what serves them, and the log."""
        self.places: dict[int, bytes] = {}
        self.waiting: dict[bytes, str] = {}  # places that can't be opened, and why
        self.beside: "list[Beside]" = []
        self._over = ""  # how the last one was opened
        self._loop = loop
        self._log = log
        self._socks: dict[bytes, tuple[int, seam.Socket]] = {}
        self._away: dict[bytes, int] = {}  # those whose address is away, and when they are closed

    def start(self, places: "list[bytes]") -> None:
        """Open the first ones; StartError where one is another's, or where none can be opened."""
        for place in places:
            try:
                self._open(place)
            except OSError as error:
                if error.args[0] != seam.EADDRNOTAVAIL:
                    raise StartError(trouble(place, self._over, error))
                self._wait(place, error)
        if not self._socks:
            reasons = list(self.waiting.values())
            raise StartError(reasons[0] if reasons else "no address to listen on")

    def follow(self, places: "list[bytes]", asked: "list[bytes]", now: int, grace: int) -> None:
        """Open what is new, close what isn't asked for any longer, and what was away for so many seconds.

        asked: as the configuration has it, with wildcards.
        """
        self.waiting = {place: why for place, why in self.waiting.items() if place in places}
        self._away = {place: self._away.get(place, now + grace) for place in self._socks if place not in places}
        for place in list(self._away):
            if self._away[place] <= now or not is_asked(place, asked):
                self._close(place)
        for place in places:
            if place not in self._socks:
                self._try(place)

    def retry(self) -> None:
        """Try again to open what couldn't be opened."""
        for place in list(self.waiting):
            self._try(place)

    def listening(self) -> "list[bytes]":
        """Return the places where clients can reach the relay."""
        return [place for place in self.places.values() if place not in self._away]

    def due(self) -> int:
        """Return when the next one is closed, 0 where none is."""
        return min(list(self._away.values()) or [0])

    def _try(self, place: bytes) -> None:
        try:
            self._open(place)
            self.waiting.pop(place, None)
        except OSError as error:
            self._wait(place, error)

    def _wait(self, place: bytes, error: OSError) -> None:
        """Note that a place couldn't be opened, and say so once."""
        if place not in self.waiting:
            self._log.write("warning", f"{trouble(place, self._over, error)}; trying again each second")
        self.waiting[place] = trouble(place, self._over, error)

    def _open(self, place: bytes) -> None:
        """Open every transport at a place, or none; OSError where one of them can't be."""
        self._over = ""
        sock = open_at(place)
        opened: "list[Beside]" = []
        self._over = " over TCP"
        try:
            for each in self.beside:
                each[0](place)
                opened.append(each)
        except OSError:
            for each in opened:
                each[1](place)
            sock.close()
            raise
        via = self._loop.add_listener(sock, place)
        self._socks[place] = via, sock
        self.places[via] = place

    def _close(self, place: bytes) -> None:
        """Close every transport at a place; allocations that can't move end."""
        via, sock = self._socks.pop(place)
        for each in self.beside:
            each[1](place)
        self._loop.remove_listener(via, sock)
        del self.places[via], self._away[place]


def is_asked(place: bytes, asked: "list[bytes]") -> bool:
    """Say whether a place is among those that are written, by itself or by the wildcard of its family."""
    return place in asked or address.join(bytes(len(address.ip_of(place))), address.port_of(place)) in asked


def trouble(place: bytes, over: str, error: OSError) -> str:
    """Return why a listener can't be had, and what may help."""
    hint = _HINTS.get(error.args[0], "") if error.args else ""
    return f"can't listen on {address.format(place)}{over}: {seam.reason(error)}{hint}"
