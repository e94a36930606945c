"""The interpreter that runs the relay under test is a parameter: `pytest tests/blackbox --interpreter micropython`."""

import os
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[1]
_WRAPPER = _ROOT / ".build" / "micropython" / "bin" / "micropython"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--interpreter",
        choices=("cpython", "micropython"),
        default="cpython",
        help="what runs the relay under test (EDGETURN_MICROPYTHON names another MicroPython)",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--interpreter") == "micropython" and not _micropython().is_file():
        raise pytest.UsageError(f"{_micropython()} is missing: `make micropython` fetches it")


@pytest.fixture(scope="session")
def interpreter_name(request: pytest.FixtureRequest) -> str:
    """Return "cpython" or "micropython"."""
    return str(request.config.getoption("--interpreter"))


@pytest.fixture(scope="session")
def interpreter(interpreter_name: str) -> list[str]:
    """Return the start of the command line that runs the relay."""
    return [sys.executable] if interpreter_name == "cpython" else [str(_micropython())]


def _micropython() -> Path:
    return Path(os.environ.get("EDGETURN_MICROPYTHON", _WRAPPER))
