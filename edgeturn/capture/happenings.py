"""What a tap shows besides messages, in words; a new event is a new row.

Rule 1: what only says again what an answer says is of that answer; what happened by itself isn't.
"""

from collections.abc import Callable
from typing import Any

from edgeturn.capture.messages import silence
from edgeturn.command.output import counted

Document = dict[str, Any]


def happened(document: Document) -> str:
    """Return an event in words; one that isn't known, by its name."""
    show = _EVENTS.get(document["event"])
    return show(document) if show else str(document["event"])


def is_of_answer(document: Document) -> bool:
    """Say whether an event only says what the answer after it says too."""
    return document["event"] in _OF_ANSWERS and document["lifetime"] > 0


def _freed(document: Document) -> str:
    reason = f" ({document['reason']})" if document.get("reason") else ""
    up, down = counted(document["up_packets"], "packet"), document["down_packets"]
    return f"session {document['session']} freed{reason}: {up} up, {down} down"


def _bound(document: Document) -> str:
    channel = f"channel {document['channel']:#06x}"
    if document["lifetime"] > 0:
        return f"{channel} carries to {document['peer']} for {document['lifetime']} s"
    return f"{channel} is silent: the permission for {document['peer']} has ended"


def _dropped(document: Document) -> str:
    peer = f"from peer {document['peer']} " if document.get("peer") else ""
    return f"{peer}dropped: {silence(document['reason'])}"


def _row(text: str) -> Callable[[Document], str]:
    return lambda document: text.format(**document)


_OF_ANSWERS = ("allocated", "permitted", "bound")
_EVENTS: dict[str, Callable[[Document], str]] = {
    "allocated": _row("session {session} allocated {relayed} for {lifetime} s"),
    "permitted": _row("permission for {peer}, {lifetime} s"),
    "bound": _bound,
    "unbound": _row("channel {channel:#06x} unbound from {peer}"),
    "freed": _freed,
    "moved": _row("session {session} moved here from {former}"),
    "dropped": _dropped,
    "connecting": _row("connecting over TCP to peer {peer}"),
    "joined": _row("joined with the TCP connection of peer {peer}"),
    "disconnected": _row("TCP connection with peer {peer} ended"),
    "lost": _row("{count} lines aren't shown: too many at once"),
}
