"""The summary of `make test` counts what ran and is good only where everything passed and something ran."""

from collections import Counter
from pathlib import Path

import pytest

from tools.suite import (
    COMMANDS,
    FIRMWARE,
    GATEWAY,
    PACKAGES,
    PEOPLE,
    REST,
    ROOT,
    Outcome,
    last_line,
    read_junit,
    read_lines,
)

JUNIT = """<testsuites><testsuite>
  <testcase name="passes"/>
  <testcase name="fails"><failure message="assert 1 == 2"/></testcase>
  <testcase name="breaks"><error message="no fixture"/></testcase>
  <testcase name="skips"><skipped message="no namespaces"/></testcase>
</testsuite></testsuites>"""


def test_junit_is_counted(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(JUNIT)
    assert read_junit(report) == Outcome(passed=1, failed=2, skipped=Counter({"no namespaces": 1}))


def test_runner_output_is_counted() -> None:
    output = "SKIPPED tests/core/test_a.py::test_b: no ICMP: ever\n3 passed, 1 failed, 1 skipped\n"
    assert read_lines(output) == Outcome(passed=3, failed=1, skipped=Counter({"no ICMP: ever": 1}))


def test_runner_that_died_has_nothing() -> None:
    assert read_lines("MemoryError\n") == Outcome()


@pytest.mark.parametrize(
    ("what", "outcome", "good"),
    [
        ("all passed", Outcome(passed=1), True),
        ("one skipped", Outcome(passed=1, skipped=Counter("x")), True),
        ("one failed", Outcome(passed=1, failed=1), False),
        ("crashed after its tests", Outcome(passed=1, exit_code=139), False),
        ("nothing ran", Outcome(), False),
        ("all skipped", Outcome(skipped=Counter("x")), False),
    ],
)
def test_good(what: str, outcome: Outcome, good: bool) -> None:
    assert outcome.good == good, what


@pytest.mark.parametrize(
    ("outcomes", "line"),
    [
        ({"a": Outcome(passed=2), "b": Outcome(passed=3)}, "make test: passed, 5 tests"),
        ({"a": Outcome(passed=2, skipped=Counter("x"))}, "make test: passed, 2 tests, but 1 were skipped (see above)"),
        ({"a": Outcome(passed=2), "b": Outcome(), "c": Outcome()}, "make test: FAILED in b; c"),
    ],
)
def test_last_line(outcomes: dict[str, Outcome], line: str) -> None:
    assert last_line(outcomes) == line


def test_every_folder_of_tests_is_run() -> None:
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}
    assert folders == {*REST, *COMMANDS, *PACKAGES, *PEOPLE, *FIRMWARE, *GATEWAY, "blackbox"}
