"""Writing files that somebody else may read at the same time: whole or not at all, and no more readable than before."""

import os
import tempfile
from pathlib import Path

from edgeturn.cli.failure import Failure, reason

_SECRET_MODE = 0o600


def create(file: Path, text: str) -> None:
    """Make a file of mode 0600 and its folder; Failure where it exists or can't be."""
    try:
        file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _SECRET_MODE), "w", encoding="utf-8") as out:
            out.write(text)
    except OSError as error:
        raise Failure(f"{file} can't be written: {reason(error)}; name a place of your own with -c FILE.") from None


def replace(file: Path, text: str) -> None:
    """Give a file another text at once; mode and owner stay."""
    file = file.resolve()  # a link stays a link
    try:
        kept = file.stat()
        number, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    except OSError as error:
        raise Failure(f"{file} can't be written: {reason(error)}; nothing was changed.") from None
    try:
        with os.fdopen(number, "w", encoding="utf-8", newline="") as out:
            out.write(text)
            out.flush()
            _keep(out.fileno(), kept)
            os.fsync(out.fileno())
        os.rename(name, file)
    except OSError as error:
        os.unlink(name)
        raise Failure(f"{file} can't be written: {reason(error)}; nothing was changed.") from None


def _keep(number: int, kept: os.stat_result) -> None:
    made = os.fstat(number)
    if (made.st_uid, made.st_gid) != (kept.st_uid, kept.st_gid):
        os.fchown(number, kept.st_uid, kept.st_gid)
    os.fchmod(number, kept.st_mode & 0o7777)
