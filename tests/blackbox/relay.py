"""
A relay process under test: its configuration, its log, its control socket, its end.

Rule 1: nothing sleeps a fixed time; what has to happen is waited for, up to a deadline.
Rule 2: that a datagram is dropped is seen by the relay's counters: every datagram that was sent is waited for there
        or at its destination, for the kernel keeps no order between sockets.
"""

import json
import os
import random
import resource
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 30.0  # a machine that runs four suites at once takes 10 to start a program
HOST, HOST6 = "127.0.0.1", "::1"
_NEVER_DRAWN = range(10240, 32768)  # Linux draws from 32768 on (ip_local_port_range)
REALM = "example.org"
SECRET = "one-shared-secret"
PASSWORDS = {"alice": "s3cret", "bob": "hunter2"}

Value = str | int | list[str]
Settings = dict[str, Value]
Address = tuple[str, int]
T = TypeVar("T")


def until(condition: Callable[[], T], what: str, seconds: float = DEADLINE) -> T:
    """Return what a condition returns once it is true."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)
    return value


def free_port() -> int:
    """
    Return a port that is free on both loopback addresses, for UDP and TCP.

    It is none of those that the kernel draws: another test's socket that asked for any port can't take it in between.
    """
    while True:
        port = random.choice(_NEVER_DRAWN)
        if all(_is_free(port, kind) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)):
            return port


def _is_free(port: int, kind: int) -> bool:
    with socket.socket(socket.AF_INET, kind) as four, socket.socket(socket.AF_INET6, kind) as six:
        try:
            four.bind((HOST, port))
            six.bind((HOST6, port))
        except OSError:
            return False
    return True


def defaults(folder: Path, port: int) -> Settings:
    """Return what the tests ask for unless they say otherwise."""
    return {
        "realm": REALM,
        "listen": [f"{HOST}:{port}", f"[{HOST6}]:{port}"],
        "relay_address": [HOST, HOST6],
        "allow_peer": ["127.0.0.0/8", "127.0.0.1", "::1"],  # addresses of the machine only by name
        "secret": [SECRET],
        "max_allocations": 8,
        "unauthenticated_rate": 0,
        "control": str(folder / "control.sock"),
        "log_level": "debug",
    }


def configuration(settings: Settings) -> str:
    """Return the text of a configuration with the test's users."""
    lines = ["config relay 'main'"]
    for name, value in settings.items():
        if isinstance(value, list):
            lines += [f"\tlist {name} '{item}'" for item in value]
        else:
            lines.append(f"\toption {name} '{value}'")
    for user, password in PASSWORDS.items():
        lines += [f"config user '{user}'", f"\toption password '{password}'"]
    return "\n".join(lines) + "\n"


class Relay:
    """A relay that was started; a context manager that ends it and looks for traces of errors."""

    def __init__(self, command: list[str], folder: Path, settings: Settings) -> None:
        self.folder = folder
        self.port = free_port()
        self.settings = defaults(folder, self.port) | settings
        if "certificate" in settings:
            self.settings.setdefault("listen_tls", self.settings["listen"])  # and not port 5349, which others have too
        self.file = folder / "edgeturn.conf"
        self.configure()
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [*command, "-m", "edgeturn.relay", "-c", str(self.file)],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"MICROPYPATH": f"{ROOT}:.frozen"},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Relay":
        try:
            until(lambda: self.log("edgeturn ready") or self.process.poll() is not None, "the status line")
        except BaseException:
            self.process.kill()
            self.process.wait(DEADLINE)
            raise
        if self.process.poll() is not None:
            self._reader.join(DEADLINE)
            raise AssertionError(self.lines)
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        self.ended()

    def configure(self, **settings: Value) -> None:
        """Write the file, with other settings if some are given."""
        self.settings |= settings
        self.file.write_text(configuration(self.settings))

    def ended(self) -> int:
        """Wait for the end; return the exit code."""
        try:
            code = self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self._reader.join(DEADLINE)
        assert not [line for line in self.lines if "Traceback" in line], "\n".join(self.lines)
        return code

    def server(self, host: str = HOST) -> Address:
        """Return where the relay listens."""
        return host, self.port

    @contextmanager
    def without_files(self) -> Iterator[None]:
        """Keep it from opening another file. The limit stays above what it polls: poll(2) fails beyond that."""
        pid = self.process.pid
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        used = {int(number) for number in os.listdir(f"/proc/{pid}/fd")}
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (min(set(range(len(used) + 1)) - used), before[1]))
        try:
            yield
        finally:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)

    # The log.

    def log(self, *words: str) -> list[str]:
        """Return the log lines with all of some words in them."""
        return [line for line in self.lines if all(word in line for word in words)]

    def logged(self, *words: str) -> str:
        """Wait for a log line with all of some words in it; return it."""
        return until(lambda: self.log(*words), f"a log line with {words}, in {self.lines}")[0]

    # The control socket.

    def control(self, request: object) -> dict[str, Any]:
        """Return the answer to a request."""
        return self.control_bytes(json.dumps(request).encode() + b"\n")

    def control_bytes(self, request: bytes) -> dict[str, Any]:
        """Return the answer to whatever is sent as a request."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(DEADLINE)
            sock.connect(str(self.settings["control"]))
            sock.sendall(request)
            answer = b"".join(iter(lambda: sock.recv(65536), b""))
        assert answer.endswith(b"\n"), answer
        found: dict[str, Any] = json.loads(answer)
        return found

    def command(self, name: str, **arguments: object) -> dict[str, Any]:
        """Return the answer to a command that has to be obeyed."""
        answer = self.control({"command": name} | arguments)
        assert answer["ok"], answer
        return answer

    def status(self) -> dict[str, Any]:
        return self.command("status")

    def sessions(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.command("sessions")["sessions"]
        return found

    def dropped(self, *reasons: str) -> int:
        """Return how many datagrams were dropped for some reasons."""
        counts: dict[str, int] = self.status()["dropped"]
        return sum(counts.get(reason, 0) for reason in reasons)

    def turn(self) -> None:
        """Let the loop go round: a command takes more than one turn, and after each the used relays are opened anew."""
        self.status()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))
