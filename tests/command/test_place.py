"""What a person is told to type, where OpenWrt's service runs the relay and where it doesn't."""

import resource
import socket
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from edgeturn.cli import place as place_of_click
from edgeturn.command import change, control, live, place
from edgeturn.command.failure import Failure, Wrong
from edgeturn.relay import configuration
from edgeturn.relay.uci import ConfigError

_LITTLE, _ROOM = 4 << 20, 64 << 20  # bytes


@pytest.fixture
def on_openwrt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The configuration file of a machine with the service of the OpenWrt packages."""
    (tmp_path / "service").touch()
    monkeypatch.setattr(place, "OPENWRT_SERVICE", str(tmp_path / "service"))
    monkeypatch.setattr(place, "OPENWRT_FOLDER", str(tmp_path))
    file = tmp_path / "edgeturn"
    file.write_text(f"config relay 'main'\n\toption realm 'example.org'\n\toption control '{tmp_path}/control.sock'\n")
    return str(file)


def test_a_change_is_taken_by_the_service(on_openwrt: str, capsys: pytest.CaptureFixture[str]) -> None:
    change.tell(on_openwrt, "Added user 'alice'")
    assert capsys.readouterr().out == "Added user 'alice'; a running relay takes it by `service edgeturn reload`.\n"


def test_no_relay_is_started_by_the_service(on_openwrt: str) -> None:
    with pytest.raises(Failure, match="`service edgeturn start`"):
        control.ask(place.read(on_openwrt), "status")


def test_reload_names_the_service_where_that_has_a_copy(on_openwrt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "ask", lambda settings, command: {"configuration": "/var/etc/edgeturn/edgeturn.conf"})
    with pytest.raises(Failure, match="nothing was changed; `service edgeturn reload` has it take a new copy"):
        live.apply(on_openwrt, False)


def test_another_file_isnt_the_services(on_openwrt: str) -> None:
    assert place.service("reload", "/tmp/mine.conf") == "edgeturn reload -c /tmp/mine.conf"
    assert place.service("start", "/tmp/mine.conf") == "edgeturn run -c /tmp/mine.conf"


@pytest.fixture
def bounded() -> Iterator[None]:
    """Let this process take so much memory more and no more: a defect here would fill the machine's."""
    before, words = resource.getrlimit(resource.RLIMIT_AS), Path("/proc/self/statm").read_text().split()
    resource.setrlimit(resource.RLIMIT_AS, (int(words[0]) * resource.getpagesize() + _ROOM, before[1]))
    tracemalloc.start()
    yield
    tracemalloc.stop()
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.usefixtures("bounded")
def test_what_has_no_end_is_no_configuration() -> None:
    for read in (place.read_text, lambda file: place_of_click.read_text(Path(file))):
        with pytest.raises(Wrong, match="too large for a configuration"):
            read("/dev/zero")
    with pytest.raises(ConfigError, match="too large for a configuration"):
        configuration.read_text("/dev/zero")
    assert tracemalloc.get_traced_memory()[1] < _LITTLE


def test_who_never_stops_answering_is_no_relay(
    on_openwrt: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "_MOST", 1 << 20)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "control.sock"))
        listener.listen()

        def answer() -> None:
            with listener.accept()[0] as connection, suppress(BrokenPipeError, ConnectionResetError):
                while True:
                    connection.sendall(b" " * 65536)

        talker = threading.Thread(target=answer)
        talker.start()
        with pytest.raises(Failure, match="is no relay"):
            control.ask(place.read(on_openwrt), "status")
        talker.join(10)
        assert not talker.is_alive()
