"""Hostile packets, a million of them, through the program at both hooks: what comes out is what the model says.

    hostile.py ──► packet ──┬──► program (BPF_PROG_TEST_RUN) ──► verdict, bytes, counts ──┐
                            └──► model.py ─────────────────────► verdict, bytes, counts ──┴──► the same?

EDGETURN_FUZZ_PACKETS says how many, EDGETURN_FUZZ_SEED which. What fails is printed with its packet.
"""

import ctypes
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.kernel.fuzzing import NEW_MOUNTS, NEW_NETWORK
from tests.kernel.model import NUMBERS

PACKETS = int(os.getenv("EDGETURN_FUZZ_PACKETS") or 1000000)
SEED = int(os.getenv("EDGETURN_FUZZ_SEED") or 8656)
PROCESSES = 2
TIMEOUT = 60 + PACKETS // 1000  # seconds: ten times what it takes
ROOT = Path(__file__).resolve().parents[2]
NEVER = {"tc": ("neighbour", "device"), "xdp": ("segments",)}
# Of so many packets each outcome has some; with fewer, chance decides.
ENOUGH = 20000


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return runner.c as a library."""
    library = tmp_path_factory.mktemp("fuzz") / "runner.so"
    source = Path(__file__).with_name("runner.c")
    command = ["gcc", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(library), str(source)]
    subprocess.run(command, check=True, timeout=60)
    return library


def why_not() -> str:
    """Return what the machine refuses that the fuzz needs: namespaces of its own, in a child that ends at once."""
    child = os.fork()
    if not child:
        os._exit(1 if ctypes.CDLL(None).unshare(NEW_NETWORK | NEW_MOUNTS) else 0)
    return "the kernel refuses network and mount namespaces" if os.waitpid(child, 0)[1] else ""


def fuzz(runner: Path, count: int) -> list[dict[str, object]]:
    """Run so many packets in all, and return what each process reports."""
    command = [sys.executable, "-m", "tests.kernel.fuzzing", str(runner)]
    processes = [
        subprocess.Popen([*command, str(SEED + number), str(count // PROCESSES)], cwd=ROOT, stdout=subprocess.PIPE)
        for number in range(PROCESSES)
    ]
    try:
        return [json.loads(each.communicate(timeout=TIMEOUT)[0] or "{}") for each in processes]
    finally:
        for each in processes:
            each.kill()
            each.wait()


@pytest.mark.timeout(TIMEOUT + 30)
def test_what_comes_out_is_what_the_model_says(runner: Path) -> None:
    lacking = why_not()
    if lacking:
        pytest.skip(lacking)
    reports = fuzz(runner, PACKETS)
    assert all(reports), "a process of the fuzz has failed: see above"
    outcomes: dict[str, Counter[str]] = {"tc": Counter(), "xdp": Counter()}
    for report in reports:
        for example in sorted(report["examples"], key=lambda each: len(each["packet"]))[:10]:  # type: ignore[call-overload]
            print(json.dumps(example))
        print(*report["miscounted"], sep="\n")  # type: ignore[misc]
        for hook, counted in report["outcomes"].items():  # type: ignore[attr-defined]
            outcomes[hook].update(counted)
    print(outcomes)
    assert [report["wrong"] for report in reports] == [0] * PROCESSES
    assert [report["miscounted"] for report in reports] == [[]] * PROCESSES
    assert sum([int(str(report["packets"])) for report in reports]) == PACKETS // PROCESSES * PROCESSES
    if PACKETS >= ENOUGH:
        for hook, counted in outcomes.items():
            missing = [name for name in NUMBERS if not counted[name] and name not in NEVER[hook]]
            assert not missing, f"{hook}: no packet came so far"
            assert counted["carried"] > PACKETS // 20
