"""
The firmware on every architecture, in qemu-user where the machine is another: the core tests, and the black-box suite.

EDGETURN_ARCHITECTURES names what is built and tested, with all tests each ("all": every one that there is); without it
the core tests run on a little-endian machine and on a 24Kc, which is big-endian and has no FPU, and the black-box
suite on the first.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from firmware.build.architectures import BY_NAME, ROWS
from firmware.build.tested import command, core_tests, lacking

ROOT = Path(__file__).resolve().parents[2]
FLAVOUR = os.environ.get("EDGETURN_FLAVOUR", "tls")
LONGEST = 3000
_WANTED = os.environ.get("EDGETURN_ARCHITECTURES", "").replace("all", " ".join(row.name for row in ROWS)).split()
CORE = _WANTED or ["x86_64", "mips"]
BLACK_BOX = _WANTED or ["x86_64"]


@pytest.mark.timeout(LONGEST)
@pytest.mark.parametrize("name", CORE)
def test_the_core_tests_pass(name: str) -> None:
    done = subprocess.run(core_tests(_runner(name)), capture_output=True, text=True, timeout=LONGEST)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    print(f"\n{name}-{FLAVOUR}, core: {done.stdout.splitlines()[-1]}")
    assert _passed(done.stdout) > 500


@pytest.mark.timeout(LONGEST)
@pytest.mark.parametrize("name", BLACK_BOX)
def test_the_black_box_suite_passes(name: str) -> None:
    environment = {**os.environ, "EDGETURN_MICROPYTHON": str(_runner(name))}
    suite = ["-q", "-p", "no:cacheprovider", "--interpreter", "micropython", "tests/blackbox"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *suite],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LONGEST,
    )
    assert done.returncode == 0, done.stdout[-8000:]
    print(f"\n{name}-{FLAVOUR}, black box: {done.stdout.splitlines()[-1]}")


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


def _passed(said: str) -> int:
    found = re.search(r"(\d+) passed", said)
    return int(found.group(1)) if found else 0
