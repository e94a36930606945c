"""What runs the relay under test, and what its clients come by, are parameters.

    pytest tests/blackbox --interpreter micropython --transport tls

A test marked `datagrams` is about UDP itself and is left out elsewhere.
"""

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

    parser.addoption(
        "--transport",
        choices=("udp", "tcp", "tls", "dtls"),
        default="udp",
        help="what the clients of the black-box tests come by",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "datagrams: about UDP between client and relay, and no other transport")
    if config.getoption("--interpreter") == "micropython" and not _micropython().is_file():
        raise pytest.UsageError(f"{_micropython()} is missing: `make micropython` fetches it")


@pytest.fixture(scope="session")
def interpreter_name(request: pytest.FixtureRequest) -> str:
    """Return "cpython" or "micropython"."""
    return str(request.config.getoption("--interpreter"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--transport") != "udp":
        left_out = [item for item in items if item.get_closest_marker("datagrams")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def transport(request: pytest.FixtureRequest) -> str:
    """Return what clients come by."""
    return str(request.config.getoption("--transport"))


@pytest.fixture(scope="session")
def interpreter(interpreter_name: str) -> list[str]:
    """Return the start of the command line that runs the relay."""
    return [sys.executable] if interpreter_name == "cpython" else [str(_micropython())]


def _micropython() -> Path:
    return Path(os.environ.get("EDGETURN_MICROPYTHON", _WRAPPER))
