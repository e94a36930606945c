"""A reload, by SIGHUP and over the control socket: it drops no allocation, and a broken file changes nothing."""

import os
import signal
from collections.abc import Callable

import pytest

from tests.blackbox.certificates import Certificate
from tests.blackbox.client import CHANNEL, Client, Peer
from tests.blackbox.conftest import NewClient, NewPeer, StartRelay
from tests.blackbox.relay import REALM, Address, Relay, configuration, until

# What is wrong, and what is said of it behind FILE:LINE.
BROKEN = (
    ("option max_lifetime 'long'", "option 'max_lifetime': must be a whole number from 60 to 86400, not 'long'"),
    ("option colour 'red'", "unknown option 'colour' in a section of type 'relay'"),
    ("option realm 'unclosed", "the quote ' is not closed"),
    ("option allow_peer '127.0.0.0/8'", "'allow_peer' is written as 'list allow_peer …'"),
    ("option log_level 'info'", "option 'log_level' stands in line 14 already"),
    ("list deny_peer '10.0.0.1/8'", "option 'deny_peer': must be an address or a prefix"),
)

Reload = Callable[[Relay], None]


def by_signal(relay: Relay) -> None:
    seen = len(relay.log("reloaded"))
    relay.process.send_signal(signal.SIGHUP)
    relay.logged("reloaded") if not seen else None


def by_control(relay: Relay) -> None:
    relay.command("reload")


def by_text(relay: Relay) -> None:
    """As the tool does it where the relay has dropped its privileges."""
    relay.command("reload", configuration=configuration(relay.settings))


def line_is_open(client: Client, peer: Peer, relayed: Address) -> bool:
    """Say whether data goes through in both directions."""
    client.channel(CHANNEL, b"up")
    peer.send(relayed, b"down")
    return peer.receive() == (b"up", relayed) and client.receive().data == b"down"


@pytest.mark.parametrize("reload", [by_signal, by_control, by_text])
def test_a_reload_applies_and_drops_nothing(
    start: StartRelay, new_client: NewClient, new_peer: NewPeer, reload: Reload
) -> None:
    relay = start(user_quota=1)
    client, peer = new_client(relay), new_peer()
    relayed = client.allocate().relayed[0]
    assert client.bind(CHANNEL, peer.address) == 0
    assert new_client(relay).allocate().code == 486
    relay.configure(user_quota=3, max_lifetime=700)
    reload(relay)
    assert "applied=user_quota,max_lifetime" in sort_applied(relay.logged("reloaded"))
    assert new_client(relay).allocate().code == 0
    assert client.refresh(3000).lifetime == 700
    assert line_is_open(client, peer, relayed)


def sort_applied(line: str) -> str:
    """Return the log line with what was applied in the table's order: MicroPython's dicts have none."""
    before, applied, after = line.partition("applied=")
    names, space, rest = after.partition(" ")
    ordered = sorted(names.split(","), key=["user_quota", "max_lifetime"].index)
    return before + applied + ",".join(ordered) + space + rest


def test_what_needs_a_restart_is_said(relay: Relay) -> None:
    relay.configure(max_allocations=16, user_quota=3)
    answer = relay.command("reload")
    assert (answer["applied"], answer["needs_restart"]) == (["user_quota"], ["max_allocations"])
    assert relay.status()["max_allocations"] == 8


def test_what_needs_a_restart_isnt_half_applied(start: StartRelay, certificate: Certificate) -> None:
    relay = start()
    listening = relay.status()["listening"]
    given = certificate.settings()
    relay.configure(**given)
    answer = relay.command("reload")
    assert set(answer["needs_restart"]) == set(given)
    assert (relay.status()["listening"], relay.status()["certificate"]) == (listening, None)


def test_users_and_secrets_are_exchanged(relay: Relay, new_client: NewClient) -> None:
    client = new_client(relay)
    assert client.allocate().code == 0
    text = configuration(relay.settings) + "config user 'carol'\n\toption password 'new'\n"
    assert relay.command("reload", configuration=text)["applied"] == ["users"]
    carol = new_client(relay, "carol")
    carol.password = "new"
    assert carol.allocate().code == 0
    assert client.refresh(600).code == 0


def test_a_peer_that_is_denied_now_is_cut_off(relay: Relay, new_client: NewClient, new_peer: NewPeer) -> None:
    client, peer, denied = new_client(relay), new_peer("127.0.7.1"), new_peer("127.0.7.2")
    relayed = client.allocate().relayed[0]
    assert client.bind(CHANNEL, peer.address) == 0 and client.bind(CHANNEL + 1, denied.address) == 0
    relay.configure(deny_peer=["127.0.7.2"])
    assert relay.command("reload")["applied"] == ["deny_peer"]
    client.channel(CHANNEL + 1, b"up")
    denied.send(relayed, b"down")
    until(lambda: relay.dropped("channel", "permission") == 2, "both are dropped")
    assert not denied.queued() and not client.waiting()
    assert line_is_open(client, peer, relayed)
    assert client.permit(denied.address) == 403


@pytest.mark.parametrize(("line", "reason"), BROKEN)
def test_a_broken_file_changes_nothing(relay: Relay, new_client: NewClient, line: str, reason: str) -> None:
    client = new_client(relay)
    assert client.allocate().code == 0
    text = configuration(relay.settings | {"user_quota": 1})
    first, _, rest = text.partition("config user")
    relay.file.write_text(first + f"\t{line}\nconfig user" + rest)
    place = f"{relay.file}:{first.count(chr(10)) + 1}: {reason}"
    answer = relay.control({"command": "reload"})
    assert not answer["ok"] and answer["error"].startswith(f"nothing was changed: {place}"), answer
    relay.process.send_signal(signal.SIGHUP)
    assert place in relay.logged("error", "not reloaded, nothing was changed")
    assert new_client(relay).allocate().code == 0  # with the quota of before
    assert client.refresh(600).code == 0


def test_a_file_that_is_no_text_changes_nothing(relay: Relay) -> None:
    relay.file.write_bytes(b"config relay\n\toption realm '\xff\xfe'\n")
    answer = relay.control({"command": "reload"})
    assert not answer["ok"] and str(relay.file) in answer["error"], answer
    relay.process.send_signal(signal.SIGHUP)
    relay.logged("error", "not reloaded", str(relay.file))
    assert relay.status()["realm"] == REALM


def test_a_missing_file_changes_nothing(relay: Relay) -> None:
    os.remove(relay.file)
    answer = relay.control({"command": "reload"})
    assert not answer["ok"] and f"{relay.file}: can't be read" in answer["error"], answer
