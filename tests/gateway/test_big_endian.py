"""
The firmware on a machine of the other byte order: the core's tests run in it, and its kernel carries a call.

The emulated machine is some fifty times slower than this one. The short form has the tests of what has a byte order;
with EDGETURN_GATEWAY_LONG all of the core's run. Its cables are its own, for the router with 64 MB may still be plugged
into the others.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from firmware.build.tested import OF_SOURCES, compiled_tests
from firmware.gateway.cables import Cables
from firmware.gateway.machines import BIG_ENDIAN
from tests.gateway.conftest import booting
from tests.gateway.router import Router
from tests.lab.programs import ROOT, why_no_namespaces
from tests.lab.test_kernel_restart import Caller

TESTS_END_WITHIN = 300.0
LONG_TESTS_END_WITHIN = 1800.0
LONG = "EDGETURN_GATEWAY_LONG" in os.environ
# Addresses, messages, attributes, nonces, flows: what is packed and unpacked.
NAMES = ("address", "anycast", "dual", "framing", "nonce", "peers", "redirect", "relayed", "seam_calls", "vectors")
FILES = "tests/core" if LONG else " ".join(f"tests/core/test_{name}.py" for name in NAMES)
LEAST = 500 if LONG else 75
PACKETS = 20


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    """The machine, with the compiled tests in /compiled, and in /tests the sources, where the runner reads names."""
    lacking = why_no_namespaces()
    if lacking:
        pytest.skip(lacking)
    left_out = shutil.ignore_patterns("__pycache__", *OF_SOURCES)
    made = tmp_path_factory.mktemp("big-endian")
    layer = made / "tests-layer"
    shutil.copytree(compiled_tests(), layer / "compiled")
    shutil.copytree(ROOT / "tests" / "core", layer / "tests" / "core", ignore=left_out)
    cables = Cables()
    with cables, booting(BIG_ENDIAN, cables, made, layer) as router:
        yield router


@pytest.mark.timeout(LONG_TESTS_END_WITHIN + 300)
def test_the_core_tests_pass(machine: Router) -> None:
    command = f"cd / && MICROPYPATH=/compiled:.frozen edgeturn -m tests.micropython {FILES}"
    result = machine.machine.run(command, LONG_TESTS_END_WITHIN if LONG else TESTS_END_WITHIN)
    print(result.output.splitlines()[-1])
    assert result.code == 0, result.output[-3000:]
    counted = re.search(r"^(\d+) passed, 0 failed", result.output, re.MULTILINE)
    assert counted and int(counted[1]) >= LEAST, result.output[-3000:]


def test_the_kernel_carries_a_call(machine: Router) -> None:
    assert {each["state"] for each in machine.answer("kernel status")["hooks"]} == {"proven"}
    before = machine.traffic()
    with ExitStack() as stack:
        caller = Caller(machine.network, machine.network.client1, 0, 4, stack)
        wrong = [each for number in range(PACKETS) for stream in caller.streams() if (each := stream.round(number))]
    assert wrong == []
    assert machine.traffic()["kernel_packets"] - before["kernel_packets"] == 2 * PACKETS
