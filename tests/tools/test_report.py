"""The size and complexity report counts as its head says, and names each breach."""

from pathlib import Path

import pytest

from tools import report

BRANCHES = """
def plain(): pass

async def busy(items):
    for item in items:
        if item:
            pass
        elif not item:
            pass
    while items:
        try:
            items.pop()
        except IndexError:
            break
"""


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> report.File:
    monkeypatch.setattr(report, "ROOT", tmp_path)
    path = tmp_path / "edgeturn.py"
    path.write_text(BRANCHES)
    return report.measure(path)


def test_functions_are_measured(measured: report.File) -> None:
    assert [(f.place, f.lines, f.complexity) for f in measured.functions] == [
        ("edgeturn.py:2 plain", 1, 1),
        ("edgeturn.py:4 busy", 11, 6),
    ]


@pytest.mark.parametrize(
    ("what", "path", "file_lines", "function_lines", "complexity", "count"),
    [
        ("at the limits", "edgeturn/a.py", 500, 25, 10, 0),
        ("a long file", "tests/a.py", 501, 1, 1, 1),
        ("a long function", "edgeturn/a.py", 30, 26, 1, 1),
        ("a long function of a tool", "tools/a.py", 30, 26, 1, 0),
        ("a complex function", "tools/a.py", 30, 1, 11, 1),
        ("all at once", "edgeturn/a.py", 501, 26, 11, 3),
    ],
)
def test_breaches(what: str, path: str, file_lines: int, function_lines: int, complexity: int, count: int) -> None:
    file = report.File(path, file_lines, (report.Function(f"{path}:1 f", function_lines, complexity),))
    assert len(list(report.breaches([file]))) == count, what
