"""`edgeturn run` as a person starts it: real processes."""

import errno
import json
import os
import resource
import shlex
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeturn import seam
from edgeturn.cli import obstacles
from edgeturn.cli import run as run_
from edgeturn.command import identity
from edgeturn.protocol import address
from edgeturn.relay import daemon, listeners
from tests.blackbox import certificates
from tests.blackbox.certificates import Certificate
from tests.blackbox.relay import DEADLINE, HOST, ROOT, free_port, until
from tests.cli.conftest import Call

GOAL = 16 << 20  # bytes resident, idle
# A network of its own: who is root attaches to the interfaces that there are.
ALONE = ("unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh") if os.geteuid() == 0 else ()


class Run:
    """An `edgeturn run`, and what it wrote so far."""

    def __init__(self, file: Path, *words: str, prefix: tuple[str, ...] = ()) -> None:
        self.output, self.errors = file.parent / "output", file.parent / "errors"
        environment = {name: value for name, value in os.environ.items() if name != "XDG_RUNTIME_DIR"}
        with self.output.open("w") as out, self.errors.open("w") as errors:
            command = [*prefix, sys.executable, "-m", "edgeturn", "run", "-c", str(file), *words]
            self.process = subprocess.Popen(command, stdout=out, stderr=errors, cwd=ROOT, env=environment)

    def ready(self) -> "Run":
        until(lambda: "edgeturn ready" in self.errors.read_text() or self.process.poll() is not None, "ready")
        assert self.process.poll() is None, self.errors.read_text()
        return self

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(DEADLINE)

    def failed(self) -> tuple[int, str]:
        """Return exit code and what was said of the failure."""
        code = self.process.wait(DEADLINE)
        said = self.errors.read_text()
        assert "Traceback" not in said and len(said.splitlines()) == 1, said
        return code, said

    def servers(self) -> list[dict[str, list[str]]]:
        text = self.output.read_text()
        found: list[dict[str, list[str]]] = json.loads(text[text.index("{") : text.rindex("}") + 1])["iceServers"]
        return found

    def resident(self) -> int:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024


def typed(said: str) -> list[str]:
    """Return the last command that a message names, as a shell reads it."""
    return shlex.split(said.split("`")[-2])


@pytest.fixture
def here(file: Path, call: Call, tmp_path: Path) -> Iterator[Path]:
    """A configuration that listens on a free port of the loopback only, and attaches nothing to this machine."""
    call("config", "set", "kernel", "off", "-c", str(file))
    for name, value in (("listen", f"{HOST}:{free_port()}"), ("relay_address", HOST)):
        call("config", "add", name, value, "-c", str(file))
    call("config", "set", "control", str(tmp_path / "control.sock"), "-c", str(file))
    yield file


def test_run_prints_what_a_person_needs_next(here: Path) -> None:
    run = Run(here).ready()
    try:
        said = run.output.read_text()
        (entry,) = run.servers()
        assert entry["urls"][1].startswith("turn:127.0.0.1:") and entry["urls"][1].endswith("?transport=udp")
        assert "Holds 64 allocations, each with 16 permissions and 16 channels at most (256 channels in all)" in said
        assert " bytes" in said
        assert f"Proves that it works: edgeturn check -c {here}" in said
        proof = [sys.executable, "-m", "edgeturn", "check", "-c", str(here)]
        assert subprocess.run(proof, cwd=ROOT, capture_output=True, timeout=60).returncode == 0
        assert "info holds allocations=64 permissions=16 channels=16 connections=32 bytes=" in run.errors.read_text()
        assert run.resident() <= GOAL
    finally:
        assert run.end(signal.SIGINT) == 0


def test_the_first_run_makes_an_identity_and_the_second_keeps_it(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "edgeturn.conf"
    file.parent.mkdir()
    first = Run(file, prefix=ALONE)
    until(file.exists, "the configuration")
    first.process.kill()
    first.process.wait(DEADLINE)
    made = file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    second = Run(file, prefix=ALONE)
    until(lambda: second.output.read_text() or second.process.poll() is not None, "an output")
    second.process.kill()
    second.process.wait(DEADLINE)
    assert file.read_bytes() == made and "Made " not in second.output.read_text()


def test_a_file_whose_name_is_not_utf_8_is_one_to_start_with(here: Path, call: Call) -> None:
    odd = here.rename(here.with_name("caf\udce9.conf"))
    call("config", "set", "kernel", "off", "-c", str(odd))
    run = Run(odd, "--verbose").ready()
    assert f"edgeturn check -c '{odd.parent}/caf\\xe9.conf'" in run.output.read_text()
    assert run.end() == 0 and "Traceback" not in run.errors.read_text()


def test_what_is_printed_may_be_larger_than_a_pipe_and_is_left_to_no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    number = run_._readable("x" * (1 << 17))
    monkeypatch.setenv(run_._SAID, str(number))
    assert seam.handed_over(run_._SAID) == "x" * (1 << 17)
    assert run_._SAID not in os.environ
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


@pytest.mark.parametrize("named", ["", "many", "-1", "9999", "9" * 12, "9" * 30])
def test_a_descriptor_that_cannot_be_read_is_nothing_to_print(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(run_._SAID, named)
    assert seam.handed_over(run_._SAID) == "" and run_._SAID not in os.environ


def test_what_cannot_be_printed_ends_no_relay(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull, "w", encoding="ascii") as narrow:
        monkeypatch.setattr(sys, "stdout", narrow)
        daemon._print("Prüfung \udce9")


def test_verbose_decodes_messages(here: Path) -> None:
    run = Run(here, "--verbose").ready()
    try:
        subprocess.run([sys.executable, "-m", "edgeturn", "check", "-c", str(here)], cwd=ROOT, capture_output=True)
        until(lambda: "debug" in run.errors.read_text(), "a message decoded")
    finally:
        assert run.end() == 0


def test_a_busy_port_is_one_sentence(here: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((HOST, free_port()))
        port = other.getsockname()[1]
        here.write_text(here.read_text().replace("\tlist   listen", f"\tlist listen '{HOST}:{port}'\n\tlist   listen"))
        code, said = Run(here).failed()
    assert code == 1 and f"can't listen on {HOST}:{port}: address already in use; held by python" in said
    assert f", process {os.getpid()}, which listens on {HOST}:{port}. End it, or listen on another port: `" in said


def test_the_way_out_of_a_busy_port_can_be_typed(here: Path, call: Call) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((HOST, free_port()))
        call("config", "set", "listen", f"{HOST}:{other.getsockname()[1]}", "-c", str(here))
        command = typed(call("run", "-c", str(here), code=1))
        assert command[:4] == ["edgeturn", "config", "set", "listen"]
        call(*command[1:])
        run = Run(here).ready()
        assert run.end() == 0


def test_the_way_out_of_a_busy_port_for_tls_leaves_the_others(here: Path, call: Call, certificate: Certificate) -> None:
    settings = certificate.settings()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((HOST, free_port()))
        settings["listen_tls"] = f"{HOST}:{other.getsockname()[1]}"
        for name in ("certificate", "key", "listen_tls"):
            here.write_text(put(here.read_text(), name, settings[name]))
        command = typed(call("run", "-c", str(here), code=1))
    assert command[:4] == ["edgeturn", "config", "set", "listen_tls"] and len(command) == 7


def put(text: str, name: str, value: str) -> str:
    """Return a configuration with one more entry of the relay's section."""
    kind = "list" if name.startswith("listen") else "option"
    return text.replace("config relay 'main'\n", f"config relay 'main'\n\t{kind} {name} '{value}'\n")


def test_a_key_of_another_certificate_is_said_instead_of_anything_else(
    here: Path, call: Call, certificate: Certificate, tmp_path: Path
) -> None:
    other = certificates.make(tmp_path)
    listening = f"{HOST}:{free_port()}"
    entries = {"certificate": str(certificate.certificate), "key": str(other.key), "listen_tls": listening}
    for name, value in entries.items():
        here.write_text(put(here.read_text(), name, value))
    said = call("run", "-c", str(here), code=1)
    assert f"{other.key}: the private key doesn't belong to the certificate" in said and len(said.splitlines()) == 1


def test_a_package_that_is_missing_is_said_instead_of_anything_else(
    here: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(obstacles, "find_spec", lambda name: None)
    here.write_text(here.read_text() + f"\nconfig token_key 'one'\n\toption key '{'0f' * 32}'\n")
    said = call("run", "-c", str(here), code=1)
    assert "need the Python package cryptography: `" in said and "pip install cryptography` brings it" in said
    assert len(said.splitlines()) == 1


def test_a_busy_default_port_is_told_after_the_new_file(
    tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(place: bytes) -> socket.socket:
        if address.port_of(place) == 3478:
            raise OSError(errno.EADDRINUSE, "Address already in use")
        return socket.socket()

    file = tmp_path / "edgeturn.conf"
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(identity, "control_path", lambda file: f"{tmp_path}/control.sock")
    monkeypatch.setattr(listeners, "open_at", refuse)
    said = call("run", "-c", str(file), code=1)
    assert f"Made {file} " in said and "address already in use" in said
    assert typed(said) == shlex.split(f"edgeturn config set listen 0.0.0.0:3479 '[::]:3479' -c {file}")
    call(*typed(said)[1:])


@pytest.mark.parametrize(
    ("words", "reason", "way_out"),
    [
        (("listen", "192.0.2.250:3478"), "can't listen on 192.0.2.250:3478: ", "config set listen 0.0.0.0:3478"),
        (("relay_address", "192.0.2.250"), "can't relay from 192.0.2.250: ", "config unset relay_address"),
        (
            ("control", "/dev/null/control.sock"),
            "can't open the control socket",
            "config set control {folder}/control.sock",
        ),
        (("user", "no-such-user"), "there is no user 'no-such-user'", "config unset user"),
    ],
)
def test_what_keeps_it_from_starting_is_said_instead_of_anything_else(
    here: Path, call: Call, monkeypatch: pytest.MonkeyPatch, words: tuple[str, str], reason: str, way_out: str
) -> None:
    call("config", "set", *words, "-c", str(here))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    said = call("run", "-c", str(here), code=1)
    assert (
        reason in said
        and f"`edgeturn {way_out.format(folder=here.parent)} -c {here}`" in said
        and len(said.splitlines()) == 1
    )


def test_what_only_the_daemon_finds_is_said_instead_of_anything_else(here: Path, call: Call) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((HOST, 0))
        port = other.getsockname()[1]
        for name, value in (("max_allocations", "1"), ("relay_ports", f"{port}-{port}")):
            call("config", "set", name, value, "-c", str(here))
        run = Run(here)
        assert run.failed() == (1, "edgeturn: too few free ports in relay_ports\n")
        assert run.output.read_text() == ""


def test_a_second_run_names_the_first(here: Path, tmp_path: Path) -> None:
    run = Run(here).ready()
    try:
        command = [sys.executable, "-m", "edgeturn", "run", "-c", str(here)]
        second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE)
        assert second.returncode == 1 and f"runs already, process {run.process.pid}" in second.stderr
    finally:
        assert run.end() == 0


def test_a_broken_option_is_one_sentence(here: Path) -> None:
    here.write_text(here.read_text() + "config relay2\n")
    code, said = Run(here).failed()
    assert code == 2 and "unknown section type 'relay2'" in said and f"{here}:" in said


def test_an_unwritable_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "no-folder").write_text("a file")
    command = [sys.executable, "-m", "edgeturn", "run", "-c", str(tmp_path / "no-folder" / "edgeturn.conf")]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE)
    assert said.returncode == 1 and "can't be written" in said.stderr and "-c FILE" in said.stderr
    assert len(said.stderr.splitlines()) == 1


def test_a_place_that_cannot_be_looked_at_is_one_sentence(tmp_path: Path, call: Call) -> None:
    said = call("run", "-c", str(tmp_path / ("x" * 300)), code=1)
    assert "can't be written: file name too long" in said and len(said.splitlines()) == 1


def test_too_many_sockets_are_one_sentence(here: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(kind: int, limits: tuple[int, int]) -> None:
        raise ValueError("not allowed")

    monkeypatch.setattr(resource, "getrlimit", lambda kind: (1024, 4096))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    call("config", "set", "max_allocations", "4000", "-c", str(here))
    said = call("run", "-c", str(here), code=1)
    assert (
        "max_allocations 4000 needs 8104 open files and this system allows 4096: raise that (`ulimit -n 8104`" in said
    )
