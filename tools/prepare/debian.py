"""
The outside programs of the tests and the benchmarks, from Debian's packages.

Rule 1: A program that is there is left alone, whatever package it came from.
Rule 2: The package lists are read anew only where installing fails with those that are there.
Rule 3: No service is started: coturn's would take the port that edgeturn listens on.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .steps import Unprepared, run, say

# The command that is called, and the package that brings it.
Programs = tuple[tuple[str, str], ...]
PROGRAM: Programs = (("clang-14", "clang-14"),)  # compiles what runs in the kernel; another version gives other bytes
FOR_BENCHMARKS: Programs = (
    ("ip", "iproute2"),
    ("turnserver", "coturn"),
    ("gcc", "build-essential"),
    *PROGRAM,
)
# Compilers for routers, with the headers that they want, and what runs a router's program here.
_ROUTERS = (
    ("mips-linux-gnu", "mips"),
    ("mipsel-linux-gnu", "mipsel"),
    ("arm-linux-gnueabihf", "armhf"),
    ("aarch64-linux-gnu", "arm64"),
    ("s390x-linux-gnu", "s390x"),
)
_COMPILERS: Programs = tuple((f"{triplet}-gcc", f"gcc-{triplet}") for triplet, _ in _ROUTERS)
_HEADERS: Programs = tuple((f"{triplet}-gcc", f"libc6-dev-{name}-cross") for triplet, name in _ROUTERS)
FOR_FIRMWARE: Programs = (
    ("gcc", "build-essential"),
    ("make", "make"),
    ("xz", "xz-utils"),
    ("bzip2", "bzip2"),
    ("qemu-mips-static", "qemu-user-static"),
    *_COMPILERS,
    *_HEADERS,
)
# Emulators of whole machines, in which the firmware is tried.
FOR_GATEWAY: Programs = (
    ("ip", "iproute2"),
    ("qemu-system-mipsel", "qemu-system-mips"),
    ("qemu-system-s390x", "qemu-system-misc"),
)
# Debian's package of edgeturn, and a machine that systemd runs, to try it in.
FOR_PACKAGE: Programs = (("dpkg-deb", "dpkg"), ("systemd-analyze", "systemd"))
FOR_SERVICE: Programs = (*FOR_PACKAGE, ("systemd-nspawn", "systemd-container"), ("lintian", "lintian"))
FOR_TESTS: Programs = (
    *FOR_SERVICE,
    *FOR_GATEWAY,
    *FOR_FIRMWARE,
    ("turnserver", "coturn"),
    ("turnutils_uclient", "coturn"),
    ("turnutils_peer", "coturn"),
    ("chromium", "chromium"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("nft", "nftables"),
    ("miniupnpd", "miniupnpd-nftables"),
    ("dnsmasq", "dnsmasq-base"),
    ("nginx", "nginx"),
    ("haproxy", "haproxy"),
    ("curl", "curl"),
    ("openssl", "openssl"),
    ("iptables-nft", "iptables"),
    ("gcc", "build-essential"),
    ("msgfmt", "gettext"),
    ("shellcheck", "shellcheck"),
    ("busybox", "busybox-static"),
    ("tmux", "tmux"),
    ("lua5.4", "lua5.4"),
    ("faketime", "faketime"),
    ("groff", "groff-base"),
    ("prometheus", "prometheus"),
    *PROGRAM,
)
# A container that is installed into, and the caller's browser beside it.
FOR_FIRST_CALL: Programs = (
    *FOR_PACKAGE,
    ("debootstrap", "debootstrap"),
    ("systemd-nspawn", "systemd-container"),
    ("ip", "iproute2"),
    ("chromium", "chromium"),
    ("node", "nodejs"),
    ("npm", "npm"),
)
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
_POLICY = Path("/usr/sbin/policy-rc.d")


def ensure(programs: Programs) -> None:
    """Install the packages of the programs that are missing."""
    missing = [(program, package) for program, package in programs if shutil.which(program, path=_PATH) is None]
    if not missing:
        return
    packages = sorted({package for _, package in missing})
    _require_apt([program for program, _ in missing], packages)
    say(f"installing {', '.join(packages)}")
    with _no_services():
        _install(packages)


def _require_apt(programs: Sequence[str], packages: Sequence[str]) -> None:
    need = f"there is no {', '.join(programs)} here, which Debian has in {' '.join(packages)}"
    if shutil.which("apt-get", path=_PATH) is None:
        raise Unprepared(f"{need}, and no apt-get that could install it")
    if os.geteuid() != 0:
        raise Unprepared(f"{need}: install it, or run this as root")


def _install(packages: Sequence[str]) -> None:
    environment = {**os.environ, "PATH": _PATH, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "-q", "-y", "--no-install-recommends", "install", *packages]
    failure = f"apt-get could not install {' '.join(packages)}"
    try:
        run(command, failure, environment)
    except Unprepared:
        run(["apt-get", "-q", "update"], "apt-get could not read the package lists", environment)
        run(command, failure, environment)


@contextmanager
def _no_services() -> Iterator[None]:
    """Forbid starting services, by Debian's own means, unless the machine has a policy already."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()
