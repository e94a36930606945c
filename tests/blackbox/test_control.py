"""The control socket: mode, status, sessions, kick, drain, and requests that are none."""

import json
import os
import socket
import stat
from pathlib import Path

import pytest

from tests.blackbox.client import CHANNEL, EVEN_AND_NEXT, Client
from tests.blackbox.conftest import NewClient, NewPeer
from tests.blackbox.relay import DEADLINE, HOST, HOST6, Relay

NO_REQUESTS = (
    b"\n",
    b"no JSON\n",
    b"[]\n",
    b"null\n",
    b"7\n",
    b"{}\n",
    b'"status"\n',
    b'{"command": "explode"}\n',
    b'{"command": ["status"]}\n',
    b'{"command": {}}\n',
    b'{"command": null}\n',
    b'{"command": "kick"}\n',
    b'{"command": "kick", "session": 77}\n',
    b'{"command": "kick", "user": ["alice"]}\n',
    b'{"command": "reload", "configuration": "nonsense"}\n',
    b"\xff\xfe\n",
    b"[" * 5000 + b"\n",
    b"[" * 200000 + b"\n",
    b'{"command": ' + b"9" * 10000 + b"}\n",
)


def test_the_socket_belongs_to_its_owner_alone(relay: Relay) -> None:
    found = Path(str(relay.settings["control"])).stat()
    assert stat.S_ISSOCK(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o600


def test_status(relay: Relay, new_client: NewClient) -> None:
    status = relay.status()
    assert status["process"] == relay.process.pid
    assert sorted(status["listening"]) == sorted([f"{HOST}:{relay.port}", f"[{HOST6}]:{relay.port}"])
    assert sorted(status["relay_addresses"]) == sorted([HOST, HOST6])
    assert (status["allocations"], status["max_allocations"], status["draining"]) == (0, 8, False)
    client = new_client(relay)
    assert client.allocate(EVEN_AND_NEXT).code == 0 and client.allocate().code == 437
    status = relay.status()
    assert (status["allocations"], status["reservations"], status["allocated_ever"]) == (1, 1, 1)
    assert status["refused"] == {"401": 1, "437": 1}
    assert status["uptime_seconds"] < 60 and status["memory_bytes"] > 0


def test_sessions(relay: Relay, new_client: NewClient, new_peer: NewPeer) -> None:
    client, peer = new_client(relay), new_peer()
    relayed = client.allocate().relayed[0]
    assert client.bind(CHANNEL, peer.address) == 0
    [session] = relay.sessions()
    assert (session["user"], session["client"]) == ("alice", "{}:{}".format(*client.address))
    assert session["relayed"] == ["{}:{}".format(*relayed)]
    assert session["peers"] == ["{}:{}".format(*peer.address)]
    assert (session["permissions"], session["channels"]) == (1, 1)
    assert session["age_seconds"] <= 5 and 590 <= session["expires_seconds"] <= 600


def test_kick_by_session_and_by_user(relay: Relay, new_client: NewClient) -> None:
    clients = [new_client(relay, user) for user in ("alice", "alice", "bob")]
    for client in clients:
        assert client.allocate().code == 0
    by_client = {session["client"]: session["session"] for session in relay.sessions()}
    number = by_client["{}:{}".format(*clients[2].address)]
    assert relay.command("kick", session=number)["ended"] == [number]
    assert clients[2].refresh(600).code == 437
    assert len(relay.command("kick", user="alice")["ended"]) == 2
    assert [client.refresh(600).code for client in clients[:2]] == [437, 437]
    assert not relay.control({"command": "kick", "user": "alice"})["ok"]
    assert clients[0].allocate().code == 0  # it may come back


def ends_after_drain(relay: Relay, client: Client) -> int:
    """Let the last session go; return the exit code."""
    assert client.refresh(0).code == 0
    return relay.ended()


def test_drain_ends_the_process_when_nobody_is_left(relay: Relay, new_client: NewClient, new_peer: NewPeer) -> None:
    client, peer = new_client(relay), new_peer()
    relayed = client.allocate().relayed[0]
    assert relay.command("drain")["allocations"] == 1
    assert relay.status()["draining"]
    assert new_client(relay).allocate().code == 508
    assert client.bind(CHANNEL, peer.address) == 0
    client.channel(CHANNEL, b"goes on")
    assert peer.receive() == (b"goes on", relayed)
    assert ends_after_drain(relay, client) == 0
    assert relay.log("drained") and not Path(str(relay.settings["control"])).exists()


def test_drain_of_an_empty_relay_ends_it(relay: Relay) -> None:
    assert relay.command("drain")["allocations"] == 0
    assert relay.ended() == 0


def cpu_time(relay: Relay) -> float:
    """Return the seconds of a processor that a relay has used."""
    fields = Path(f"/proc/{relay.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_out_of_files_waits_without_work(relay: Relay) -> None:
    with socket.socket(socket.AF_UNIX) as waiting:
        with relay.without_files():
            waiting.connect(str(relay.settings["control"]))
            waiting.sendall(b'{"command": "status"}\n')
            at_first = cpu_time(relay)
            with pytest.raises(TimeoutError):
                waiting.settimeout(1)
                waiting.recv(1)
            assert cpu_time(relay) - at_first < 0.2
        waiting.settimeout(2 * DEADLINE)
        assert waiting.recv(1) == b"{"


@pytest.mark.parametrize("request_", NO_REQUESTS, ids=lambda request: repr(request[:40]))
def test_what_is_no_request_gets_one_sentence(relay: Relay, request_: bytes) -> None:
    answer = relay.control_bytes(request_)
    assert not answer["ok"] and answer["error"] and "\n" not in answer["error"]
    assert relay.status()["ok"]
    assert not relay.log("Traceback")


def test_a_request_may_come_in_pieces_and_the_oldest_idler_gives_way(relay: Relay) -> None:
    idlers = [socket.socket(socket.AF_UNIX) for _ in range(6)]
    for idler in idlers:
        idler.settimeout(DEADLINE)
        idler.connect(str(relay.settings["control"]))
        relay.status()
    assert idlers[0].recv(1) == b""
    for piece in (b'{"comma', b'nd": "sta', b'tus"}\n'):
        idlers[5].sendall(piece)
    assert json.loads(b"".join(iter(lambda: idlers[5].recv(65536), b"")))["ok"]
    for idler in idlers:
        idler.close()
