"""
The source distribution and the wheel, the same bytes each time: `python -m tools.wheel`, which `make wheel` calls.

Rule 1: Both are built from a copy of what belongs into them, so that nothing an earlier build has left gets in.
Rule 2: The wheel is built from the source distribution: what the one lacks, the other can't have.
Rule 3: Every time in them is SOURCE_DATE_EPOCH, without it the last commit's; owners and modes are always alike.
"""

import gzip
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tools import manual
from tools.epoch import epoch

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "dist"
_TAKEN = ("edgeturn", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md")
# What the source distribution has beside the package: what edgeturn-static, the firmware's OpenWrt package, is built
# from. The OpenWrt packages themselves aren't in it, for they name its checksum.
_BESIDE = (
    "firmware/__init__.py", "firmware/build", "firmware/native", "firmware/variant",
    "tools/__init__.py", "tools/micropython",
)  # fmt: skip
_LEFT = shutil.ignore_patterns("__pycache__", "*.pyc")


class BuildError(Exception):
    """What kept them from being built, in the words of what builds."""


def build(folder: Path) -> tuple[Path, Path]:
    """Build both into a folder; return the source distribution and the wheel."""
    folder.mkdir(parents=True, exist_ok=True)
    when = epoch()
    with tempfile.TemporaryDirectory(prefix="edgeturn-wheel-") as name:
        tree, made = Path(name, "tree"), Path(name, "made")
        _copy(tree)
        _run([sys.executable, "-m", "build", "--outdir", str(made), str(tree)], when)
        (source,), (wheel,) = made.glob("*.tar.gz"), made.glob("*.whl")
        _settle(source, when)
        return _move(source, folder), _move(wheel, folder)


def _copy(tree: Path) -> None:
    tree.mkdir()
    for name in _TAKEN + _BESIDE:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=_LEFT)
        else:
            shutil.copyfile(ROOT / name, tree / name)
    manual.write(tree / "man")
    (tree / "MANIFEST.in").write_text("graft firmware\ngraft tools\ngraft man\n")
    for path in tree.rglob("*"):  # whoever checked the tree out with which mask
        path.chmod(0o755 if path.is_dir() else 0o644)


def _run(command: list[str], when: int) -> None:
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(when)}
    done = subprocess.run(
        command, env=environment, umask=0o022, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        raise BuildError(done.stdout.strip())


def _settle(source: Path, when: int) -> None:
    """Pack a source distribution anew, without what says when and by whom it was packed."""
    packed = io.BytesIO()
    with tarfile.open(source) as old, tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new:
        for member in sorted(old.getmembers(), key=lambda each: each.name):
            content = old.extractfile(member)
            new.addfile(_anonymous(member, when), content)
    source.write_bytes(gzip.compress(packed.getvalue(), mtime=when))


def _anonymous(member: tarfile.TarInfo, when: int) -> tarfile.TarInfo:
    member.mtime, member.pax_headers = when, {}
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _move(path: Path, folder: Path) -> Path:
    return Path(shutil.move(path, folder / path.name))


def main() -> None:
    """Build both into dist/ and print their paths."""
    try:
        for path in build(FOLDER):
            print(path.relative_to(ROOT))
    except BuildError as error:
        sys.exit(f"the wheel can't be built:\n{error}")


if __name__ == "__main__":
    main()
