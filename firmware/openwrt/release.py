"""
A release in the Makefiles: version and SHA-256 of the archive that was published, and whether they are true.

    make wheel                                                           makes dist/edgeturn-VERSION.tar.gz
    python3 -m firmware.openwrt release dist/edgeturn-VERSION.tar.gz     writes both into edgeturn/shared.mk
    python3 -m firmware.openwrt verify dist/edgeturn-VERSION.tar.gz      1 where they aren't those of the archive

Rule 1: the archive has everything that the packages build from but the packages themselves, which name its checksum.
Rule 2: another version begins with PKG_RELEASE 1; the same version again, with other packaging, raises it by hand.
"""

import hashlib
import re
import tarfile
from pathlib import Path

MAKEFILE = Path(__file__).resolve().parent / "edgeturn" / "shared.mk"
NEEDED = (
    "edgeturn/__init__.py",
    "edgeturn/command/__main__.py",
    "edgeturn/kernel/program/program.bpfeb.o",
    "edgeturn/kernel/program/program.bpfel.o",
    "firmware/build/frozen.py",
    "firmware/native/_edgeturn/micropython.mk",
    "firmware/variant/Makefile",
    "LICENSE",
    "pyproject.toml",
)


class ReleaseError(Exception):
    """An archive that is no release, in a sentence."""


def values(archive: Path) -> dict[str, str]:
    """Return what the Makefiles have to say of an archive; ReleaseError where it lacks something."""
    found = re.fullmatch(r"edgeturn-(\d+(?:\.\d+)+)\.tar\.gz", archive.name)
    if found is None:
        raise ReleaseError(f"{archive} isn't called edgeturn-VERSION.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    lacking = [name for name in NEEDED if name not in names]
    if lacking:
        raise ReleaseError(f"{archive} has no {', '.join(lacking)}: `make wheel` makes one that has")
    return {"PKG_VERSION": found[1], "PKG_HASH": hashlib.sha256(archive.read_bytes()).hexdigest()}


def write(archive: Path, makefile: Path = MAKEFILE) -> None:
    """Write version and checksum of an archive."""
    text = makefile.read_text()
    wanted = values(archive)
    if read(makefile)["PKG_VERSION"] != wanted["PKG_VERSION"]:
        wanted["PKG_RELEASE"] = "1"
    for name, value in wanted.items():
        text = re.sub(rf"^{name}:=.*$", f"{name}:={value}", text, flags=re.MULTILINE)
    makefile.write_text(text)


def read(makefile: Path = MAKEFILE) -> dict[str, str]:
    """Return the variables of the Makefiles."""
    return dict(re.findall(r"^(PKG_\w+):=(.*)$", makefile.read_text(), flags=re.MULTILINE))


def verify(archive: Path, makefile: Path = MAKEFILE) -> None:
    """Compare an archive with the Makefiles; ReleaseError where they differ."""
    written = read(makefile)
    for name, value in values(archive).items():
        if written[name] != value:
            raise ReleaseError(f"{makefile}: {name} is {written[name]} and the archive's is {value}")
