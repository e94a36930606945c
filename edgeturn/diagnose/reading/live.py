"""Watching the running relay: what one client and it say to each other, and what it counts, become evidence.

Rule 1: the relay is asked before and after; what a session carried meanwhile is the difference.
Rule 2: the relay's own word of why it refused or dropped something is the reason of the exchange.
Rule 3: who stops it by Ctrl-C gets what was seen until then. Secrets of the configuration don't come into evidence.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from edgeturn.capture.live import Live
from edgeturn.command import control
from edgeturn.diagnose.evidence import Event, Evidence, OwnRelay, Side
from edgeturn.diagnose.reading.dialogue import Dialogue
from edgeturn.diagnose.reading.sides import sides
from edgeturn.relay.configuration import Configuration

_SECRETS = ("secret", "web_token")
_COUNTS = ("up_packets", "up_bytes", "down_packets", "down_bytes")
_MOST_EVENTS = 2_000
_MESSAGE, _LOST, _ENDED, _FREED = "message", "lost", "ended", "freed"

Document = dict[str, Any]


class _Watching:
    """What was seen so far."""

    def __init__(self) -> None:
        self.dialogue = Dialogue()
        self.events: list[tuple[str, Event]] = []  # with the client's place
        self.freed: dict[int, Document] = {}  # the last counts of sessions that ended
        self.lost = 0

    def take(self, document: Document) -> None:
        """Take a line of the tap."""
        kind = document.get("event")
        if kind == _MESSAGE:
            self._message(document)
        elif kind == _LOST:
            self.lost += int(document.get("count", 0))
        elif kind != _ENDED and len(self.events) < _MOST_EVENTS:
            self.events.append((str(document.get("client", "")), _event(document)))
        if kind == _FREED:
            self.freed[int(document.get("session", 0))] = document

    def _message(self, document: Document) -> None:
        client, server = str(document["client"]), str(document["server"])
        ends = (client, server) if document["direction"] == "in" else (server, client)
        dropped = f"dropped: {document['dropped']}" if document.get("dropped") else ""
        why = str(document.get("why") or dropped)
        data = bytes.fromhex(document["message"])
        self.dialogue.take(_at(document), document["transport"], *ends, data, (why,) if why else ())


def _at(document: Document) -> float:
    return float(document.get("at_us", 0)) / 1e6


def _event(document: Document) -> Event:
    told = [str(document[name]) for name in ("reason", "peer", "relayed") if document.get(name)]
    return Event(_at(document), str(document["event"]), ", ".join(told))


def gather(
    settings: Configuration, client: str | None, seconds: int, begun: Callable[[], None] = lambda: None
) -> Evidence:
    """Return what the relay of a configuration shows of a client, of all for None, in so many seconds.

    begun is called when the relay has agreed and shows what happens.

    Failure (edgeturn.command.failure) where no relay answers, or where it refuses.
    """
    before = _sessions(settings)
    watching = _Watching()
    with suppress(KeyboardInterrupt), Live(settings, client, None, seconds) as shown:
        begun()
        for document in shown:
            watching.take(document)
    after = _sessions(settings)
    found = sides(f"live on {settings.text('realm')}", "live", watching.dialogue)
    for session, counts in after.items():
        _count(found, before.get(session, {}), counts)
    for session, counts in watching.freed.items():
        if session not in after:
            _count(found, before.get(session, {}), counts)
    return Evidence(_complete(found, watching, client, seconds), _own(settings, list(after.values())), time.time())


def _sessions(settings: Configuration) -> dict[int, Document]:
    """Return the sessions by number; none where the relay has ended meanwhile."""
    try:
        listed: Any = control.ask(settings, "sessions")["sessions"]
    except control.Unreachable:
        return {}
    return {each["session"]: each for each in listed}


def _own(settings: Configuration, listed: list[Document]) -> OwnRelay | None:
    try:
        status = control.ask(settings, "status")
    except control.Unreachable:
        return None
    plain = {name: value for name, value in settings.values.items() if name not in _SECRETS}
    return OwnRelay(status, listed, plain)


def _count(found: list[Side], before: Document, after: Document) -> None:
    """Give the side of a session what was relayed meanwhile."""
    side = _side_of(found, str(after.get("client", "")))
    if side is None:
        return
    sent, sent_bytes, received, received_bytes = (
        int(after.get(name, 0)) - int(before.get(name, 0)) for name in _COUNTS
    )
    media = side.media
    media.sent_packets = (media.sent_packets or 0) + sent
    media.sent_bytes = (media.sent_bytes or 0) + sent_bytes
    media.received_packets = (media.received_packets or 0) + received
    media.received_bytes = (media.received_bytes or 0) + received_bytes


def _side_of(found: list[Side], client: str) -> Side | None:
    for side in found:
        if any(client == exchange.client for exchange in side.exchanges):
            return side
    return None


def _complete(found: list[Side], watching: _Watching, client: str | None, seconds: int) -> list[Side]:
    """Add the events, what was missed, and where nothing came at all a side that shows that."""
    if not found:
        found = [Side(f"live: {client or 'any client'}, for {seconds} s", "live")]
    for side in found:
        places = {exchange.client for exchange in side.exchanges}
        side.events += [event for place, event in watching.events if place in places]
        if watching.lost:
            side.notes.append(f"{watching.lost} lines weren't shown: too many at once")
    return found
