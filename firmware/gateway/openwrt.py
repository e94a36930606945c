"""
What the OpenWrt package edgeturn-static installs, laid out in the router, and the stand-in for the parts of OpenWrt.

Rule 1: The files are those that the package's own Makefile installs; the configuration is what a test lays over it.
Rule 2: procd, uci and rc.common are the stand-in of tests/openwrt: OpenWrt's own can't be had here.
"""

import tempfile
from pathlib import Path

from firmware.gateway.archive import Archive
from firmware.openwrt import staging

ROOT = Path(__file__).resolve().parents[2]
STANDIN = ROOT / "tests" / "openwrt" / "standin"
PACKAGE = "edgeturn-static"


def install(archive: Archive, firmware: Path) -> None:
    """Add the stand-in and what the package installs."""
    archive.tree(STANDIN)
    user, group = _user()
    archive.file("etc/passwd", f"root:x:0:0::/root:/bin/sh\n{user[0]}:x:{user[1]}:{group[1]}::/:/bin/false\n".encode())
    archive.file("etc/group", f"root:x:0:\n{group[0]}:x:{group[1]}:\n".encode())
    with tempfile.TemporaryDirectory() as made:
        staging.stage(PACKAGE, Path(made) / "root", Path(made) / "work", firmware)
        archive.tree(Path(made) / "root")


def _user() -> list[list[str]]:
    """Return name and number of the package's user and of its group: USERID is NAME=NUMBER:GROUP=NUMBER."""
    return [each.split("=") for each in staging.fields(PACKAGE)["USERID"][0].split(":")]
