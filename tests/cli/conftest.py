"""What the tests of the tool are given: a way to call it, a file to call it on, and real relays."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest
from click.testing import CliRunner, Result

from edgeturn.cli.root import edgeturn
from tests.blackbox import certificates
from tests.blackbox.certificates import Certificate
from tests.blackbox.relay import Relay, Value


class Call(Protocol):
    """Calls the tool with words; keeps that the exit code is the expected one."""

    def __call__(self, *words: str, code: int = 0, given: str = "") -> str: ...


class StartRelay(Protocol):
    """Starts a relay with some settings."""

    def __call__(self, **settings: Value) -> Relay: ...


@pytest.fixture
def call() -> Call:
    def call(*words: str, code: int = 0, given: str = "") -> str:
        result: Result = CliRunner().invoke(edgeturn, words, input=given, prog_name="edgeturn")
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result.output

    return call


@pytest.fixture
def file(tmp_path: Path, call: Call) -> Path:
    """A fresh configuration."""
    path = tmp_path / "edgeturn.conf"
    call("init", "--yes", "-c", str(path))
    return path


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificates.make(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def start(interpreter: list[str], tmp_path: Path) -> Iterator[StartRelay]:
    with ExitStack() as stack:

        def start(**settings: Value) -> Relay:
            folder = tmp_path / "relay"
            folder.mkdir()
            return stack.enter_context(Relay(interpreter, folder, settings))

        yield start
