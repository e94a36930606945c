"""
The virtual environment .venv with edgeturn in it, editable, and the extras that a make target needs.

Rule 1: It is made anew where the tree was moved or its interpreter is gone: its scripts name both by absolute path.
Rule 2: Packages are installed again only where pyproject.toml changed. One stamp for each set of extras says for which.
"""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from .steps import ROOT, run, say

VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
_MADE = VENV / ".made-for"
_STAMP = ".installed"


def ensure(extras: Iterable[str]) -> None:
    """Make and fill the environment, as far as that is not done."""
    if not _usable():
        _make()
    wanted = sorted(extras)
    key = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    if not _installed(wanted, key):
        _install(wanted)
        (VENV / "-".join([_STAMP, *wanted])).write_text(key)


def _installed(wanted: list[str], key: str) -> bool:
    """Return whether these extras, or more, were installed for this pyproject.toml."""
    stamps = [stamp for stamp in VENV.glob(f"{_STAMP}*") if _says(stamp, key)]
    return any(set(wanted) <= set(stamp.name.split("-")) for stamp in stamps)


def _usable() -> bool:
    return _says(_MADE, _identity())


def _identity() -> str:
    """Return what the environment is bound to: the tree's place and the interpreter's version."""
    try:
        version = subprocess.run([PYTHON, "-V"], capture_output=True, text=True).stdout
    except OSError:
        version = "no interpreter"
    return f"{ROOT}\n{version}"


def _make() -> None:
    say("making the virtual environment .venv")
    shutil.rmtree(VENV, ignore_errors=True)
    run([sys.executable, "-m", "venv", str(VENV)], "python3 can't make a virtual environment: install python3-venv")
    _MADE.write_text(_identity())


def _install(extras: list[str]) -> None:
    target = f"{ROOT}[{','.join(extras)}]" if extras else str(ROOT)
    say(f"installing edgeturn{target.removeprefix(str(ROOT))} into .venv")
    pip = [str(PYTHON), "-m", "pip", "--quiet", "--no-input", "--disable-pip-version-check"]
    run([*pip, "install", "--editable", target], "pip could not install what pyproject.toml asks for")


def _says(stamp: Path, text: str) -> bool:
    return stamp.is_file() and stamp.read_text() == text
