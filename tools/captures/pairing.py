"""Scenes in which there are relayed addresses, and nothing gets through them."""

import json
import subprocess
import sys
import time
from collections.abc import Callable

from edgeturn.protocol import stun
from tests.blackbox.client import Row, encode
from tests.lab.network import wait_until
from tools.captures.allocating import Recorders
from tools.captures.ground import NAT, PEER, RELAY, SECOND, Ground

PRIORITY, CONTROLLING = 0x0024, 0x802A  # RFC 8445 §16.1
AGENT = "tests.lab.aioice_agent"
TRIES = 8.0  # seconds that agents may check


def agent(ground: Ground, host: str, *more: str) -> "subprocess.Popen[str]":
    """Start an ICE agent of aioice at a host."""
    argv = [sys.executable, "-m", AGENT, host, *more]
    return ground.nodes[host].popen(argv, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)


def relayed(user: str, password: str) -> tuple[str, ...]:
    """Return what an agent is told that has nothing but a relayed candidate."""
    return ("--server", RELAY, "--port", "3478", "--user", user, "--password", password)


def meet(first: "subprocess.Popen[str]", second: "subprocess.Popen[str]", seconds: float = TRIES) -> bool:
    """Tell each agent of the other; say whether both came to talk."""
    described = []
    for each in (first, second):
        assert each.stdout is not None
        described.append(each.stdout.readline())
    for each, other in ((first, described[1]), (second, described[0])):
        assert each.stdin is not None
        assert json.loads(other)
        each.stdin.write(other)
        each.stdin.flush()
    ends = time.monotonic() + seconds
    try:
        return all(each.wait(max(0.1, ends - time.monotonic())) == 0 for each in (first, second))
    except subprocess.TimeoutExpired:
        return False
    finally:
        for each in (first, second):
            each.kill()
            each.wait()


def call(ground: Ground, *more: str) -> bool:
    """Let the client, by the relay only, call the peer, which has its own address only."""
    return meet(
        agent(ground, "client", "--controlling", *relayed("alice", "s3cret"), *more), agent(ground, "peer", *more)
    )


def relayed_call(ground: Ground) -> Recorders:
    """Let a call work, by the relay."""
    ground.start()
    seen = {"client": ground.record(), "relay": ground.record("relay"), "peer": ground.record("peer")}
    assert call(ground, "--messages", "40")
    return seen


def peer_refused(ground: Ground) -> Recorders:
    ground.start()
    recorder, client = ground.record(), ground.client()
    assert client.allocate().code == 0
    assert client.permit(("10.20.30.40", 5000)) == 403
    return {"": recorder}


def no_permission(ground: Ground) -> Recorders:
    """Send to a peer without asking for a permission."""
    ground.start()
    peer, recorder, client = ground.peer(), ground.record(), ground.client()
    place = client.allocate().relayed[0]
    for _ in range(6):
        client.send(peer.address, bytes(100))
        peer.send(place, bytes(100))
    return {"": recorder}


def firewall(ground: Ground) -> Recorders:
    """Drop what goes between relay and peer."""
    ground.start()
    ground.rules(f"ip saddr {RELAY} ip daddr {PEER} drop\nip saddr {PEER} ip daddr {RELAY} drop")
    seen = {"client": ground.record(), "relay": ground.record("relay")}
    assert not call(ground)
    return seen


def announced_elsewhere(ground: Ground) -> Recorders:
    """Let checks of the relay reach the peer from another address than it announces, and no answer come back."""
    ground.start(external_address=["203.0.113.77"])
    seen = {"client": ground.record(), "peer": ground.record("peer")}
    ground.rules(f"ip saddr {PEER} ip daddr {RELAY} drop")
    assert not call(ground)
    return seen


def other_side_silent(ground: Ground) -> Recorders:
    """Let one side check the relayed address of another, which is there and was never told of the call."""
    ground.start()
    recorder, other = ground.record(), ground.client("bob", host="second")
    host, port = other.allocate().relayed[0]
    candidate = f"1 1 udp 16777215 {host} {port} typ relay raddr {SECOND} rport 40000"
    caller = agent(ground, "client", "--controlling", *relayed("alice", "s3cret"))
    assert caller.stdout is not None
    assert caller.stdin is not None
    caller.stdout.readline()
    caller.stdin.write(json.dumps({"username": "them", "password": "p" * 22, "candidates": [candidate]}) + "\n")
    caller.stdin.flush()
    time.sleep(TRIES)
    caller.kill()
    caller.wait()
    return {"": recorder}


def nothing_sent(ground: Ground) -> Recorders:
    """Let ICE connect, and nobody send anything after it."""
    ground.start()
    recorder = ground.record()
    call(ground, "--messages", "0")  # with nothing to wait for, one closes before the other is done
    return {"": recorder}


def wrong_announced(ground: Ground) -> Recorders:
    """Let the relay announce an address at which it isn't reached."""
    ground.start(external_address=["192.168.77.7"])
    seen = {"client": ground.record(), "peer": ground.record("peer")}
    # The peer answers what reaches it from the relay's real address: a firewall in front of it, as any NAT is one.
    ground.rules(f"ip saddr {RELAY} ip daddr {PEER} drop")
    assert not call(ground)
    return seen


def role_conflict(ground: Ground) -> Recorders:
    """Let both ends begin as controlling; by RFC 8445 one gives way, and the call works."""
    ground.start()
    recorder = ground.record()
    more = "--controlling", "--messages", "20"
    ends = agent(ground, "client", *more, *relayed("alice", "s3cret")), agent(ground, "peer", *more)
    assert meet(*ends, seconds=15)
    return {"": recorder}


def stubborn_roles(ground: Ground) -> Recorders:
    """Check as the controlling end again and again, although the other end answers that it is that (487)."""
    ground.start()
    peer, recorder, client = ground.peer(), ground.record(), ground.client()
    place = client.allocate().relayed[0]
    assert client.permit(peer.address) == 0
    for _ in range(5):
        rows: list[Row] = [(stun.USERNAME, b"them:me"), (PRIORITY, b"\x6e\x7f\x1e\xff"), (CONTROLLING, bytes(8))]
        client.send(peer.address, encode(stun.BINDING, rows, b"their password"))
        check = stun.Message(peer.receive()[0])
        conflict = [(stun.ERROR_CODE, stun.encode_error(487))]
        answer = stun.encode(
            stun.BINDING | stun.ERROR, check.transaction, conflict, stun.MESSAGE_INTEGRITY, b"their password"
        )
        peer.send(place, answer)
        client.receive()
    return {"": recorder}


def hairpin(ground: Ground) -> Recorders:
    """Let a client of a coturn behind a NAT check a peer that is behind the same NAT."""
    node = ground.nodes["relay"]
    ground.translate(f"snat to {NAT}")
    argv = ["turnserver", "-n", "--no-cli", "-L", RELAY, "-E", RELAY, "-X", f"{NAT}/{RELAY}", "-r", "example.org",
            "--lt-cred-mech", "-u", "alice:s3cret", "--no-tls", "--no-dtls", "-m", "1", "--pidfile", "",
            "--log-file", "stdout"]  # fmt: skip
    server = node.popen(argv, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: node.listens(3478), "coturn listens", 10)
        recorder, client, peer = ground.record(), ground.client(), ground.client(host="second")
        place = peer.binding().mapped
        assert client.allocate().relayed[0][0] == place[0] == NAT
        assert client.permit(place) == 0
        user = (stun.USERNAME, b"them:me"), (PRIORITY, b"\x6e\x7f\x1e\xff")
        for _ in range(6):
            client.send(place, encode(stun.BINDING, [*user], b"their password"))
            time.sleep(0.1)
        return {"": recorder}
    finally:
        server.kill()
        server.wait()


SCENES: dict[str, Callable[[Ground], Recorders]] = {
    "relayed-call": relayed_call,
    "peer-refused": peer_refused,
    "no-permission": no_permission,
    "firewall": firewall,
    "nothing-sent": nothing_sent,
    "other-side-silent": other_side_silent,
    "wrong-announced": wrong_announced,
    "announced-elsewhere": announced_elsewhere,
    "role-conflict": role_conflict,
    "stubborn-roles": stubborn_roles,
    "hairpin": hairpin,
}
