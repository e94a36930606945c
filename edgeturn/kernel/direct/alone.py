"""One at a time: attaching and detaching, of whichever relay, for they share interfaces and read before they write.

A relay has its program attached again in the background, so two may well meet.
"""

from edgeturn import seam

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

_PATH = "/var/run/edgeturn-kernel.lock"
_EXCLUSIVE = 2  # LOCK_EX
_OTHERS = 0o077  # who could read the file could hold the lock for good


class Alone:
    """Waits until nobody else attaches or detaches; who can't have the lock fails later, and by a better reason."""

    def __enter__(self) -> None:
        self._file: "IO[bytes] | None" = None
        before = seam.call("umask", _OTHERS)
        try:
            self._file = open(_PATH, "ab")
            seam.call("flock", self._file.fileno(), _EXCLUSIVE)
        except OSError:
            pass
        finally:
            seam.call("umask", before)

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
