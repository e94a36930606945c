"""
A small stand-in for the feed's python3-package-install.sh: INSTALLED TARGET +|PATH -|PATTERN …
"""

import compileall
import glob
import shutil
import sys
from pathlib import Path


def main(installed: str, target: str, *rows: str) -> None:
    """Copy what rows with + name, remove what rows with - match, and leave bytecode only."""
    for row in rows:
        sign, _, place = row.partition("|")
        if sign == "+":
            shutil.copytree(installed + place, target + place, dirs_exist_ok=True)
        else:
            for found in glob.glob(target + place):
                Path(found).unlink()
    for folder in [Path(target + row[2:]) for row in rows if row[0] == "+"]:
        _compile(folder, target)


def _compile(folder: Path, target: str) -> None:
    for cache in list(folder.rglob("__pycache__")):
        shutil.rmtree(cache)
    assert compileall.compile_dir(folder, legacy=True, quiet=1, stripdir=target, optimize=2)
    for source in folder.rglob("*.py"):
        source.unlink()


main(*sys.argv[1:])
