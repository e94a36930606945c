"""All checks of the source, each whatever became of the others: `python -m tools.check`, which `make check` calls."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

CHECKS = (
    ("ruff check", ["ruff", "check", "--quiet", "."]),
    ("ruff format", ["ruff", "format", "--check", "--quiet", "."]),
    ("mypy --strict", ["mypy", "--strict"]),
    ("sizes and complexity", ["tools.report"]),
)


def main() -> None:
    """Run the checks, and end with 1 and their names where some failed."""
    failed = []
    for name, module in CHECKS:
        print(f"=== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", *module], cwd=ROOT).returncode:
            failed.append(name)
    print(f"make check: FAILED: {', '.join(failed)}" if failed else "make check: passed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
