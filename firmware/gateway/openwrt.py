"""
What the OpenWrt package edgeturn-static installs, laid out in the router, and the stand-in for the parts of OpenWrt.

Rule 1: The files are the package's own, unchanged; the configuration is what a test lays over it.
Rule 2: procd, uci and rc.common are the stand-in of tests/openwrt: OpenWrt's own can't be had here.
"""

from pathlib import Path

from firmware.gateway.archive import Archive

ROOT = Path(__file__).resolve().parents[2]
STANDIN = ROOT / "tests" / "openwrt" / "standin"
PACKAGES = ROOT / "firmware" / "openwrt"
# Source, destination, mode: INSTALL_BIN, INSTALL_CONF and INSTALL_DATA of the package.
_FILES = (
    ("edgeturn/files/edgeturn.init", "etc/init.d/edgeturn", 0o755),
    ("edgeturn/files/edgeturn.config", "etc/config/edgeturn", 0o600),
    ("edgeturn/files/edgeturn.defaults", "etc/uci-defaults/80-edgeturn", 0o755),
    ("edgeturn/files/edgeturn.hotplug", "etc/hotplug.d/iface/90-edgeturn", 0o644),
    ("edgeturn/files/edgeturn.json", "etc/capabilities/edgeturn.json", 0o644),
    ("edgeturn-static/files/static.sh", "usr/share/edgeturn/interpreter.sh", 0o644),
)
# USERID of the package.
_PASSWD = "root:x:0:0:root:/root:/bin/sh\nedgeturn:x:3478:3478:edgeturn:/var/run/edgeturn:/bin/false\n"
_GROUP = "root:x:0:\nedgeturn:x:3478:\n"


def install(archive: Archive, firmware: Path) -> None:
    """Add the stand-in and what the package installs."""
    archive.tree(STANDIN)
    archive.file("etc/passwd", _PASSWD.encode())
    archive.file("etc/group", _GROUP.encode())
    archive.file("usr/bin/edgeturn", firmware.read_bytes(), 0o755)
    for source, destination, mode in _FILES:
        archive.file(destination, (PACKAGES / source).read_bytes(), mode)
