"""The time that a build gives everything it makes, so that the same tree gives the same bytes."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_LONG_AGO = 315532800  # 1980, before which a zip can't name a time


def epoch() -> int:
    """Return SOURCE_DATE_EPOCH, without it the time of the last commit, without that 1980; Unix seconds."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return int(given)
    try:
        told = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True)
    except OSError:
        return _LONG_AGO
    return int(told.stdout.strip() or _LONG_AGO)
