"""
Kernel, modules and busybox of a machine, fetched from Debian once and kept unpacked under .build/gateway.

Rule 1: apt checks the archive's signature, and the machine's own apt is left alone (tools/micropython/apt.py).
Rule 2: A folder that is there is complete: it gets its name when everything is in it.
"""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from firmware.gateway.machines import SUITE, Machine
from tools.micropython.apt import Apt, AptError, run

FOLDER = Path(__file__).resolve().parents[2] / ".build" / "gateway"


def fetched(machine: Machine) -> Path:
    """Return the folder with the machine's unpacked packages, after fetching them where it is not there."""
    folder = FOLDER / machine.debian
    if not folder.is_dir():
        print(f"fetching Debian's kernel and busybox for {machine.debian}", file=sys.stderr)
        draft = FOLDER / f"{machine.debian}.draft"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        _fetch(machine, draft)
        draft.rename(folder)
    return folder


def _fetch(machine: Machine, folder: Path) -> None:
    private = folder / "apt"
    apt = Apt(private, SUITE, machine.debian)
    apt.update()
    kernels = apt.named(f"^linux-image-[0-9].*[0-9]-{machine.kernel}$")
    if not kernels:
        raise AptError(f"Debian {SUITE} has no kernel linux-image-*-{machine.kernel} for {machine.debian}")
    # Two are there while a security update replaces one; the last is the newer.
    for package in apt.download([kernels[-1], "busybox-static"]):
        run(["dpkg", "-x", str(package), str(folder)], folder)
    shutil.rmtree(private)


def kernel(folder: Path) -> Path:
    """Return the kernel's image."""
    return next((folder / "boot").glob("vmlinu*"))


def busybox(folder: Path) -> Path:
    """Return busybox."""
    return folder / "bin" / "busybox"


def modules(folder: Path, names: tuple[str, ...]) -> list[Path]:
    """Return the files of modules and of what they depend on, in an order in which they can be loaded."""
    files = {file.stem: file for file in folder.glob("lib/modules/**/*.ko")}
    ordered: list[Path] = []
    for name in names:
        ordered += [file for file in _needed(files, name) if file not in ordered]
    return ordered


def _needed(files: dict[str, Path], name: str) -> Iterator[Path]:
    """Yield what a module needs and then the module; a name without a file is built into the kernel."""
    if name not in files:
        return
    told = files[name].read_bytes().partition(b"\0depends=")[2].partition(b"\0")[0]
    for parent in filter(None, told.decode().split(",")):
        yield from _needed(files, parent)
    yield files[name]
