"""
The tests that run on MicroPython, as .mpy, for the firmware has no compiler; and a command that runs it anywhere.

Rule 1: The tree of .mpy is put on MICROPYPATH; the runner reads the tests' names in the .py of the checkout.
Rule 2: The command is called `micropython`, for the black-box tests know by that word what runs their relay.
"""

import os
import shutil
from pathlib import Path

from .architectures import Architecture
from .binary import cross_compiler
from .steps import FOLDER, ROOT, digest, made, run

# Patterns under tests/ of what is free of CPython.
_PATTERNS = (
    "__init__.py",
    "micropython.py",
    "core/*.py",
    "firmware/__init__.py",
    "firmware/scene.py",
    "firmware/test_native*.py",
    "fuzz/__init__.py",
    "fuzz/mutations.py",
    "fuzz/test_datagrams.py",
    "fuzz/world.py",
)
# A program that a test gives as text is compiled first.
_WRAPPER = """\
#!/bin/sh
if [ "$1" != -c ]; then
	exec {start} "$@"
fi
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
printf '%s' "$2" >"$folder/program.py"
{compiler} -o "$folder/program.mpy" "$folder/program.py"
rm "$folder/program.py"
MICROPYPATH=$folder {start} -m program
"""
# These read the sources of edgeturn, which are not in a binary.
_OF_SOURCES = ("test_purity.py",)


def compiled_tests() -> Path:
    """Return the folder with the compiled tests."""
    compiler = cross_compiler()
    paths = sorted(path for pattern in _PATTERNS for path in (ROOT / "tests").glob(pattern))
    parts: list[str | bytes] = []
    for path in paths:
        parts += [path.relative_to(ROOT).as_posix(), path.read_bytes()]

    def build(folder: Path) -> None:
        for path in paths:
            name = path.relative_to(ROOT)
            (folder / name.parent).mkdir(parents=True, exist_ok=True)
            run([compiler, "-o", folder / name.with_suffix(".mpy"), "-s", name, path], folder)

    return made(FOLDER / "tests", digest(parts), build)


def command(architecture: Architecture, program: Path) -> Path:
    """Return a command beside a program that runs it on this machine, through an emulator where it has to be."""
    wrapper = program.parent / "micropython"
    draft = wrapper.with_suffix(".draft")
    start = " ".join([*architecture.emulator, str(program)])
    draft.write_text(_WRAPPER.format(start=start, compiler=cross_compiler()))
    draft.chmod(0o755)
    draft.rename(wrapper)
    return wrapper


def core_tests(runner: Path) -> list[str]:
    """Return the command line of the core tests on such a command."""
    paths = [str(path) for path in sorted((ROOT / "tests" / "core").glob("test_*.py")) if path.name not in _OF_SOURCES]
    return ["env", f"MICROPYPATH={compiled_tests()}", str(runner), "-m", "tests.micropython", *paths]


def lacking(architecture: Architecture) -> str:
    """Return which emulator this machine lacks, "" where it has what it needs."""
    emulator = architecture.emulator[0] if architecture.emulator else ""
    if emulator:
        return "" if shutil.which(emulator) else emulator
    return "" if os.uname().machine == architecture.name else f"a machine that is {architecture.name}"
