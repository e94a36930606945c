"""Bytes of the firmware, as it is and as flash keeps it: one row a binary, with the goal where there is one.

Rule 1: xz at its best, without a filter for one processor, so that architectures compare.
"""

from __future__ import annotations

import lzma
import shutil
import subprocess
import sys
from pathlib import Path

from tools.bench.figures import Goal, Section, judge
from tools.bench.systems import ROOT

FOLDER = ROOT / ".build" / "firmware"
ARCHITECTURES = ("mips", "mipsel", "armhf", "aarch64", "x86_64")
FLAVOURS = ("tls", "plain")
KILOBYTE = 1000
GOALS = {"mips-tls": Goal(300), "mips-plain": Goal(200)}  # KB as xz


def built(architecture: str, flavour: str) -> Path:
    """Return where a binary is, once it's built."""
    return FOLDER / f"{architecture}-{flavour}" / "edgeturn"


def build(architecture: str) -> None:
    """Build both flavours of an architecture, as far as they aren't there in this state."""
    for flavour in FLAVOURS:
        command = [sys.executable, "-m", "firmware.build", architecture, "--flavour", flavour]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def packed(path: Path) -> int:
    """Return the size of a file as xz."""
    return len(lzma.compress(path.read_bytes(), check=lzma.CHECK_CRC32, preset=9 | lzma.PRESET_EXTREME))


def measure() -> Section:
    """Return the table of all binaries that are there."""
    section = Section(
        "Bytes on flash",
        "stripped, with interpreter, C library and all of edgeturn in it; as xz -9e packs it; KB: 1000 bytes",
        ("binary", "bytes", "bytes as xz", "KB as xz"),
    )
    found = [(f"{name}-{flavour}", built(name, flavour)) for name in ARCHITECTURES for flavour in FLAVOURS]
    for name, path in found:
        if path.exists():
            size = packed(path)
            kilobytes = judge(section, f"{name} KB xz", [size / KILOBYTE], GOALS.get(name), lambda s: f"{s[0]:.0f}")
            section.rows.append((name, str(path.stat().st_size), str(size), kilobytes))
    _add_coturn(section)
    missing = [name for name, path in found if not path.exists()]
    if missing:
        section.notes.append(f"Not built, so not here: {', '.join(missing)}; `make footprint ARCH=all` builds them.")
    return section


def _add_coturn(section: Section) -> None:
    program = shutil.which("turnserver")
    if program:
        path, size = Path(program).resolve(), packed(Path(program))
        row = (
            "coturn's turnserver, without its libraries",
            str(path.stat().st_size),
            str(size),
            f"{size / KILOBYTE:.0f}",
        )
        section.rows.append(row)
