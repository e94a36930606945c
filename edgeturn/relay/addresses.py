"""Addresses that change: the kernel tells, and the relay follows, without a restart.

    look     read the machine's addresses and routes, then let the listeners, the relay addresses, the peer policy,
             the kernel path and the attacher follow them

Rule 1: an event is a reason to look and no more than that: what counts is what the kernel says when it's asked.
Rule 2: a burst of events costs a few looks a second; what came after the last of them is looked for in the next one.
Rule 3: where nothing tells, the relay looks every ten seconds.
Rule 4: the log has a line only where something has changed.
"""

from edgeturn import seam
from edgeturn.protocol import address
from edgeturn.protocol.address import IPV4, IPV4_SIZE, IPV6, IPV6_SIZE, family
from edgeturn.relay import behaviour, listeners, network, sockets
from edgeturn.relay.kernel import ON
from edgeturn.relay.loop import LONGEST_WAIT
from edgeturn.relay.relayed import Relayed
from edgeturn.relay.relays import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.protocol.peers import Peers
    from edgeturn.protocol.pool import Pool
    from edgeturn.relay.configuration import Configuration
    from edgeturn.relay.daemon import Daemon
    from edgeturn.relay.log import Log

LOST = "address-gone"  # why allocations end, in the log
ANNOUNCED_TWICE = "option 'external_address': each relayed address needs one of its own, as RELAY=ANNOUNCED"
_LOOKS = 8  # of a second; one takes a millisecond or two
_FAMILIES = ((IPV4, bytes(IPV4_SIZE)), (IPV6, bytes(IPV6_SIZE)))
_READS = 64  # events that are read in one turn of the loop


class Watch:
    """Listens to what the kernel tells of links, addresses and routes."""

    def __init__(self, poller: "seam.Poller") -> None:
        """Take what waits for sockets."""
        self.is_wanted = True  # whether something has happened since that was cleared; before this, nobody heard it
        try:
            self._sock = network.events()
        except OSError:  # no netlink here
            return
        poller.register(self._sock, lambda events: self._read())

    def _read(self) -> None:
        for _ in range(_READS):
            try:
                self.is_wanted = network.is_news(self._sock) or self.is_wanted
            except OSError as error:
                if error.args[0] == seam.EAGAIN:
                    return
                self.is_wanted = True  # events were lost


class Addresses:
    """The addresses that a daemon listens on and relays from."""

    def __init__(self, settings: "Configuration", log: "Log") -> None:
        """Find the relay addresses; StartError where this machine has none of those that are written."""
        self.interfaces = network.interfaces()
        self.relayed = Relayed(families(settings))
        self._settings = settings
        self._log = log
        self._local: object = None  # what the peer policy was told last
        self._lost: "list[bytes]" = []  # addresses on which allocations have to end still
        self._applied: "tuple[list[bytes], list[bytes]] | None" = None  # what the relays have followed
        self._looked_at, self._looks = seam.clock(), 0
        self._choose(self._looked_at)
        ips = self.relayed.chosen()
        if ips and len(self.relayed.away) == len(ips):
            raise StartError(f"can't relay from {_listed_ips(ips)}: this machine has no such address, see `ip addr`")
        if not is_unique(settings, ips):
            raise StartError(ANNOUNCED_TWICE)
        if not settings.items("relay_address") and not network.default_sources():
            log.write("warning", f"no route to the internet yet: relaying from {_listed_ips(ips)}")

    def begin(self, daemon: "Daemon") -> None:
        """Follow from now on, for a daemon whose parts are all there."""
        self._daemon = daemon
        self.watch = Watch(daemon.loop.poller)
        self._standing = self._stand()

    def prepare(self, pool: "Pool") -> None:
        """Tell the pool which addresses there are."""
        self._applied = self._chosen()
        pool.away = set(self.relayed.away)
        pool.served = tuple([kind for kind in pool.families if self.relayed.ips[kind]])

    def tell(self, peers: "Peers", settings: "Configuration") -> bool:
        """Tell a peer policy what is local to this machine; say whether that is anything new."""
        ips = self.relayed.known()
        relays = set(ips + [settings.announced(ip) for ip in ips])
        subnets = [each.subnet() for each in self.interfaces if each.length < 8 * len(each.ip)]
        local = [each.ip for each in self.interfaces], subnets + network.connected_routes()
        peers.set_local(local[0], local[1])
        peers.set_relays(relays)
        changed, self._local = (local, relays) != self._local, (local, relays)
        return changed

    def use(self, settings: "Configuration") -> None:
        """Follow another configuration."""
        self._settings = settings
        self._applied = None
        self._look()

    def each_second(self, now: int) -> None:
        """Do what is due without anybody telling."""
        self._looks = 0
        self._daemon.ways.retry()
        if now >= self._due():
            self.watch.is_wanted = True

    def follow(self) -> None:
        """Look, unless that was done too often in this second; called while the watch says so."""
        if self._looks < _LOOKS:
            self._looks += 1
            self._look()

    def wait(self, now: int) -> int:
        """Return in how many seconds there's something to do at the latest."""
        if self.watch.is_wanted or self._daemon.ways.waiting:
            return 1
        return max(self._due() - now, 1)

    def _due(self) -> int:
        ends = [when for when in (self.relayed.due(), self._daemon.ways.due()) if when]
        return min([self._looked_at + LONGEST_WAIT] + ends)

    def _look(self) -> None:
        """See what has changed, and follow."""
        self.watch.is_wanted = False
        self._looked_at = seam.clock()
        try:
            self.interfaces = network.interfaces()
            self._move()
            if self.tell(self._daemon.turn.peers, self._settings):
                self._daemon.turn.reconsider_peers()
                self._daemon.kernel.reconsider()
            self._say()
        except (OSError, MemoryError) as error:  # what was known stays true until the next time
            self._local = None
            self._log.write("warning", f"addresses-unread reason='{error}'")
        self._daemon.attacher.follow(self.interfaces, self._daemon.kernel.state == ON)

    def _move(self) -> None:
        """Let listeners and relays follow; what is announced or lives on a lost address ends."""
        daemon, settings, now = self._daemon, self._settings, self._looked_at
        self._lost += self._choose(now)
        places = listeners.addresses(settings, self.interfaces)
        daemon.turn.discovery = behaviour.served(settings, places)
        daemon.ways.follow(places, listeners.wanted(settings), now, settings.number("address_grace"))
        if self._lost or self._applied != self._chosen():
            self._move_relays()
        daemon.kernel.follow(self.relayed.known())

    def _move_relays(self) -> None:
        """Let relays follow; where memory is short that is done at the next look."""
        daemon = self._daemon
        daemon.log_observer.reason = LOST
        try:
            daemon.relays.follow(self._settings, self.relayed.homes(), self._lost)
        finally:
            daemon.log_observer.reason = ""
        daemon.turn.forget_announced(self.relayed.known())
        self._lost = []
        self.prepare(daemon.turn.pool)

    def _chosen(self) -> "tuple[list[bytes], list[bytes]]":
        return self.relayed.known(), list(self.relayed.away)

    def _choose(self, now: int) -> "list[bytes]":
        """Choose the addresses to relay from; return those on which allocations end."""
        written = self._settings.items("relay_address")
        wanted = [ip for ip in written or network.default_sources() if isinstance(ip, bytes)]
        own = [each.ip for each in self.interfaces if each.usable]
        others = [ip for ip in wanted + self.relayed.known() if ip not in own]
        home = own + [ip for ip in others if listeners.is_home(ip)]
        return self.relayed.choose(wanted, bool(written), home, now, self._settings.number("address_grace"))

    def _stand(self) -> "tuple[list[bytes], list[bytes], list[bytes]]":
        return self.relayed.chosen(), list(self.relayed.away), sorted(self._daemon.ways.listening())

    def _say(self) -> None:
        """Log where things stand, if that's anything new."""
        former, self._standing = self._standing, self._stand()
        if self._standing == former:
            return
        ips, away, places = self._standing
        listening = ",".join([address.format(place) for place in places]) or "-"
        words = f"addresses-changed relaying={_listed_ips(ips)} listening={listening}"
        if away:
            self._log.write("warning", f"{words} away={_listed_ips(away)}")
        else:
            self._log.write("info", words)


def families(settings: "Configuration") -> "tuple[int, ...]":
    """Return the families that a relay needs a pool for: those that are written, else what this kernel has."""
    written = {family(ip) for ip in settings.items("relay_address") if isinstance(ip, bytes)}
    return tuple([kind for kind, wildcard in _FAMILIES if kind in written or (not written and _has_family(wildcard))])


def is_unique(settings: "Configuration", ips: "list[bytes]") -> bool:
    """Say whether each address is announced as one of its own."""
    return len({settings.announced(ip) for ip in ips}) == len(ips)


def _has_family(wildcard: bytes) -> bool:
    try:
        sockets.udp_socket(wildcard).close()
    except OSError:
        return False
    return True


def _listed_ips(ips: "list[bytes]") -> str:
    return ",".join([address.format_ip(ip) for ip in ips]) or "-"
