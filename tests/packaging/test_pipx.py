"""`pipx install edgeturn`, as root for the whole machine and as a user for oneself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgeturn import __version__
from tests.blackbox.relay import free_port
from tests.packaging.installed import NOBODY, Installed, everybodys_python, finished

pytestmark = pytest.mark.timeout(600)


def pipx(folder: Path, *words: str) -> None:
    """Call pipx, whose world is in a folder."""
    places = {"PIPX_HOME": folder / "home", "PIPX_BIN_DIR": folder / "bin", "PIPX_MAN_DIR": folder / "man"}
    environment = {name: str(place) for name, place in places.items()}
    finished([sys.executable, "-m", "pipx", *words], env=environment | {"PIPX_DEFAULT_PYTHON": everybodys_python()})


def test_a_relay_that_pipx_has_installed(built: tuple[Path, Path], open_folder: Path) -> None:
    folder = open_folder / "pipx"
    folder.mkdir(mode=0o755)
    pipx(folder, "install", "--quiet", f"edgeturn[kernel] @ {built[1].as_uri()}")
    command = folder / "bin" / "edgeturn"
    assert command.is_symlink()
    for name, user in (("its-own", None), ("another", NOBODY))[: 1 + (os.geteuid() == 0)]:
        home = folder / name
        home.mkdir()
        home.chmod(0o777)
        edgeturn = Installed(command, home, user)
        assert edgeturn.say("--version") == f"{__version__}\n"
        file = edgeturn.configured(free_port(), kernel="off")
        with edgeturn.running(file):
            edgeturn.say("check", "-c", str(file))
    pipx(folder, "uninstall", "edgeturn")
    assert not command.exists()
    assert subprocess.run(["ls", folder / "bin"], capture_output=True, text=True).stdout == ""
