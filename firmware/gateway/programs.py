"""What an emulated machine needs of this one: its emulator, and the firmware that is built for it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from firmware.gateway.machines import Machine

ROOT = Path(__file__).resolve().parents[2]


class Unavailable(Exception):
    """What is missing, and the package that brings it or the command that says more."""


def require(machine: Machine) -> None:
    """See that the machine's emulator is there."""
    if shutil.which(machine.emulator) is None:
        raise Unavailable(f"{machine.emulator} is missing: install the package {machine.package}")


def firmware(machine: Machine, flavour: str = "tls") -> Path:
    """Return a machine's firmware, built where it isn't there yet; EDGETURN_GATEWAY_FIRMWARE names another binary."""
    if "EDGETURN_GATEWAY_FIRMWARE" in os.environ:
        return Path(os.environ["EDGETURN_GATEWAY_FIRMWARE"])
    argv = [sys.executable, "-m", "firmware.build", machine.firmware, "--flavour", flavour]
    done = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"`python3 {' '.join(argv[1:])}` failed")
    return ROOT / done.stdout.strip().splitlines()[-1]
