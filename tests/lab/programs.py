"""
The outside programs of the lab: where each one is, or the package that brings it.

`make test` installs all of them, so a missing one is a failure with the package's name. The lab skips for one reason
only: the machine itself refuses network namespaces.
"""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.lab.network import PREFIX

ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = {
    "ip": "iproute2",
    "turnserver": "coturn",
    "turnutils_uclient": "coturn",
    "turnutils_peer": "coturn",
    "turnutils_natdiscovery": "coturn",
    "turnutils_oauth": "coturn",
    "openssl": "openssl",
    "nft": "nftables",
    "miniupnpd": "miniupnpd-nftables",
    "chromium": "chromium",
    "node": "nodejs",
    "dnsmasq": "dnsmasq-base",
    "nginx": "nginx",
    "haproxy": "haproxy",
    "curl": "curl",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "msgfmt": "gettext",
    "busybox": "busybox",
    "shellcheck": "shellcheck",
}


def program(name: str) -> str:
    """Return the path of a program."""
    path = shutil.which(name)
    if path is None:
        pytest.fail(f"{name} is missing: install the package {_PACKAGES[name]}, or run `make test`, which does it")
    return path


def node_modules() -> Path:
    """Return the folder in which npm put playwright-core."""
    folder = Path(os.environ.get("EDGETURN_NODE", ROOT / ".build" / "node"))
    if not (folder / "node_modules" / "playwright-core").is_dir():
        pytest.fail(f"playwright-core is missing in {folder}: npm install --prefix {folder} playwright-core")
    return folder


def python_package(name: str) -> None:
    """Fail with a sentence where a Python package is missing."""
    if importlib.util.find_spec(name) is None:
        pytest.fail(f"the Python package {name} is missing: pip install {name}, or run `make test`, which does it")


def why_no_namespaces() -> str | None:
    """Say what the machine lacks for network namespaces, by making one; None where nothing is lacking."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    ip, probe = program("ip"), f"{PREFIX}-{os.getpid()}-0-probe"
    made = subprocess.run([ip, "netns", "add", probe], capture_output=True, text=True, check=False, timeout=20)
    if made.returncode:
        return f"this machine refuses network namespaces: {made.stderr.strip()}"
    subprocess.run([ip, "netns", "delete", probe], check=True, timeout=20)
    return None
