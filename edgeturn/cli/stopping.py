"""Ctrl-C, SIGTERM and a reader that has gone, for commands that have found something by then: it is printed.

Rule 1: SIGTERM, and with `reader` that nobody reads standard output any more, come as Ctrl-C does: KeyboardInterrupt.
Rule 2: who stops a command before it has done what it was called for gets STOPPED, as a shell has it.
"""

import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

STOPPED = 128 + signal.SIGINT


@contextmanager
def stoppable(reader: bool = False) -> Iterator[None]:
    """Have all of it come as KeyboardInterrupt while a block lasts; reader: without one nothing is left to do."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    if reader:
        threading.Thread(target=_follow_reader, daemon=True).start()
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def leave() -> NoReturn:
    """End with STOPPED at once: threads may still wait for an answer."""
    with suppress(OSError):
        sys.stdout.flush()
    os._exit(STOPPED)


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _follow_reader() -> None:
    with suppress(OSError, ValueError):  # it's none that can be polled
        poller = select.poll()
        poller.register(sys.stdout.fileno(), 0)
        if poller.poll()[0][1] & (select.POLLERR | select.POLLHUP):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still to be written goes nowhere
            os.kill(os.getpid(), signal.SIGINT)
