"""
The firmware on every architecture, in qemu-user where the machine is another: core tests and black-box suite.

EDGETURN_ARCHITECTURES names what is built and tested, each whole ("all": every one that there is). Without it the core
tests and a part of the black-box suite run here; and on the MIPS of the emulated gateway, which has no FPU and 32 bits,
the C module's tests and those of the core that calculate. The other byte order is tests/gateway/test_big_endian.py's.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from firmware.build.architectures import BY_NAME, ROWS
from firmware.build.tested import command, command_lines, lacking

ROOT = Path(__file__).resolve().parents[2]
FLAVOUR = os.environ.get("EDGETURN_FLAVOUR", "tls")
LONGEST = 5000
_WANTED = os.environ.get("EDGETURN_ARCHITECTURES", "").replace("all", " ".join(row.name for row in ROWS)).split()
CORE = _WANTED or ["x86_64"]
CALCULATING = ("native", "address", "budget", "nonce", "pool", "seam_calls", "stun", "token", "vectors")
BLACK_BOX = _WANTED or ["x86_64"]
_PART = ("relaying", "dtls", "tls", "process", "attacher", "token")
SUITE = ["tests/blackbox"] if _WANTED else [f"tests/blackbox/test_{name}.py" for name in _PART]
_COUNTED = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", re.MULTILINE)


@pytest.mark.timeout(LONGEST)
@pytest.mark.parametrize("name", CORE)
def test_the_core_tests_pass(name: str) -> None:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        said = list(pool.map(_said, command_lines(_runner(name))))
    passed, failed, skipped = _counted(said)
    print(f"\n{name}-{FLAVOUR}, core: {passed} passed, {failed} failed, {skipped} skipped")
    assert not failed, "\n".join(each for each in said if not _COUNTED.search(each) or "FAILED" in each)
    assert passed > 500


@pytest.mark.timeout(LONGEST)
@pytest.mark.skipif(bool(_WANTED), reason="every test of the core runs on what was named")
def test_what_calculates_does_so_without_an_fpu() -> None:
    wanted = [each for each in command_lines(_runner("mipsel")) if any(name in each[-1] for name in CALCULATING)]
    said = [_said(each) for each in wanted]
    passed, failed, _ = _counted(said)
    assert not failed, "\n".join(said)
    assert passed > 150


@pytest.mark.timeout(LONGEST)
@pytest.mark.parametrize("name", BLACK_BOX)
def test_the_black_box_suite_passes(name: str) -> None:
    environment = {**os.environ, "EDGETURN_MICROPYTHON": str(_runner(name))}
    with tempfile.TemporaryDirectory(prefix="pytest-") as folder:  # a Unix socket's path is 107 bytes at most
        options = ["-q", "-rsfE", "-p", "no:cacheprovider", f"--basetemp={folder}/{name}"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, "--interpreter", "micropython", *SUITE],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LONGEST,
        )
    print(f"\n{name}-{FLAVOUR}, black box: {done.stdout[done.stdout.rfind('= short test summary') :]}")
    assert done.returncode == 0, done.stdout[-8000:]


@pytest.mark.parametrize(
    ("what", "script", "code", "said"),
    [
        ("an exception that nothing catches", "raise ValueError('so')", 1, "ValueError: so"),
        ("an exit with a number", "import sys; sys.exit(3)", 3, ""),
        ("an exit without one", "import sys; sys.exit()", 0, ""),
    ],
)
def test_the_program_ends(what: str, script: str, code: int, said: str, tmp_path: Path) -> None:
    (tmp_path / "ending.py").write_text(script)
    compiler = ROOT / ".build" / "firmware" / "mpy-cross" / "mpy-cross"
    runner = _runner("x86_64")
    subprocess.run([compiler, "-o", tmp_path / "ending.mpy", tmp_path / "ending.py"], check=True)
    (tmp_path / "ending.py").unlink()
    done = subprocess.run([runner, "-m", "ending"], env={"MICROPYPATH": str(tmp_path)}, capture_output=True, text=True)
    assert (done.returncode, said in done.stderr) == (code, True), what
    assert ("Traceback" in done.stderr) == bool(said)


def _runner(name: str) -> Path:
    """Build and return what runs an architecture's binary; skip where its emulator is missing."""
    missing = lacking(BY_NAME[name])
    if missing:
        pytest.skip(f"needs {missing}")
    built = [sys.executable, "-m", "firmware.build", name, "--flavour", FLAVOUR]
    done = subprocess.run(built, cwd=ROOT, capture_output=True, text=True, timeout=LONGEST)
    assert done.returncode == 0, done.stderr
    return command(BY_NAME[name], Path(done.stdout.strip()))


def _said(command: list[str]) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LONGEST)
    return f"{command[-1]}: exit code {done.returncode}\n{done.stdout}"


def _counted(said: Iterable[str]) -> tuple[int, int, int]:
    """Return how many passed, failed and were skipped; a file that came to no end is a failure."""
    rows = [found.groups() if (found := _COUNTED.search(each)) else (0, 1, 0) for each in said]
    passed, failed, skipped = (sum(map(int, column)) for column in zip(*rows, strict=True))
    return passed, failed, skipped
