"""The parent of the process that speaks HTTP: opens its sockets, answers what it may ask, starts it again.

Rule 1: it reads no byte from the network.
Rule 2: whatever the file says otherwise of the page (an address, the token, a renewed certificate) takes effect within
        seconds, by another process, keys of applications by telling it to that one; a wrong file changes nothing.
Rule 3: a process that keeps dying is started ever more slowly; an address that isn't there yet is waited for.
"""

import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgeturn.command.failure import Failure
from edgeturn.relay import options
from edgeturn.seam import reason
from edgeturn.web import listening
from edgeturn.web.answering import Answering
from edgeturn.web.site import Off, Site

LOOK_EVERY = 1.0  # seconds
_FASTEST, _SLOWEST = 0.5, 60.0
_STEADY = 60.0  # seconds a process has to live to have been none of those that keep dying
_ENDS_WITHIN = 5.0
_PR_SET_PDEATHSIG = 1
_ROOT = Path(__file__).resolve().parents[2]
Read = Callable[[], Site]
Say = Callable[[str], None]
Tell = Callable[[dict[str, Any]], None]


class Ended(Exception):
    """Somebody has asked us to end, or the page is wanted no longer."""


def end_with(process: int) -> bool:
    """End when the relay does that has started us; say whether it's still there."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    return os.getppid() == process


def keep(read: Read, say: Say, ready: Callable[[], None]) -> None:
    """Have a page as long as this process lives; `read` raises Failure where the file is wrong.

    ready: is called once it can be reached.
    """
    signal.signal(signal.SIGTERM, _end)
    site, pause, sockets = read(), _FASTEST, Sockets(say)
    try:
        sockets.of(site.places)
        ready()
        while True:
            began = time.monotonic()
            wanted, ended = _once(site, sockets.of(site.places), read)
            pause = _FASTEST if time.monotonic() - began > _STEADY else min(2 * pause, _SLOWEST)
            if ended:
                say(f"the page ended unexpectedly; it is started again in {pause:.0f} s.")
                time.sleep(pause)
            site = _again(wanted, read)
    except (Ended, KeyboardInterrupt):
        return


def _end(number: int, frame: object) -> None:
    raise Ended


class Sockets:
    """The sockets that listen: they stay while processes come and go, so that no visitor is refused in between."""

    def __init__(self, say: Say) -> None:
        """Take whom to tell of an address that isn't there."""
        self._say = say
        self._places: tuple[str, ...] = ()
        self._open: list[socket.socket] = []

    def of(self, places: tuple[str, ...]) -> list[socket.socket]:
        """Return a socket for each place; wait for an address that isn't there yet."""
        if places == self._places:
            return self._open
        for each in self._open:
            each.close()
        self._open, self._places = [], places
        take, told = options.place(options.WEB_PORT), ""
        while len(self._open) < len(places):
            wanted = places[len(self._open)]
            try:
                self._open.append(listening.opened(take(wanted)))
            except OSError as error:
                if told != wanted:
                    self._say(f"{wanted} can't be listened on: {reason(error)}; it is tried again and again.")
                told = wanted
                time.sleep(LOOK_EVERY)
        return self._open


def _once(site: Site, sockets: list[socket.socket], read: Read) -> tuple[Site, bool]:
    """Run one process until it ends or the file wants another; return what is wanted then, and whether it ended."""
    ours, theirs = socket.socketpair()
    process = None
    try:
        with theirs:
            argv = [sys.executable, "-P", "-m", "edgeturn.web.process", str(theirs.fileno())]
            files = [each.fileno() for each in sockets]
            process = subprocess.Popen(
                argv,
                pass_fds=[theirs.fileno(), *files],
                stdin=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": str(_ROOT)},
            )
        ours.sendall(json.dumps(json.loads(site.order()) | {"sockets": files}).encode() + b"\n")
        return _watched(process, site, read, Answering(site.file, ours).tell)
    except BrokenPipeError:
        return site, True  # it died before it read
    finally:
        with contextlib.suppress(OSError):
            ours.shutdown(socket.SHUT_RDWR)
        if process is not None:
            _stop(process)


def _watched(process: "subprocess.Popen[bytes]", site: Site, read: Read, tell: Tell) -> tuple[Site, bool]:
    """Return when another process is wanted: the site that is wanted then, and whether this one has ended."""
    seen: list[tuple[int, int]] = []
    judged = seen
    while True:
        stamps = _stamps(site)
        if stamps == seen != judged:  # whoever saves it is done; to read it costs a router more than to look
            wanted = _again(site, read)
            if site.differs_in_tokens_only(wanted):
                tell({"tokens": wanted.tokens})
                site = wanted
            if wanted != site:
                return wanted, False
            judged = stamps
        seen = stamps
        try:
            process.wait(LOOK_EVERY)
        except subprocess.TimeoutExpired:
            continue
        return site, True


def _stamps(site: Site) -> list[tuple[int, int]]:
    """Return what changes where a file of the site does."""
    found = []
    for each in (site.file, site.certificate, site.key):
        try:
            known = os.stat(each)
            found.append((known.st_ino, known.st_mtime_ns))
        except OSError:
            found.append((0, 0))
    return found


def _again(site: Site, read: Read) -> Site:
    """Return what the file wants now, the same as before where it's wrong; Ended where it wants no page."""
    try:
        return read()
    except Off:
        raise Ended from None
    except Failure:
        return site


def _stop(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(PermissionError):  # it's another user's, and ends with the socket pair as well
        process.terminate()
    try:
        process.wait(_ENDS_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
