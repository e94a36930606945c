"""The daemon: puts configuration, core, sockets, log and control socket together, and changes them while it runs.

Rule 1: everything that can fail is done before the first status line; what fails is a StartError in one sentence.
Rule 2: a reload checks all of the new configuration first, changes nothing where it's wrong, and drops no
        allocation whose addresses stay.
"""

from edgeturn import seam
from edgeturn.kernel.maps import instance
from edgeturn.kernel.openings import Openings
from edgeturn.protocol import address
from edgeturn.protocol.listener import NOWHERE
from edgeturn.protocol.observer import Observer
from edgeturn.protocol.peers import Peers
from edgeturn.protocol.pool import Relay
from edgeturn.protocol.turn import Turn
from edgeturn.relay import behaviour, configuration, listeners, options, plan
from edgeturn.relay.addresses import ANNOUNCED_TWICE, Addresses, families, is_unique
from edgeturn.relay.anycast import Anycast
from edgeturn.relay.attacher import Attacher
from edgeturn.relay.configuration import Configuration
from edgeturn.relay.control import Control, is_served
from edgeturn.relay.kernel import KernelPath
from edgeturn.relay.listeners import Listeners
from edgeturn.relay.log import Log, LogObserver
from edgeturn.relay.loop import LONGEST_WAIT, Loop
from edgeturn.relay.nat.external import External
from edgeturn.relay.observers import Observers
from edgeturn.relay.passwd import find_user
from edgeturn.relay.relays import RelaySockets, StartError
from edgeturn.relay.statistics import Statistics
from edgeturn.relay.streams.peers import PeerSockets
from edgeturn.relay.streams.pool import PROTOCOLS, Streams
from edgeturn.relay.uci import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.relay.control import Command
    from edgeturn.relay.tls.certificates import Pair
    from edgeturn.relay.tls.dtls import Dtls
    from edgeturn.relay.tls.renewal import Renewal


class _SocketObserver(Observer):
    """Polls the sockets of relays that are in use."""

    def __init__(self, daemon: "Daemon") -> None:
        self._daemon = daemon

    def allocated(self, relay: Relay) -> None:
        if relay.allocation is not None and not relay.tcp:
            self._daemon.loop.start_relay(relay.index)

    def freed(self, relay: Relay) -> None:
        self._daemon.loop.stop_relay(relay.index)


class Daemon:
    """A relay that runs; watched: whether a tap is open."""

    watched = False

    def __init__(self, settings: Configuration) -> None:
        """Open everything that a configuration asks for; StartError where that fails."""
        self.settings = self._started_with = settings
        self.log = _open_log(settings)
        self.started = seam.wall()
        self.kernel = KernelPath(settings, self.log)
        self.statistics = Statistics(self.kernel)
        self.addresses = Addresses(settings, self.log)
        self.attacher = Attacher(self.log, settings.file, self.addresses.interfaces)
        self.anycast = Anycast(self.log, settings.file, bool(settings.values["discovery"]))
        self.openings = Openings(instance(settings.text("control")), self.log.write)
        self.log_observer = LogObserver(self.log, self.kernel)
        self.observers = Observers([_SocketObserver(self), self.log_observer, self.statistics, self.openings])
        self.turn = self._make_turn(settings)
        self.relays = RelaySockets(self.turn, settings, self.addresses.relayed.homes())
        self.loop = Loop(self.turn, self.relays)
        self.external = External(self)
        self.renewal = _renewal(settings, self.log)
        self._open_ways(settings)
        self._open_relays()
        self.addresses.begin(self)
        self._serve_certificate()
        self._reload_wanted, self._second, self._pins_looked_at = False, -1, seam.clock()
        self._control: "Control | None" = None
        self._catch_signals()

    def administer(self, commands: "dict[str, Command]") -> None:
        """Open the control socket for some commands; StartError where that fails."""
        path = self.settings.text("control")
        try:
            self._control = Control(path, self.loop.poller, commands)
        except OSError as error:
            raise StartError(f"can't open the control socket {path}: {seam.reason(error)}; set option 'control'")

    def run(self, said: str = "") -> None:
        """Print what is to be said, and serve until a signal or a finished drain ends it; StartError where `user` can't
        be become.
        """
        self._drop_privileges()
        self.kernel.prove()
        seam.settle()
        _print(said)
        seam.write_error(self._ready_line() + "\n")
        self.log.write("info", plan.holds(self.settings.limits(), len(self.turn.pool.families)))
        self.kernel.announce()
        self.loop.before_wait = self._before_wait
        try:
            self.loop.run()
            self.external.withdraw()
        finally:
            if self._control is not None:
                self._control.close()
            self.streams.close()
            if self.loop.dtls is not None:
                self.loop.dtls.close()
            self.loop.close()
            self.anycast.end()
        self.log.write("info", "stopped" + self.kernel.farewell(seam.clock()))

    def reload(self, text: str) -> "dict[str, object]":
        """Apply a configuration given as text; return what was applied and what waits for a restart."""
        new = Configuration(text, self.settings.file)
        applied = [name for name in self.settings.changes(new) if _is_live(name)]
        waits = [name for name in self._started_with.changes(new) if not _is_live(name)]
        if any(kind not in self.turn.pool.families for kind in families(new)):
            waits.append("relay_address")
        if not is_unique(new, [ip for ip in new.items("relay_address") if isinstance(ip, bytes)]):
            raise ConfigError(new.file, 0, ANNOUNCED_TWICE)
        new.keep(self._started_with)
        self._apply(new)
        self.settings = new
        self.log.write("info", f"reloaded applied={_listed(applied)} needs-restart={_listed(waits)}")
        return {"applied": applied, "needs_restart": waits, "not_listening": sorted(self.ways.waiting.values())}

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
        return self.addresses.relayed.chosen()

    def stop(self) -> None:
        """End the loop after this turn of it."""
        self.loop.running = False

    # Starting.

    def _listen(self, settings: Configuration) -> None:
        """Open the listeners, before relays draw their ports."""
        places = listeners.addresses(settings, self.addresses.interfaces)
        self.turn.discovery = behaviour.served(settings, places)
        self.ways.start(places)
        self.loop.open_way(NOWHERE, b"", lambda data, destination: None)

    def _make_turn(self, settings: Configuration) -> Turn:
        turn = Turn(
            settings.limits(),
            self.addresses.relayed.families,
            settings.credentials(seam.random_bytes),
            self._peers(settings),
            seam.random_bytes,
            self.observers,
        )
        self.addresses.prepare(turn.pool)
        turn.alternates = settings.alternates(seam.random_bytes)
        return turn

    def _open_ways(self, settings: Configuration) -> None:
        """Open every way in, before the relays draw their ports."""
        self.streams = Streams(self.loop, settings, self.log)
        self.peers = PeerSockets(self.loop, self.streams, self.log)
        self.observers.add(self.peers)
        self.loop.dtls = _dtls(self.loop, settings, self.log)
        self.ways = Listeners(self.loop, self.log)
        self.ways.beside.append((self.streams.listen, self.streams.unlisten))
        self._listen(settings)

    def _open_relays(self) -> None:
        """Open the relay sockets, behind the sockets of what an earlier relay left in the kernel: at other ports."""
        if is_served(self.settings.text("control")):
            raise StartError(f"another relay uses the control socket {self.settings.text('control')}")
        self.kernel.start(self.turn, self.observers, self.ways.places, self.relaying())
        try:
            self.relays.open_all()
        except StartError:
            if not self.kernel.give_way():
                raise
            self.relays.open_all()

    def _peers(self, settings: Configuration) -> Peers:
        peers = settings.peers()
        self.addresses.tell(peers, settings)
        return peers

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
            raise StartError(f"option 'user': there is no user '{name}'; set another, or none")
        self.kernel.before_dropping()
        try:
            seam.drop_privileges(ids[0], ids[1])
        except OSError as error:
            raise StartError(f"can't become user '{name}': {seam.reason(error)}")

    def _ready_line(self) -> str:
        places = ", ".join([address.format(each) for each in self.ways.listening()])
        relays = ", ".join([address.format_ip(ip) for ip in self.relaying()])
        return f"edgeturn ready on {places}; relaying from {relays}; {seam.INTERPRETER}"

    # Running.

    def _before_wait(self) -> int:
        """Do what is due, whatever comes in; return in how many seconds that is again."""
        if self.loop.now != self._second:
            self._second = self.loop.now
            self._each_second()
        if self.addresses.watch.is_wanted:
            self.addresses.follow()
        if self._reload_wanted:
            self._reload_wanted = False
            self.reload_file()
        if self.turn.draining and not self.turn.live_sessions():
            self.log.write("info", "drained")
            self.stop()
        if self.streams.wants_tick() or self.loop.dtls or self.renewal or self.watched:
            return 1
        return min(self.addresses.wait(self.loop.now), self.external.wanted_in())

    def _each_second(self) -> None:
        """Do what needn't be looked after at each wake-up, which under load is for each packet."""
        self.turn.authenticator.wall_offset = seam.wall() - self.loop.now
        self.addresses.each_second(self.loop.now)
        if self.loop.now >= self._pins_looked_at + LONGEST_WAIT:
            self._pins_looked_at = self.loop.now
            self.kernel.look()
            if not self.turn.live_sessions():
                seam.release()
        self.kernel.tick(self.loop.now)
        self.streams.tick(self.loop.now)
        if self._control is not None:
            self._control.tick()
        if self.renewal is not None:
            self.renewal.tick(seam.wall())
        self.external.tick(self.loop.now)
        self.peers.tick(self.loop.now)
        if self.loop.dtls is not None:
            self.loop.dtls.tick(self.loop.now)

    def _serve_certificate(self) -> None:
        """Say what is to be said of the certificate that serves, and follow its files from now on."""
        if self.renewal is not None:
            self.renewal.serve(self.ways.listening, self._use_certificate)
            self.streams.door.use_names(self.renewal.pair.chain.leaf.dns)

    def _use_certificate(self, pair: "Pair") -> None:
        """Take other files for the handshakes from now on; OSError or ValueError where they can't be used."""
        context = self.streams.tls.context(pair.file, pair.key_file, PROTOCOLS)
        if self.loop.dtls is not None:
            self.loop.dtls.use_files(pair.file, pair.key_file)
        self.streams.use_context(context)
        self.streams.door.use_names(pair.chain.leaf.dns)

    def _apply(self, new: Configuration) -> None:
        self.external.use(new)
        credentials, peers = new.credentials(seam.random_bytes), self._peers(new)
        limits = self.turn.limits
        for name in configuration.LIMITS:
            if _is_live(name):
                setattr(limits, name, new.values[name])
        self.turn.use(limits, credentials, peers)
        if self.settings.differs(new, "alternate_server", "alternate_domain"):
            self.turn.alternates = new.alternates(seam.random_bytes)
        self.addresses.use(new)
        self.kernel.reload()
        self.streams.use(new)
        if self.renewal is not None:
            self.renewal.reload(new)
            self.streams.door.use_names(self.renewal.pair.chain.leaf.dns)
        if self.loop.dtls is not None:
            self.loop.dtls.use(new)
        self.anycast.follow(bool(new.values["discovery"]))
        self.log.set_level(new.text("log_level"))


def _open_log(settings: Configuration) -> Log:
    try:
        return Log(settings.text("log_level"), settings.text("log"))
    except OSError as error:
        raise StartError(f"can't write to syslog: {seam.reason(error)}")


def _dtls(loop: Loop, settings: Configuration, log: Log) -> "Dtls | None":
    if not settings.values["dtls"]:
        return None
    from edgeturn.relay.tls import dtls  # here, because it takes memory

    return dtls.opened(loop, settings, log)


def _renewal(settings: Configuration, log: Log) -> "Renewal | None":
    """Return what follows the certificate, None where there's none; StartError where it can't serve."""
    if not settings.text("certificate"):
        return None
    try:
        from edgeturn.relay.tls.certificates import Unusable  # here, because it takes memory
        from edgeturn.relay.tls.renewal import Renewal
    except ImportError:
        raise StartError("option 'certificate': this edgeturn is built without TLS: take one that has it, or remove it")

    try:
        return Renewal(settings, log)
    except Unusable as error:
        raise StartError(str(error))


def _print(text: str) -> None:
    try:
        print(text, end="")
    except (OSError, ValueError):
        pass  # nobody reads it, or not by this encoding


def _is_live(name: str) -> bool:
    option = options.find("relay", name)
    return option is None or option.live


def _listed(names: "list[str]") -> str:
    return ",".join(names) or "-"
