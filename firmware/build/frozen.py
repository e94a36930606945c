"""
What is frozen: edgeturn's part for MicroPython, laid out in a folder of its own, with the kernel's program as a module.

Rule 1: Folders are chosen, not files: what is new in one of them is frozen without a word here.
Rule 2: Only the kernel program in the machine's byte order goes in, as bytes that stay where the binary is mapped.
"""

import shutil
from pathlib import Path

from .program import module
from .steps import ROOT

# Folder under edgeturn, and whether its folders count too.
_FOLDERS = (
    (".", False),
    ("command", True),
    ("kernel", False),
    ("kernel/direct", True),
    ("protocol", True),
    ("relay", True),
    ("seam", False),
)
# How the names begin of what the seam has for interpreters without our C module.
_NOT_THERE = ("cpython", "hashing", "micropython_bare", "micropython_ffi", "micropython_python")
# What only the flavour with TLS has.
_TLS = (
    "protocol/certificate.py",
    "protocol/dtls.py",
    "relay/tls/",
    "seam/micropython_dtls.py",
    "seam/micropython_tls.py",
)
_OBJECTS = {"little": "program.bpfel.o", "big": "program.bpfeb.o"}
BOOT = ROOT / "firmware" / "variant" / "boot.py"


def files(tls: bool = True) -> list[Path]:
    """Return edgeturn's modules for MicroPython, in order."""
    package = ROOT / "edgeturn"
    found = [path for name, deep in _FOLDERS for path in (package / name).glob("**/*.py" if deep else "*.py")]
    chosen = sorted(path for path in found if not _is_elsewhere(path) and path != package / "__main__.py")
    return [path for path in chosen if tls or not path.relative_to(package).as_posix().startswith(_TLS)]


def _is_elsewhere(path: Path) -> bool:
    if path.name == "elf.py":  # which reads what .program has read
        return True
    return path.parent.name == "seam" and path.name.startswith(_NOT_THERE)


def lay_out(folder: Path, byteorder: str, tls: bool = True) -> None:
    """Fill a folder with what is frozen."""
    shutil.rmtree(folder, ignore_errors=True)
    for path in files(tls):
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    shutil.copyfile(BOOT, folder / BOOT.name)
    program = (ROOT / "edgeturn" / "kernel" / "program" / _OBJECTS[byteorder]).read_bytes()
    (folder / "edgeturn" / "kernel" / "direct").mkdir(parents=True, exist_ok=True)
    (folder / "edgeturn" / "kernel" / "direct" / "frozen_program.py").write_text(module(program))
