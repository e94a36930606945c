"""What a running relay shows by its tap: messages and events, one dictionary each, as they happen.

Rule 1: the last one is {"event": "ended", "reason": "time" or "relay"}: the time is over, or the relay closed its end.
Rule 2: no secret comes here: the relay zeroes them.
Rule 3: where a user is asked for, what a client did before it gave a name is kept, and shown before what it does then.

Keys of all but `lost` and `ended`: event, at_us and at_ms (Unix time), client, session and user, None where unknown.
Of a message: direction, transport, server, message in hexadecimal, `dropped` or `why` where there's a reason.
Of other events: relayed, peer, channel, lifetime in seconds, reason, and of `freed` the counts of the session.
"""

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

from edgeturn.command import control
from edgeturn.relay.configuration import Configuration

LONGEST = 3600  # seconds that a relay shows at most
_PATIENCE = 10  # seconds until a relay has answered
_MOST_HELD = 500  # lines

Document = dict[str, Any]


class Live:
    """An open tap; a context manager, and an iterator of what it shows."""

    def __init__(self, settings: Configuration, client: str | None, user: str | None, seconds: int) -> None:
        """Ask the relay of a configuration; Unreachable where none answers, Refused where it says no."""
        self._held: list[Document] | None = [] if user else None
        self._ends = time.monotonic() + seconds
        self._socket = socket.socket(socket.AF_UNIX)
        self._lines = self._socket.makefile("rb")
        asked = {"command": "tap", "client": client, "user": user, "seconds": seconds}
        self.answer = self._ask(settings, asked)
        if not self.answer.get("ok"):
            self.close()
            raise control.Refused(f"{self.answer.get('error', 'the relay refused')}.")

    def _ask(self, settings: Configuration, asked: Document) -> Document:
        path = settings.text("control")
        try:
            self._socket.settimeout(_PATIENCE)
            self._socket.connect(path)
            self._socket.sendall(json.dumps(asked).encode() + b"\n")
            answer: Document = json.loads(self._lines.readline() or b"{}")
            self._socket.settimeout(None)
        except OSError as error:
            self.close()
            raise control.Unreachable(control.unreached(error, path, settings.file)) from None
        except ValueError:
            self.close()
            raise control.Unreachable(f"what answers at the control socket {path} is no relay.") from None
        return answer

    def __iter__(self) -> Iterator[Document]:
        """Return what happens, until it ends."""
        try:
            for line in self._lines:
                yield from self._sorted(_complete(json.loads(line)))
        except (OSError, ValueError):  # a line that was cut off
            pass
        yield {"event": "ended", "reason": "time" if time.monotonic() >= self._ends else "relay"}

    def _sorted(self, document: Document) -> list[Document]:
        """Return what is to be shown now: the relay also shows clients without a name, who may be the user."""
        if self._held is None or "client" not in document:
            return [document]
        if document["user"] is None:
            self._held = [*self._held[1 - _MOST_HELD :], document]
            return []
        before = [each for each in self._held if each["client"] == document["client"]]
        self._held = [each for each in self._held if each["client"] != document["client"]]
        return [*before, document]

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._socket.fileno()

    def close(self) -> None:
        """End it."""
        self._lines.close()
        self._socket.close()

    def __enter__(self) -> "Live":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def events(
    settings: Configuration, client: str | None = None, user: str | None = None, seconds: int = LONGEST
) -> Iterator[Document]:
    """Return what happens at the relay of a configuration, for a client and a user or for all."""
    with Live(settings, client, user, seconds) as live:
        yield from live


def _complete(document: Document) -> Document:
    """Return a line of the relay with all keys."""
    if "at_us" in document:
        document["at_ms"] = document["at_us"] // 1000
        document["session"] = document["session"] or None
        document["user"] = document["user"] or None
    if document["event"] == "moved":
        document["former"] = document["peer"]
    return document
