"""Writing configuration files, which hold secrets: mode 0600, and never half of one.

Rule 1: a text is written beside the file and takes its place at once; before it has its mode it's empty.
"""

import os

from edgeturn import seam
from edgeturn.command.failure import Failure

_SECRET_MODE = 0o600
_LINK_SIZE = 4096
_EPERM = 1


def create(file: str, text: str) -> None:
    """Make a file of mode 0600 and its folder; Failure where it can't be."""
    try:
        _make_folders(file.rpartition("/")[0])
        _write(file, text, _SECRET_MODE, None)
    except OSError as error:
        raise Failure(f"{file} can't be written: {seam.reason(error)}; name a place of your own with -c FILE.")


def replace(file: str, text: str) -> None:
    """Give a file another text at once; mode and owner stay."""
    try:
        file = target(file)  # a link stays a link
        kept = os.stat(file)
        _write(file, text, kept[0] & 0o7777, (kept[4], kept[5]))
    except OSError as error:
        raise Failure(f"{file} can't be written: {seam.reason(error)}; nothing was changed.")


def _write(file: str, text: str, mode: int, owner: "tuple[int, int] | None") -> None:
    folder, slash, name = file.rpartition("/")
    beside = f"{folder}{slash}.{name}.{seam.process_id()}"
    before = seam.call("umask", 0o077) if seam.CALLS else 0
    try:
        with open(beside, "wb") as out:
            pass
        seam.set_mode(beside, mode)
        if owner is not None and owner != tuple(os.stat(beside)[4:6]):
            if not seam.CALLS:
                raise OSError(_EPERM)
            seam.call("chown", beside, owner[0], owner[1])
        with open(beside, "wb") as out:
            out.write(text.encode())
            out.flush()
            if seam.CALLS:
                seam.call("fsync", out.fileno())
        os.rename(beside, file)
    except OSError:
        _remove(beside)
        raise
    finally:
        if seam.CALLS:
            seam.call("umask", before)


def _remove(file: str) -> None:
    try:
        os.remove(file)
    except OSError:
        pass


def _make_folders(folder: str) -> None:
    at = 0
    while at >= 0 and folder:
        at = folder.find("/", at + 1)
        path = folder if at < 0 else folder[:at]
        try:
            os.stat(path)
        except OSError:
            os.mkdir(path)
            seam.set_mode(path, 0o755)


def target(file: str) -> str:
    """Return what a path is, through links, as far as they can be read."""
    buffer = bytearray(_LINK_SIZE)
    for _ in range(8):
        try:
            size = seam.call("readlink", file, buffer, _LINK_SIZE) if seam.CALLS else 0
        except OSError:
            size = 0
        if not size:
            break
        named = bytes(buffer[:size]).decode()
        file = named if named.startswith("/") else file.rpartition("/")[0] + "/" + named
    return file
