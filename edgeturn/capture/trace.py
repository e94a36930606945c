"""Lines about what a tap shows: time, client, direction, message, answer and why.

    09:25:49.123 192.0.2.7:50001       → Allocate for udp, user alice
    09:25:49.123 192.0.2.7:50001       ← Allocate ok: relayed 198.51.100.1:50123

Rule 1: → is what comes from a client, ← what goes to it, · what happened without a message.
Rule 2: what an answer says already isn't said again as an event.
Rule 3: a line that is too long goes on below its own beginning; without a width it doesn't.
"""

import time
from collections.abc import Callable
from textwrap import wrap
from typing import Any

from edgeturn.capture.happenings import happened, is_of_answer
from edgeturn.capture.messages import OK, Words, words

NARROWEST = 80
_CLIENT = 21  # 255.255.255.255:65535
_BEGINNING = len("09:25:49.123 ") + _CLIENT + len(" →")
_RED, _YELLOW, _GREEN, _DIM = "red", "yellow", "green", "bright_black"
_COLOURS = {"moved": _YELLOW, "dropped": _RED, "lost": _YELLOW}  # of events
_ARROWS = {"in": "→", "out": "←"}

Document = dict[str, Any]
Line = tuple[str, str, str]  # what it begins with, text, colour or ""


def line(document: Document) -> Line | None:
    """Return how a line of a tap is shown, None where it isn't."""
    if document["event"] == "message":
        return _message(document)
    if document["event"] == "ended" or is_of_answer(document):
        return None
    return _beginning(document, "·"), happened(document), _COLOURS.get(document["event"], _DIM)


def laid_out(shown: Line, width: int, style: Callable[[str, str], str]) -> str:
    """Return the text of a line; width: of the terminal, 0 for no end; style(text, colour) colours."""
    beginning, text, colour = shown
    if width and len(beginning) > _BEGINNING:  # a long IPv6 address: both of its ends
        at = beginning.index(" ") + 1
        client = beginning[at:-2].rstrip()
        beginning = f"{beginning[:at]}{client[: _CLIENT - 14]}…{client[-13:]}{beginning[-2:]}"
    rows = wrap(text, max(width, NARROWEST) - len(beginning) - 1) if width else [text]
    rows = [style(row, colour) if colour else row for row in rows]
    return f"{beginning} " + ("\n" + " " * (len(beginning) + 1)).join(rows)


def _message(document: Document) -> Line:
    told = words(document)
    by = f" over {document['transport']}" if document["transport"] != "udp" and _begins(document, told) else ""
    outcome = f" {told.outcome}" if told.outcome else ""
    details = [told.why] if told.why else list(told.details)
    if not told.why and told.outcome == OK:
        details = [each for each in details if not each.startswith("software ")]
    text = f"{told.method}{by}{outcome}" + (f": {', '.join(details)}" if outcome and details else _listed(details))
    return _beginning(document, _ARROWS[document["direction"]]), text, _colour(told)


def _begins(document: Document, told: Words) -> bool:
    """Say whether a line is one by which clients begin: only there it's said by which transport they come."""
    return document["direction"] == "in" and told.method in ("Allocate", "Binding")


def _listed(details: list[str]) -> str:
    return f" {', '.join(details)}" if details else ""


def _colour(told: Words) -> str:
    if told.is_refusal:
        return _RED
    if told.is_challenge:
        return _YELLOW
    return _GREEN if told.outcome == OK else ""


def _beginning(document: Document, arrow: str) -> str:
    client = str(document.get("client", ""))
    return f"{clock(document)} {client:<{_CLIENT}} {arrow}"


def clock(document: Document) -> str:
    """Return the local time of a line, in milliseconds."""
    seconds, milliseconds = divmod(int(document.get("at_ms") or time.time_ns() // 1_000_000), 1000)
    return time.strftime("%H:%M:%S", time.localtime(seconds)) + f".{milliseconds:03d}"
