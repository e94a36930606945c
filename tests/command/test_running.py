"""The command and its relay: what runs is looked at, steered and tried, and its credentials let others in."""

import json
import re
import socket
import subprocess

from edgeturn.command.ice import Login
from edgeturn.probing.client import Client, Refused
from edgeturn.probing.server import Server
from edgeturn.protocol import address
from edgeturn.protocol.address import IPV4
from tests.blackbox.relay import DEADLINE, HOST, until
from tests.command.conftest import Command, Run
from tests.lab.programs import program

MESSAGES = 5
ALLOCATIONS = 4  # that this client makes: two with RTCP beside RTP


def client(command: Command, name: str, password: str) -> Client:
    place = command("config", "get", "listen").strip()
    return Client(Server(address.parse(place)), Login(name, password))


def test_a_minted_credential_lets_another_client_in(running: Command) -> None:
    running("config", "set", "wide_channels", "1")  # which this client binds
    running("reload")
    port = running("config", "get", "listen").strip().rpartition(":")[2]
    entry = json.loads(running("credentials", "--user", "lab"))["iceServers"][0]
    assert entry["urls"] == [
        f"stun:{HOST}:{port}",
        f"turn:{HOST}:{port}?transport=udp",
        f"turn:{HOST}:{port}?transport=tcp",
    ]
    login = ["-u", entry["username"], "-w", entry["credential"], "-p", port, "-n", str(MESSAGES), "-z", "5", "-y", HOST]
    done = subprocess.run([program("turnutils_uclient"), *login], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    told = re.findall(r"tot_send_msgs=(\d+), tot_recv_msgs=(\d+)", done.stdout)[-1]
    assert told == (str(ALLOCATIONS * MESSAGES),) * 2, done.stdout
    assert json.loads(running("status", "--json"))["allocated_ever"] >= ALLOCATIONS


def test_the_forms_of_a_credential_say_the_same(configured: Command) -> None:
    rows = dict(line.split(None, 1) for line in configured("credentials", "--format", "text").splitlines())
    assert rows["realm"] == "example.org" and rows["expires"].endswith(" UTC")
    shown = configured("credentials", "--ttl", "60", "--user", "a b", "--format", "env")
    told = subprocess.run(["sh", "-c", f'{shown}\necho "$TURN_USERNAME/$TURN_REALM"'], capture_output=True, text=True)
    assert re.fullmatch(r"\d+:a b/example\.org\n", told.stdout)


def test_a_user_who_is_added_logs_in_after_the_reload(running: Command) -> None:
    said = running("user", "add", "alice")
    password = said.split("with password ")[1].split(";")[0]
    alice = client(running, "alice", password)
    try:
        try:
            alice.allocate(IPV4)
        except Refused as refused:
            assert refused.code == 401
        else:
            raise AssertionError("a user of whom the relay doesn't know yet was let in")
        assert running("reload") == "Applied: users.\n"
        alice.close()
        alice = client(running, "alice", password)
        relayed = address.format(alice.allocate(IPV4))
        (session,) = json.loads(running("sessions", "--json"))
        assert (session["user"], session["relayed"]) == ("alice", [relayed])
        assert relayed in running("sessions") and "alice has no session" not in running("sessions")
        assert running("kick", "--user", "alice") == f"Ended {session['session']}.\n"
        assert running("sessions") == "No session.\n"
        assert f"there is no session 7; `{running.called} sessions" in running("kick", "7", code=1)
        assert f"say which: `{running.called} kick ID" in running("kick", code=2)
    finally:
        alice.close()


def test_status_says_what_runs(running: Command) -> None:
    place = running("config", "get", "listen").strip()
    answer = json.loads(running("status", "--json"))
    assert answer["listening"] == [place] and answer["configuration"] == str(running.file)
    rows = [line.split(None, 2) for line in running("status").splitlines()]
    assert ["listening", "on", place] in rows and ["kernel", "path", "off"] in rows


def test_check_finds_that_it_works(running: Command) -> None:
    document = json.loads(running("check", "--json"))
    assert document["passed"]
    passed = [(each["transport"], each["step"]) for each in document["steps"] if each["state"] == "passed"]
    wanted = (
        "Binding",
        "challenge",
        "wrong password",
        "Allocate",
        "permission",
        "relay to relay",
        "channel",
        "release",
    )
    assert passed == [("udp", step) for step in wanted] + [("tcp", step) for step in ("connection", *wanted)]
    assert running("check").splitlines()[-1] == "It works: 17 passed, 0 failed, 2 skipped."
    assert json.loads(running("sessions", "--json")) == []
    place = running("config", "get", "listen").strip()
    said = running("check", f"turn:{place}?transport=tcp", "--secret", "one-shared-secret")
    assert "over TCP" in said and "It works: 9 passed" in said
    assert "Binding" in running("check", f"stun:{place}")
    said = running("check", f"turn:{place}", "-u", "alice", "-p", "wrong", code=3)
    assert "x IPv4 Allocate         401" in said and "doesn't accept username and password" in said


def test_what_nobody_answers_is_said_with_what_to_do(configured: Command) -> None:
    said = configured("status", code=1)
    assert said.startswith(f"Error: no relay is reached: there is no control socket {configured.folder}/control.sock;")
    assert f"`{configured.called} run -c {configured.file}`" in said
    said = configured("check", code=3)
    assert "x Binding               no answer" in said and "x connection            can't connect" in said
    assert said.splitlines()[-1] == "It doesn't work yet: 0 passed, 2 failed, 9 skipped."


def test_a_second_relay_is_refused_in_one_sentence(running: Command) -> None:
    said = running("run", code=1).splitlines()
    assert said == [line for line in said if line.startswith("Error: a relay with this control socket runs already")]


def test_a_port_that_cant_be_had_is_said_before_anything_is_promised(configured: Command) -> None:
    taken = configured("config", "get", "listen").strip()
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as other:
            other.bind((HOST, int(taken.rpartition(":")[2])))
            if kind == socket.SOCK_STREAM:
                other.listen()
            (said,) = configured("run", code=1).splitlines()
        assert said.startswith(f"Error: can't listen on {taken}") and "`netstat -lnp`" in said
    configured("config", "set", "listen", "192.0.2.250:3478")
    (said,) = configured("run", code=1).splitlines()
    reasons = ("no interface has this address", "cannot assign requested address")
    hint = "`ip addr` lists this machine's addresses"
    assert said in [f"Error: can't listen on 192.0.2.250:3478: {reason}; {hint}." for reason in reasons]


def test_what_only_the_relay_itself_finds_is_said_alone(configured: Command) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((HOST, 0))
        port = other.getsockname()[1]
        for name, value in (("max_allocations", "1"), ("relay_ports", f"{port}-{port}")):
            configured("config", "set", name, value)
        assert configured("run", code=1) == "edgeturn: too few free ports in relay_ports\n"


def test_an_address_that_isnt_there_yet_keeps_only_from_itself(configured: Command) -> None:
    configured("config", "add", "listen", "192.0.2.250:3478")
    run = Run(configured).ready()
    assert "can't listen on 192.0.2.250:3478: " in run.errors.read_text() and run.end() == 0


def test_more_allocations_than_files_can_be_had_for(configured: Command) -> None:
    configured("config", "set", "max_allocations", "2000")
    limited = Command(
        ["sh", "-c", 'ulimit -n 256; ulimit -Hn 256; exec "$@"', "sh", *configured.program], configured.folder
    )
    limited.program = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *limited.program]
    said = limited("run", code=1)
    assert "max_allocations 2000 needs 4" in said and "allows fewer" in said


def test_drain_waits_for_the_last(configured: Command) -> None:
    run = Run(configured).ready()
    try:
        login = json.loads(configured("credentials"))["iceServers"][0]
        guest = client(configured, login["username"], login["credential"])
        guest.allocate(IPV4)
        assert configured("drain") == "1 allocation left; the relay ends with the last.\n"
        guest.refresh(0)
        guest.close()
        assert run.process.wait(DEADLINE) == 0
    finally:
        run.process.kill()


def test_verbose_decodes_messages(configured: Command) -> None:
    run = Run(configured, "--verbose").ready()
    try:
        configured("check")
        until(lambda: "debug" in run.errors.read_text(), "a message decoded")
    finally:
        assert run.end() == 0
