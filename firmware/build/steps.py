"""What every step stands on: the folders, running a command, and remembering what a result was made from."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("EDGETURN_FIRMWARE", ROOT / ".build" / "firmware"))
_STAMP = ".made-from"
# Of the environment; make would hand down its own variables otherwise, and musl has an ARCH of its own.
_KEPT = ("PATH", "HOME", "TMPDIR", "http_proxy", "https_proxy", "no_proxy")


class BuildError(Exception):
    """What could not be built, why, and what to do about it."""


def say(text: str) -> None:
    """Tell the person in front of the screen why it takes time."""
    print(text, file=sys.stderr, flush=True)


def run(command: Sequence[str | Path], folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """Run a command in a folder and return what it printed; BuildError with the end of its output where it fails."""
    words = [str(word) for word in command]
    surroundings = {name: os.environ[name] for name in _KEPT if name in os.environ}
    surroundings |= {"LC_ALL": "C", **(environment or {})}
    try:
        done = subprocess.run(words, cwd=folder, env=surroundings, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BuildError(f"{words[0]} is missing: `make firmware` as root installs it on Debian") from None
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-30:])
        raise BuildError(f"{' '.join(words[:4])} … failed in {folder}:\n{said}")
    return done.stdout


def digest(parts: Iterable[str | bytes]) -> str:
    """Return one digest of texts and contents in their order."""
    whole = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        whole.update(len(content).to_bytes(8, "big") + content)
    return whole.hexdigest()


def contents(folder: Path) -> list[str | bytes]:
    """Return the names and contents of a folder's files, for a digest."""
    parts: list[str | bytes] = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            parts += [path.relative_to(folder).as_posix(), path.read_bytes()]
    return parts


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep out who makes the same: tests that run side by side ask for the same things."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def made(folder: Path, key: str, make: Callable[[Path], None]) -> Path:
    """Return a folder whose content was made from what key stands for; else clear it and make it."""
    stamp = folder / _STAMP
    with locked(folder):
        if not (stamp.is_file() and stamp.read_text() == key):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            make(folder)
            stamp.write_text(key)
    return folder
