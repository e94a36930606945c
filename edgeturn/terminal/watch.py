"""Watching: looks, keys and frames in turn, until somebody has seen enough."""

import os
import queue
import time

from edgeturn.relay.configuration import Configuration
from edgeturn.terminal.frame import frame, whole
from edgeturn.terminal.glyphs import Glyphs
from edgeturn.terminal.header import Scene
from edgeturn.terminal.history import History
from edgeturn.terminal.keys import decode, press
from edgeturn.terminal.poller import Ended, Looking, Missed, Poller
from edgeturn.terminal.screen import Screen
from edgeturn.terminal.style import plain
from edgeturn.terminal.view import Quit, View, rows

_SEQUENCE_PATIENCE = 0.05  # seconds for the rest of an escape sequence to come


def clock() -> str:
    """Return the time of day."""
    return time.strftime("%H:%M:%S")


def watch(settings: Configuration, interval: float, glyphs: Glyphs) -> None:
    """Show the relay until somebody quits; Failure where none answers at first."""
    looking = Looking(settings)
    first = looking.look()
    with Screen(has_colours=not os.environ.get("NO_COLOR")) as screen:
        watching = _Watching(Poller(settings, looking, screen.wake), looking, interval, glyphs, screen)
        watching.history.see(first, clock())
        watching.run()


class _Watching:
    def __init__(self, poller: Poller, looking: Looking, interval: float, glyphs: Glyphs, screen: Screen) -> None:
        self.history = History()
        self._view = View()
        self._interval, self._glyphs, self._screen = interval, glyphs, screen
        self._poller, self._looking = poller, looking
        self._is_asked = False
        self._due = time.monotonic() + interval
        self._typed = b""

    def run(self) -> None:
        """Go round until it's enough."""
        while not self._screen.ended:
            self._take_answers()
            self._ask()
            self._draw()
            typed = self._screen.wait(self._patience())
            keys, self._typed = decode(self._typed + typed, not typed)
            for key in keys:
                self._press(key)

    def _take_answers(self) -> None:
        while True:
            try:
                answer = self._poller.answers.get_nowait()
            except queue.Empty:
                return
            if isinstance(answer, Ended):
                self._view.note, self._due = answer.words, time.monotonic()
                continue
            self._is_asked = False
            self._due = time.monotonic() + self._looking.pause(self._interval)
            if isinstance(answer, Missed):
                self.history.miss(answer.reason, clock())
            elif not self._view.paused:
                self.history.see(answer, clock())

    def _ask(self) -> None:
        if not self._is_asked and not self._view.paused and time.monotonic() >= self._due:
            self._is_asked = True
            self._poller.look()

    def _patience(self) -> float:
        if self._typed:
            return _SEQUENCE_PATIENCE
        if self._is_asked or self._view.paused:
            return 60
        return self._due - time.monotonic()

    def _draw(self) -> None:
        columns, height = self._screen.size()
        scene = Scene(self.history, columns, self._glyphs, self._pace(), self._view.paused)
        self._screen.draw(frame(scene, self._view, height))

    def _pace(self) -> str:
        pause, of_sessions = self._looking.pause(self._interval), self._looking.pause_of_sessions(self._interval)
        return f"every {pause:.2g} s" + ("" if of_sessions == pause else f", sessions every {of_sessions:.2g} s")

    def _press(self, key: str) -> None:
        order = press(self._view, key, rows(self._view, self.history.picture))
        if isinstance(order, Quit):
            self._screen.ended = True
        elif order is not None:
            self._poller.end(order)


def seen_once(settings: Configuration, interval: float) -> History:
    """Return what two looks show, an interval apart; Failure where no relay answers."""
    history = History()
    for pause in (interval, 0):
        history.see(Looking(settings).look(), clock())
        time.sleep(pause)
    return history


def print_once(history: History, glyphs: Glyphs, pace: str, columns: int) -> None:
    """Print what was seen, all rows of it."""
    for line in whole(Scene(history, columns, glyphs, pace), View()):
        print(plain(line))
