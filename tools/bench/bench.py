"""What every scenario shares: the network, the load generator, the systems that run, the number of repetitions.

Rule 1: systems start once and all run while they are compared; a repetition measures each in turn (A B C A B C).
Rule 2: a system that can't run here, or fails, is left out with one sentence; the others go on.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol

from tools.bench.figures import Section
from tools.bench.frames import Frames
from tools.bench.lab import Lab, LabError
from tools.bench.load import Load, build
from tools.bench.running import Running
from tools.bench.systems import FEW_ALLOCATIONS, Place, System
from tools.bench.turn_client import Refused, Silent

SPARE_INDEX = 15


class Labelled(Protocol):
    """What has a name to print: a system, or a way through the kernel."""

    @property
    def label(self) -> str: ...


FAULTS = (LabError, OSError, Refused, Silent, ValueError, subprocess.TimeoutExpired)


@dataclass
class Bench:
    """Enter it to have a network and a generator; systems start when they are first asked for."""

    repetitions: int
    quick: bool
    absent: dict[str, str] = field(default_factory=dict)
    loaded: Frames | None = None

    def __enter__(self) -> Bench:
        self.exits = ExitStack()
        self.started: dict[tuple[str, int], Running] = {}
        try:
            self.folder = Path(self.exits.enter_context(tempfile.TemporaryDirectory(prefix="edgeturn-bench-")))
            self.folder.chmod(0o755)
            self.load = Load(build(self.folder))
            self.lab = self.exits.enter_context(Lab())
        except LabError:
            self.exits.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for running in self.started.values():
            running.stop()
        self.exits.close()

    def running(self, *wanted: System, allocations: int = FEW_ALLOCATIONS) -> list[Running]:
        """Return those of the wanted systems that run here, starting them at need."""
        return [running for system in wanted if (running := self.start(system, allocations))]

    def start(self, system: System, allocations: int) -> Running | None:
        key = system.name, allocations
        if key not in self.started and self.can_run(system):
            with self.tolerating(system):
                folder = self.private_folder(f"{system.name}-{allocations}")
                if system.hook:
                    place, lab = Place(0, folder, allocations, self.pins()), self.own_lab()
                else:
                    place, lab = Place(len(self.started), folder, allocations), self.lab
                self.started[key] = Running(system, place, lab)
        return self.started.get(key)

    def own_lab(self) -> Lab:
        """Return a network for one relay, which goes with the others."""
        return self.exits.enter_context(Lab(1))

    def pins(self) -> Path:
        """Return a folder of this bench's own in a BPF file system."""
        folder = self.folder / "pins"
        if not folder.exists():
            folder.mkdir()
            done = subprocess.run(("mount", "-t", "bpf", "bpf", folder), capture_output=True, text=True, check=False)
            if done.returncode:
                raise LabError(f"a BPF file system can't be mounted: {done.stderr.strip()}")
            self.exits.callback(subprocess.run, ("umount", folder), check=False)
        return folder

    def frames(self) -> Frames:
        """Return the kernel programs of the bench."""
        if self.loaded is None:
            self.loaded = Frames(self.folder)
        return self.loaded

    def can_run(self, system: System) -> bool:
        if system.label not in self.absent and (reason := system.missing()):
            self.absent[system.label] = reason
        return system.label not in self.absent

    def possible(self, systems: Iterable[System]) -> list[System]:
        """Return those of the systems that this machine has."""
        return [system for system in systems if self.can_run(system)]

    @contextmanager
    def fresh(self, system: System, allocations: int = FEW_ALLOCATIONS) -> Iterator[Running]:
        """Run an instance of its own, for what must not have a past (memory, endurance)."""
        place = Place(SPARE_INDEX, self.private_folder(f"{system.name}-{allocations}-alone"), allocations)
        running = Running(system, place, self.lab)
        try:
            yield running
        finally:
            running.stop()

    def private_folder(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)
        return folder

    @contextmanager
    def tolerating(self, system: Labelled) -> Iterator[None]:
        """Note a system that fails and go on without it."""
        try:
            yield
        except FAULTS as error:
            logs = [running.process.last_words() for running in self.started.values() if running.system is system]
            self.absent[system.label] = "; its log: ".join((str(error), *logs[-1:]))

    def perform(self, name: str, scenario: Callable[[Bench], list[Section]]) -> list[Section]:
        """Measure one thing; where that fails, note it and go on with the next."""
        try:
            return scenario(self)
        except FAULTS as error:
            self.absent[name] = str(error)
            return []


def progress(text: str) -> None:
    """Say on stderr what is being measured, so that minutes of silence don't look like a hang."""
    print(f"bench: {text}", file=sys.stderr, flush=True)
