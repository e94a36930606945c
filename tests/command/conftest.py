"""The command without click, by whatever runs it: CPython, Debian's MicroPython, the firmware where it is built.

Each test runs with each of them, as processes; what isn't there is skipped and says what brings it.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.blackbox.relay import DEADLINE, HOST, ROOT, free_port, until
from tests.firmware.current import PROGRAM, firmware

MICROPYTHON = Path(os.environ.get("EDGETURN_MICROPYTHON", ROOT / ".build" / "micropython" / "bin" / "micropython"))
PROGRAMS = {
    "cpython": [sys.executable, "-m", "edgeturn.command"],
    "micropython": [str(MICROPYTHON), "-m", "edgeturn.command"],
    "firmware": [str(PROGRAM)],
}


class Command:
    """The command, run by one of the programs in a folder of its own."""

    def __init__(self, program: list[str], folder: Path) -> None:
        self.program = program
        self.called = program[0] if program[0].endswith("/edgeturn") else "edgeturn"  # in what it says is to be typed
        self.folder = folder
        self.file = folder / "edgeturn.conf"
        self.environment = {name: value for name, value in os.environ.items() if name != "XDG_RUNTIME_DIR"}

    def __call__(self, *words: str, code: int = 0, given: str = "") -> str:
        """Run it on the file; keep that the exit code is the expected one, and return what it said."""
        return self.bare(*words, "-c", str(self.file), code=code, given=given)

    def bare(self, *words: str, code: int = 0, given: str = "") -> str:
        """Run it with words only."""
        done = subprocess.run(
            [*self.program, *words],
            cwd=ROOT,
            env=self.environment,
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        assert done.returncode == code and "Traceback" not in done.stdout, done.stdout
        return done.stdout


_NETWORK = (
    "ip link set lo up; ip link add one type veth peer name two; ip address add 192.0.2.1/24 dev one; "
    'ip link set one up; ip link set two up; ip route add default via 192.0.2.2; exec "$@"'
)
_ALONE = ("unshare", "--net", "sh", "-ec", _NETWORK, "sh")


class Run:
    """An `edgeturn run`, and what it wrote so far."""

    def __init__(self, command: Command, *words: str, alone: bool = False) -> None:
        """Start it; alone: in a network of its own, which has one interface and a default route."""
        self.output, self.errors = command.folder / "output", command.folder / "errors"
        with self.output.open("w") as out, self.errors.open("w") as errors:
            argv = [*(_ALONE if alone else ()), *command.program, "run", "-c", str(command.file), *words]
            self.process = subprocess.Popen(argv, stdout=out, stderr=errors, cwd=ROOT, env=command.environment)

    def ready(self) -> "Run":
        """Wait until it's ready."""
        until(lambda: "edgeturn ready" in self.errors.read_text() or self.process.poll() is not None, "ready")
        assert self.process.poll() is None, self.errors.read_text()
        return self

    def end(self) -> int:
        """End it; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE)


@pytest.fixture(params=PROGRAMS)
def command(request: pytest.FixtureRequest, tmp_path: Path) -> Command:
    """The command by each program, with a file that isn't there yet."""
    program = PROGRAMS[request.param]
    if request.param == "firmware":
        firmware()
    elif not Path(program[0]).is_file():
        pytest.skip(f"{program[0]} isn't there; `make micropython` makes it")
    return Command(program, tmp_path)


@pytest.fixture
def configured(command: Command) -> Command:
    """The command with a file whose relay listens on a free port of the loopback address only."""
    command.file.write_text(
        f"# mine\nconfig relay 'main'\n\toption realm 'example.org'\n\tlist listen '{HOST}:{free_port()}' # here\n"
        f"\tlist relay_address '{HOST}'\n\toption control '{command.folder}/control.sock'\n\toption kernel 'off'\n"
        "\tlist secret 'one-shared-secret'\n"
    )
    command.file.chmod(0o600)
    return command


@pytest.fixture
def running(configured: Command) -> Iterator[Command]:
    """The command with its relay running."""
    run = Run(configured).ready()
    try:
        yield configured
    finally:
        assert run.end() == 0, run.errors.read_text()
