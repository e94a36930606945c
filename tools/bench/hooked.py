"""Attaches edgeturn's program in a network of the bench, as a person would, before the daemon starts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tools.bench.lab import Lab, LabError

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30
SIDES = ("to-client", "to-peer")


def hook_up(lab: Lab, file: Path, hook: str) -> None:
    """Attach, and make sure that it was proven on both sides."""
    command = (sys.executable, "-m", "edgeturn", "kernel", "attach", "--hook", hook, "-c", str(file), "--json")
    with lab.inside("relay"):
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=PATIENCE)
    if done.returncode:
        raise LabError(f"attaching failed: {done.stderr.strip()[-300:]}")
    hooks = json.loads(done.stdout)["hooks"]
    proven = [found for found in hooks if (found["hook"], found["state"]) == (hook, "proven")]
    if len(proven) != len(SIDES):
        raise LabError(f"{hook} isn't proven: {'; '.join(found['reason'] for found in hooks if found['reason'])}")
