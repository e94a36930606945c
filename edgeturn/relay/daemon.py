"""The daemon: puts configuration, core, sockets, log and control socket together, and changes them while it runs.

Rule 1: everything that can fail is done before the first status line; what fails is a StartError in one sentence.
Rule 2: a reload checks all of the new configuration first, changes nothing where it's wrong, and drops no allocation.
"""

from edgeturn import seam
from edgeturn.kernel.maps import instance
from edgeturn.kernel.openings import Openings
from edgeturn.protocol import address
from edgeturn.protocol.address import family
from edgeturn.protocol.observer import Observer
from edgeturn.protocol.peers import Peers
from edgeturn.protocol.pool import Relay
from edgeturn.protocol.turn import Turn
from edgeturn.relay import configuration, listeners, network, options, plan
from edgeturn.relay.attacher import Attacher
from edgeturn.relay.configuration import Configuration
from edgeturn.relay.control import Control, is_served
from edgeturn.relay.kernel import ON, KernelPath
from edgeturn.relay.log import Log, LogObserver
from edgeturn.relay.loop import LONGEST_WAIT, Loop
from edgeturn.relay.observers import Observers
from edgeturn.relay.passwd import find_user
from edgeturn.relay.relays import RelaySockets, StartError
from edgeturn.relay.statistics import Statistics
from edgeturn.relay.uci import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.relay.control import Command

_LOOPBACK = b"\x7f\x00\x00\x01"


class _SocketObserver(Observer):
    """Polls the sockets of relays that are in use."""

    def __init__(self, daemon: "Daemon") -> None:
        self._daemon = daemon

    def allocated(self, relay: Relay) -> None:
        if relay.allocation is not None:
            self._daemon.loop.start_relay(relay.index)

    def freed(self, relay: Relay) -> None:
        self._daemon.loop.stop_relay(relay.index)


class Daemon:
    """A relay that runs."""

    def __init__(self, settings: Configuration) -> None:
        """Open everything that a configuration asks for; StartError where that fails."""
        self.settings = self._started_with = settings
        self.log = _open_log(settings)
        self.started = seam.wall()
        self.kernel = KernelPath(settings, self.log)
        self.statistics = Statistics(self.kernel)
        self.interfaces = network.interfaces()
        self._local: "tuple[list[bytes], list[tuple[bytes, int]]] | None" = None  # what the peer policy was told last
        self.relay_ips = self._find_relay_ips()
        self.attacher = Attacher(self.log, settings.file, self.interfaces)
        self.openings = Openings(instance(settings.text("control")), self.log.write)
        self.observers = Observers(
            [_SocketObserver(self), LogObserver(self.log, self.kernel), self.statistics, self.openings]
        )
        self.turn = self._make_turn(settings)
        self.relays = RelaySockets(self.turn, settings, self.relay_ips)
        self.loop = Loop(self.turn, self.relays)
        self.loop.before_wait = self._before_wait
        self.listeners = self._listen()  # first: a relay's random port mustn't be one that is listened on
        self.listening = list(self.listeners.values())
        self._open_relays()
        self._reload_wanted, self._second = False, -1
        self._control: "Control | None" = None
        self._catch_signals()

    def administer(self, commands: "dict[str, Command]") -> None:
        """Open the control socket for some commands; StartError where that fails."""
        path = self.settings.text("control")
        try:
            self._control = Control(path, self.loop.poller, commands)
        except OSError as error:
            raise StartError(f"can't open the control socket {path}: {seam.reason(error)}")

    def run(self) -> None:
        """Serve until a signal or a finished drain ends it; StartError where `user` can't be become."""
        self._drop_privileges()
        self.kernel.prove()
        seam.settle()
        seam.write_error(self._ready_line() + "\n")
        self.log.write("info", plan.holds(self.settings.limits(), len(self.relay_ips)))
        self.kernel.announce()
        try:
            self.loop.run()
        finally:
            if self._control is not None:
                self._control.close()
            self.loop.close()
        self.log.write("info", "stopped" + self.kernel.farewell(seam.clock()))

    def reload(self, text: str) -> "dict[str, object]":
        """Apply a configuration given as text; return what was applied and what waits for a restart."""
        new = Configuration(text, self.settings.file)
        applied = [name for name in self.settings.changes(new) if _is_live(name)]
        waits = [name for name in self._started_with.changes(new) if not _is_live(name)]
        self._apply(new)
        self.settings = new
        self.log.write("info", f"reloaded applied={_listed(applied)} needs-restart={_listed(waits)}")
        return {"applied": applied, "needs_restart": waits}

    def read_file(self) -> str:
        """Return the text of the configuration file; ConfigError where it can't be read."""
        try:
            return configuration.read_text(self.settings.file)
        except ConfigError as error:
            if seam.user_id() == 0 or not self.settings.text("user"):
                raise
            hint = f"user '{self.settings.text('user')}' may not read it; call `edgeturn reload` as root instead"
            raise ConfigError(error.file, 0, f"{error.message}; {hint}")

    def reload_file(self) -> None:
        """Apply the configuration file, on SIGHUP."""
        try:
            self.reload(self.read_file())
        except ConfigError as error:
            self.log.write("error", f"not reloaded, nothing was changed: {error}")
        except (OSError, MemoryError) as error:  # of the kernel, and no reason to end
            self.log.write("error", f"not reloaded whole: {error}")

    def relaying(self) -> "list[bytes]":
        """Return the IP addresses that are relayed from, IPv4 first."""
        return [ip for kind in sorted(self.relay_ips) for ip in self.relay_ips[kind]]

    def stop(self) -> None:
        """End the loop after this turn of it."""
        self.loop.running = False

    # Starting.

    def _make_turn(self, settings: Configuration) -> Turn:
        return Turn(
            settings.limits(),
            tuple(sorted(self.relay_ips)),
            settings.credentials(seam.random_bytes),
            self._peers(settings),
            seam.random_bytes,
            self.observers,
        )

    def _find_relay_ips(self) -> "dict[int, list[bytes]]":
        """Return the IP addresses to relay from, by family: those that are written, else those that the routes use."""
        ips = self.settings.items("relay_address") or network.default_sources()
        if not ips:
            ips = [interface.ip for interface in self.interfaces if interface.ip == _LOOPBACK]
            self.log.write("warning", "no route to the internet: relaying on the loopback address only")
        found: dict[int, list[bytes]] = {}
        for ip in ips:
            assert isinstance(ip, bytes)
            found.setdefault(family(ip), []).append(ip)
        announced = [self.settings.announced(ip) for ips in found.values() for ip in ips]
        if len(set(announced)) < len(announced):
            raise StartError("option 'external_address': each relayed address needs one of its own, as RELAY=ANNOUNCED")
        return found

    def _listen(self) -> "dict[int, bytes]":
        """Open the listeners; return their addresses by number."""
        places = listeners.addresses(self.settings, self.interfaces)
        if not places:
            raise StartError("no address to listen on")
        return {self.loop.add_listener(_listener(place), place): place for place in places}

    def _open_relays(self) -> None:
        """Open the relay sockets, behind the sockets of what an earlier relay left in the kernel: at other ports."""
        if is_served(self.settings.text("control")):
            raise StartError(f"another relay uses the control socket {self.settings.text('control')}")
        self.kernel.start(self.turn, self.observers, self.listeners, self.relaying())
        try:
            self.relays.open_all()
        except StartError:
            if not self.kernel.give_way():
                raise
            self.relays.open_all()

    def _peers(self, settings: Configuration) -> Peers:
        peers = settings.peers()
        relay_ips = self.relaying()
        announced = [self._started_with.announced(ip) for ip in relay_ips]
        self._tell_local(peers)
        peers.set_relays(set(relay_ips + announced))
        return peers

    def _tell_local(self, peers: Peers) -> bool:
        """Let a peer policy know the addresses and routes that the machine has now; say whether they are others."""
        self._interfaces_read_at = seam.clock()
        self.interfaces = network.interfaces()
        subnets = [interface.subnet() for interface in self.interfaces if interface.length < 8 * len(interface.ip)]
        local = [interface.ip for interface in self.interfaces], subnets + network.connected_routes()
        peers.set_local(*local)
        changed, self._local = local != self._local, local
        return changed

    def _catch_signals(self) -> None:
        if not seam.SIGNALS:
            return
        self._wakeup = seam.Wakeup()
        self.loop.poller.register(self._wakeup.sock, lambda events: self._wakeup.clear())
        seam.catch_signals((seam.SIGINT, seam.SIGTERM, seam.SIGHUP), self._signalled)

    def _signalled(self, number: int) -> None:
        if number == seam.SIGHUP:
            self._reload_wanted = True
        else:
            self.loop.running = False
        self._wakeup.wake()

    def _drop_privileges(self) -> None:
        name = self.settings.text("user")
        if not name or seam.user_id() != 0:
            return
        if not seam.PRIVILEGES:
            raise StartError("option 'user' needs an interpreter with ffi")
        ids = find_user(name)
        if ids is None:
            raise StartError(f"option 'user': there is no user '{name}'")
        self.kernel.before_dropping()
        try:
            seam.drop_privileges(ids[0], ids[1])
        except OSError as error:
            raise StartError(f"can't become user '{name}': {seam.reason(error)}")

    def _ready_line(self) -> str:
        places = ", ".join([address.format(each) for each in self.listening])
        relays = ", ".join([address.format_ip(ip) for ip in self.relaying()])
        return f"edgeturn ready on {places}; relaying from {relays}; {seam.INTERPRETER}"

    # Running.

    def _before_wait(self) -> int:
        """Do what is due, whatever comes in; return in how many seconds that is again."""
        if self.loop.now != self._second:
            self._second = self.loop.now
            self._each_second()
        if self._reload_wanted:
            self._reload_wanted = False
            self.reload_file()
        if self.turn.draining and not self.turn.live_sessions():
            self.log.write("info", "drained")
            self.stop()
        return max(self._interfaces_read_at + LONGEST_WAIT - self.loop.now, 1)

    def _each_second(self) -> None:
        """Do what needn't be looked after at each wake-up, which under load is for each packet."""
        self.turn.authenticator.wall_offset = seam.wall() - self.loop.now
        if self.loop.now - self._interfaces_read_at >= LONGEST_WAIT:
            self._follow_addresses()
            self.kernel.look()
        self.kernel.tick(self.loop.now)

    def _follow_addresses(self) -> None:
        """Follow the machine's addresses and routes, in the peer policy and where the program is attached."""
        try:
            if self._tell_local(self.turn.peers):
                self.turn.reconsider_peers()
                self.kernel.reconsider()
        except (OSError, MemoryError) as error:  # what was known stays true until the next time
            self._local = None
            self.log.write("warning", f"addresses-unread reason='{error}'")
        self.attacher.follow(self.interfaces, self.kernel.state == ON)

    def _apply(self, new: Configuration) -> None:
        credentials, peers = new.credentials(seam.random_bytes), self._peers(new)
        limits = self.turn.limits
        for name in configuration.LIMITS:
            if _is_live(name):
                setattr(limits, name, new.values[name])
        self.turn.use(limits, credentials, peers)
        self.kernel.reload()
        self.log.set_level(new.text("log_level"))


def _open_log(settings: Configuration) -> Log:
    try:
        return Log(settings.text("log_level"), settings.text("log"))
    except OSError as error:
        raise StartError(f"can't write to syslog: {seam.reason(error)}")


def _listener(place: bytes) -> "seam.Socket":
    """Return a socket bound to a listening address; StartError where it can't be."""
    try:
        return listeners.open_at(place)
    except OSError as error:
        hint = "; is another TURN server running?" if error.args[0] == seam.EADDRINUSE else ""
        raise StartError(f"can't listen on {address.format(place)}: {seam.reason(error)}{hint}")


def _is_live(name: str) -> bool:
    option = options.find("relay", name)
    return option is None or option.live


def _listed(names: "list[str]") -> str:
    return ",".join(names) or "-"
