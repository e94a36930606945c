"""What the control socket's commands do: look at the relay, end sessions, drain, reload.

Rule 1: a command takes the request's JSON object and returns the answer's; ControlError says what can't be done.
Rule 2: names and units stand in the keys: …_bytes, …_seconds, …_packets.
"""

from edgeturn import __version__, seam
from edgeturn.protocol import address
from edgeturn.protocol.listener import TCP, UDP
from edgeturn.protocol.pool import Allocation
from edgeturn.relay.control import ControlError
from edgeturn.relay.describe import printable
from edgeturn.relay.tap import Taps
from edgeturn.relay.traffic import Traffic
from edgeturn.relay.uci import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.relay.control import Command
    from edgeturn.relay.daemon import Daemon


class Administration:
    """The commands of one daemon."""

    def __init__(self, daemon: "Daemon") -> None:
        """Take the daemon."""
        self._daemon = daemon
        self._taps = Taps(daemon)

    def commands(self) -> "dict[str, Command]":
        """Return what to call for each command."""
        return {
            "status": self.status,
            "sessions": self.sessions,
            "kick": self.kick,
            "drain": self.drain,
            "reload": self.reload,
            "kernel": self.kernel,
            "openings": self.openings,
            "tap": self._taps.begin,
        }

    def status(self, request: "dict[str, object]") -> "dict[str, object]":
        """Return what the relay is and does."""
        daemon, turn = self._daemon, self._daemon.turn
        live = turn.live_sessions()
        return {
            "version": __version__,
            "interpreter": seam.INTERPRETER,
            "process": seam.process_id(),
            "configuration": daemon.settings.file,
            "realm": daemon.settings.text("realm"),
            "uptime_seconds": seam.wall() - daemon.started,
            "listening": [address.format(each) for each in daemon.ways.listening()],
            "listening_tcp": [address.format(each) for each in daemon.ways.listening() if daemon.streams.serves(each)],
            "relay_addresses": [address.format_ip(ip) for ip in daemon.relaying()],
            "addresses_away": [address.format_ip(ip) for ip in daemon.addresses.relayed.away],
            "not_listening": sorted(daemon.ways.waiting.values()),
            "external": daemon.external.describe(),
            "draining": turn.draining,
            "allocations": len(live),
            "reservations": turn.pool.reserved,
            "max_allocations": len(turn.pool.allocations),
            "allocated_ever": daemon.statistics.allocated_ever,
        } | self._counters(live)

    def _counters(self, live: "list[Allocation]") -> "dict[str, object]":
        daemon = self._daemon
        return {
            "traffic": daemon.statistics.traffic(live),
            "kernel": daemon.kernel.describe(),
            "certificate": daemon.renewal.describe(seam.wall()) if daemon.renewal else None,
            "streams": daemon.streams.describe(),
            "dtls": None if daemon.loop.dtls is None else daemon.loop.dtls.describe(),
            "refused": {str(code): count for code, count in daemon.statistics.refused_codes.items()},
            "tcp_relay": daemon.peers.describe(),
            "dropped": dict(daemon.turn.dropped),
            "unsent_packets": daemon.loop.unsent,
            "failures": daemon.loop.failures,
            "lost_log_lines": daemon.log.lost,
            "memory_bytes": seam.memory_bytes(),
            "taps": len(self._taps.open),
        }

    def sessions(self, request: "dict[str, object]") -> "dict[str, object]":
        """Return every live allocation."""
        now = self._daemon.loop.now
        live = sorted(self._daemon.turn.live_sessions(), key=lambda owner: owner.session)
        sessions = [_describe(owner, self._daemon.kernel.traffic(owner), now) for owner in live]
        for owner, session in zip(live, sessions):
            session["transport"] = self._daemon.turn.listeners[owner.via].transport
        return {"sessions": sessions}

    def kick(self, request: "dict[str, object]") -> "dict[str, object]":
        """End sessions, by number or by user."""
        session, user = request.get("session"), request.get("user")
        if session is None and user is None:
            raise ControlError("kick needs a session or a user")
        ended = []
        for owner in self._daemon.turn.live_sessions():
            if owner.session == session or _is_called(owner, user):
                ended.append(owner.session)
                self._daemon.turn.end(owner)
        if not ended:
            raise ControlError(
                f"there is no session {_word(session)}" if user is None else f"user {_word(user)} has no session"
            )
        return {"ended": ended}

    def drain(self, request: "dict[str, object]") -> "dict[str, object]":
        """Admit no new allocations, and end when there are none left."""
        self._daemon.turn.draining = True
        return {"allocations": len(self._daemon.turn.live_sessions())}

    def reload(self, request: "dict[str, object]") -> "dict[str, object]":
        """Apply the configuration that the request carries, or the file."""
        text = request.get("configuration")
        try:
            if not isinstance(text, str):
                text = self._daemon.read_file()
            return self._daemon.reload(text)
        except ConfigError as error:
            raise ControlError(f"nothing was changed: {error}")

    def kernel(self, request: "dict[str, object]") -> "dict[str, object]":
        """Open the kernel's maps if they're there now, or leave them, and write all flows anew."""
        self._daemon.kernel.resume()
        return self._daemon.kernel.describe()

    def openings(self, request: "dict[str, object]") -> "dict[str, object]":
        """Put every live port into the firewall's table, which may be new."""
        live, trouble = self._daemon.openings.refill(self._daemon.turn.pool.relays)
        return {"live_ports": live, "trouble": trouble}


def _names(owner: Allocation) -> "tuple[str, ...]":
    """Return the names under which a session's user may be called."""
    if owner.identity is None:
        return ()
    return printable(owner.identity.user), printable(owner.identity.account)


def _is_called(owner: Allocation, user: object) -> bool:
    """Say whether a session's user is called so, as it logs in or as it is shown."""
    if not isinstance(user, str) or owner.identity is None:
        return False
    return user in _names(owner) or user.encode() in (owner.identity.user, owner.identity.account)


def _word(value: object) -> str:
    """Return what a request carries as a word of a sentence."""
    return printable(str(value).encode())


def _describe(owner: Allocation, traffic: Traffic, now: int) -> "dict[str, object]":
    relays = [relay for relay in owner.relays if relay]
    return {
        "session": owner.session,
        "user": _names(owner)[0],
        "client": address.format(owner.client),
        "relayed": [address.format(relay.announced) for relay in relays],
        "relayed_transport": TCP if any(relay.tcp for relay in relays) else UDP,
        "age_seconds": now - owner.created,
        "expires_seconds": owner.expires - now,
        "idle_seconds": max(now - traffic.used_at, 0),
        "permissions": owner.count_permissions(),
        "channels": len(owner.channels),
        "tcp_peers": [address.format(each.peer) for each in owner.connections()],
        "kernel_channels": traffic.channels,
        "peers": [address.format(bound.peer) for bound in owner.channels.values()],
    } | traffic.counts()
