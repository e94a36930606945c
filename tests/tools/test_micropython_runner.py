"""The MicroPython runner tells passing, failing, skipping, broken and empty test files apart."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tools.suite import MICROPYTHON, ROOT

PASSES = "def test_z(): pass\ndef test_a(): pass\n"
FAILS = "def test_a(): assert 1 == 2, 'no'\n"
SKIPS = "from unittest import SkipTest\ndef test_a(): raise SkipTest('why')\n"


def run(folder: Path, **files: str) -> tuple[int, list[str]]:
    """Run the runner over these files of tests/core; return its exit code and lines."""
    core = folder / "tests" / "core"
    core.mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "micropython.py", folder / "tests")
    for name, text in files.items():
        (core / f"{name}.py").write_text(text)
    done = subprocess.run([str(MICROPYTHON), "tests/micropython.py"], cwd=folder, capture_output=True, text=True)
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize(
    ("what", "files", "exit_code", "last"),
    [
        ("passing", {"test_a": PASSES}, 0, "2 passed, 0 failed, 0 skipped"),
        ("failing", {"test_a": PASSES, "test_b": FAILS}, 1, "2 passed, 1 failed, 0 skipped"),
        ("skipping", {"test_a": PASSES, "test_b": SKIPS}, 0, "2 passed, 0 failed, 1 skipped"),
        ("only skipping", {"test_a": SKIPS}, 1, "0 passed, 0 failed, 1 skipped"),
        ("not importable", {"test_a": PASSES, "test_b": "import nonesuch"}, 1, "2 passed, 1 failed, 0 skipped"),
        ("a file without tests", {"test_a": PASSES, "test_b": ""}, 1, "2 passed, 1 failed, 0 skipped"),
        ("no file", {"common": PASSES}, 1, "0 passed, 0 failed, 0 skipped"),
    ],
)
def test_verdict(what: str, files: dict[str, str], exit_code: int, last: str, tmp_path: Path) -> None:
    code, lines = run(tmp_path, **files)
    assert (code, lines[-1]) == (exit_code, last), what


def test_failures_come_in_the_order_of_the_file_with_their_reason(tmp_path: Path) -> None:
    names = ["zulu", "alpha", "mike", "bravo"]
    _, lines = run(tmp_path, test_a="".join(f"def test_{name}(): assert False, '{name}!'\n" for name in names))
    assert [line.rsplit("_")[-1] for line in lines if line.startswith("FAILED")] == names
    assert [line for line in lines if line.startswith("AssertionError")] == [
        f"AssertionError: {name}!" for name in names
    ]
