"""
Sizes and complexity of the source, and the house rules on them: `python -m tools.report`.

Rule 1: A file has at most 500 lines, a function's complexity is at most 10: everywhere.
Rule 2: A function has at most 25 lines, its signature and docstring included: in edgeturn/.
Complexity is counted as ruff's C901 does: one, and one for each branch of a statement.
"""

import ast
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PRODUCT, TESTS = "edgeturn", "tests"
FOLDERS = (PRODUCT, "firmware", "tools", TESTS)

FILE_LINES = 500
FUNCTION_LINES = 25
COMPLEXITY = 10

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.match_case, *_FUNCTIONS)


@dataclass(frozen=True)
class Function:
    """A function's place and measures."""

    place: str
    lines: int
    complexity: int


@dataclass(frozen=True)
class File:
    """A file's path from the root and its measures."""

    path: str
    lines: int
    functions: tuple[Function, ...]


def measure(path: Path) -> File:
    """Measure one file."""
    text, name = path.read_text(), str(path.relative_to(ROOT))
    nodes = (node for node in ast.walk(ast.parse(text)) if isinstance(node, _FUNCTIONS))
    functions = tuple(
        Function(f"{name}:{node.lineno} {node.name}", node_lines(node), complexity(node)) for node in nodes
    )
    return File(name, len(text.splitlines()), functions)


def node_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many lines a function takes, decorators apart."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def complexity(node: ast.AST) -> int:
    """Return McCabe's number; the function itself is the one branch that every function has."""
    return sum(isinstance(inner, _BRANCHES) for inner in ast.walk(node))


def breaches(files: list[File]) -> Iterator[str]:
    """Say each breach of a house rule."""
    for file in files:
        if file.lines > FILE_LINES:
            yield f"{file.path}: {file.lines} lines, at most {FILE_LINES}"
        for function in file.functions:
            if function.lines > FUNCTION_LINES and file.path.startswith(PRODUCT):
                yield f"{function.place}: {function.lines} lines, at most {FUNCTION_LINES}"
            if function.complexity > COMPLEXITY:
                yield f"{function.place}: complexity {function.complexity}, at most {COMPLEXITY}"


def summary(folder: str, files: list[File]) -> str:
    """Return a folder's line of the table."""
    lengths = sorted(function.lines for file in files for function in file.functions) or [0]
    worst = max((function.complexity for file in files for function in file.functions), default=0)
    p90 = lengths[int(0.9 * (len(lengths) - 1))]
    lines = total(files)
    median = statistics.median(lengths)
    return f"{folder:10}{len(files):6}{lines:8}{len(lengths):11}{median:8g}{p90:6}{lengths[-1]:6}{worst:12}"


def total(files: list[File]) -> int:
    """Return the lines of files."""
    return sum(file.lines for file in files)


def main() -> None:
    """Print the table and the breaches, and end with 1 where there is one."""
    measured = {folder: [measure(path) for path in sorted((ROOT / folder).rglob("*.py"))] for folder in FOLDERS}
    print("            files   lines  functions  median   p90   max  complexity   (lines of functions)")
    for folder, files in measured.items():
        print(summary(folder, files))
    print(f"test lines / product lines: {total(measured[TESTS]) / max(1, total(measured[PRODUCT])):.2f}")
    broken = [breach for files in measured.values() for breach in breaches(files)]
    print("\n".join(broken))
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
