"""A process under test: where it runs, what CPU time it has used, what memory it holds (proc(5)).

Rule 1: it dies with the bench, however that ends.
Rule 2: it is pinned and a little more important than the rest of the machine, so that neighbours disturb less.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1
NICENESS = -10
ALL_CPUS = os.sched_getaffinity(0)
LOAD_CPU, RELAY_CPU = min(ALL_CPUS), max(ALL_CPUS)
STOP_PATIENCE = 5.0

libc = ctypes.CDLL(None, use_errno=True)


def settled(cpus: set[int] | None) -> Callable[[], None]:
    """Return what a child does to itself before it becomes the program."""

    def settle() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.nice(NICENESS)
        os.sched_setaffinity(0, cpus or ALL_CPUS)

    return settle


def start(
    command: Sequence[str],
    cpus: set[int] | None,
    log: Path | None = None,
    folder: Path | None = None,
    environment: dict[str, str] | None = None,
) -> Process:
    """Start a program; its output goes to a file."""
    with open(log or os.devnull, "wb") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            preexec_fn=settled(cpus),
        )
    return Process(child, log)


@dataclass(frozen=True)
class Memory:
    """Bytes: resident, and resident with shared pages divided among those who share them."""

    resident: int
    proportional: int


class Process:
    def __init__(self, child: subprocess.Popen[bytes], log: Path | None) -> None:
        self.child = child
        self.log = log

    @property
    def path(self) -> Path:
        return Path("/proc") / str(self.child.pid)

    def cpu_time(self) -> int:
        """Return the nanoseconds that all its threads have run."""
        total = 0
        for task in (self.path / "task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total

    def memory(self) -> Memory:
        rows = dict(line.split(":", 1) for line in (self.path / "smaps_rollup").read_text().splitlines()[1:])
        return Memory(kilobytes(rows["Rss"]), kilobytes(rows["Pss"]))

    def ended(self) -> bool:
        return self.child.poll() is not None

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log else []
        return lines[-1] if lines else "it said nothing"

    def stop(self) -> None:
        self.child.terminate()
        try:
            self.child.wait(STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def kilobytes(text: str) -> int:
    return int(text.split()[0]) * 1024
