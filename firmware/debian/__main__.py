"""
Build the package into dist/ and print its path: `python3 -m firmware.debian`.

Rule 1: dpkg-deb, and click-man for the manual pages; no root.
Rule 2: the same tree gives the same bytes: every time is SOURCE_DATE_EPOCH, without it the last commit's.
"""

import argparse
import gzip
import os
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

from edgeturn import __version__
from edgeturn.cli import service_unit
from edgeturn.cli.service_unit import Places
from edgeturn.relay.configuration import Configuration
from tools import manual
from tools.epoch import epoch

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
FOLDER = ROOT / "dist"
PACKAGES = "usr/lib/edgeturn"
CONFIGURATION = Path("/etc/edgeturn/edgeturn.conf")
SCRIPTS = ("postinst", "prerm", "postrm")
# Where each file of this folder goes, and its mode.
FILES = (
    ("edgeturn", "usr/bin/edgeturn", 0o755),
    ("copyright", "usr/share/doc/edgeturn/copyright", 0o644),
    ("overrides", "usr/share/lintian/overrides/edgeturn", 0o644),
    *((name, f"DEBIAN/{name}", 0o755) for name in SCRIPTS),
)
_LEFT = shutil.ignore_patterns("__pycache__", "*.pyc", "*.c", "*.h", "py.typed")


def build(folder: Path) -> Path:
    """Build the package into a folder and return its path."""
    when = epoch()
    with tempfile.TemporaryDirectory(prefix="edgeturn-debian-") as name:
        tree = Path(name, "tree")
        _lay_out(tree, when)
        _settle(tree, when)
        folder.mkdir(parents=True, exist_ok=True)
        package = folder / f"edgeturn_{__version__}-1_all.deb"
        command = ["dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(tree), str(package)]
        environment = os.environ | {"SOURCE_DATE_EPOCH": str(when)}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return package


def _lay_out(tree: Path, when: int) -> None:
    """Put every file in its place."""
    shutil.copytree(ROOT / "edgeturn", tree / PACKAGES / "edgeturn", ignore=_LEFT)
    for source, target, _ in FILES:
        _write(tree / target, (HERE / source).read_bytes())
    _write(tree / "lib/systemd/system" / service_unit.NAME, _unit().encode())
    _write(tree / "usr/share/doc/edgeturn/changelog.Debian.gz", gzip.compress(_changelog(when).encode(), 9, mtime=when))
    _add_manual(tree, when)
    size = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file()) // 1024
    _write(tree / "DEBIAN/control", (HERE / "control").read_text().format(version=__version__, size=size).encode())


def _add_manual(tree: Path, when: int) -> None:
    with tempfile.TemporaryDirectory(prefix="edgeturn-manual-") as folder:
        for page in manual.write(Path(folder)):
            target = tree / f"usr/share/man/man{page.suffix[1:]}" / f"{page.name}.gz"
            _write(target, gzip.compress(page.read_bytes(), 9, mtime=when))


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _unit() -> str:
    """Return the unit of a configuration as the package makes it."""
    settings = Configuration("config relay 'main'\n\toption realm 'edgeturn'\n", str(CONFIGURATION))
    return service_unit.text(settings, CONFIGURATION, False, Places("/usr/bin/python3", f"/{PACKAGES}"))


def _changelog(when: int) -> str:
    date = format_datetime(datetime.fromtimestamp(when, UTC))
    return (
        f"edgeturn ({__version__}-1) unstable; urgency=medium\n\n  * Release {__version__}.\n\n"
        f" -- the edgeturn authors <edgeturn@localhost>  {date}\n"
    )


def _settle(tree: Path, when: int) -> None:
    """Give every file the mode and the time that it has in every build."""
    modes = {tree / target: mode for _, target, mode in FILES}
    for path in (tree, *tree.rglob("*")):
        path.chmod(modes.get(path, 0o755 if path.is_dir() else 0o644))
        os.utime(path, (when, when))


if __name__ == "__main__":
    argparse.ArgumentParser(prog="python3 -m firmware.debian", description=__doc__).parse_args()
    if shutil.which("dpkg-deb") is None:
        sys.exit("the Debian package is built by dpkg-deb, which is missing here: build it on Debian")
    print(build(FOLDER).relative_to(ROOT))
