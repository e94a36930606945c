"""
The tests that run on MicroPython, as .mpy, for the firmware has no compiler; and a command that runs it anywhere.

Rule 1: The tree of .mpy is put on MICROPYPATH; the runner reads the tests' names in the .py of the checkout.
Rule 2: The command isn't called `micropython`, by which the black-box tests know one that has no C module of ours.
"""

import os
import shutil
from pathlib import Path

from .architectures import Architecture
from .binary import cross_compiler
from .steps import FOLDER, ROOT, digest, made, run

# Patterns under tests/ of the tests that run on every interpreter, and of what they import.
_TESTS = (
    "core/test_*.py",
    "firmware/test_native_*.py",
    "kernel/test_budgets.py",
    "kernel/test_carrier.py",
    "kernel/test_orphans.py",
)
_BESIDE = (
    "__init__.py",
    "micropython.py",
    "core/*.py",
    "firmware/__init__.py",
    "firmware/scene.py",
    "fuzz/__init__.py",
    "fuzz/mutations.py",
    "kernel/__init__.py",
    "kernel/carried.py",
    "kernel/imitation.py",
)
# These read sources, which are not in a binary.
OF_SOURCES = ("test_native_table.py", "test_purity.py")
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


def compiled_tests() -> Path:
    """Return the folder with the compiled tests."""
    compiler = cross_compiler()
    paths = sorted({*_found(_BESIDE), *tests()})
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
    program = program.resolve()
    wrapper = program.with_name("run")
    draft = wrapper.with_suffix(".draft")
    start = " ".join([*architecture.emulator, str(program)])
    draft.write_text(_WRAPPER.format(start=start, compiler=cross_compiler()))
    draft.chmod(0o755)
    draft.rename(wrapper)
    return wrapper


def tests() -> list[Path]:
    """Return the files of tests that run on the firmware."""
    return [path for path in _found(_TESTS) if path.name not in OF_SOURCES]


def command_lines(runner: Path) -> list[list[str]]:
    """Return a command line for each file: one process for all would mark what they left behind again and again."""
    start = ["env", f"MICROPYPATH={compiled_tests()}", str(runner), "-m", "tests.micropython"]
    return [[*start, str(path)] for path in tests()]


def _found(patterns: tuple[str, ...]) -> list[Path]:
    return sorted(path for pattern in patterns for path in (ROOT / "tests").glob(pattern))


def lacking(architecture: Architecture) -> str:
    """Return which emulator this machine lacks, "" where it has what it needs."""
    emulator = architecture.emulator[0] if architecture.emulator else ""
    if emulator:
        return "" if shutil.which(emulator) else emulator
    return "" if os.uname().machine == architecture.name else f"a machine that is {architecture.name}"
