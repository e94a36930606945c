"""What the tests of captures are given: real relays, and the tool as a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from tests.blackbox import certificates
from tests.blackbox.certificates import Certificate
from tests.blackbox.relay import DEADLINE, ROOT, Relay, until


class Tool:
    """The tool, watching a relay as a process of its own."""

    def __init__(self, relay: Relay, *words: str) -> None:
        command = [sys.executable, "-m", "edgeturn", words[0], "-c", str(relay.file), *words[1:]]
        pipe, before = subprocess.PIPE, relay.status()["taps"]
        self.process = subprocess.Popen(
            command, cwd=relay.folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=pipe, stderr=pipe
        )
        until(lambda: relay.status()["taps"] > before or self.process.poll() is not None, "the tap")

    def line(self) -> str:
        """Wait for the next line of standard output, with what it ends with."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode()

    def interrupt(self) -> tuple[bytes, str]:
        """Type Ctrl-C; return what it says."""
        self.process.send_signal(signal.SIGINT)
        return self.ended()

    def ended(self, code: int = 0) -> tuple[bytes, str]:
        """Wait for the end; return standard output and standard error."""
        out, error = self.process.communicate(timeout=DEADLINE)
        assert self.process.returncode == code and b"Traceback" not in error, error
        return out, error.decode()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class Watch(Protocol):
    """Starts the tool on a relay."""

    def __call__(self, relay: Relay, *words: str) -> Tool: ...


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What is to be closed after the test."""
    with ExitStack() as opened:
        yield opened


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificates.make(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def relay(stack: ExitStack, interpreter: list[str], tmp_path: Path) -> Relay:
    """A relay of UDP and TCP."""
    return stack.enter_context(Relay(interpreter, tmp_path, {}))


@pytest.fixture
def every_way(stack: ExitStack, interpreter: list[str], tmp_path: Path, certificate: Certificate) -> Relay:
    """A relay of every transport."""
    return stack.enter_context(Relay(interpreter, tmp_path, {**certificate.settings(), "dtls": 1}))


@pytest.fixture
def watch(stack: ExitStack) -> Watch:
    def watch(relay: Relay, *words: str) -> Tool:
        tool = Tool(relay, *words)
        stack.callback(tool.close)
        return tool

    return watch
