"""A terminal: its size, its keys, and lines on it. The one file here that knows one.

Rule 1: however this ends, and while it's suspended (Ctrl-Z), the terminal is as it was before.
Rule 2: only lines that changed are written, so that a slow connection has little to carry.
"""

import os
import select
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType, TracebackType

from edgeturn.terminal.style import Line, ansi

_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"  # another screen, no cursor, no wrapping, empty
_LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"
_ENDS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def is_terminal() -> bool:
    """Say whether somebody sits at a terminal that can be drawn on."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


class Screen:
    """A terminal that is drawn on; a context manager."""

    def __init__(self, has_colours: bool) -> None:
        """Take whether colours are wanted."""
        self.ended = False
        self._has_colours = has_colours
        self._drawn: list[str] = []
        self._input, self._output = sys.stdin.fileno(), sys.stdout.fileno()
        self._before = termios.tcgetattr(self._input)
        self._wake_in, self._wake_out = os.pipe()
        for end in (self._wake_in, self._wake_out):
            os.set_blocking(end, False)

    def __enter__(self) -> "Screen":
        """Take the terminal, and the signals that concern it."""
        for number in _ENDS:
            signal.signal(number, self._end)
        signal.signal(signal.SIGTSTP, self._suspend)
        signal.signal(signal.SIGCONT, self._go_on)
        signal.signal(signal.SIGWINCH, self._redraw)
        signal.set_wakeup_fd(self._wake_out, warn_on_full_buffer=False)
        self._take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the terminal back."""
        self._give_back()

    def size(self) -> tuple[int, int]:
        """Return columns and rows."""
        found = shutil.get_terminal_size()
        return max(found.columns, 1), max(found.lines, 1)

    def wake(self) -> None:
        """Have `wait` return; any thread may call this."""
        with suppress(OSError):  # full: it wakes anyway
            os.write(self._wake_out, b"\0")

    def wait(self, seconds: float) -> bytes:
        """Return what was typed; b"" when the time is over or something else happened."""
        ready, _, _ = select.select([self._input, self._wake_in], [], [], max(seconds, 0))
        if self._wake_in in ready:
            os.read(self._wake_in, 4096)
        if self._input not in ready:
            return b""
        typed = self._read()
        self.ended = self.ended or not typed
        return typed

    def draw(self, lines: Sequence[Line]) -> None:
        """Show lines, from the top."""
        texts = [ansi(line, self._has_colours) for line in lines]
        if len(texts) != len(self._drawn):
            self._drawn = [""] * len(texts)
            changed = ["\x1b[2J"]
        else:
            changed = []
        for row, text in enumerate(texts):
            if text != self._drawn[row]:
                changed.append(
                    f"\x1b[{row + 1};1H\x1b[2K{text}"
                )  # emptied before: behind the last column it takes that
        self._drawn = texts
        self._write("".join(changed))

    def _read(self) -> bytes:
        try:
            return os.read(self._input, 4096)
        except OSError:  # the terminal is gone
            return b""

    def _write(self, text: str) -> None:
        left = text.encode(sys.stdout.encoding, "replace")
        try:
            while left:
                left = left[os.write(self._output, left) :]
        except OSError:
            self.ended = True

    def _take(self) -> None:
        tty.setcbreak(self._input)
        self._drawn = []
        self._write(_ENTER)

    def _give_back(self) -> None:
        self._write(_LEAVE)
        with suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(self._input, termios.TCSADRAIN, self._before)

    def _end(self, number: int, frame: FrameType | None) -> None:
        self.ended = True

    def _redraw(self, number: int, frame: FrameType | None) -> None:
        self._drawn = []

    def _suspend(self, number: int, frame: FrameType | None) -> None:
        self._give_back()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)

    def _go_on(self, number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTSTP, self._suspend)
        self._take()
