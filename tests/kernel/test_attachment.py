"""
A relay's programs are attached, replaced and taken away, and nothing is left behind.

    client ──── lan  router  wan ──── peer        tests/kernel/lab/topology.py: Line

Each test has a router of its own, and looks at it before and after.
"""

import os
import socket
import threading
from pathlib import Path

import pytest

from edgeturn.kernel import flows, hooks, maps, pins
from edgeturn.kernel.attaching import attachment
from edgeturn.kernel.hooks import Unattachable
from edgeturn.relay.passwd import find_user
from tests.kernel.attaching import (
    ALL,
    BOTH,
    Site,
    carry,
    filters_handle,
    filters_of,
    look,
    xdp_program,
)
from tests.kernel.lab.kernel import Binding
from tests.kernel.lab.topology import cable
from tests.kernel.lab.tunnel import NO_HEADER, PPP, Tunnel


def test_tc_is_attached_proven_and_leaves_nothing_behind(site: Site) -> None:
    before = look(site.node, "lan", "wan")
    assert site.attach("tc") == BOTH
    assert "clsact" in site.node.tc("qdisc", "show", "dev", "lan")
    assert [f"pref 49152 bpf chain 0 handle {filters_handle(site)} edgeturn direct-action" in each
            for each in filters_of(site, "wan")] == [True]  # fmt: skip
    assert site.detach() == ["lan", "wan"]
    assert look(site.node, "lan", "wan") == before and not site.pins.exists()
    assert site.detach() == []


def test_xdp_is_attached_on_top_of_tc_and_leaves_nothing_behind(site: Site) -> None:
    before = look(site.node, "lan", "wan")
    assert site.attach("xdp") == ALL
    numbers = {place.interface: place.program for place in site.inspect().places if place.kind == flows.XDP}
    assert numbers == {device: xdp_program(site.node, device) for device in ("lan", "wan")} and all(numbers.values())
    assert site.detach() == ["lan", "wan"]
    assert look(site.node, "lan", "wan") == before and not site.pins.exists()


def test_attaching_again_replaces_the_program_and_keeps_everything_else(site: Site) -> None:
    site.attach("xdp")
    place = flows.key(b"\0\1" + bytes(4), b"\0\2" + bytes(4), 0)
    opened = maps.open_all(str(site.folder))
    opened.flows.set(place, flows.Flow(b"\0\1" + bytes(4), b"\0\2" + bytes(4), 0, 5, 0).pack())
    before, counted = site.inspect(), site.inspect().outcomes["seen"]
    assert site.attach("xdp") == ALL
    after = site.inspect()
    assert [each[:5] for each in after.places] == [each[:5] for each in before.places]
    assert all(new.program != old.program for new, old in zip(after.places, before.places, strict=True))
    assert after.outcomes["seen"] > counted and opened.flows.get(place) is not None
    opened.close()
    assert [len(filters_of(site, device)) for device in ("lan", "wan")] == [1, 1]


@pytest.mark.parametrize("hook", ["tc", "xdp"])
def test_attaching_again_costs_no_packet(site: Site, hook: str) -> None:
    site.attach(hook)
    opened = maps.open_all(str(site.folder))
    binding = Binding(("192.0.2.1", 3478), ("192.0.2.11", 40001), ("198.51.100.1", 50001), ("198.51.100.11", 40002))
    carry(opened, binding)
    client, peer = site.line.client.udp(binding.client), site.line.peer.udp(binding.peer)
    peer.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE: nothing is read before the end
    stop = threading.Event()
    sent: list[int] = []

    def send() -> None:
        while not stop.wait(0.0005):
            client.sendto(binding.message(len(sent).to_bytes(4, "big")), binding.listener)
            sent.append(len(sent))

    sender = threading.Thread(target=send)
    sender.start()
    for _ in range(3):
        site.attach(hook)
    stop.set()
    sender.join()
    assert [int.from_bytes(peer.recv(100), "big") for _ in sent] == sent and len(sent) > 100
    opened.close()
    client.close()
    peer.close()


def test_another_hook_takes_xdp_away(site: Site) -> None:
    assert site.attach("xdp") == ALL and site.attach("tc") == BOTH
    assert xdp_program(site.node, "lan") == 0
    opened = maps.open_all(str(site.folder))
    assert opened.devices.keys() == []
    opened.close()


def test_named_interfaces_only(site: Site) -> None:
    assert site.attach("tc", "wan") == {"wan tc": "proven"}
    assert site.attach("tc", "lan") == {"lan tc": "proven"}
    assert site.detach() == ["lan", "wan"]
    with pytest.raises(Unattachable, match="there is no interface nope"):
        site.attach("tc", "nope")
    assert not site.pins.exists()


def test_a_relay_on_the_loopback_attaches_nowhere(site: Site) -> None:
    alone = site.settings
    alone.values["listen"] = [b"\x0d\x96\x7f\0\0\1"]
    alone.values["relay_address"] = [b"\x7f\0\0\1"]
    with site.node.entered():
        assert attachment.attach(alone) == []
    assert not site.pins.exists()


def test_a_hook_of_an_interface_that_is_gone_gives_its_place_back(site: Site) -> None:
    cable(site.node, "extra", site.line.client, "extra")
    site.attach("tc", "extra")
    site.node.ip("link", "delete", "extra")
    assert site.inspect().places[0].interface.endswith(", gone")
    assert site.attach("tc") == BOTH and [each.interface for each in site.inspect().places] == ["lan", "wan"]


@pytest.mark.parametrize("kind", [NO_HEADER, PPP])
def test_a_device_without_ethernet_is_carried_by_tc(site: Site, kind: int) -> None:
    tunnel = Tunnel(site.node, "tunnel", site.line.peer, "tunnel", kind)
    try:
        assert site.attach("xdp", "tunnel") == {"tunnel tc": "proven", "tunnel xdp": "native"}
        site.detach()
    finally:
        tunnel.close()


def test_a_bridge_is_carried_by_tc(site: Site) -> None:
    site.node.ip("link", "add", "br0", "type", "bridge")
    site.node.ip("link", "set", "br0", "up")
    site.node.ip("link", "set", "lan", "master", "br0")
    assert site.attach("auto", "br0") == {"br0 tc": "proven"}
    assert site.attach("xdp", "br0") == {"br0 tc": "proven", "br0 xdp": "native"}


# Pins.


def test_a_file_system_for_pins_is_mounted_and_taken_away(site: Site, tmp_path: Path) -> None:
    site.pins = tmp_path / "some folder" / "pins"
    assert site.attach("tc") == BOTH
    (row,) = [each for each in mounts() if "some\\040folder" in each]
    assert row.startswith("edgeturn ") and " bpf " in row and os.stat(site.pins).st_mode & 0o777 == 0o755
    assert site.attach("tc") == BOTH and len([each for each in mounts() if "some\\040folder" in each]) == 1
    second = Site(site.line, site.pins, "/run/other.sock")
    second.attach("tc")
    site.detach()
    assert second.folder.exists()
    second.detach()
    assert not [each for each in mounts() if "some\\040folder" in each] and not site.pins.exists()


def test_a_folder_that_was_there_stays_and_hides_nothing(site: Site, tmp_path: Path) -> None:
    site.pins = tmp_path / "pins"
    site.pins.mkdir()
    site.attach("tc")
    assert site.folder.is_dir()
    site.detach()
    assert list(site.pins.iterdir()) == [] and not [each for each in mounts() if str(site.pins) in each]
    (site.pins / "file").touch()
    with pytest.raises(Unattachable, match="which has files in it and is no BPF file system"):
        site.attach("tc")
    site.detach()
    assert [each.name for each in site.pins.iterdir()] == ["file"]


def test_a_relay_s_folder_with_something_else_in_it_stays(site: Site) -> None:
    site.attach("tc")
    (site.folder / "of another").mkdir()
    try:
        assert site.detach() == ["lan", "wan"] and [each.name for each in site.folder.iterdir()] == ["of another"]
    finally:
        (site.folder / "of another").rmdir()
        site.folder.rmdir()


def test_pins_by_way_of_a_link_are_unmounted_too(site: Site, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    site.pins = tmp_path / "link" / "pins"
    site.attach("tc")
    assert site.attach("tc") == BOTH and len([each for each in mounts() if str(tmp_path) in each]) == 1
    site.detach()
    assert not [each for each in mounts() if str(tmp_path) in each] and not (tmp_path / "real" / "pins").exists()


def mounts() -> list[str]:
    return Path("/proc/self/mounts").read_text().splitlines()


def test_pins_of_others_keep_the_file_system(site: Site, tmp_path: Path) -> None:
    site.pins = tmp_path / "pins"
    site.attach("tc")
    (site.pins / "of another").mkdir()
    try:
        site.detach()
        assert [each.name for each in site.pins.iterdir() if not each.name.endswith(".debug")] == ["of another"]
    finally:
        (site.pins / "of another").rmdir()
        pins.clear(str(site.pins))
    assert not site.pins.exists()


def test_pins_belong_to_the_user_of_the_relay(site: Site) -> None:
    site.lines = ("option user nobody",)
    site.attach("tc")
    owned = {each.name for each in site.folder.iterdir() if os.stat(each).st_uid == nobody()}
    assert owned == set(maps.RELAYS) and {os.stat(each).st_uid for each in (site.pins, site.folder)} == {0}


def nobody() -> int:
    found = find_user("nobody")
    assert found is not None
    return found[0]


def test_other_limits_make_other_maps_and_keep_what_is_attached(site: Site) -> None:
    site.attach("xdp")
    site.lines = ("option max_allocations 128",)
    assert site.attach("xdp") == ALL
    opened = maps.open_all(str(site.folder))
    assert opened.flows.entries == 2 * 2 * 4 * 128  # two flows of twice the channels that all share
    opened.close()
    assert len(filters_of(site, "lan")) == 1
    assert site.detach() == ["lan", "wan"] and not site.pins.exists()


def test_other_maps_go_to_all_programs_that_are_attached(site: Site) -> None:
    site.attach("tc")
    before = {place.interface: place.program for place in site.inspect().places}
    site.attach("tc", "wan")
    kept = {place.interface: place.program for place in site.inspect().places}
    assert kept["lan"] == before["lan"] and kept["wan"] != before["wan"]
    site.lines = ("option max_allocations 128",)
    assert site.attach("tc", "wan") == BOTH
    after = {place.interface: place.program for place in site.inspect().places}
    assert after["lan"] != kept["lan"] and after["wan"] != kept["wan"]


def test_filters_whose_pins_are_gone_are_still_found(site: Site) -> None:
    before = look(site.node, "lan", "wan")
    site.attach("tc")
    maps.remove_all(str(site.folder))
    assert site.detach() == ["lan", "wan"]
    assert {name: value for name, value in look(site.node, "lan", "wan").items() if "qdisc" not in name} == {
        name: value for name, value in before.items() if "qdisc" not in name
    }


def test_more_interfaces_than_places_are_refused(site: Site) -> None:
    site.attach("tc", "lan")
    opened = maps.open_all(str(site.folder))
    table = hooks.Hooks(opened.hooks)
    for number in range(1, flows.HOOKS):
        table.write(number, flows.Hook(1, 100 + number))
    opened.close()
    with pytest.raises(Unattachable, match="all 64 places"):
        site.attach("tc", "wan")
