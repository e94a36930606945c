"""Fetch MicroPython once and print the path of the command that runs it: `python3 -m tools.micropython`."""

import shutil
import sys
from pathlib import Path

from .apt import Apt, AptError, run
from .unpack import unpack, write_wrapper

FOLDER = Path(__file__).resolve().parents[2] / ".build" / "micropython"
WRAPPER = FOLDER / "bin" / "micropython"


def fetch() -> None:
    """Download, unpack and try MicroPython; what an interrupted run left is thrown away."""
    print("fetching MicroPython from Debian 13 into", FOLDER, file=sys.stderr)
    shutil.rmtree(FOLDER, ignore_errors=True)
    private = FOLDER / "apt"
    apt = Apt(private)
    apt.update()
    unpack(apt.download(apt.closure("micropython")), FOLDER / "root")
    shutil.rmtree(private)
    write_wrapper(WRAPPER, FOLDER / "root", "usr/bin/micropython")


def main() -> None:
    """Print the wrapper's path, after fetching what is missing."""
    try:
        if not WRAPPER.is_file():
            fetch()
        run([str(WRAPPER), "-c", "import hashlib; hashlib.md5, hashlib.sha1, hashlib.sha256"], FOLDER)
    except AptError as error:
        sys.exit(f"MicroPython can't be had: {error}")
    print(WRAPPER)


main()
