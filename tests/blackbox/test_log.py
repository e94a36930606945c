"""The log: one line an event, what a person can act on."""

import base64
import hashlib
import hmac
import os
import socket
import time

import pytest

from edgeturn.protocol import stun
from tests.blackbox.client import CHANNEL
from tests.blackbox.conftest import NewClient, NewPeer, StartRelay
from tests.blackbox.relay import DEADLINE, HOST, SECRET, Relay


def test_the_first_line_says_where(relay: Relay) -> None:
    assert relay.lines[0].startswith("edgeturn ready on ")
    assert f"{HOST}:{relay.port}" in relay.lines[0] and "relaying from" in relay.lines[0]


def test_the_first_401_is_no_error(start: StartRelay, new_client: NewClient) -> None:
    relay = start(log_level="info")
    assert new_client(relay).allocate().code == 0
    assert relay.logged("info allocated")
    assert not relay.log("401") and not relay.log("warning") and not relay.log("error")


def test_a_session_from_its_beginning_to_its_end(relay: Relay, new_client: NewClient, new_peer: NewPeer) -> None:
    client, peer = new_client(relay), new_peer()
    relayed = client.allocate().relayed[0]
    place = "{}:{}".format(*relayed)
    assert relay.logged("info allocated", "user=alice", "lifetime=600", f"relayed={place}")
    assert client.bind(CHANNEL, peer.address) == 0
    assert relay.logged("debug bound", "channel=0x4000", "peer={}:{}".format(*peer.address))
    client.channel(CHANNEL, b"12345")
    peer.receive()
    assert client.refresh(0).code == 0
    assert relay.logged("info freed", f"relayed={place}", "up=1/5", "down=0/0")


def test_a_refused_peer_says_which_rule(start: StartRelay, new_client: NewClient) -> None:
    relay = start(log_level="info", allow_peer=["127.0.0.0/8", "127.0.0.1"], deny_peer=["127.0.7.0/24", "8.8.8.8"])
    client = new_client(relay)
    assert client.allocate().code == 0
    rules = (
        ("10.1.2.3", "private use"),
        ("169.254.1.1", "link local"),
        ("224.0.0.1", "multicast"),
        ("127.0.7.9", "deny_peer 127.0.7.0/24"),
        ("8.8.8.8", "deny_peer 8.8.8.8"),
    )
    for host, rule in rules:
        assert client.permit((host, 5000)) == 403
        line = relay.logged("info refused CreatePermission", "code=403", f"peer={host}", f"reason='{rule}'")
        assert "user=alice" in line and "client={}:{}".format(*client.address) in line
    assert client.bind(CHANNEL, ("10.9.9.9", 5000)) == 403
    assert relay.logged("info refused ChannelBind", "peer=10.9.9.9")


def test_a_failed_login_is_said_once_a_window(start: StartRelay, new_client: NewClient) -> None:
    """A window is a minute, of which the test may touch two."""
    relay = start(log_level="info")
    for user in ("alice", "mallory"):
        for _ in range(5):
            guesser = new_client(relay, user, host="127.0.1.1")
            guesser.password = "guessed"
            assert guesser.allocate().code == 401
    assert relay.logged("warning refused", "user=mallory")
    relay.command("drain")
    assert relay.ended() == 0  # so that all lines are there
    for user in ("alice", "mallory"):
        lines = relay.log("warning refused Allocate", "code=401", f"user={user}", "client=127.0.1.1:")
        assert 1 <= len(lines) <= 2, relay.lines


def test_names_of_strangers_stay_in_one_line(relay: Relay, new_client: NewClient) -> None:
    for user in ("two\nlines", "a space", "\x1b[31mred", "ü", "x" * 500):
        assert new_client(relay, user).allocate().code == 401
    relay.command("drain")
    assert relay.ended() == 0  # so that all lines are there
    shown = [line for line in relay.lines if "code=401" in line and "reason=" in line]
    assert [line.partition("user=")[2].split()[0] for line in shown] == [
        "two%0alines",
        "a%20space",
        "%1b[31mred",
        "%c3%bc",
        "x" * 64,
    ]
    assert all(line.split()[0] in ("edgeturn", "error", "warning", "info", "debug") for line in relay.lines)


def test_levels(start: StartRelay, new_client: NewClient) -> None:
    seen = {}
    for level in ("error", "warning", "info", "debug"):
        relay = start(log_level=level)
        client = new_client(relay)
        assert client.allocate().code == 0
        client.password = "wrong"
        assert client.request(stun.CREATE_PERMISSION).code == 401
        relay.command("kick", user="alice")
        relay.command("drain")
        assert relay.ended() == 0  # so that all lines are there
        seen[level] = {line.split()[0] for line in relay.lines[1:]}
    assert seen == {
        "error": set(),
        "warning": {"warning"},
        "info": {"info", "warning"},
        "debug": {"info", "warning", "debug"},
    }


def test_time_limited_credentials_and_their_end(relay: Relay, new_client: NewClient) -> None:
    for offset, code in ((600, 0), (-5, 401)):
        client = new_client(relay, f"{int(time.time()) + offset}:carol")
        digest = hmac.digest(SECRET.encode(), client.user.encode(), hashlib.sha1)
        client.password = base64.b64encode(digest).decode()
        assert client.allocate().code == code
        assert relay.logged("allocated" if not code else "refused", f"user={client.user}")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: /dev/log is made by the test")
@pytest.mark.skipif(
    os.path.exists("/dev/log"), reason="this machine has a syslog of its own, which the test won't replace"
)
def test_lines_go_to_syslog_where_that_is_asked_for(start: StartRelay, new_client: NewClient) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
        syslog.bind("/dev/log")
        try:
            syslog.settimeout(DEADLINE)
            relay = start(log="syslog", log_level="info", kernel="off")
            assert new_client(relay).allocate().code == 0
            lines = [syslog.recv(4096) for _ in range(2)]
        finally:
            os.unlink("/dev/log")
    assert lines[0].startswith(b"<30>edgeturn: holds ")  # RFC 5424 §6.2.1: a daemon's information
    assert lines[1].startswith(b"<30>edgeturn: allocated session=1 user=alice ")
