"""The streams: all connections, made at start; who gets a place, and who has to leave.

Rule 1: a place is never made later. Where none is free, the oldest connection gives way that has nothing to lose: one
        without an allocation. Where all have one, the newcomer is refused by a reset.
Rule 2: a source prefix (IPv4 /24, IPv6 /56) has at most half of the places for connections without an allocation; the
        oldest of its own gives way.
Rule 3: handshakes cost the most, so they're charged to the budget of strangers, and so many are under way at a time.
Rule 4: bounds are comparisons, once a second. The absolute ones hold whatever a client does to look alive.
"""

from edgeturn import seam
from edgeturn.protocol import address
from edgeturn.protocol.listener import TCP, TLS
from edgeturn.relay.listeners import serves_tcp
from edgeturn.relay.relays import StartError
from edgeturn.relay.streams.connection import Connection
from edgeturn.relay.streams.opening import Door
from edgeturn.relay.streams.place import Place
from edgeturn.relay.streams.sockets import refuse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from edgeturn.relay.configuration import Configuration
    from edgeturn.relay.log import Log
    from edgeturn.relay.loop import Loop

PROTOCOLS = ("stun.turn", "stun.nat-discovery")  # RFC 7443
_QUIET = 10  # seconds between two warnings, which strangers could cause at any rate
_BURST = 16  # connections that are accepted before others have their turn
_SHAKES = 2  # handshakes that go on in one turn of the loop


class Streams:
    """The pool of connections and the places where they come in."""

    def __init__(self, loop: "Loop", settings: "Configuration", log: "Log") -> None:
        """Make the pool."""
        self.loop, self.log = loop, log
        self.door = Door(loop, settings)
        self.use(settings)
        capacity = settings.number("stream_buffer")
        self.buffer = memoryview(loop.buffer)
        self.context: Any = None  # of TLS; None where there's no certificate
        self.tls: Any = None  # the seam's part of it
        self.load_certificate()
        self.handshakes = self.most = self._quiet_until = self._shaken = 0
        self._free = [Connection(self, capacity) for _ in range(settings.limits().max_connections)]
        self._size = len(self._free)
        self._open: set[Connection] = set()
        self._places: dict[bytes, Place] = {}
        self._prefixes: dict[bytes, int] = {}  # how many connections each has
        self.counts = dict.fromkeys(("accepted", "refused", "gave_way"), 0)

    def use(self, settings: "Configuration") -> None:
        """Take other bounds."""
        self.door.use(settings)
        self._settings = settings
        self._handshake_timeout = settings.number("handshake_timeout")
        self._unauthenticated_timeout = settings.number("unauthenticated_timeout")
        self._idle_timeout = settings.number("idle_timeout")
        self._stuck_timeout = settings.number("stuck_timeout")
        self._max_handshakes = settings.number("max_handshakes")

    def load_certificate(self) -> None:
        """Read the certificate that is configured, for handshakes from now on; StartError where it isn't usable."""
        certificate, key = self._settings.text("certificate"), self._settings.text("key")
        if not certificate:
            return
        from edgeturn.seam import tls  # here, because it takes memory

        self.tls = tls
        try:
            self.use_context(tls.context(certificate, key, PROTOCOLS))
        except OSError as error:
            raise StartError(f"can't read certificate {certificate} or key {key}: {seam.reason(error)}")
        except ValueError as error:
            raise StartError(f"can't use certificate {certificate} with key {key}: {error}")

    def use_context(self, context: object) -> None:
        """Take a context of TLS for the handshakes from now on; those who are connected stay so."""
        self.context = context

    # Places.

    def listen(self, place: bytes) -> None:
        """Accept connections at a port||ip where it serves TCP; OSError where it can't be bound."""
        if serves_tcp(self._settings, place):
            self._places[place] = Place(self.loop, place, self._accept)

    def unlisten(self, place: bytes) -> None:
        """Accept no more there, and end the connections that came in there."""
        known = self._places.pop(place, None)
        if known is None:
            return
        for connection in list(self._open):
            if connection.place is known:
                connection.close("its address is gone")
        known.close()

    def find(self, via: int, source: bytes) -> "Connection | None":
        """Return the connection that serves a client at port||ip by a way."""
        native = seam.native(source)
        for place in self._places.values():
            found = place.find(via, native)
            if found is not None:
                return found
        return None

    def places(self) -> "list[bytes]":
        """Return where connections are accepted."""
        return list(self._places)

    def serves(self, place: bytes) -> bool:
        """Say whether connections are accepted at a port||ip."""
        return place in self._places

    def close(self) -> None:
        """Close everything."""
        for place in self.places():
            self.unlisten(place)

    # Coming.

    def _accept(self, place: Place) -> None:
        for _ in range(_BURST):
            try:
                sock, source = seam.accept(place.sock)
            except OSError as error:
                if error.args[0] not in (seam.EAGAIN, seam.ECONNABORTED):
                    place.listen(False)  # out of files or memory: again in a second
                    self._warn(f"accept-failed reason='{seam.reason(error)}'")
                return
            self._admit(sock, source, place)

    def _admit(self, sock: "seam.Socket", source: bytes, place: Place) -> None:
        """Give a connection a record, if need be another's."""
        prefix = _prefix(source)
        if 2 * self._prefixes.get(prefix, 0) >= self._size:
            self._give_way(lambda one: one.prefix == prefix, max(self._size // 2, 1))
        if not self._free:
            self._give_way(lambda one: True, 1)
        if not self._free:
            self.counts["refused"] += 1
            self._warn(f"connections-full max_connections={self._size} client={address.format(source)}")
            refuse(sock)
            return
        connection = self._free.pop()
        connection.begin(sock, source, place, self.loop.now)
        self.count_prefix(connection)
        self._open.add(connection)
        self.counts["accepted"] += 1
        connection.number = self.counts["accepted"]
        self.most = max(self.most, len(self._open))
        connection.register()

    def may_shake(self) -> bool:
        """Say whether one more handshake may go on in this turn of the loop, for each takes about a millisecond."""
        if not self._shaken:
            self.loop.late.append(self._end_turn)
        self._shaken += 1
        return self._shaken <= _SHAKES

    def _end_turn(self) -> None:
        self._shaken = 0

    def _warn(self, text: str) -> None:
        """Write a log line, but not often."""
        if self.loop.now >= self._quiet_until:
            self._quiet_until = self.loop.now + _QUIET
            self.log.write("warning", text)

    def count_prefix(self, connection: Connection) -> None:
        """Count a connection for the prefix of the source that it has now."""
        self._uncount_prefix(connection)
        connection.prefix = prefix = _prefix(connection.source)
        self._prefixes[prefix] = self._prefixes.get(prefix, 0) + 1
        if 2 * self._prefixes[prefix] > self._size:  # a proxy has told it, later than it was admitted
            self._give_way(lambda one: one.prefix == prefix, max(self._size // 2 + 1, 2))

    def _uncount_prefix(self, connection: Connection) -> None:
        if connection.prefix:
            left = self._prefixes.pop(connection.prefix) - 1
            if left:
                self._prefixes[connection.prefix] = left

    def _give_way(self, concerns: "Callable[[Connection], bool]", least: int) -> None:
        """Close the oldest of the strangers that it concerns, where there are at least so many."""
        strangers = [each for each in self._open if concerns(each) and not each.preferred]
        if len(strangers) >= least:
            self.counts["gave_way"] += 1
            min(strangers, key=lambda one: one.number).close("gave way to another", True)

    def admit_handshake(self, connection: Connection) -> str:
        """Say why a connection may not begin a handshake; "" where it may."""
        if self.context is None:
            return "no certificate"
        if not self.loop.turn.strangers.charge(connection.source, self.loop.now):
            self.loop.turn.drop("over budget")
            return "too many handshakes of its prefix"
        if self.handshakes >= self._max_handshakes:
            self._give_way(lambda one: one.handshaking, 1)
        self.handshakes += 1
        return ""

    def handshake_ended(self) -> None:
        """One handshake less is under way."""
        self.handshakes -= 1

    # Leaving.

    def closed(self, connection: Connection, reason: str) -> None:
        """Take a record back."""
        if connection.handshaking:
            self.handshakes -= 1
        self._open.discard(connection)
        self._free.append(connection)
        self._uncount_prefix(connection)
        if self.log.writes("debug"):
            client = address.format(connection.source)
            self.log.write("debug", f"closed client={client} transport={connection.transport} reason='{reason}'")

    def tick(self, now: int) -> None:
        """End what has reached its bound, and accept again where that failed; call it once a second."""
        for place in self._places.values():
            place.listen(True)
        self.door.tick(now)
        for connection in list(self._open):
            reason = self._overdue(connection, now)
            if reason:
                connection.close(reason)

    def _overdue(self, one: Connection, now: int) -> str:
        """Return by which bound a connection ends now, "" where it goes on."""
        if one.preferred or one.handler is not None:
            one.stranger_at = now
            if now - one.active_at > self._idle_timeout:
                return "idle"
        elif now - one.stranger_at > self._unauthenticated_timeout:
            return "unauthenticated"
        if not one.proven and now - one.opened_at > self._handshake_timeout:
            return "said nothing in time"
        if one.handler is not None and one.handler.preferred:
            return ""  # what passes there is no media: who doesn't read for a while makes the other side wait
        for since in (one.stuck_at, one.partial_at):
            if since and now - since > self._stuck_timeout:
                return "stuck"
        return ""

    def wants_tick(self) -> bool:
        """Say whether something waits for the next second."""
        return bool(self._open) or not all(place.listens for place in self._places.values())

    # Telling.

    def __len__(self) -> int:
        """Return how many connections there are."""
        return len(self._open)

    def describe(self) -> "dict[str, object]":
        """Return what `status` says."""
        by, counts = {TCP: 0, TLS: 0}, self.counts | self.door.describe()
        for each in self._open:
            by[each.transport] += 1
        return {
            "max_connections": self._size,
            "connections": len(self._open),
            "most_connections": self.most,
            "tcp": by[TCP],
            "tls": by[TLS],
            "handshakes": self.handshakes,
        } | counts


def _prefix(source: bytes) -> bytes:
    ip = address.ip_of(source)
    return ip[:3] if len(ip) == address.IPV4_SIZE else ip[:7]
