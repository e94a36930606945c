"""What a running relay is asked: status, sessions, kick, drain, reload; and credentials that it accepts."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgeturn.cli import control
from edgeturn.command.ice import Login
from edgeturn.probing.client import Client, Refused
from edgeturn.probing.server import Server
from edgeturn.protocol import address
from edgeturn.protocol.address import IPV4
from edgeturn.protocol.listener import TCP
from tests.blackbox.certificates import Certificate
from tests.blackbox.relay import HOST, Relay, Value, free_port, until
from tests.cli.conftest import Call, StartRelay

ALICE = Login("alice", "s3cret")


@contextmanager
def session(relay: Relay, login: Login = ALICE, server: Server | None = None) -> Iterator[Client]:
    client = Client(server or Server(address.parse(f"{HOST}:{relay.port}")), login)
    client.allocate(IPV4)
    yield client
    client.close()


def test_status_and_sessions(start: StartRelay, call: Call) -> None:
    relay = start()
    place = ("-c", str(relay.file))
    assert call("sessions", *place) == "No session.\n"
    with session(relay):
        assert "alice" in call("sessions", *place) and "1 of 8" in call("status", *place)
        (row,) = json.loads(call("sessions", "--json", *place))
        assert row["user"] == "alice" and json.loads(call("status", "--json", *place))["allocations"] == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [({}, "by UDP, TCP\n"), ({"tcp": 0}, "by UDP\n"), ({"secured": 1}, "by UDP and DTLS, TCP and TLS")],
)
def test_status_names_the_transports(
    start: StartRelay, call: Call, certificate: Certificate, settings: dict[str, Value], said: str
) -> None:
    if settings.pop("secured", 0):
        settings.update(certificate.settings(), dtls=1)
    assert said in call("status", "-c", str(start(**settings).file))


def test_status_says_where_there_is_tcp_if_not_everywhere(
    start: StartRelay, call: Call, certificate: Certificate
) -> None:
    place = f"{HOST}:{free_port()}"
    relay = start(**certificate.settings(), tcp=0, listen_tls=[place])
    assert f"by UDP; by TCP and TLS at {place} only" in call("status", "-c", str(relay.file))


def test_sessions_name_the_transport(start: StartRelay, call: Call) -> None:
    relay = start()
    with session(relay, server=Server(address.parse(f"{HOST}:{relay.port}"), TCP)):
        head, row = call("sessions", "-c", str(relay.file)).splitlines()
        assert head.split()[3] == "BY" and row.split()[3] == "TCP"


def test_kick_ends_sessions(start: StartRelay, call: Call) -> None:
    relay = start()
    place = ("-c", str(relay.file))
    with session(relay) as first, session(relay):
        assert call("kick", "1", *place) == "Ended 1.\n"
        with pytest.raises(Refused):
            first.refresh(600)
        assert call("kick", "--user", "alice", *place) == "Ended 2.\n"
        assert "there is no session 1; `edgeturn sessions" in call("kick", "1", *place, code=1)
        assert "user bob has no session; `edgeturn sessions" in call("kick", "--user", "bob", *place, code=1)
    assert "say which" in call("kick", *place, code=2)


def test_sessions_of_a_removed_user_go_on_until_they_are_kicked(start: StartRelay, call: Call) -> None:
    relay = start()
    place = ("-c", str(relay.file))
    call("user", "add", "Zoë", "--password", "x", *place)
    call("reload", *place)
    with session(relay, Login("Zoë", "x")) as client:
        said = call("user", "remove", "Zoë", *place)
        assert f"Sessions of it go on; `edgeturn kick --user Zoë -c {relay.file}` ends them." in said
        call("reload", *place)
        client.permit(address.parse(f"{HOST}:9"))
        client.refresh(600)
        assert call("kick", "--user", "Zoë", *place) == "Ended 1.\n"
    assert not relay.sessions()


def test_status_shows_what_went_wrong_only_where_it_did(
    start: StartRelay, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = start()
    place = ("-c", str(relay.file))
    assert "failures" not in call("status", *place)
    answer = relay.status() | {"failures": 3, "lost_log_lines": 4, "unsent_packets": 5, "reservations": 6}
    monkeypatch.setattr(control, "ask", lambda settings, command: answer)
    said = [line.split() for line in call("status", *place).splitlines()]
    for row in (["failures", "3"], ["lost", "log", "lines", "4"], ["unsent", "packets", "5"], ["reservations", "6"]):
        assert row in said


def test_drain_tells_how_many_are_left_and_waits(start: StartRelay, call: Call) -> None:
    relay = start()
    place = ("-c", str(relay.file))
    with session(relay) as client:
        assert "1 allocation left; the relay ends with the last." in call("drain", *place)
        client.refresh(0)
    assert until(lambda: relay.process.poll() is not None, "the end") and relay.ended() == 0


def test_drain_waits_for_the_end(start: StartRelay, call: Call) -> None:
    relay = start()
    said = call("drain", "--wait", "-c", str(relay.file))
    assert said == "No allocation is left; the relay ends.\nThe relay has ended.\n"
    assert relay.ended() == 0


def test_reload_says_what_was_applied(start: StartRelay, call: Call) -> None:
    relay = start()
    place = ("-c", str(relay.file))
    assert "nothing new" in call("reload", *place)
    call("config", "set", "user_quota", "3", *place)
    call("config", "set", "max_allocations", "9", *place)
    call("user", "add", "carol", "--password", "x", *place)
    with session(relay):
        said = call("reload", *place)
        assert "Applied: user_quota, users." in said and "Needs a restart: max_allocations." in said
        with session(relay, Login("carol", "x")):
            assert len(relay.sessions()) == 2


def test_a_broken_file_changes_nothing(start: StartRelay, call: Call) -> None:
    relay = start()
    lines = relay.file.read_text().replace("option realm 'example.org'", "option realm 'example.net'")
    relay.file.write_text(lines + "config relay 'again'\n")
    said = call("reload", "-c", str(relay.file), code=2)
    assert f"nothing was changed: {relay.file}:" in said and "a second section of type 'relay'.\n" in said
    assert relay.status()["realm"] == "example.org"


def test_a_relay_does_not_take_the_file_of_another(start: StartRelay, call: Call, tmp_path: Path) -> None:
    relay = start()
    other = tmp_path / "other.conf"
    other.write_text(relay.file.read_text())
    assert "not with" in call("reload", "-c", str(other), code=1)


def test_no_relay_is_told_with_what_to_do(file: Path, call: Call, tmp_path: Path) -> None:
    call("config", "set", "control", str(tmp_path / "none.sock"), "-c", str(file))
    for command in ("status", "sessions", "drain", "reload"):
        said = call(command, "-c", str(file), code=1)
        assert f"no relay is reached: there is no control socket {tmp_path}/none.sock" in said
        assert "edgeturn run" in said


def test_minted_credentials_are_accepted(start: StartRelay, call: Call) -> None:
    relay = start()
    place = ("-c", str(relay.file))
    (entry,) = json.loads(call("credentials", "--user", "bob", *place))["iceServers"]
    with session(relay, Login(entry["username"], entry["credential"])):
        assert call("kick", "--user", "bob", *place) == "Ended 1.\n"
    exported = call("credentials", "--format", "env", *place)
    assert "export TURN_USERNAME=" in exported and "export TURN_PASSWORD=" in exported
    assert "expires " in call("credentials", "--format", "text", "--ttl", "60", *place)


def test_nothing_is_minted_without_a_secret(file: Path, call: Call) -> None:
    call("config", "unset", "secret", "-c", str(file))
    assert "`edgeturn secret add" in call("credentials", "-c", str(file), code=2)


def test_where_it_can_not_listen_is_said(start: StartRelay, call: Call) -> None:
    relay = start()
    place, missing = ("-c", str(relay.file)), f"192.0.2.250:{relay.port}"
    relay.configure(listen=[f"{HOST}:{relay.port}", missing])
    said = call("reload", *place)
    assert f"Can't listen on {missing}: " in said and "The relay tries again each second." in said
    assert f"can't listen on {missing}: " in call("status", *place)
