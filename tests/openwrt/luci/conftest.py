"""What the tests of the LuCI app are given: a relay, and rpcd's plugin with the command that it calls."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.blackbox.relay import Relay
from tests.firmware.current import PROGRAM, firmware
from tests.openwrt.luci.router import Rpcd

_CHECKOUT = Path(__file__).resolve().parents[3]
_MICROPYTHON = os.environ.get("EDGETURN_MICROPYTHON", str(_CHECKOUT / ".build" / "micropython" / "bin" / "micropython"))
COMMANDS = {
    "click": [sys.executable, "-m", "edgeturn"],
    "CPython": [sys.executable, "-m", "edgeturn.command"],
    "MicroPython": [_MICROPYTHON, "-m", "edgeturn.command"],
    "firmware": [str(PROGRAM)],
}


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    with Relay([sys.executable], tmp_path, {}) as relay:
        yield relay


@pytest.fixture(params=["CPython", "MicroPython", "firmware"])
def command(request: pytest.FixtureRequest) -> list[str]:
    """The start of the command line of a tool that the plugin may meet; click's calls the same code."""
    return COMMANDS[str(request.param)]


@pytest.fixture
def rpcd(command: list[str], tmp_path: Path) -> Rpcd:
    return make_rpcd(command, tmp_path)


def make_rpcd(command: list[str], folder: Path) -> Rpcd:
    """Return rpcd with a command `edgeturn` in its PATH that uses the folder's configuration."""
    if command == COMMANDS["firmware"]:
        firmware()
    program = folder / "bin" / "edgeturn"
    program.parent.mkdir()
    words = " ".join(command)
    program.write_text(
        f'#!/bin/sh\ncd {_CHECKOUT}\nMICROPYPATH={_CHECKOUT}:.frozen exec {words} -c {folder / "edgeturn.conf"} "$@"\n'
    )
    program.chmod(0o755)
    return Rpcd(program.parent)
