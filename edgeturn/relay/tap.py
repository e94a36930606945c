"""The tap: who asks by the control socket is shown what the relay is told and what it answers, as it happens.

Rule 1: while nobody watches nothing here is called; while somebody does, it stands in place of HOOKS of the core.
Rule 2: no secret leaves it (redaction.py).
Rule 3: who doesn't read its lines loses some, and is told how many; that neither stops the relay nor makes it grow.
Rule 4: so much is shown in a second at most, of which strangers, data and what is dropped have half.
Rule 5: where a user is asked for, a client without a name may be that one; edgeturn/capture/live.py sorts that out.
"""

import json
from binascii import hexlify

from edgeturn import __version__, seam
from edgeturn.protocol import address, stun
from edgeturn.protocol.credentials import account_of
from edgeturn.protocol.observer import Observer
from edgeturn.protocol.pool import Allocation, Channel, Relay
from edgeturn.protocol.request import Request
from edgeturn.relay.control import ControlError
from edgeturn.relay.describe import printable
from edgeturn.relay.redaction import redacted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from edgeturn.protocol.state import Datagram
    from edgeturn.relay.daemon import Daemon

    Names = tuple[bytes, ...]
    Known = tuple[int, Names]  # session, 0 without one, and names
    Document = dict[str, object]

MOST = 2  # taps at once
LONGEST = 3600  # seconds
HOOKS = ("message", "data_indication", "icmp", "drop")
_ANY_PORT = bytes(2)
_TRACES = 10  # of defects; more would fill the log


class Tap:
    """One who watches: a client by port||ip, port 0 for any of the address; a user; b"" for all; until when."""

    def __init__(self, taps: "Taps", client: bytes, user: bytes, expires: int) -> None:
        """Take who is watched and until when."""
        self.expires = expires
        self.lost = 0
        self._taps = taps
        self._client = client
        self._user = user
        self._send: "Callable[[bytes], bool]" = lambda line: False

    def begin(self, send: "Callable[[bytes], bool]") -> None:
        """Show lines from now on; send(line) says whether there was room for it."""
        self._send = send
        self._taps.add(self)

    def close(self) -> None:
        """Show nothing any longer."""
        self._taps.remove(self)

    def wants(self, client: bytes, names: "Names") -> bool:
        """Say whether lines about a client go here."""
        if self._client not in (b"", client, _ANY_PORT + client[2:]):
            return False
        return not names or self._user in (b"",) + names

    def show(self, document: "Document") -> None:
        """Send a line, if there's room for it and for how many were lost."""
        self.tell_lost()
        if self.lost or not self._send(json.dumps(document).encode() + b"\n"):
            self.lost += 1

    def tell_lost(self) -> None:
        """Say how many lines were lost, if some were and there's room."""
        if self.lost and self._send(json.dumps({"event": "lost", "count": self.lost}).encode() + b"\n"):
            self.lost = 0


class Taps(Observer):
    """All who watch, and what is in place of the core's methods while there are some."""

    def __init__(self, daemon: "Daemon") -> None:
        """Take the daemon."""
        self._daemon = daemon
        self._turn = daemon.turn
        self.open: "list[Tap]" = []
        self._core: "dict[str, Callable[..., Datagram | None]]" = {}
        self._second = self._left = 0
        self._events: "list[tuple[bytes, Known, Document]] | None" = None  # of a message that the core has now
        self._request: "Request | None" = None
        self._answer = b""
        self._why = self._dropped = ""
        self.failures = 0

    def begin(self, request: "Document") -> "Document":
        """Let one more watch: a `client` and a `user` where not all are wanted, and for how many `seconds`."""
        seconds: "Any" = request.get("seconds")
        client, user = str(request.get("client") or ""), str(request.get("user") or "")
        if len(self.open) >= MOST:
            raise ControlError("two others watch the relay already; try again when one of them has ended")
        try:
            place = address.parse(client) if client else b""
        except ValueError:
            raise ControlError("'client' is ADDRESS or ADDRESS:PORT")
        if not isinstance(seconds, int) or not 0 < seconds <= LONGEST:
            raise ControlError(f"'seconds' is a number from 1 to {LONGEST}")
        tap = Tap(self, place, user.encode(), seam.clock() + seconds + 1)
        return {"version": __version__, "seconds": seconds, "tap": tap}

    def add(self, tap: Tap) -> None:
        """Show one more what happens."""
        self.open.append(tap)
        if not self._daemon.watched:
            self._daemon.watched = True
            for name in HOOKS:
                self._core[name] = getattr(self._turn, name)
                setattr(self._turn, name, getattr(self, name))
            self._daemon.observers.add(self)

    def remove(self, tap: Tap) -> None:
        """Show one nothing any longer."""
        self.open.remove(tap)
        if not self.open:
            self._daemon.watched = False
            for name in HOOKS:
                delattr(self._turn, name)
            self._daemon.observers.remove(self)

    # In place of the core's.

    def message(self, packet: memoryview, size: int, via: int, source: bytes, now: int) -> "Datagram | None":
        """Have the core take a message, and show it with what came of it."""
        at = seam.wall_us()
        known = _who(self._turn.clients[via].get(source))
        self._request, self._answer, self._events = None, b"", []
        self._why = self._dropped = ""
        try:
            answer = self._core["message"](packet, size, via, source, now)
        finally:
            events, self._events = self._events, None
        out = answer[0] if answer else via
        self._safely(self._show_exchange, packet[:size], at, via, out, source, known, events)
        return answer

    def data_indication(self, relay: Relay, *arguments: "Any") -> "Datagram | None":
        """Have the core take a datagram of a peer that no channel carries, and show what came of it."""
        return self._from_peer(self._core["data_indication"](relay, *arguments), relay, arguments[2])

    def icmp(self, index: int, *arguments: "Any") -> "Datagram | None":
        """Have the core take an ICMP error about a peer, and show what came of it."""
        return self._from_peer(self._core["icmp"](index, *arguments), self._turn.relays[index], arguments[0])

    def drop(self, reason: str, owner: "Allocation | None" = None) -> "Datagram | None":
        """Have the core count what is dropped, and remember why."""
        self._dropped = reason
        if owner is not None:
            self._safely(self._event, "dropped", owner.relays[0] or owner.relays[1])
        return self._core["drop"](reason)

    def _from_peer(self, answer: "Datagram | None", relay: Relay, peer: bytes) -> "Datagram | None":
        if answer is None:
            self._safely(self._event, "dropped", relay, 0, peer)
        else:
            via, client, data = answer
            self._safely(self._show_message, "out", data, via, client, _who(relay.allocation), "", True)
        return answer

    def _safely(self, show: "Callable[..., None]", *arguments: object) -> None:
        """Show something; what goes wrong with that costs a line."""
        try:
            show(*arguments)
        except Exception as error:
            for tap in self.open:
                tap.lost += 1
            if self.failures < _TRACES and not isinstance(error, MemoryError):
                self.failures += 1
                seam.print_trace(error)

    # What the core tells.

    def allocated(self, relay: Relay) -> None:
        self._event("allocated", relay, relay.expires)

    def freed(self, relay: Relay) -> None:
        self._event("freed", relay)

    def permitted(self, relay: Relay, ip: bytes) -> None:
        self._event("permitted", relay, relay.permissions[ip], ip)

    def bound(self, channel: Channel) -> None:
        self._event("bound", channel.relay, channel.carries_until, channel.peer, channel.number)

    def unbound(self, channel: Channel) -> None:
        self._event("unbound", channel.relay, 0, channel.peer, channel.number)

    def moved(self, owner: Allocation, former: bytes) -> None:
        self._event("moved", owner.relays[0] or owner.relays[1], 0, former)

    def refused(self, request: Request, reject: stun.Reject) -> None:
        self._why = (f"peer {address.format_ip(reject.peer)}: " if reject.peer else "") + reject.detail

    def answered(self, request: Request, answer: bytes) -> None:
        self._request, self._answer = request, answer
        if self._events is None:  # to a Connect, which is answered once that is done
            self._show_exchange(b"", 0, request.via, request.via, request.source, (0, ()), [])

    # Showing.

    def _event(self, what: str, relay: "Relay | None", expires: int = 0, peer: bytes = b"", channel: int = 0) -> None:
        """Show an event, or keep it until the message that is its cause was shown; peer: port||ip, or ip."""
        owner = relay.allocation if relay else None
        if relay is None or owner is None:
            return
        document: "Document" = {"event": what, "relayed": address.format(relay.announced), "channel": channel}
        document["peer"] = (address.format if len(peer) & 2 else address.format_ip)(peer) if peer else ""
        document["lifetime"] = max(expires - self._daemon.loop.now, 0)
        if what == "freed":
            document["reason"] = self._daemon.log_observer.reason
            document = document | self._daemon.kernel.traffic(owner).counts()
        elif what == "dropped":
            document["reason"] = self._dropped
        known = _who(owner)
        if self._events is not None:
            self._events.append((owner.client, known, document))
        else:
            self._safely(self._send, owner.client, known, document, what == "dropped")

    def _show_exchange(
        self,
        message: "memoryview | bytes",
        at: int,
        via: int,
        out: int,
        source: bytes,
        known: "Known",
        events: "list[tuple[bytes, Known, Document]]",
    ) -> None:
        """Show what a client sent, what that changed, and the answer, which may leave by another listener."""
        request, answer = self._request, self._answer
        known = known if known[0] else _who(self._turn.clients[via].get(source), request)
        cheap = not known[0] or not request
        if message:
            self._show_message("in", message, via, source, known, "" if answer else self._dropped, cheap, at)
        for client, whose, document in events:
            self._send(client, whose, document, False)
        if answer:
            self._show_message("out", answer, out, source, known, self._why, cheap)

    def _show_message(
        self,
        direction: str,
        message: "memoryview | bytes",
        via: int,
        client: bytes,
        known: "Known",
        reason: str,
        cheap: bool,
        at: int = 0,
    ) -> None:
        listener = self._turn.listeners.get(via)
        if listener is None:  # closed since the request came
            return
        document: "Document" = {"event": "message", "direction": direction, "transport": listener.transport}
        document["server"] = address.format(listener.place)
        if reason:
            document["dropped" if direction == "in" else "why"] = reason
        self._send(client, known, document, cheap, at, message)

    def _send(
        self,
        client: bytes,
        known: "Known",
        document: "Document",
        cheap: bool,
        at: int = 0,
        message: "memoryview | bytes" = b"",
    ) -> None:
        """Send a line to those who want it; cheap: one of those that have half of each second's room only.

        at: Unix time in microseconds, 0 for now.
        """
        takers = self._takers(client, known[1], cheap)
        if not takers:
            return
        if message:
            document["message"] = hexlify(redacted(message)).decode()
        document["at_us"] = at or seam.wall_us()
        document["client"] = address.format(client)
        document["session"] = known[0]
        document["user"] = printable(known[1][0]) if known[1] else ""
        for tap in takers:
            tap.show(document)

    def _takers(self, client: bytes, names: "Names", cheap: bool) -> "list[Tap]":
        """Return who wants a line about a client, and nobody where this second has no room left for it."""
        takers = [tap for tap in self.open if tap.wants(client, names)]
        second = seam.clock()
        if second != self._second:
            self._second, self._left = second, seam.SHOWN
        if takers and self._left <= (seam.SHOWN // 2 if cheap else 0):
            for tap in takers:
                tap.lost += 1
            return []
        self._left -= len(takers) > 0
        return takers


def _who(owner: "Allocation | None", request: "Request | None" = None) -> "Known":
    """Return session and names of a client: as it has proven them, or as it says."""
    identity = (owner.identity if owner else None) or (request.identity if request else None)
    if identity is not None:
        return owner.session if owner else 0, (identity.user, identity.account)
    name = request.message.attributes.get(stun.USERNAME) if request else None
    return 0, (name, account_of(name)) if name else ()
