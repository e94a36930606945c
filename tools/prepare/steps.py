"""What every step stands on: where the tree is, how a command is run, how a step says that it can't go on."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / ".build"


class Unprepared(Exception):
    """What is missing and what to do about it, in one sentence, and the words of the command that failed."""


def say(text: str) -> None:
    """Tell the person in front of the screen why it takes time."""
    print(text, flush=True)


def run(command: Sequence[str], failure: str, environment: Mapping[str, str] | None = None) -> None:
    """Run a command silently; Unprepared with that sentence and the command's output where it fails."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )
    except OSError as error:
        raise Unprepared(f"{failure}: {error}") from error
    if done.returncode:
        raise Unprepared(f"{failure}.\n$ {' '.join(command)}\n{done.stdout.strip()}")
