"""Writing configuration files, which hold secrets: mode 0600, and never half of one.

Rule 1: a text is written beside the file and takes its place at once; until then only we can read it.
Rule 2: the folder may be another's: what lies there under a name that we want to use is neither followed nor changed.
"""

import os

from edgeturn import seam
from edgeturn.command.failure import Failure, Wrong

_SECRET_MODE = 0o600
_LINK_SIZE = 4096
_RANDOM_SIZE = 6
_AS_ROOT = "do this as root, or name a place of your own with -c FILE"
_HINTS = {1: _AS_ROOT, 13: _AS_ROOT, 28: "`df` shows where there is room; name a place there with -c FILE"}
_EPERM = 1
_WRITE_NEW = 0xC1 if seam.EADDRINUSE != 125 else 0x501  # O_WRONLY | O_CREAT | O_EXCL, other numbers on MIPS
_KIND, _REGULAR = 0xF000, 0x8000  # S_IFMT, S_IFREG


def create(file: str, text: str) -> None:
    """Make a file of mode 0600 and its folder; Failure where it can't be."""
    try:
        _make_folders(file.rpartition("/")[0])
        _write(file, text, _SECRET_MODE, None)
    except OSError as error:
        hint = _HINTS.get(error.args[0], "name a place of your own with -c FILE")
        raise Failure(f"{file} can't be written: {seam.reason(error)}; {hint}.")


def replace(file: str, text: str) -> None:
    """Give a file another text at once; mode and owner stay."""
    try:
        file = target(file)  # a link stays a link
        kept = os.stat(file)
        if kept[0] & _KIND != _REGULAR:
            raise Wrong(f"{file} is no file that could be replaced; nothing was changed.")
        _write(file, text, kept[0] & 0o7777, (kept[4], kept[5]))
    except OSError as error:
        raise Failure(f"{file} can't be written: {seam.reason(error)}; nothing was changed.")


def _write(file: str, text: str, mode: int, owner: "tuple[int, int] | None") -> None:
    data = text.encode()
    folder, slash, name = file.rpartition("/")
    beside = f"{folder}{slash}.{name}.{_random_name()}"
    try:
        if seam.CALLS:
            _write_new(beside, data, mode, owner)
        else:
            _write_as_we_are(beside, data, mode, owner)
        os.rename(beside, file)
    except BaseException:
        _remove(beside)
        raise


def _write_new(path: str, data: bytes, mode: int, owner: "tuple[int, int] | None") -> None:
    """Write a file that isn't there yet; through its number, for the name may be another's file's a moment later."""
    number = seam.call("open", path, _WRITE_NEW, _SECRET_MODE)
    try:
        while data:
            data = data[seam.call("write", number, data, len(data)) :]
        if owner is not None and owner != tuple(os.stat(path)[4:6]):
            seam.call("fchown", number, owner[0], owner[1])
        seam.call("fchmod", number, mode)
        seam.call("fsync", number)
    finally:
        seam.call("close", number)


def _write_as_we_are(path: str, data: bytes, mode: int, owner: "tuple[int, int] | None") -> None:
    """Write a file where nothing can be called: nobody guesses its name, and it's empty until it has its mode."""
    with open(path, "wb") as out:
        pass
    seam.set_mode(path, mode)
    if owner is not None and owner != tuple(os.stat(path)[4:6]):
        raise OSError(_EPERM)
    with open(path, "wb") as out:
        out.write(data)


def _random_name() -> str:
    return "".join([f"{byte:02x}" for byte in seam.random_bytes(_RANDOM_SIZE)])


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
        folder, slash, _ = file.rpartition("/")
        file = named if named.startswith("/") else folder + slash + named
    return file
