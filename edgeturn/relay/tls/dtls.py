"""DTLS: its sessions, made at start, on the sockets of the UDP listeners.

Rule 1: a datagram is DTLS by its first byte (RFC 7983); everything else is the core's as it stands.
Rule 2: whoever hasn't proven its address by a cookie has no session (RFC 6347 §4.2.1), and the answer to its hello is
        no larger than the hello. Those hellos are charged to the budget of strangers, handshakes to one of their own.
Rule 3: where no session is free, the oldest without an allocation gives way; one prefix has at most half of those.
Rule 4: whoever begins anew from the same port replaces its session once its cookie is there, and not before.
"""

from edgeturn import seam
from edgeturn.protocol import address, dtls
from edgeturn.protocol.budget import Strangers
from edgeturn.protocol.listener import DTLS
from edgeturn.relay.relays import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from edgeturn.protocol.state import Datagram
    from edgeturn.protocol.turn import Turn
    from edgeturn.relay.configuration import Configuration
    from edgeturn.relay.log import Log
    from edgeturn.relay.loop import Loop, Take

_DATAGRAM = 1200  # bytes of a handshake's datagrams
_PATIENCE = 32  # datagrams that a handshake takes at most; four would do


class Way:
    """A UDP socket's way for DTLS, and the sessions that came by it."""

    def __init__(self, sock: "seam.Socket") -> None:
        """Take the socket."""
        self.sock = sock
        self.via = -1
        self.sessions: dict[bytes, Session] = {}  # by port||ip
        self.natives: dict[Any, Session] = {}

    def send(self, message: "bytes | memoryview", native: "Any") -> None:
        """Send a message to a client; OSError where it can't be."""
        session = self.natives.get(native)
        if session is None or session.handshaking:
            raise OSError(seam.EAGAIN)
        self.sock.sendto(session.layer.write(message), native)
        session.is_active = True


class Session:
    """One place of the pool; without a layer it's free."""

    def __init__(self) -> None:
        """Make a free one."""
        self.layer: Any = None
        self.way: Any = None

    def begin(self, layer: object, way: Way, source: bytes, random: bytes, number: int, now: int) -> None:
        """Begin with a hello whose cookie was ours."""
        self.layer, self.way, self.source, self.random, self.number = layer, way, source, random, number
        self.native = seam.native(source)
        self.prefix = _prefix(source)
        self.handshaking, self.is_active = True, False
        self.taken = 0  # datagrams, until the handshake is done
        self.opened_at = self.stranger_at = self.active_at = now

    def has_allocation(self, turn: "Turn") -> bool:
        """Say whether who is there has proven who it is."""
        return turn.knows(self.way.via, self.source)

    def flush(self) -> None:
        """Send what the library has to say; what can't be sent is repeated by its timer."""
        for each in dtls.datagrams(self.layer.output(), _DATAGRAM):
            try:
                self.way.sock.sendto(each, self.native)
            except OSError:
                pass


def opened(loop: "Loop", settings: "Configuration", log: "Log") -> "Dtls | None":
    """Return what serves DTLS, None where that isn't asked for; StartError where it can't be had."""
    if not settings.values["dtls"]:
        return None
    try:
        from edgeturn.seam import dtls as library
    except ImportError as error:
        raise StartError(f"option 'dtls' {error.args[0]}")
    made = Dtls(loop, settings, log, library.Door)
    try:
        made.use_files(settings.text("certificate"), settings.text("key"))
    except (OSError, ValueError) as error:
        reason = seam.reason(error) if isinstance(error, OSError) else error
        raise StartError(f"option 'dtls': {settings.text('certificate')} and its key can't be used: {reason}")
    return made


class Dtls:
    """The pool of sessions, and the ways by which they come in."""

    def __init__(self, loop: "Loop", settings: "Configuration", log: "Log", door: "Callable[[str, str], Any]") -> None:
        """Make the pool; door(certificate, key) is what answers hellos."""
        self._loop, self._turn, self._log = loop, loop.turn, log
        self._make_door = door
        self._door: Any = None
        self._cookies = dtls.Cookies(seam.random_bytes(32))
        self._handshakes = Strangers(0, seam.random_bytes(8))
        self.use(settings)
        self._size = settings.number("max_dtls_sessions")
        self._free = [Session() for _ in range(self._size)]
        self._open: set[Session] = set()
        self._ways: dict[bytes, Way] = {}
        self._most = 0
        self._counts = dict.fromkeys(("hellos", "accepted", "completed", "gave_way", "refused"), 0)

    def use(self, settings: "Configuration") -> None:
        """Take other bounds."""
        self._handshake_timeout = settings.number("handshake_timeout")
        self._unauthenticated_timeout = settings.number("unauthenticated_timeout")
        self._idle_timeout = settings.number("idle_timeout")
        self._max_handshakes = settings.number("max_handshakes")
        self._handshakes.set_rate(settings.number("unauthenticated_rate"))

    def use_files(self, certificate: str, key: str) -> None:
        """Take PEM files for the handshakes from now on; OSError or ValueError where they can't be used."""
        self._door = self._make_door(certificate, key)

    # Ways.

    def listen(self, sock: "seam.Socket", place: bytes) -> "Take":
        """Serve DTLS on a UDP socket at port||ip too; return what takes the socket's datagrams."""
        self._ways[place] = way = Way(sock)
        way.via = self._loop.open_way(DTLS, place, way.send)
        client, received, first, last = self._turn.client, self._received, dtls.FIRST, dtls.LAST

        def take(packet: memoryview, size: int, via: int, source: bytes, now: int) -> "Datagram | None":
            if first <= packet[0] <= last:
                return received(way, packet, size, via, source, now)
            return client(packet, size, via, source, now)

        return take

    def unlisten(self, place: bytes, reason: str = "its address is gone") -> None:
        """Serve DTLS there no longer."""
        way = self._ways.pop(place, None)
        if way is None:
            return
        for session in list(way.sessions.values()):
            self._end(session, reason)
        self._loop.close_way(way.via)

    def close(self) -> None:
        """Say good-bye to everybody."""
        for place in list(self._ways):
            self.unlisten(place, "the relay ends")

    # What comes in.

    def _received(
        self, way: Way, packet: memoryview, size: int, via: int, source: bytes, now: int
    ) -> "Datagram | None":
        session = way.sessions.get(source)
        if session is not None and not dtls.begins_anew(packet, size):
            self._take(session, packet, size, now)
            return None
        hello = dtls.read_hello(packet, size)
        if hello is None or self._door is None:
            return self._turn.drop("dtls")
        if session is not None and session.random == hello.random:
            return None  # a repeated one: what the client misses is repeated by the library's timer
        proven = self._cookies.is_ours(hello.cookie, source, now)
        if not (self._handshakes if proven else self._turn.strangers).charge(source, now):
            return self._turn.drop("over budget")
        self._counts["hellos"] += 1
        layer, answer = self._door.hear(
            packet[:size], source, hello.cookie if proven else self._cookies.mint(source, now)
        )
        if layer is not None:
            self._begin(layer, way, source, hello.random)
            return None
        return (via, source, answer) if 0 < len(answer) <= size else self._turn.drop("dtls")

    def _take(self, session: Session, packet: memoryview, size: int, now: int) -> None:
        """Give a datagram to the session of its source."""
        if dtls.is_media(packet, size) and not session.handshaking:
            session.layer.feed(packet[:size])
            self._read(session, packet, size, now)
            return
        records = dtls.count_records(packet, size)
        if not records:
            self._turn.drop("dtls")
            return
        session.layer.feed(packet[:size])
        if session.handshaking and not self._shake(session, packet, size):
            return
        for _ in range(records):
            if not self._read(session, packet, size, now):
                break
        if session.layer is not None:
            session.flush()

    def _read(self, session: Session, packet: memoryview, size: int, now: int) -> bool:
        """Hand the next message of a session to the core, in place of the datagram; say whether there was one."""
        try:
            got = session.layer.read(packet, size)
        except OSError as error:
            self._end(session, "broken: " + seam.reason(error))
            return False
        if not got:
            if got is not None:
                self._end(session, "closed by the client")
            return False
        session.is_active = True
        answer = self._turn.client(packet, got, session.way.via, session.source, now)
        if answer is not None:
            self._loop.deliver(answer)
        return session.layer is not None

    # Handshakes.

    def _begin(self, layer: object, way: Way, source: bytes, random: bytes) -> None:
        """Begin a session, if need be in the place of another."""
        earlier = way.sessions.get(source)
        if earlier is not None:
            self._end(earlier, "connected anew")
        self._make_room(_prefix(source))
        if not self._free:
            self._counts["refused"] += 1
            return
        session = self._free.pop()
        self._counts["accepted"] += 1
        session.begin(layer, way, source, random, self._counts["accepted"], self._loop.now)
        way.sessions[source] = way.natives[session.native] = session
        self._open.add(session)
        self._most = max(self._most, len(self._open))
        self._shake_on(session)

    def _shake(self, session: Session, packet: memoryview, size: int) -> bool:
        """Go on with a handshake, unless somebody makes the library keep too much; say whether it's done."""
        session.taken += 1
        if session.taken > _PATIENCE or not dtls.is_modest(packet, size):
            self._end(session, "too much for a handshake")
            return False
        return self._shake_on(session)

    def _shake_on(self, session: Session) -> bool:
        try:
            done: bool = session.layer.shake()
        except OSError as error:
            self._end(session, "broken: " + seam.reason(error))
            return False
        session.flush()
        if done:
            session.handshaking = False
            self._counts["completed"] += 1
        return done

    def _make_room(self, prefix: bytes) -> None:
        """End the oldest session that has nothing to lose, where a newcomer of a source prefix needs its place."""
        strangers = [each for each in self._open if not each.has_allocation(self._turn)]
        strangers.sort(key=lambda one: one.number)
        self._give_way(strangers, prefix, self._size, not self._free)
        shaking = [each for each in strangers if each.layer is not None and each.handshaking]
        self._give_way(shaking, prefix, self._max_handshakes, len(shaking) >= self._max_handshakes)

    def _give_way(self, oldest_first: "list[Session]", prefix: bytes, places: int, full: bool) -> None:
        own = [each for each in oldest_first if each.prefix == prefix]
        if 2 * len(own) >= max(places, 2):
            oldest_first = own
        elif not full:
            return
        if oldest_first:
            self._counts["gave_way"] += 1
            self._end(oldest_first[0], "gave way to another")

    # Time, and the end.

    def tick(self, now: int) -> None:
        """Repeat what wasn't answered, and end what has reached its bound; call it once a second."""
        for session in list(self._open):
            if session.is_active:
                session.active_at, session.is_active = now, False
            reason = self._repeat(session) or self._overdue(session, now)
            if reason:
                self._end(session, reason)

    def _repeat(self, session: Session) -> str:
        """Send once more what wasn't answered in time; return why that was in vain."""
        if session.handshaking:
            try:
                session.layer.repeat()
            except OSError:
                return "no answer in the handshake"
            session.flush()
        return ""

    def _overdue(self, one: Session, now: int) -> str:
        """Return by which bound a session ends now, "" where it goes on."""
        if one.handshaking:
            return "no handshake in time" if now - one.opened_at > self._handshake_timeout else ""
        if one.has_allocation(self._turn):
            one.stranger_at = now
            return "idle" if now - one.active_at > self._idle_timeout else ""
        return "unauthenticated" if now - one.stranger_at > self._unauthenticated_timeout else ""

    def _end(self, session: Session, reason: str) -> None:
        """Say good-bye, and take the place back with what the client has by it."""
        session.layer.finish()
        session.flush()
        way, source, session.layer = session.way, session.source, None
        del way.sessions[source], way.natives[session.native]
        self._open.remove(session)
        self._free.append(session)
        self._turn.closed(way.via, source)
        if self._log.writes("debug"):
            client = address.format(source)
            self._log.write("debug", f"closed client={client} transport={DTLS} reason='{reason}'")

    # Telling.

    def __len__(self) -> int:
        """Return how many sessions there are."""
        return len(self._open)

    def describe(self) -> "dict[str, object]":
        """Return what `status` says."""
        told: dict[str, object] = {
            "max_sessions": self._size,
            "sessions": len(self._open),
            "most_sessions": self._most,
            "handshakes": len([each for each in self._open if each.handshaking]),
        }
        return told | self._counts


def _prefix(source: bytes) -> bytes:
    ip = address.ip_of(source)
    return ip[:3] if len(ip) == address.IPV4_SIZE else ip[:7]
