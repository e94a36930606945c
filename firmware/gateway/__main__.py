"""
Boot the emulated router and give whoever typed it a shell in it: `python3 -m firmware.gateway`, or `make gateway`.

What it needs is said in one sentence. Whatever was started ends with it.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from firmware.gateway import image, packages
from firmware.gateway.cables import TAPS, Cables
from firmware.gateway.emulator import Emulator
from firmware.gateway.machines import ROUTER
from firmware.gateway.programs import Unavailable, firmware, require
from tools.micropython.apt import AptError

_HELP = """
A router with 64 MB of memory: MIPS 24Kc, Linux, busybox and edgeturn, whose settings are in /etc/config/edgeturn.
  In it:          edgeturn status, edgeturn sessions, edgeturn credentials, service edgeturn restart, logread
  A client:       ip netns exec {client} turnutils_uclient -u alice -w wonderland -c -e 198.51.100.11 192.0.2.1
  Its far end:    ip netns exec {peer} turnutils_peer -L 198.51.100.11
                  (both in other terminals on this machine; the router is 192.0.2.1 and 2001:db8:1::1 to clients)
  To end it:      poweroff -f, or Ctrl-A and then X
"""


def boot() -> int:
    """Boot, wait until the machine ends, and return QEMU's exit code."""
    require(ROUTER)
    folder = packages.fetched(ROUTER)
    with tempfile.TemporaryDirectory() as made, Cables() as cables:
        initial = Path(made) / "initial.gz"
        initial.write_bytes(image.router(ROUTER, folder, firmware(ROUTER), image.HERE / "person").compressed())
        print(_HELP.format(client=cables.client1.namespace.name, peer=cables.peer.namespace.name))
        prefix = cables.router.command([])
        files = (packages.kernel(folder), initial)
        with Emulator(ROUTER, files, None, TAPS, prefix, "console_shell") as machine:
            return machine.process.wait()


def main() -> None:
    """Boot, and leave the terminal as it was."""
    argparse.ArgumentParser(prog="python3 -m firmware.gateway", description=__doc__).parse_args()
    if os.geteuid():
        sys.exit("the emulated router needs root: its cables are network namespaces")
    before = subprocess.run(["stty", "-g"], capture_output=True, text=True, check=False).stdout.strip()
    try:
        sys.exit(boot())
    except (AptError, Unavailable) as error:
        sys.exit(f"the emulated router can't be had: {error}")
    finally:
        if before and shutil.which("stty"):
            subprocess.run(["stty", before], check=False)


main()
