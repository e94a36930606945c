"""Drives the C program: compiles it, hands it sockets and a plan, reads its answer."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.bench.lab import LabError
from tools.bench.process import LOAD_CPU, settled

SOURCE = Path(__file__).with_name("load.c")
PATIENCE = 60


def build(folder: Path) -> Path:
    """Compile the load generator and return its path."""
    if not shutil.which("gcc"):
        raise LabError("the load generator is compiled with gcc, which is missing: apt-get install gcc libc6-dev")
    program = folder / "load"
    done = subprocess.run(("gcc", "-O2", "-o", program, SOURCE), capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"compiling {SOURCE.name} failed (is libc6-dev installed?): {done.stderr.strip()[:300]}")
    return program


@dataclass(frozen=True)
class Plan:
    """Which sockets send what, which count (the lines of load.c), and their descriptors."""

    lines: tuple[str, ...]
    descriptors: tuple[int, ...]


def plan(lines: Iterable[str]) -> Plan:
    rows = tuple(lines)
    return Plan(rows, tuple({int(line.split()[1]) for line in rows}))


@dataclass(frozen=True)
class Load:
    """The compiled generator."""

    program: Path

    def run(self, mode: str, seconds: float, size: int, *rates: int, plan: Plan) -> dict[str, Any]:
        """Run it on its own CPU and return what it measured."""
        done = subprocess.run(
            (self.program, mode, f"{seconds:.3f}", str(size), *map(str, rates)),
            input="".join(f"{line}\n" for line in plan.lines),
            capture_output=True,
            text=True,
            pass_fds=plan.descriptors,
            preexec_fn=settled({LOAD_CPU}),
            timeout=seconds + PATIENCE,
            check=False,
        )
        if done.returncode:
            raise LabError(done.stderr.strip() or "the load generator failed")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    @contextmanager
    def blasting(self, size: int, plan: Plan) -> Iterator[None]:
        """Send on its own CPU, as fast as it goes, until the end of the block."""
        child = subprocess.Popen(
            (self.program, "blast", str(PATIENCE), str(size)),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            pass_fds=plan.descriptors,
            preexec_fn=settled({LOAD_CPU}),
        )
        try:
            if child.stdin:
                child.stdin.write("".join(f"{line}\n" for line in plan.lines))
                child.stdin.close()
            yield
        finally:
            child.kill()
            child.wait()
