"""
The kernel path in machines of both byte orders, with 32 and 64 bits: attached from MicroPython, proven, taken away.

Each machine is bare: busybox, our firmware, and a pair of devices that belong together.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from firmware.gateway import image, packages, programs
from firmware.gateway.emulator import Emulator
from firmware.gateway.machines import BIG_ENDIAN, ROUTER
from tests.gateway.conftest import unpacked
from tests.gateway.router import assert_well

WITHIN = 120.0  # seconds, of a machine whose user space is some hundred times slower than this one's
FILE = "/etc/config/edgeturn"
CONFIGURATION = b"""config relay
	list listen 192.0.2.1
	list relay_address 192.0.2.1
"""
DEVICES = (
    "ip link add name near type veth",
    "ip link set near up; ip link set veth0 up",
    "ip address add 192.0.2.1/24 dev near",
    "echo 1 >/proc/sys/net/ipv4/conf/near/forwarding",
)
LOOK = "cat /proc/mounts; tc qdisc show dev near; ls /sys/fs/bpf"


@pytest.fixture(scope="module", params=[ROUTER, BIG_ENDIAN], ids=lambda machine: machine.name)
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    folder, made = unpacked(request.param), tmp_path_factory.mktemp("bare")
    archive = image.base(request.param, folder)
    archive.file("bin/edgeturn", programs.firmware(request.param).read_bytes(), 0o755)
    archive.file(FILE.lstrip("/"), CONFIGURATION, 0o600)
    (made / "initial.gz").write_bytes(archive.compressed())
    with Emulator(request.param, (packages.kernel(folder), made / "initial.gz"), made / "console") as started:
        for command in DEVICES:
            started.told(command, WITHIN)
        yield started


def answer(machine: Emulator, command: str) -> Any:
    return json.loads(machine.told(f"edgeturn kernel {command} --json -c {FILE}", WITHIN))


def test_it_is_attached_proven_and_leaves_nothing_behind(machine: Emulator) -> None:
    before = machine.told(LOOK, WITHIN)
    hooks = [(each["interface"], each["hook"], each["state"]) for each in answer(machine, "attach")["hooks"]]
    assert hooks == [("near", "tc", "proven")]
    assert "edgeturn" in machine.told("cat /proc/mounts", WITHIN)
    assert answer(machine, "attach")["to_do"] == []
    assert answer(machine, "detach")["detached"] == ["near"]
    assert machine.told(LOOK, WITHIN) == before
    assert_well(machine)
