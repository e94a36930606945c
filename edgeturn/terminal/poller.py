"""The relay is asked in a thread of its own, so that keys are answered while it is slow or silent.

Rule 1: no more is asked than is shown: the sessions only where there are some.
Rule 2: the relay works for whoever watches a fifth of its time at most: for its status, which is short, and for its
        sessions, which may be thousands, it's asked again after ten times what that took.
"""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edgeturn.command import control
from edgeturn.command.failure import Failure
from edgeturn.relay.configuration import Configuration
from edgeturn.terminal.picture import Look
from edgeturn.terminal.view import Kick

_TIMES = 10


@dataclass(frozen=True)
class Missed:
    """Why no relay answered."""

    reason: str


@dataclass(frozen=True)
class Ended:
    """What an order to end sessions came to."""

    words: str


Answer = Look | Missed | Ended


class Looking:
    """Looks at the relay, at its sessions no more often than it has time for."""

    def __init__(self, settings: Configuration) -> None:
        """Take what relay is asked."""
        self._settings = settings
        self._took = self._sessions_took = 0.0  # seconds
        self._last: Look | None = None

    def look(self) -> Look:
        """Ask the relay what there is to see; Failure where none answers."""
        began = time.monotonic()
        status: dict[str, Any] = control.ask(self._settings, "status")
        at = time.monotonic()
        self._took = at - began
        last = self._last
        if last is None or not status["allocations"] or at >= (last.sessions_at or 0) + self.pause_of_sessions(0):
            self._last = Look(at, status, self._sessions(status), time.monotonic())
        else:
            self._last = Look(at, status, last.sessions, last.sessions_at)
        return self._last

    def forget(self) -> None:
        """Ask for the sessions with the next look, whatever that costs."""
        self._last = None

    def pause(self, interval: float) -> float:
        """Return how many seconds to wait before the next look."""
        return max(interval, _TIMES * self._took)

    def pause_of_sessions(self, interval: float) -> float:
        """Return how many seconds the sessions that were seen are good for."""
        return max(self.pause(interval), _TIMES * self._sessions_took)

    def _sessions(self, status: dict[str, Any]) -> list[dict[str, Any]]:
        if not status["allocations"]:
            return []
        began = time.monotonic()
        found: Any = control.ask(self._settings, "sessions")["sessions"]
        self._sessions_took = time.monotonic() - began
        return list(found)


def end(settings: Configuration, order: Kick) -> Ended:
    """End sessions; return what came of it."""
    try:
        if order.user is None:
            answer: Any = control.ask(settings, "kick", session=order.session)
        else:
            answer = control.ask(settings, "kick", user=order.user)
    except Failure as failure:
        return Ended(f"Not done: {failure.message}")
    count = len(answer["ended"])
    return Ended(f"Ended {order.words}." if order.user is None else f"Ended {order.words}: {count}.")


class Poller:
    """A thread that does one thing after the other and says when something is there."""

    def __init__(self, settings: Configuration, looking: Looking, wake: Callable[[], None]) -> None:
        """Take what relay is asked, how it's looked at, and what to call when there is an answer."""
        self.answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._settings, self._looking = settings, looking
        self._wake = wake
        self._orders: queue.SimpleQueue[Kick | None] = queue.SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    def look(self) -> None:
        """Have it look."""
        self._orders.put(None)

    def end(self, order: Kick) -> None:
        """Have it end sessions."""
        self._orders.put(order)

    def _work(self) -> None:
        while True:
            order = self._orders.get()
            self.answers.put(self._look() if order is None else self._end(order))
            self._wake()

    def _look(self) -> Answer:
        try:
            return self._looking.look()
        except Failure as failure:
            return Missed(failure.message)

    def _end(self, order: Kick) -> Ended:
        self._looking.forget()
        return end(self._settings, order)
