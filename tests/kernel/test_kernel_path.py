"""The daemon's side where the kernel is unwilling: others than root mayn't write, maps come, go, and don't fit.

The pins are ordinary files, for the daemon only looks whether they're others; the maps are imitated.
"""

import os
from pathlib import Path

import pytest

from edgeturn import seam
from edgeturn.kernel import maps
from edgeturn.kernel.maps import Maps
from edgeturn.protocol.address import ip_of, parse
from edgeturn.protocol.limits import Limits
from edgeturn.relay import kernel as kernel_module
from edgeturn.relay.configuration import Configuration
from edgeturn.relay.kernel import KernelPath
from edgeturn.relay.log import Log
from edgeturn.relay.observers import Observers
from tests.core.dialogue import PEER, RELAY_IPS, START, Server
from tests.kernel.carried import LISTENERS, Scene
from tests.kernel.imitation import Imitation, imitate

EPERM, ENOENT = 1, 2
RELAYING = [ip_of(parse(ip)) for ip in RELAY_IPS.values()]


class Daemon:
    """As much of a daemon as the kernel path touches, on a server in memory."""

    def __init__(self, folder: Path, server: Server) -> None:
        text = f"config relay\n\toption kernel_pins '{folder}'\n\toption control '{folder}/sock'\n"
        settings = Configuration(text, "test")
        self.server = server
        self.folder = Path(maps.folder(str(folder), maps.instance(f"{folder}/sock")))
        self.observers = Observers([server.recorder])
        server.turn.observer = self.observers
        self.path = KernelPath(settings, Log("info"))
        self.listeners = {server.listeners[at]: parse(LISTENERS[at]) for at in range(2)}

    def start(self) -> KernelPath:
        self.path.start(self.server.turn, self.observers, self.listeners, RELAYING)
        return self.path

    def pin(self) -> None:
        """Put other pins in place."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, *_ in maps.TABLE:
            new = self.folder / "new"
            new.write_text("")
            new.rename(self.folder / name)

    def unpin(self) -> None:
        for name, *_ in maps.TABLE:
            (self.folder / name).unlink()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Maps]:
    """What the next openings find; the last is found again and again."""
    found: list[Maps] = []
    monkeypatch.setattr(maps, "open_all", lambda folder: found.pop(0) if len(found) > 1 else found[0])
    monkeypatch.setattr(kernel_module, "_hold", lambda place: Held())
    monkeypatch.setattr(seam, "clock", lambda: START)
    return found


class Held:
    """A socket in name only."""

    closed = 0

    def close(self) -> None:
        Held.closed += 1


@pytest.fixture
def daemon(tmp_path: Path) -> Daemon:
    return Daemon(tmp_path, Server(max_allocations=4))


def bound(server: Server) -> None:
    """Let a client have a channel."""
    client = server.client()
    client.relayed()
    assert client.bind(0x4000, PEER) == 0


def left_behind() -> Maps:
    """Return maps with a channel of an earlier relay."""
    scene = Scene(Server(max_allocations=4)).start()
    bound(scene.server)
    return scene.maps


def broken(found: Maps, errno: int) -> None:
    for each in found.by_name.values():
        assert isinstance(each, Imitation)
        each.broken = errno


def test_pins_that_come_change_and_go_are_followed(daemon: Daemon, opened: list[Maps]) -> None:
    first, second = imitate(daemon.server.limits), imitate(daemon.server.limits)
    opened += [first, second]
    path = daemon.start()
    assert path.describe()["state"] == "absent"
    bound(daemon.server)
    daemon.pin()
    path.look()
    assert path.describe()["state"] == "on" and len(first.flows.keys()) == 2
    path.look()
    assert path.carrier is not None and path.carrier.maps is first
    daemon.pin()
    path.look()
    assert first.flows.keys() == [] and len(second.flows.keys()) == 2
    daemon.unpin()
    path.look()
    assert second.flows.keys() == [] and path.describe()["state"] == "absent" and path.carrier is None


def test_a_set_that_is_not_whole_yet_is_not_there(daemon: Daemon, opened: list[Maps]) -> None:
    opened.append(imitate(daemon.server.limits))
    daemon.pin()
    (daemon.folder / maps.TABLE[-1][0]).unlink()
    path = daemon.start()
    assert path.describe()["state"] == "absent"
    daemon.pin()
    path.look()
    assert path.describe()["state"] == "on"


def test_maps_that_open_no_more_are_asked_for_once(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(folder: str) -> Maps:
        asked.append(folder)
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(maps, "open_all", refuse)
    daemon.pin()
    path = daemon.start()
    path.look()
    assert len(asked) == 1 and path.describe()["state"] == "failed"
    assert path.describe()["reason"] == "can't open the maps: permission denied"
    path.resume()
    assert len(asked) == 2


def test_maps_that_may_not_be_written_fail_whole(daemon: Daemon, opened: list[Maps]) -> None:
    found = imitate(daemon.server.limits)
    broken(found, EPERM)
    opened.append(found)
    bound(daemon.server)
    daemon.pin()
    path = daemon.start()
    assert path.describe()["state"] == "failed" and path.carrier is None
    bound_again = daemon.server.client(source="1.1.1.2:2")
    bound_again.relayed()
    assert bound_again.bind(0x4000, PEER) == 0 and bound_again.channel(0x4000, b"x") is not None


def test_a_kernel_that_will_refuse_others_is_left_in_order(
    daemon: Daemon, opened: list[Maps], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = left_behind()
    opened.append(found)
    daemon.pin()
    path = daemon.start()
    assert path.describe()["orphans"] == 1
    monkeypatch.setattr(kernel_module, "_needs_privilege", lambda: True)
    path.before_dropping()
    assert path.describe()["state"] == "failed" and "Linux 5.19" in str(path.describe()["reason"])
    assert found.flows.keys() == [] and path.carrier is None


def test_a_kernel_that_refuses_afterwards_leaves_what_was_left_alone(daemon: Daemon, opened: list[Maps]) -> None:
    found = left_behind()
    opened.append(found)
    daemon.pin()
    path = daemon.start()
    path.prove()
    assert path.describe()["state"] == "on"
    broken(found, EPERM)
    closed = Held.closed
    path.prove()
    assert path.describe()["state"] == "failed" and path.carrier is None
    assert Held.closed == closed  # nobody else gets the address
    bound(daemon.server)
    assert len(found.flows.keys()) == 2


def test_which_kernels_refuse_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    switch, release = tmp_path / "switch", tmp_path / "release"
    monkeypatch.setattr(kernel_module, "_PRIVILEGED", str(switch))
    monkeypatch.setattr(kernel_module, "_RELEASE", str(release))
    rows = (
        ("0", "5.10.0-18-amd64", False),
        ("1", "5.10.0-18-amd64", True),
        ("2", "5.15.167", True),
        ("2", "5.18.19+", True),
        ("2", "5.19-rc1", False),
        ("2", "5.19+", False),
        ("2", "5.4", True),
        ("2", "6.6.73", False),
        ("1", "7.0.0", False),
        (None, "4.3.0", False),
    )
    for value, version, refuses in rows:
        switch.unlink(missing_ok=True)
        if value is not None:
            switch.write_text(value + "\n")
        release.write_text(version + "\n")
        assert kernel_module._needs_privilege() == refuses, (value, version)


def test_maps_of_other_limits_are_emptied_and_left(daemon: Daemon, opened: list[Maps]) -> None:
    other = Limits()
    other.max_allocations = 5
    found = imitate(other)
    found.flows.set(bytes(40), bytes(64))
    opened.append(found)
    daemon.pin()
    path = daemon.start()
    assert path.describe()["state"] == "failed" and "`edgeturn kernel attach`" in str(path.describe()["reason"])
    assert found.flows.keys() == []


def test_a_folder_nobody_may_look_into_is_no_reason_to_leave_the_maps(
    daemon: Daemon, opened: list[Maps], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened.append(imitate(daemon.server.limits))
    daemon.pin()
    path = daemon.start()

    def refuse(name: str) -> os.stat_result:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "stat", refuse)
    path.look()
    assert path.describe()["state"] == "on"
