"""
Attaching from MicroPython and from the firmware: what the tool on CPython takes away, and the other way round.

On CPython the same code is below `edgeturn kernel`, and tested with it: test_attachment.py and its neighbours.

    client ──── lan  router  wan ──── peer        tests/kernel/lab/topology.py: Line
"""

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edgeturn.cli import kernel_report
from edgeturn.kernel import flows, maps
from edgeturn.kernel.bpf import index
from edgeturn.kernel.direct import gro
from edgeturn.relay.passwd import find_user
from tests.firmware.current import firmware
from tests.kernel.attaching import (
    ALL,
    BOTH,
    Site,
    add_filter,
    carry,
    filters_handle,
    filters_of,
    look,
    set_fraglists,
    xdp_program,
)
from tests.kernel.lab.kernel import Binding
from tests.kernel.lab.topology import cable, forward
from tools.suite import MICROPYTHON, ROOT

COMMAND = [str(MICROPYTHON), "-X", "heapsize=8m"]
WITHOUT_RIGHTS = ("setpriv", "--bounding-set", "-all", "--inh-caps", "-all")
SCRIPT = str(ROOT / "tests/kernel/direct.py")


@dataclass
class Direct:
    """Attaching on MicroPython, at a site."""

    site: Site
    folder: Path

    def run(self, step: str, *names: str, before: tuple[str, ...] = (), rights: bool = True) -> list[str]:
        """Do a step in a process of its own, and return what it tells."""
        file = self.folder / "direct.conf"
        file.write_text(self.site.settings_text)
        file.chmod(0o644)
        # Not by `ip netns exec`: what it mounts is gone at its end.
        command = ["nsenter", f"--net=/run/netns/{self.site.node.name}", *(() if rights else WITHOUT_RIGHTS)]
        command += [*COMMAND, SCRIPT, step, *before, str(file), *names]
        paths = {"MICROPYPATH": f"{ROOT}:.frozen"}
        done = subprocess.run(command, env={**os.environ, **paths}, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()

    def attach(self, *names: str) -> dict[str, str]:
        return dict(line.rsplit(" ", 1) for line in self.run("attach", *names))

    def detach(self) -> list[str]:
        (line,) = self.run("detach")
        return line.split()[1:]


@pytest.fixture
def direct(site: Site, tmp_path: Path) -> Direct:
    return Direct(site, tmp_path)


def test_it_is_attached_proven_and_leaves_nothing_behind(direct: Direct) -> None:
    site = direct.site
    before = look(site.node, "lan", "wan")
    assert direct.attach() == BOTH
    assert "clsact" in site.node.tc("qdisc", "show", "dev", "lan")
    assert [f"pref 49152 bpf chain 0 handle {filters_handle(site)} edgeturn direct-action" in each
            for each in filters_of(site, "wan")] == [True]  # fmt: skip
    assert direct.detach() == ["lan", "wan"]
    assert look(site.node, "lan", "wan") == before and not site.pins.exists()
    assert direct.detach() == []


def test_what_it_attached_carries_media_both_ways(direct: Direct) -> None:
    direct.attach()
    assert_carries_both_ways(direct.site)


def assert_carries_both_ways(site: Site) -> None:
    """Send a datagram each way through flows that nobody but the kernel looks at."""
    opened = maps.open_all(str(site.folder))
    binding = Binding(("192.0.2.1", 3478), ("192.0.2.11", 40001), ("198.51.100.1", 50001), ("198.51.100.11", 40002))
    carry(opened, binding)
    client, peer = site.line.client.udp(binding.client), site.line.peer.udp(binding.peer)
    client.sendto(binding.message(b"up"), binding.listener)
    assert peer.recvfrom(100) == (b"up", binding.relayed)
    peer.sendto(b"down", binding.relayed)
    assert client.recvfrom(100) == (binding.message(b"down"), binding.listener)
    assert [flows.read_counter(opened.counters.get(index(place)) or b"")[:2] for place in (0, 1)] == [(1, 2), (1, 4)]
    for each in (opened, client, peer):
        each.close()


def test_what_it_made_the_other_half_takes_away(direct: Direct) -> None:
    site = direct.site
    before = look(site.node, "lan", "wan")
    direct.attach()
    places = site.inspect().places
    assert site.attach("tc") == BOTH
    assert [each[:5] for each in site.inspect().places] == [each[:5] for each in places]
    assert [len(filters_of(site, device)) for device in ("lan", "wan")] == [1, 1]
    assert site.detach() == ["lan", "wan"]
    assert look(site.node, "lan", "wan") == before and not site.pins.exists()


def test_what_the_other_half_made_it_takes_away_and_xdp_too(direct: Direct) -> None:
    site = direct.site
    before = look(site.node, "lan", "wan")
    assert site.attach("xdp") == ALL
    assert direct.detach() == ["lan", "wan"]
    assert look(site.node, "lan", "wan") == before and not site.pins.exists()


def test_attaching_again_keeps_everything_but_the_program_and_leaves_no_xdp(direct: Direct) -> None:
    site = direct.site
    site.attach("xdp")
    before = {place.interface: place for place in site.inspect().places if place.kind == flows.TC}
    assert direct.attach("wan") == {"wan tc": "proven"}
    assert xdp_program(site.node, "wan") == 0 and xdp_program(site.node, "lan")
    after = {place.interface: place for place in site.inspect().places if place.kind == flows.TC}
    assert after["lan"] == before["lan"]
    assert after["wan"][:5] == before["wan"][:5] and after["wan"].program != before["wan"].program


def test_other_limits_make_other_maps_for_all_that_is_attached(direct: Direct) -> None:
    site = direct.site
    site.attach("xdp")
    site.lines = ("option max_allocations 128",)
    assert direct.attach("wan") == BOTH
    assert [xdp_program(site.node, device) for device in ("lan", "wan")] == [0, 0]
    opened = maps.open_all(str(site.folder))
    assert opened.flows.entries == 2 * 2 * 4 * 128  # two flows of twice the channels that all share
    opened.close()


def test_a_file_system_for_pins_is_mounted_and_taken_away(direct: Direct, tmp_path: Path) -> None:
    site = direct.site
    site.pins = tmp_path / "some folder" / "pins"
    assert direct.attach() == BOTH
    (row,) = mounted_at("some\\040folder")
    assert row.startswith("edgeturn ") and " bpf " in row and os.stat(site.pins).st_mode & 0o777 == 0o755
    assert direct.attach() == BOTH and len(mounted_at("some\\040folder")) == 1
    direct.detach()
    assert not mounted_at("some\\040folder") and not site.pins.exists()


def mounted_at(words: str) -> list[str]:
    return [each for each in Path("/proc/self/mounts").read_text().splitlines() if words in each]


def test_pins_belong_to_the_user_of_the_relay(direct: Direct) -> None:
    direct.site.lines = ("option user nobody",)
    direct.attach()
    found = find_user("nobody")
    assert found is not None
    owned = {each.name for each in direct.site.folder.iterdir() if os.stat(each).st_uid == found[0]}
    assert owned == set(maps.RELAYS)
    assert [os.stat(each).st_uid for each in (direct.site.pins, direct.site.folder)] == [0, 0]
    assert os.stat(direct.site.folder).st_mode & 0o777 == 0o750


def test_an_interface_whose_name_is_no_text_is_in_nobodys_way(direct: Direct) -> None:
    name = b"a\xff\x1b"
    link = [b"ip", b"-n", direct.site.node.name.encode(), b"link"]
    subprocess.run([*link, b"add", name, b"type", b"veth", b"peer", b"name", b"other"], check=True, timeout=10)
    subprocess.run([*link, b"set", name, b"up"], check=True, timeout=10)
    assert direct.attach() == BOTH
    assert sorted(direct.detach()) == sorted({each.split()[0] for each in BOTH})


def test_an_interface_that_goes_meanwhile_costs_the_others_nothing(direct: Direct) -> None:
    link = ["ip", "-n", direct.site.node.name, "link"]
    subprocess.run([*link, "add", "brief", "type", "veth", "peer", "name", "other"], check=True, timeout=10)
    subprocess.run([*link, "set", "brief", "up"], check=True, timeout=10)
    assert direct.run("vanished", "brief", "wan", before=("brief",)) == ["wan tc proven"]
    assert direct.attach() == BOTH
    assert sorted(direct.detach()) == ["lan", "wan"]


def test_a_folder_that_another_made_first_is_not_used(direct: Direct) -> None:
    # Whoever may make folders in a file system of pins, which is mounted open to all unless it's said otherwise.
    site = direct.site
    site.pins.mkdir()
    elsewhere = site.pins.parent / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    site.folder.symlink_to(elsewhere)
    for owner in (65534, 0):  # the folder is another's; then only the link in it was
        os.chown(site.pins, owner, 0)
        for step in ("attach", "detach"):
            (line,) = direct.run(step)
            assert "belongs to another user, or leads elsewhere" in line, (owner, step)
    assert os.listdir(elsewhere) == [] and os.stat(elsewhere).st_mode & 0o777 == 0o700
    site.folder.unlink()
    assert direct.attach() == BOTH
    direct.detach()
    elsewhere.rmdir()


def test_forwarding_and_fraglists_are_switched_and_put_back(direct: Direct) -> None:
    site = direct.site
    forward(site.node, False)
    set_fraglists(site, True)
    before = look(site.node, "lan", "wan")
    site.lines = ("option kernel_gro off",)
    direct.run("forward")
    found = look(site.node, "lan", "wan")
    changed = [name for name in found if name.startswith("ip") or name.endswith(gro.NAME)]
    assert {name: found[name].strip() for name in changed} == {
        **{f"{device} rx-gro-list": "False" for device in ("lan", "wan")},
        **{f"ipv{family}/conf/{device}/forwarding": "1" for family in (4, 6) for device in ("lan", "wan")},
    }
    direct.detach()
    assert look(site.node, "lan", "wan") == before


STEPS = [
    ("filters", "_make_clsact"),
    ("filters", "attach"),
    ("gro", "switch"),
    ("forwarding", "switch"),
]


@pytest.mark.parametrize("step", STEPS, ids=[" ".join(row) for row in STEPS])
def test_a_kill_leaves_nothing(direct: Direct, step: tuple[str, str]) -> None:
    site = direct.site
    forward(site.node, False)
    set_fraglists(site, True)
    before = look(site.node, "lan", "wan")
    site.lines = ("option kernel_gro off",)
    assert direct.run("killed", before=step) == ["killed"]
    assert look(site.node, "lan", "wan") != before
    direct.detach()
    assert look(site.node, "lan", "wan") == before and not site.pins.exists()


def test_without_rights_it_is_refused_in_a_sentence_and_nothing_is_left(direct: Direct) -> None:
    before = look(direct.site.node, "lan", "wan")
    assert direct.run("at_start", rights=False) == [
        "Kernel: media stays in Python: this takes root, or the capabilities CAP_BPF and CAP_NET_ADMIN."
    ]
    assert direct.run("attach", rights=False) in (["failed: 1"], ["failed: 13"])
    assert look(direct.site.node, "lan", "wan") == before


def test_what_is_said_at_the_start(direct: Direct) -> None:
    assert direct.run("at_start") == ["Kernel: attached by tc at lan, wan."]
    forward(direct.site.node, False)
    (said,) = direct.run("at_start")
    assert said.startswith(
        "Kernel: attached by tc at lan, wan, but forwarding is off there: all media stays in Python."
    )
    assert said.endswith("direct.conf` says what to do.")
    direct.site.lines = ("option kernel off",)
    assert direct.run("at_start") == []


def test_the_status_is_that_of_the_other_half(direct: Direct) -> None:
    site = direct.site
    forward(site.node, False)
    direct.attach()
    cable(site.node, "extra", site.line.client, "extra")
    site.node.ip("address", "add", "192.0.2.1/32", "dev", "extra")
    (said,) = direct.run("status")
    with site.node.entered():
        expected = kernel_report.make(site.settings, direct.folder / "direct.conf").document()
    assert json.loads(said) == expected
    assert [each["state"] for each in expected["hooks"]] == ["proven", "proven"] and len(expected["to_do"]) == 2
    direct.detach()
    (said,) = direct.run("status")
    assert json.loads(said)["attached"] is False


def test_filters_of_others_stay_and_are_named(direct: Direct) -> None:
    site = direct.site
    site.node.tc("qdisc", "add", "dev", "lan", "clsact")
    add_filter(site.node, "lan", 49152, 1, "of_another")
    assert direct.attach("lan") == {"lan tc": "proven"}
    assert len(filters_of(site, "lan")) == 2
    add_filter(site.node, "lan", 1, 1, "first", answer=0)
    assert direct.attach("lan") == {"lan tc": "hidden"}
    direct.detach()
    assert len(filters_of(site, "lan")) == 2 and "clsact" in site.node.tc("qdisc", "show", "dev", "lan")


def test_a_name_that_is_not_there(direct: Direct) -> None:
    (said,) = direct.run("attach", "nope")
    assert said.startswith("refused: there is no interface nope; there are lan, lo, wan")
    assert not direct.site.pins.exists()


# The firmware.


@pytest.fixture
def router(site: Site, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """A command of the firmware's `edgeturn kernel`, which answers with a document."""
    program = str(firmware())

    def command(*words: str) -> dict[str, Any]:
        file = tmp_path / "direct.conf"
        file.write_text(site.settings_text)
        line = [
            "nsenter",
            f"--net=/run/netns/{site.node.name}",
            program,
            "kernel",
            *words,
            "--json",
            "-c",
            str(file),
        ]
        done = subprocess.run(line, capture_output=True, text=True, timeout=60, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        return dict(json.loads(done.stdout))

    return command


def test_the_firmware_attaches_what_carries_and_takes_it_away(
    site: Site, router: Callable[..., dict[str, Any]]
) -> None:
    before = look(site.node, "lan", "wan")
    states = [(each["interface"], each["hook"], each["state"]) for each in router("attach")["hooks"]]
    assert states == [("lan", "tc", "proven"), ("wan", "tc", "proven")]
    assert_carries_both_ways(site)
    assert [(each["packets"], each["bytes"]) for each in router("status")["hooks"]] == [(1, 2), (1, 4)]
    assert site.attach("tc") == BOTH
    assert router("detach")["detached"] == ["lan", "wan"]
    assert look(site.node, "lan", "wan") == before and not site.pins.exists()
