"""The process: how it starts, what keeps it from starting, what it gives up, how it ends."""

import os
import pwd
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.blackbox.client import Client
from tests.blackbox.conftest import NewClient, NewPeer, StartRelay
from tests.blackbox.relay import DEADLINE, HOST, HOST6, ROOT, Relay, Value, configuration, defaults, free_port

# What is broken, and what is said of it behind FILE:LINE.
BROKEN: tuple[tuple[dict[str, Value], str], ...] = (
    ({"relay_ports": "50000"}, "option 'relay_ports': must be two ports from 1024 to 65535"),
    ({"listen": ["nowhere:3478"]}, "option 'listen': must be an address such as"),
    ({"max_allocations": 0}, "option 'max_allocations': must be a whole number from 1 to 8192, not '0'"),
    ({"flavour": "mint"}, "unknown option 'flavour' in a section of type 'relay'"),
)


def run(interpreter: list[str], folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Start a relay that can't start, and wait for its end."""
    file = folder / "edgeturn.conf"
    file.write_text(text)
    return run_with(interpreter, str(file))


def run_with(interpreter: list[str], file: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"MICROPYPATH": f"{ROOT}:.frozen"}
    return subprocess.run(
        [*interpreter, "-m", "edgeturn.relay", "-c", file],
        cwd=ROOT,
        env=environment,
        timeout=DEADLINE,
        capture_output=True,
        text=True,
    )


def assert_one_sentence(done: subprocess.CompletedProcess[str], code: int) -> str:
    assert done.returncode == code and not done.stdout, done
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr, done.stderr
    return done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(relay: Relay, new_client: NewClient, number: int) -> None:
    assert new_client(relay).allocate().code == 0
    relay.process.send_signal(number)
    assert relay.ended() == 0
    assert relay.lines[-1] == "info stopped"
    assert not Path(str(relay.settings["control"])).exists()


def test_a_second_start_takes_the_place_of_a_killed_one(start: StartRelay) -> None:
    relay = start()
    relay.process.kill()
    assert relay.ended() == -signal.SIGKILL
    again = start(listen=relay.settings["listen"], control=relay.settings["control"])
    assert again.status()["ok"]


@pytest.mark.parametrize(("settings", "reason"), BROKEN)
def test_a_broken_option_is_one_sentence(
    interpreter: list[str], tmp_path: Path, settings: dict[str, Value], reason: str
) -> None:
    text = configuration(defaults(tmp_path, free_port()) | settings)
    said = assert_one_sentence(run(interpreter, tmp_path, text), 2)
    before = text[: text.index(next(iter(settings)))]
    assert said.startswith(f"{tmp_path}/edgeturn.conf:{before.count(chr(10)) + 1}: {reason}"), said


def test_a_missing_file_is_one_sentence(interpreter: list[str], tmp_path: Path) -> None:
    said = assert_one_sentence(run_with(interpreter, f"{tmp_path}/none.conf"), 2)
    assert said.startswith(f"{tmp_path}/none.conf: can't be read")


@pytest.mark.parametrize("host", [HOST, HOST6])
def test_a_busy_port_is_one_sentence(interpreter: list[str], tmp_path: Path, host: str) -> None:
    port = free_port()
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((host, port))
        said = assert_one_sentence(run(interpreter, tmp_path, configuration(defaults(tmp_path, port))), 1)
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    assert f"can't listen on {place}" in said and "another TURN server" in said


def test_a_foreign_relay_address_is_one_sentence(interpreter: list[str], tmp_path: Path) -> None:
    text = configuration(defaults(tmp_path, free_port()) | {"relay_address": ["192.0.2.77"]})
    assert "can't relay from 192.0.2.77" in assert_one_sentence(run(interpreter, tmp_path, text), 1)


def test_too_few_free_ports_are_one_sentence(interpreter: list[str], tmp_path: Path) -> None:
    port = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HOST, port))
        settings: dict[str, Value] = {"relay_ports": f"{port}-{port}", "max_allocations": 1, "relay_address": [HOST]}
        text = configuration(defaults(tmp_path, free_port()) | settings)
        assert "too few free ports in relay_ports" in assert_one_sentence(run(interpreter, tmp_path, text), 1)


def test_a_control_socket_in_use_is_one_sentence(relay: Relay, interpreter: list[str], tmp_path: Path) -> None:
    text = configuration(defaults(tmp_path, free_port()) | {"control": relay.settings["control"]})
    assert "another relay uses the control socket" in assert_one_sentence(run(interpreter, tmp_path, text), 1)
    assert relay.status()["ok"]


@pytest.mark.skipif(os.getuid() != 0, reason="dropping privileges needs root")
def test_privileges_are_dropped(start: StartRelay, new_client: NewClient, new_peer: NewPeer) -> None:
    relay = start(user="nobody")
    nobody = pwd.getpwnam("nobody")
    rows = dict(line.split(":", 1) for line in Path(f"/proc/{relay.process.pid}/status").read_text().splitlines())
    assert rows["Uid"].split() == [str(nobody.pw_uid)] * 4
    assert rows["Gid"].split() == [str(nobody.pw_gid)] * 4
    assert rows["Groups"].split() == []
    assert int(rows["CapEff"], 16) == int(rows["CapPrm"], 16) == 0
    client, peer = new_client(relay), new_peer()
    for _ in range(3):  # and its ports are still changed after use
        relayed = client.allocate().relayed[0]
        assert client.permit(peer.address) == 0
        client.send(peer.address, b"up")
        assert peer.receive() == (b"up", relayed)
        assert client.refresh(0).code == 0
    assert relay.status()["ok"]


@pytest.mark.skipif(os.getuid() != 0, reason="dropping privileges needs root")
def test_an_unknown_user_is_one_sentence(interpreter: list[str], tmp_path: Path) -> None:
    text = configuration(defaults(tmp_path, free_port()) | {"user": "nobody-at-all"})
    assert "there is no user 'nobody-at-all'" in assert_one_sentence(run(interpreter, tmp_path, text), 1)


def test_wildcards_listen_on_every_address(start: StartRelay) -> None:
    """Each address has a socket of its own, so that an answer leaves from the address that was asked."""
    port = free_port()
    relay = start(listen=[f"0.0.0.0:{port}", f"[::]:{port}"])
    assert {f"{HOST}:{port}", f"[{HOST6}]:{port}"} <= set(relay.status()["listening"])
    for host in (HOST, HOST6):
        client = Client((host, port))
        assert client.binding().mapped == client.address
        client.close()


def test_the_daemon_imports_neither_click_nor_pyroute2(tmp_path: Path) -> None:
    """CPython says what it imports, here up to the end of a drain; the other interpreter could import neither."""
    with Relay([sys.executable, "-X", "importtime"], tmp_path, {}) as relay:
        client = Client(relay.server())
        assert client.allocate().code == 0 and client.refresh(0).code == 0
        client.close()
        relay.command("drain")
        assert relay.ended() == 0
    imported = {line.rpartition("|")[2].strip() for line in relay.log("import time:")}
    assert "edgeturn.relay.daemon" in imported
    assert not {name for name in imported if name.partition(".")[0] in ("click", "pyroute2")}
