"""One at a time: attaching and detaching, of whichever relay, for they share interfaces and read before they write.

A relay has its program attached again in the background, so two may well meet.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

_PATH = "/var/run/edgeturn-kernel.lock"


@contextmanager
def alone() -> Iterator[None]:
    """Wait until nobody else attaches or detaches; who isn't root fails later, and by a better reason."""
    try:
        file = os.open(_PATH, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except PermissionError:
        yield
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)
