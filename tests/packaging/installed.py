"""An edgeturn that was installed somewhere, called from a folder without the tree, without our environment."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 60.0
NOBODY = 65534
_HIDDEN = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "XDG_RUNTIME_DIR", "EDGETURN_ATTACH", "EDGETURN_ANYCAST")
# An application's own Python finds its packages by itself; of programs it has those without which nobody can look.
_PATH = "/usr/sbin:/sbin"
_SYSTEM_PYTHON = Path("/usr/bin/python3")


@dataclass(frozen=True)
class Installed:
    """The command, the folder that it's called from, and the user that calls it (None: who runs the tests)."""

    command: Path
    home: Path
    user: int | None = None

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in _HIDDEN}
        return kept | {"HOME": str(self.home), "PATH": f"{self.command.parent}:{_PATH}"}

    def start(self, *words: str, **given: Any) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [str(self.command), *words],
            cwd=self.home,
            env=self.environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            user=self.user,
            group=self.user,
            extra_groups=None if self.user is None else [],
            **given,
        )

    def say(self, *words: str, code: int = 0) -> str:
        """Call it to its end; return what it said, where it ended as expected."""
        process = self.start(*words)
        said, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == code, said
        assert "Traceback" not in said
        return said

    def configured(self, port: int, **settings: str) -> Path:
        """Return a fresh configuration that listens at a port of the loopback address only."""
        file = self.home / "edgeturn.conf"
        self.say("init", "--yes", "-c", str(file))
        own = {"listen": f"127.0.0.1:{port}", "relay_address": "127.0.0.1", "control": str(self.home / "control.sock")}
        for name, value in (own | settings).items():
            self.say("config", "set", name, value, "-c", str(file))
        return file

    @contextmanager
    def running(self, file: Path) -> Iterator[str]:
        """Run a relay; give what it printed until it was ready."""
        process = self.start("run", "-c", str(file))
        try:
            yield _until_ready(process)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0


def _until_ready(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    said, end = "", time.monotonic() + PATIENCE
    while "edgeturn ready" not in said:
        line = process.stdout.readline()
        assert line and time.monotonic() < end, said
        said += line
    return said


def everybodys_python() -> str:
    """Return an interpreter that other users may call, too; ours may be in somebody's home."""
    own = Path(sys.base_prefix).resolve()
    if all(folder.stat().st_mode & stat.S_IXOTH for folder in (own, *own.parents)):
        return sys.executable
    assert _SYSTEM_PYTHON.exists(), f"{own} is closed to other users, and there is no {_SYSTEM_PYTHON}"
    return str(_SYSTEM_PYTHON)


def python_folders(command: Path) -> list[Path]:
    """Return where the Python of a command finds edgeturn."""
    python = re.match(r"#!(\S+)", command.read_text())
    assert python is not None
    asked = "import edgeturn, json; print(json.dumps(list(edgeturn.__path__)))"
    told = finished([python[1], "-P", "-c", asked])
    return [Path(each) for each in json.loads(told)]


def finished(command: Sequence[str | Path], **given: Any) -> str:
    """Run a command to its end; return what it printed, where it ended well."""
    environment = {name: value for name, value in os.environ.items() if name not in _HIDDEN} | given.pop("env", {})
    done: subprocess.CompletedProcess[str] = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        env=environment,
        cwd="/",
        **given,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout
