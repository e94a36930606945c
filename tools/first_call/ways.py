"""The ways of installing that the README has: what is built here for each, and what a new user types, in this order."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from firmware.debian.__main__ import build as build_package
from tools.prepare.steps import ROOT
from tools.wheel import build as build_wheels


@dataclass(frozen=True)
class Way:
    """A row: a name, what builds the file that is brought, the commands; {file} is that file. And the last command."""

    name: str
    build: Callable[[Path], Path]
    commands: tuple[str, ...]
    run: str = "edgeturn run"


def _wheel(folder: Path) -> Path:
    return build_wheels(folder)[1]


def _checkout(folder: Path) -> Path:
    """Pack what is under version control, or will be, as it is now."""
    made = folder / "checkout.tar"
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=60).stdout
    there = b"\0".join(name for name in names.split(b"\0") if name and (ROOT / name.decode()).exists())
    pack = ["tar", "--null", "--files-from=-", "--transform=s,^,edgeturn/,", "-cf", str(made)]
    subprocess.run(pack, cwd=ROOT, input=there, check=True, timeout=60)
    return made


_INSTALL = "apt-get install -y --no-install-recommends"

WAYS = (
    Way(
        "checkout",
        _checkout,
        (
            "apt-get update",
            f"{_INSTALL} python3 python3-venv make",
            "tar xf {file}",
            "cd edgeturn && python3 -m tools.prepare run",  # make run begins with it, and needs no internet after it
        ),
        "cd edgeturn && make run",
    ),
    Way("pipx", _wheel, ("apt-get update", f"{_INSTALL} pipx", "pipx install './{file}[kernel]'")),
    Way("deb", build_package, ("apt-get update", f"{_INSTALL} ./{{file}}")),
)
