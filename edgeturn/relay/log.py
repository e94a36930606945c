"""The log: one line an event, what a person can act on.

    LEVEL EVENT name=value name=value …

Rule 1: error needs a hand, warning may need one, info is what happened, debug is every message, decoded.
Rule 2: a first 401 is a challenge, part of every login, and no event above debug.
Rule 3: a failed login is said once a window for its user and source, and refusals in all only so often.
Rule 4: a line that can't be written at once is lost and counted.
"""

import socket

from edgeturn import seam
from edgeturn.protocol import address, stun
from edgeturn.protocol.observer import Observer
from edgeturn.protocol.pool import Allocation, Channel, PeerConnection, Relay
from edgeturn.protocol.request import Request
from edgeturn.relay.describe import METHODS, describe, printable
from edgeturn.relay.options import LEVELS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.relay.kernel import KernelPath

_WINDOW = 60  # seconds in which the same failed login is said once
_REMEMBERED = 64
_REFUSALS = 60  # lines about refused requests in a window; users can cause as many as strangers
_LINE_SIZE = 2000
_SYSLOG = "/dev/log"
_DAEMON = 3 << 3  # RFC 5424 §6.2.1, facility system daemons
_SEVERITIES = {"error": 3, "warning": 4, "info": 6, "debug": 7}


class Log:
    """Writes lines to standard error or to syslog."""

    def __init__(self, level: str, target: str = "stderr") -> None:
        """Take the least important level that is written, and where to."""
        self.set_level(level)
        self._socket = None
        self.lost = 0
        if target == "syslog":
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.connect(seam.unix_name(_SYSLOG))
            self._socket.setblocking(False)

    def set_level(self, level: str) -> None:
        """Take another level."""
        self._level = LEVELS.index(level)

    def writes(self, level: str) -> bool:
        """Say whether lines of a level are written."""
        return LEVELS.index(level) <= self._level

    def write(self, level: str, text: str) -> None:
        """Write a line."""
        if not self.writes(level):
            return
        if not self._send(level, text[:_LINE_SIZE]):
            self.lost += 1

    def _send(self, level: str, text: str) -> bool:
        """Say whether the line was taken; who doesn't read its log mustn't stop the relay."""
        if self._socket is None:
            return seam.write_error(level + " " + text + "\n")
        try:
            self._socket.send(f"<{_DAEMON | _SEVERITIES[level]}>edgeturn: {text}".encode())
            return True
        except OSError:
            return False


class LogObserver(Observer):
    """Logs what the core tells."""

    def __init__(self, log: Log, kernel: "KernelPath") -> None:
        """Take where to, and whom to ask what the kernel carried."""
        self._log = log
        self._kernel = kernel
        self._failed: set[tuple[bytes, bytes]] = set()
        self._window = 0
        self._refusals = 0
        self.reason = ""  # why what ends now ends, where that isn't its client's doing

    def allocated(self, relay: Relay) -> None:
        owner = relay.allocation
        if owner is not None and owner.identity is not None:
            seconds = relay.expires - owner.created
            self._log.write(
                "info", f"allocated {_session(relay)} relayed={address.format(relay.announced)} lifetime={seconds}"
            )

    def freed(self, relay: Relay) -> None:
        owner = relay.allocation
        if owner is None:
            self._log.write("info", f"reservation-ended relayed={address.format(relay.announced)}")
            return
        counted = self._kernel.traffic(owner)
        why = f" reason={self.reason}" if self.reason else ""
        counters = (
            f"up={counted.up_packets}/{counted.up_bytes} down={counted.down_packets}/{counted.down_bytes}"
            f" kernel={counted.kernel_packets}/{counted.kernel_bytes} packets/bytes"
        )
        self._log.write("info", f"freed {_session(relay)} relayed={address.format(relay.announced)} {counters}{why}")

    def permitted(self, relay: Relay, ip: bytes) -> None:
        if self._log.writes("debug"):
            self._log.write("debug", f"permitted {_session(relay)} peer={address.format_ip(ip)}")

    def bound(self, channel: Channel) -> None:
        if self._log.writes("debug"):
            peer = address.format(channel.peer)
            self._log.write("debug", f"bound {_session(channel.relay)} channel={channel.number:#06x} peer={peer}")

    def unbound(self, channel: Channel) -> None:
        if self._log.writes("debug"):
            self._log.write("debug", f"unbound {_session(channel.relay)} channel={channel.number:#06x}")

    def moved(self, owner: Allocation, former: bytes) -> None:
        relay = owner.relays[0] or owner.relays[1]
        if relay is not None:
            self._log.write("info", f"moved {_session(relay)} from={address.format(former)}")

    def connecting(self, connection: PeerConnection) -> None:
        self._tell_connection("connecting", connection)

    def joined(self, connection: PeerConnection) -> None:
        self._tell_connection("joined", connection)

    def disconnected(self, connection: PeerConnection) -> None:
        self._tell_connection("disconnected", connection)

    def _tell_connection(self, event: str, connection: PeerConnection) -> None:
        if self._log.writes("debug"):
            self._log.write("debug", f"{event} {_session(connection.relay)} peer={address.format(connection.peer)}")

    def refused(self, request: Request, reject: stun.Reject) -> None:
        level = "info"
        if not reject.detail or reject.code == 438:
            level = "debug"  # the challenge and the stale nonce belong to every session
        elif reject.code == 401:
            level = "warning"
        name = request.message.attributes.get(stun.USERNAME, b"")
        if level != "debug" and not self._is_news(level == "warning", name[:_REMEMBERED], request.source):
            return
        user = request.identity.user if request.identity else name
        reason = f" reason='{reject.detail}'" if reject.detail else ""
        peer = f" peer={address.format_ip(reject.peer)}" if reject.peer else ""
        event = "challenged" if level == "debug" else "refused"
        method = METHODS.get(request.message.method, "request")
        client = address.format(request.source)
        self._log.write(
            level, f"{event} {method} code={reject.code} client={client} user={printable(user)}{peer}{reason}"
        )

    def answered(self, request: Request, answer: bytes) -> None:
        if self._log.writes("debug"):
            client = address.format(request.source)
            self._log.write("debug", f"from {client}: {describe(request.message)}")
            self._log.write("debug", f"to {client}: {describe(stun.Message(answer))}")

    def _is_news(self, failed: bool, name: bytes, source: bytes) -> bool:
        """Say whether a refusal is worth a line; failed: a login, said once for its user and source."""
        self._open_window(seam.clock() // _WINDOW)
        key = (name, address.ip_of(source))
        if failed and key in self._failed:
            return False
        if failed and len(self._failed) < _REMEMBERED:
            self._failed.add(key)
        self._refusals += 1
        return self._refusals <= _REFUSALS

    def _open_window(self, window: int) -> None:
        if window == self._window:
            return
        if self._refusals > _REFUSALS:
            self._log.write("warning", f"refused-more count={self._refusals - _REFUSALS} seconds={_WINDOW}")
        self._window = window
        self._refusals = 0
        self._failed.clear()


def _session(relay: Relay) -> str:
    owner = relay.allocation
    if owner is None or owner.identity is None:
        return "session=0"
    return f"session={owner.session} user={printable(owner.identity.user)} client={address.format(owner.client)}"
