"""
What lies in a machine's memory file system: Debian's busybox and modules, our first process, and what is laid on top.
"""

from pathlib import Path

from firmware.gateway import openwrt, packages
from firmware.gateway.archive import Archive
from firmware.gateway.machines import Machine

HERE = Path(__file__).parent


def base(machine: Machine, folder: Path) -> Archive:
    """Return an archive that boots, from the machine's unpacked packages."""
    made = Archive()
    made.character_device("dev/console", 5, 1)
    made.file("bin/busybox", packages.busybox(folder).read_bytes(), 0o755)
    made.link("bin/sh", "busybox")
    made.tree(HERE / "root")
    modules = packages.modules(folder, machine.modules)
    for file in modules:
        made.file(f"lib/gateway/modules/{file.name}", file.read_bytes())
    made.file("lib/gateway/modules/order", "".join(f"{file.stem}\n" for file in modules).encode())
    return made


def router(machine: Machine, folder: Path, firmware: Path, *layers: Path) -> Archive:
    """Return the archive of a machine that is a router: the package with the firmware, and folders laid over it."""
    made = base(machine, folder)
    openwrt.install(made, firmware)
    for layer in (HERE / "router", *layers):
        made.tree(layer)
    return made
