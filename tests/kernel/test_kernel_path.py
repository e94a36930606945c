"""The daemon's side where the kernel is unwilling: others than root mayn't write, maps come, go, and don't fit.

The pins are ordinary files, for the daemon only looks whether they're others; the maps are imitated.
"""

import os
import sys
from pathlib import Path

import pytest

from edgeturn import kernel as kernel_package
from edgeturn import seam
from edgeturn.kernel import bpf, maps
from edgeturn.kernel import carrier as carrier_module
from edgeturn.kernel.maps import Maps
from edgeturn.protocol.address import ip_of, parse
from edgeturn.protocol.limits import Limits
from edgeturn.relay import daemon as relay_daemon
from edgeturn.relay import kernel as kernel_module
from edgeturn.relay import network
from edgeturn.relay.configuration import Configuration
from edgeturn.relay.kernel import KernelPath
from edgeturn.relay.log import Log
from edgeturn.relay.observers import Observers
from tests.blackbox.relay import free_port
from tests.core.dialogue import PEER, RELAY_IPS, START, Server
from tests.kernel.carried import LISTENERS, Scene
from tests.kernel.imitation import Imitation, imitate

EPERM, ENOENT = 1, 2
RELAYING = [ip_of(parse(ip)) for ip in RELAY_IPS.values()]


class Daemon:
    """As much of a daemon as the kernel path touches, on a server in memory."""

    def __init__(self, folder: Path, server: Server, more: str = "") -> None:
        text = f"config relay\n\toption kernel_pins '{folder}'\n\toption control '{folder}/sock'\n"
        settings = Configuration(text + more, "test")
        self.server = server
        self.folder = Path(maps.folder(str(folder), maps.instance(f"{folder}/sock")))
        self.observers = Observers([server.recorder])
        server.turn.observer = self.observers
        self.log: list[str] = []
        log = Log("info")
        log.write = lambda level, text: self.log.append(f"{level} {text}")  # type: ignore[method-assign]
        self.path = KernelPath(settings, log)
        self.listeners = {server.listeners[at]: parse(LISTENERS[at]) for at in range(2)}

    def start(self) -> KernelPath:
        self.path.start(self.server.turn, self.observers, self.listeners, RELAYING)
        return self.path

    def pin(self) -> None:
        """Put other pins in place."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in maps.RELAYS:
            new = self.folder / "new"
            new.write_text("")
            new.rename(self.folder / name)

    def unpin(self) -> None:
        for name in maps.RELAYS:
            (self.folder / name).unlink()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Maps]:
    """What the next openings find; the last is found again and again."""
    found: list[Maps] = []
    monkeypatch.setattr(maps, "open_all", lambda folder, names: found.pop(0) if len(found) > 1 else found[0])
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


def contents(found: Maps) -> dict[bytes, bytes]:
    """Return the flows of maps that may be closed."""
    assert isinstance(found.flows, Imitation)
    return found.flows.content


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
    assert contents(first) == {} and len(second.flows.keys()) == 2
    daemon.unpin()
    path.look()
    assert contents(second) == {} and path.describe()["state"] == "absent" and path.carrier is None


def test_a_set_that_is_not_whole_yet_is_not_there(daemon: Daemon, opened: list[Maps]) -> None:
    opened.append(imitate(daemon.server.limits))
    daemon.pin()
    (daemon.folder / maps.RELAYS[-1]).unlink()
    path = daemon.start()
    assert path.describe()["state"] == "absent"
    daemon.pin()
    path.look()
    assert path.describe()["state"] == "on"


def test_maps_that_open_no_more_are_asked_for_once(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(folder: str, names: tuple[str, ...]) -> Maps:
        asked.append(folder)
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(maps, "open_all", refuse)
    daemon.pin()
    path = daemon.start()
    path.look()
    assert len(asked) == 1 and path.describe()["state"] == "failed"
    assert str(path.describe()["reason"]).startswith("can't open the maps: permission denied; flows that are in them")
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
    assert contents(found) == {} and path.carrier is None


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
    assert len(contents(found)) == 2


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
    other.max_allocations = 3
    found = imitate(other)
    found.flows.set(bytes(40), bytes(64))
    opened.append(found)
    daemon.pin()
    path = daemon.start()
    assert path.describe()["state"] == "failed" and "`edgeturn kernel attach`" in str(path.describe()["reason"])
    assert str(path.describe()["reason"]).startswith("the maps were made for smaller limits")
    assert found.flows.content == {} and found.flows.broken  # type: ignore[attr-defined]


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


def test_larger_maps_are_used(daemon: Daemon, opened: list[Maps]) -> None:
    other = Limits()
    other.max_allocations = 5
    opened.append(imitate(other))
    daemon.pin()
    assert daemon.start().describe()["state"] == "on"
    bound(daemon.server)
    assert len(contents(opened[0])) == 2


# Maps that aren't used.


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch) -> list[Imitation]:
    """What is found at the pin `flows` alone; nothing else is opened."""
    found: list[Imitation] = []

    def open_pinned(path: str) -> Imitation:
        assert path.endswith("/flows")
        if not found:
            raise PermissionError(EPERM, "Operation not permitted")
        return found[-1]

    monkeypatch.setattr(bpf, "open_pinned", open_pinned)
    return found


def flows_left() -> Imitation:
    found = left_behind().flows
    assert isinstance(found, Imitation) and len(found.content) == 2
    return found


def test_switched_off_it_ends_what_was_left(tmp_path: Path, pinned: list[Imitation]) -> None:
    daemon = Daemon(tmp_path, Server(max_allocations=4), "\toption kernel 'off'\n")
    pinned.append(flows_left())
    daemon.pin()
    daemon.start().announce()
    assert pinned[0].content == {} and pinned[0].broken and daemon.log == []
    assert daemon.path.describe()["state"] == "off"


def test_switched_off_it_says_so_where_it_cannot_end_what_was_left(
    tmp_path: Path, pinned: list[Imitation], monkeypatch: pytest.MonkeyPatch
) -> None:
    for what, more in (("refused", "\toption kernel 'off'\n"), ("stuck", "\toption kernel 'off'\n"), ("no bpf", "")):
        if what == "stuck":
            pinned.append(flows_left())
            pinned[0].stuck = set(list(pinned[0].content)[:1])
        monkeypatch.setattr(seam, "BPF", what != "no bpf")
        daemon = Daemon(tmp_path, Server(max_allocations=4), more)
        daemon.start().announce()
        assert daemon.log == [], what  # where nothing is pinned there's nothing to say
        daemon.pin()
        daemon.start().announce()
        assert len(daemon.log) == 1 and daemon.log[0].startswith("warning kernel-path state=off"), what
        assert "go on until they expire" in daemon.log[0], what
        daemon.unpin()
    assert len(pinned[0].content) == 1


def test_maps_of_another_version_are_emptied(
    daemon: Daemon, pinned: list[Imitation], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: str, names: tuple[str, ...]) -> Maps:
        raise OSError(22, "of another version")

    monkeypatch.setattr(maps, "open_all", refuse)
    pinned.append(flows_left())
    daemon.pin()
    assert daemon.start().describe()["reason"] == "can't open the maps: of another version"
    assert pinned[0].content == {} and pinned[0].broken


def test_maps_that_cannot_be_used_after_they_were_opened_are_emptied_and_closed(
    daemon: Daemon, opened: list[Maps], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    offsets = tmp_path / "offsets"
    offsets.write_text("monotonic           0         0\nboottime      100000         0\n")
    monkeypatch.setattr(kernel_module, "_OFFSETS", str(offsets))
    for what, reason in (
        ("import", "import of"),
        ("start", "can't write flows: invalid"),
        ("clock", kernel_module._CLOCK),
    ):
        found = left_behind()
        opened[:] = [found]
        with monkeypatch.context() as patch:
            if what == "import":
                patch.setitem(sys.modules, "edgeturn.kernel.carrier", None)
                patch.delattr(kernel_package, "carrier")
            elif what == "start":
                patch.setattr(carrier_module.Carrier, "prove", refuse_invalid)
            else:
                offsets.write_text("monotonic      100000         0\nboottime       0         0\n")
            daemon.pin()
            path = daemon.path if what != "import" else daemon.start()
            path.look()
        assert path.describe()["state"] == "failed" and reason in str(path.describe()["reason"]), what
        assert contents(found) == {} and found.flows.broken and found.ports.broken, what  # type: ignore[attr-defined]


def refuse_invalid(carrier: object) -> None:
    raise OSError(22, "Invalid argument")


# What fails while it runs.


@pytest.mark.parametrize("error", (OSError(16, "busy"), MemoryError()))
def test_what_fails_is_counted_and_done_later(
    error: Exception, daemon: Daemon, opened: list[Maps], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened.append(left_behind())
    daemon.pin()
    path = daemon.start()
    bound(daemon.server)
    carrier = path.carrier
    assert carrier is not None and path.describe()["orphans"] == 0
    done: list[str] = []

    def fail(*arguments: object) -> None:
        raise error

    for what, names, owed in (
        ("tick", ["tick"], []),
        ("reconsider", ["reconsider"], ["reconsider"]),
        ("reload", ["reconsider"], ["reconsider", "rewrite"]),
        ("reload", ["rewrite"], ["reconsider", "rewrite"]),
    ):
        failures = carrier.failures
        for name in ("tick", "reconsider", "rewrite"):
            failing = name in names
            monkeypatch.setattr(carrier, name, fail if failing else lambda *rest, name=name: done.append(name))
        path.tick(START) if what == "tick" else getattr(path, what)()
        assert carrier.failures == failures + 1, what
        path.tick(START + 1)  # in vain once more
        assert not owed or 0 < daemon.server.turn.due <= START + 2, what
        done.clear()
        for name in ("tick", "reconsider", "rewrite"):
            monkeypatch.setattr(carrier, name, lambda *rest, name=name: done.append(name))
        path.tick(START + 2)
        path.tick(START + 3)
        assert done == [*owed, "tick", "tick"], what


def test_orphans_that_cannot_give_way_fail_nothing(
    daemon: Daemon, opened: list[Maps], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened.append(left_behind())
    daemon.pin()
    path = daemon.start()
    assert path.carrier is not None

    def fail() -> None:
        raise MemoryError

    monkeypatch.setattr(path.carrier.orphans, "clear", fail)
    assert path.give_way() and path.carrier.failures == 1


# What is said.


def test_what_is_known_is_not_said_again(daemon: Daemon, opened: list[Maps]) -> None:
    opened += [imitate(daemon.server.limits), imitate(daemon.server.limits)]
    daemon.pin()
    daemon.start().announce()
    bound(daemon.server)
    daemon.path.resume()
    daemon.path.resume()
    assert len(daemon.log) == 1 and "state=on" in daemon.log[0]
    daemon.pin()
    daemon.path.resume()
    assert len(daemon.log) == 2 and "channels=1" in daemon.log[1]


def test_the_last_line_says_what_stays_and_how_to_end_it(daemon: Daemon, opened: list[Maps]) -> None:
    opened.append(imitate(daemon.server.limits))
    path = daemon.start()
    assert path.farewell(START) == ""
    daemon.pin()
    path.look()
    assert path.farewell(START) == " kernel-program=attached hint='`edgeturn kernel detach -c test` takes it away'"
    bound(daemon.server)
    hint = "hint='`edgeturn kernel detach -c test` ends them at once'"
    assert path.farewell(START) == f" kernel-channels=1 for-seconds=300 {hint}"


# When it looks around.


def test_the_daemon_looks_every_ten_seconds_and_judges_anew_only_what_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, routes = [START], [(bytes([10, 0, 0, 0]), 8)]
    monkeypatch.setattr(seam, "clock", lambda: now[0])
    monkeypatch.setattr(network, "connected_routes", lambda: list(routes))
    monkeypatch.setattr(relay_daemon.Daemon, "_catch_signals", lambda self: None)
    port = free_port()
    text = f"config relay\n\toption control '{tmp_path}/sock'\n\toption kernel 'off'\n\toption max_allocations '2'\n"
    text += f"\toption realm 'x'\n\tlist listen '127.0.0.1:{port}'\n\tlist relay_address '127.0.0.1'\n"
    made = relay_daemon.Daemon(Configuration(text, "test"))
    try:
        judged: list[int] = []
        monkeypatch.setattr(made.turn, "reconsider_peers", lambda: judged.append(now[0]))
        monkeypatch.setattr(made.kernel, "reconsider", lambda: judged.append(-now[0]))
        waits = []
        for second in (0, 7, 10, 11, 20, 29, 30):
            now[0] = made.loop.now = START + second
            if second == 11:
                routes.append((bytes([11, 0, 0, 0]), 8))
            waits.append(made._before_wait())
        assert waits == [10, 3, 10, 9, 10, 1, 10] and made.loop._timeout(3) == 3000
        assert judged == [START + 20, -START - 20]
    finally:
        made.loop.close()
