"""What brings the Python packages that HTTP needs to the Python that runs this: the system's, a router's or another."""

import os
import sys

_ROUTER = "/etc/openwrt_release"


def command_for(*packages: str) -> str:
    """Return the command that installs packages by their names at PyPI."""
    if sys.prefix == sys.base_prefix == "/usr":
        tool = "opkg install" if os.path.exists(_ROUTER) else "apt install"
        return " ".join((tool, *(f"python3-{each}" for each in packages)))
    return " ".join((f"{sys.executable} -m pip install", *packages))
