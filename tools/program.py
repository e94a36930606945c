"""The kernel's program, compiled by clang for both byte orders: `python3 -m tools.program [FOLDER]`.

Rule 1: the same source gives the same bytes, wherever the tree is and whoever compiles it: no paths, no debug
        information, one compiler version. A test compiles anew and compares.
Rule 2: of the machine's headers it takes the kernel's interface only.
"""

import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "edgeturn" / "kernel" / "program" / "program.c"
COMPILER = "clang-14"
TARGETS = ("bpfel", "bpfeb")
_OPTIONS = ("-O2", "-mcpu=v3", "-g0", "-fno-ident", "-std=gnu11", "-Wall", "-Wextra", "-Werror")


class CompilerFailed(Exception):
    """What the compiler said."""


def name(target: str) -> str:
    """Return the file name of the object for a target."""
    return f"{SOURCE.stem}.{target}.o"


def compile_all(folder: Path) -> None:
    """Compile the program for both byte orders into a folder."""
    for target in TARGETS:
        compile_for(target, SOURCE, folder / name(target))


def compile_for(target: str, source: Path, output: Path) -> None:
    """Compile one source for one byte order; CompilerFailed where that fails."""
    command = [COMPILER, "-target", target, *_OPTIONS, f"-idirafter{_machine_headers()}"]
    _run([*command, "-c", source.name, "-o", str(output.resolve())], source.parent)


def _machine_headers() -> Path:
    """Return where <asm/types.h> is, which the compiler knows for this machine and not for BPF."""
    return Path("/usr/include") / _run([COMPILER, "-print-multiarch"], SOURCE.parent).strip()


def _run(command: list[str], folder: Path) -> str:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    except OSError as error:
        raise CompilerFailed(f"{command[0]} can't be run: {error.strerror}") from error
    if done.returncode:
        raise CompilerFailed(f"$ {' '.join(command)}\n{done.stderr}")
    return done.stdout


def main() -> None:
    """Compile into the folder of the source, or into another."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else SOURCE.parent
    try:
        compile_all(folder)
    except CompilerFailed as error:
        sys.exit(f"the program can't be compiled: {error}")
    for target in TARGETS:
        print(folder / name(target))


if __name__ == "__main__":
    main()
