"""What the tests of packages share: the wheel, built once, and folders that any user may enter."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools import wheel


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The source distribution and the wheel."""
    return wheel.build(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session")
def open_folder() -> Iterator[Path]:
    """A folder that other users may enter and write into, which pytest's own is not."""
    with tempfile.TemporaryDirectory(prefix="edgeturn-packaging-") as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder
