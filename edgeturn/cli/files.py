"""Writing files by pathlib's paths; how that is done stands in edgeturn/command/files.py."""

from pathlib import Path

from edgeturn.command import files


def create(file: Path, text: str) -> None:
    """Make a file of mode 0600 and its folder; Failure where it exists or can't be."""
    files.create(str(file), text)


def replace(file: Path, text: str) -> None:
    """Give a file another text at once; mode and owner stay."""
    files.replace(str(file), text)
