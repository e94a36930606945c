"""
All tests, on both interpreters: `python -m tools.suite`, which `make test` calls after everything was installed.

Rule 1: Every part runs, whatever became of the others.
Rule 2: The end says for each part what was counted, and why tests were skipped. A part in which nothing ran has failed.
Rule 3: Four parts run at a time, for most tests wait more than they compute; what a part prints comes when it ended.
"""

import os
import platform
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / ".build" / "results"
MICROPYTHON = ROOT / ".build" / "micropython" / "bin" / "micropython"


@dataclass
class Outcome:
    """What became of one part."""

    passed: int = 0
    failed: int = 0
    exit_code: int = 0
    seconds: float = 0.0
    skipped: Counter[str] = field(default_factory=Counter)
    output: str = ""

    @property
    def good(self) -> bool:
        return self.exit_code == 0 and self.failed == 0 and self.passed > 0

    def counts(self) -> str:
        """Return the numbers as a phrase."""
        return f"{self.passed} passed, {self.failed} failed, {self.skipped.total()} skipped"


def pytest(name: str, *arguments: str) -> Outcome:
    """Run a part under pytest."""
    report = RESULTS / f"{name}.xml"
    report.unlink(missing_ok=True)
    done = finished([sys.executable, "-m", "pytest", *arguments, f"--junitxml={report}"])
    outcome = read_junit(report) if report.exists() else Outcome()
    outcome.exit_code, outcome.output = done.returncode, done.stdout
    return outcome


def finished(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; return it with all that it printed."""
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def read_junit(report: Path) -> Outcome:
    """Count the test cases of a JUnit report."""
    outcome = Outcome()
    for case in ElementTree.parse(report).iter("testcase"):
        skipped = case.find("skipped")
        if skipped is not None:
            outcome.skipped[skipped.get("message", "")] += 1
        elif case.find("failure") is not None or case.find("error") is not None:
            outcome.failed += 1
        else:
            outcome.passed += 1
    return outcome


def bare(*paths: str) -> Outcome:
    """Run test files on MicroPython by its own runner."""
    done = finished([str(MICROPYTHON), "-X", "heapsize=16m", "tests/micropython.py", *paths])
    outcome = read_lines(done.stdout)
    outcome.exit_code, outcome.output = done.returncode, done.stdout
    return outcome


def read_lines(output: str) -> Outcome:
    """Count what the MicroPython runner printed."""
    outcome = Outcome(skipped=Counter(re.findall(r"^SKIPPED .*?: (.*)$", output, re.MULTILINE)))
    total = re.search(r"^(\d+) passed, (\d+) failed, \d+ skipped$", output, re.MULTILINE)
    if total:
        outcome.passed, outcome.failed = int(total[1]), int(total[2])
    return outcome


_FLOWS = ("carrier", "orphans", "budgets")  # the relay's half of the kernel path
# What a client may do is the same over each transport; DTLS needs more than MicroPython 1.25.
_OVER_ALL = ("relaying", "limits", "ports", "bandwidth", "mobility", "redirect")
_WAYS = (("cpython", "tcp"), ("cpython", "tls"), ("cpython", "dtls"), ("micropython", "tcp"), ("micropython", "tls"))


def over(interpreter: str, transport: str) -> Outcome:
    """Run the black-box tests of what is the same over each transport."""
    files = [f"tests/blackbox/test_{name}.py" for name in _OVER_ALL]
    return pytest(f"{interpreter}-{transport}", *files, f"--interpreter={interpreter}", f"--transport={transport}")


_NAMES = {"cpython": "CPython", "micropython": "MicroPython"}
Parts = tuple[tuple[str, Callable[[], Outcome]], ...]
REST = ("tools", "core", "cli", "fuzz", "kernel", "lab")
COMMANDS = ("command",)
PACKAGES = ("packaging", "openwrt")
FIRMWARE = ("firmware",)
GATEWAY = ("gateway",)
PEOPLE = ("diagnose", "capture", "probing", "terminal", "serving", "web", "tokens", "snippets")
_CPYTHON = f"CPython {platform.python_version()}"
# Each lane goes through its parts one after the other.
LANES: tuple[Parts, ...] = (
    ((f"{_CPYTHON}, all that isn't named below", lambda: pytest("cpython", *_folders(REST))),),
    (
        ("emulated machines", lambda: pytest("gateway", *_folders(GATEWAY))),
        ("firmware", lambda: pytest("firmware", *_folders(FIRMWARE))),
        ("packages", lambda: pytest("packages", *_folders(PACKAGES))),
    ),
    (
        (f"{_CPYTHON}, black-box tests", lambda: pytest("cpython-blackbox", "tests/blackbox")),
        ("the command, by everything that runs it", lambda: pytest("command", *_folders(COMMANDS))),
        *((f"{_NAMES[name]}, relaying over {way.upper()}", partial(over, name, way)) for name, way in _WAYS),
    ),
    (
        ("MicroPython, core tests", lambda: bare("tests/core")),
        ("MicroPython, flows", lambda: bare(*(f"tests/kernel/test_{name}.py" for name in _FLOWS))),
        # The other fuzz tests need hypothesis.
        ("MicroPython, mutated datagrams", lambda: bare("tests/fuzz/test_datagrams.py")),
        (
            "MicroPython, black-box tests",
            lambda: pytest("micropython", "tests/blackbox", "--interpreter=micropython"),
        ),
        ("what people and applications ask", lambda: pytest("people", *_folders(PEOPLE))),
    ),
)


def _folders(names: tuple[str, ...]) -> list[str]:
    return [f"tests/{name}" for name in names]


def run(name: str, part: Callable[[], Outcome]) -> Outcome:
    """Run a part, take its time, and print what it printed under its title."""
    print(f"=== {name}: started", flush=True)
    started = time.monotonic()
    outcome = part()
    outcome.seconds = time.monotonic() - started
    print(f"\n=== {name}\n{outcome.output}", flush=True)
    return outcome


def run_lane(parts: Parts) -> dict[str, Outcome]:
    """Run parts one after the other."""
    return {name: run(name, part) for name, part in parts}


def summarise(outcomes: dict[str, Outcome]) -> None:
    """Print a line a part, each reason for a skip, and one last line that says it all."""
    print("\n=== Summary")
    for name, outcome in outcomes.items():
        verdict = "ok    " if outcome.good else "FAILED"
        ending = f" (exit code {outcome.exit_code})" if outcome.exit_code else ""
        print(f"{verdict} {name}: {outcome.counts()}, {outcome.seconds:.0f} s{ending}")
        for reason, count in outcome.skipped.items():
            print(f"         {count} skipped: {reason}")
    print(last_line(outcomes))


def last_line(outcomes: dict[str, Outcome]) -> str:
    """Return the verdict: what failed, or how much passed and how much of it did not run."""
    failed = [name for name, outcome in outcomes.items() if not outcome.good]
    passed = sum(outcome.passed for outcome in outcomes.values())
    skipped = sum(outcome.skipped.total() for outcome in outcomes.values())
    if failed:
        return f"make test: FAILED in {'; '.join(failed)}"
    return f"make test: passed, {passed} tests" + (f", but {skipped} were skipped (see above)" if skipped else "")


def main() -> None:
    """Run all parts and end with 1 where one is not good."""
    # Debian keeps ip in a folder that a person's PATH need not have.
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    RESULTS.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(len(LANES)) as lanes:
        outcomes = {name: outcome for lane in lanes.map(run_lane, LANES) for name, outcome in lane.items()}
    summarise(outcomes)
    sys.exit(0 if all(outcome.good for outcome in outcomes.values()) else 1)


if __name__ == "__main__":
    main()
