"""The firmware of this machine as its sources are now, for tests that run it beside other things."""

import platform
from functools import cache
from pathlib import Path

import pytest

from firmware.build.architectures import BY_NAME
from firmware.build.binary import binary
from firmware.build.steps import FOLDER

FLAVOUR = "tls"
PROGRAM = FOLDER / f"{platform.machine()}-{FLAVOUR}" / "edgeturn"


@cache
def firmware() -> Path:
    """Return the binary, built anew where its sources have changed; skip where none was built, which takes minutes."""
    if not PROGRAM.is_file():
        pytest.skip(f"the firmware isn't built: `make firmware ARCH={platform.machine()}`")
    return binary(BY_NAME[platform.machine()], FLAVOUR)
