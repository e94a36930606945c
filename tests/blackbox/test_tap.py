"""The tap: what it shows and to whom, that no secret is in it, and that neither its readers nor strangers can harm."""

import itertools
import socket
from contextlib import ExitStack

import pytest

from edgeturn.protocol import stun
from tests.blackbox.client import CHANNEL, encode
from tests.blackbox.conftest import NewClient, NewPeer, StartRelay
from tests.blackbox.relay import HOST, PASSWORDS, SECRET, Relay, until
from tests.blackbox.tap import Line, Tap, answers, is_event

ALLOCATED = stun.ALLOCATE | stun.SUCCESS
REFRESHED = stun.REFRESH | stun.SUCCESS
PRIVATE = ("10.0.0.1", 9)
REFUSED: tuple[tuple[dict[str, object], str], ...] = (
    ({"seconds": 0}, "1 to 3600"),
    ({"seconds": 3601}, "1 to 3600"),
    ({"seconds": "9"}, "1 to 3600"),
    ({"seconds": None}, "1 to 3600"),
    ({"client": "host.example"}, "ADDRESS"),
    ({"client": ["192.0.2.1"]}, "ADDRESS"),
    ({"client": "192.0.2.1:"}, "ADDRESS"),
)


def names(lines: list[Line]) -> list[str]:
    """Return what lines are: the event, of a message → or ← with its type."""
    arrows = {"in": "→", "out": "←"}
    return [
        arrows[line["direction"]] + line["message"][:4] if line["event"] == "message" else line["event"]
        for line in lines
    ]


def code(line: Line) -> int:
    value = stun.Message(bytes.fromhex(line["message"])).attributes[stun.ERROR_CODE]
    return value[2] * 100 + value[3]


def test_a_session_from_the_challenge_to_its_end(
    relay: Relay, new_client: NewClient, new_peer: NewPeer, transport: str
) -> None:
    with Tap(relay) as tap:
        client, peer = new_client(relay), new_peer()
        relayed = client.allocate().relayed[0]
        client.permit(PRIVATE)
        client.bind(CHANNEL, peer.address)
        client.refresh(0)
        lines = tap.until(answers(REFRESHED))
    assert names(lines) == [
        *("→0003", "←0113", "→0003", "allocated", "←0103"),
        *("→0008", "←0118", "→0009", "permitted", "bound", "←0109"),
        *("→0004", "unbound", "freed", "←0104"),
    ]
    place = "{}:{}".format(*client.address)
    assert {line["client"] for line in lines} == {place}
    assert {line["transport"] for line in lines if line["event"] == "message"} == {transport}
    assert {line["server"] for line in lines if line["event"] == "message"} == {f"{HOST}:{relay.port}"}
    assert [line["user"] for line in lines] == ["", ""] + 13 * ["alice"]
    assert [line["session"] for line in lines] == [0, 0] + 13 * [1]
    assert lines[6]["why"] == "peer 10.0.0.1: private use" and code(lines[6]) == 403
    assert lines[3]["relayed"] == "{}:{}".format(*relayed) and 595 <= lines[3]["lifetime"] <= 600
    assert (lines[9]["channel"], lines[9]["peer"]) == (CHANNEL, "{}:{}".format(*peer.address))
    assert all(one["at_us"] <= other["at_us"] for one, other in itertools.pairwise(lines[:3]))


def test_data_is_shown_by_its_size_alone(relay: Relay, new_client: NewClient, new_peer: NewPeer) -> None:
    client, peer = new_client(relay), new_peer()
    relayed = client.allocate().relayed[0]
    assert client.permit(peer.address) == 0
    with Tap(relay) as tap:
        client.send(peer.address, b"words that nobody else reads")
        peer.receive()
        peer.send(relayed, b"nor these ones")
        client.receive()
        lines = [tap.line(), tap.line()]
    assert names(lines) == ["→0016", "←0017"]
    for line, size in zip(lines, (28, 14), strict=True):
        assert stun.Message(bytes.fromhex(line["message"])).attributes[stun.DATA] == bytes(size)


def test_what_is_dropped_says_why(relay: Relay, new_client: NewClient, new_peer: NewPeer) -> None:
    client, peer = new_client(relay), new_peer()
    relayed = client.allocate().relayed[0]
    with Tap(relay) as tap:
        client.send(peer.address, b"without permission")
        assert tap.line()["dropped"] == "permission"
        client.channel(CHANNEL + 7, b"no such channel")
        line = tap.line()
        assert (line["event"], line["reason"], line["session"]) == ("dropped", "channel", 1)
        peer.send(relayed, b"without permission")
        line = tap.line()
        assert (line["event"], line["reason"], line["user"]) == ("dropped", "permission", "alice")
        assert line["peer"] == "{}:{}".format(*peer.address)
        client.sock.send(encode(stun.BINDING | stun.SUCCESS, []))
        assert tap.line()["dropped"] == "response"


@pytest.mark.datagrams
def test_what_is_no_message_is_shown_without_its_content(relay: Relay, new_client: NewClient) -> None:
    client = new_client(relay)
    with Tap(relay) as tap:
        client.sock.send(b"password=hunter2&" * 4)
        line = tap.line()
        assert (line["dropped"], line["message"]) == ("header", (b"pass" + bytes(64)).hex())
        cut = bytearray(client.signed(stun.ALLOCATE)[:-4])
        cut[2:4] = (len(cut) - stun.HEADER_SIZE).to_bytes(2, "big")
        client.sock.send(cut)
        line = tap.until(lambda line: "dropped" in line)[-1]
        assert line["dropped"] == "attribute length" and line["message"].endswith(16 * "00")


def test_over_budget(start: StartRelay, new_client: NewClient) -> None:
    relay = start(unauthenticated_rate=1)
    client = new_client(relay)
    with Tap(relay) as tap:
        for _ in range(6):
            client.sock.send(encode(stun.BINDING, []))
        assert tap.until(lambda line: "dropped" in line)[-1]["dropped"] == "over budget"


def test_no_secret_is_shown(relay: Relay, new_client: NewClient, new_peer: NewPeer) -> None:
    with Tap(relay) as tap:
        client, peer = new_client(relay), new_peer()
        client.allocate()
        sent = client.signed(stun.REFRESH)
        client.ask(sent)
        client.bind(CHANNEL, peer.address)
        client.permit(peer.address)
        client.send(peer.address, b"words that nobody else reads")
        client.refresh(0)
        lines = tap.until(answers(REFRESHED))
    lines = [line for line in lines if line["event"] == "message"]
    shown = b"".join(bytes.fromhex(line["message"]) for line in lines) + repr(lines).encode()
    integrity = stun.Message(sent).attributes[stun.MESSAGE_INTEGRITY]
    words = [word.encode() for word in (*PASSWORDS.values(), SECRET)]
    for secret in (client.nonce, integrity, client.key(), b"words that nobody", *words):
        assert secret not in shown and secret.hex().encode() not in shown
    for kind in (stun.NONCE, stun.MESSAGE_INTEGRITY):
        values = [stun.Message(bytes.fromhex(line["message"])).attributes.get(kind, b"") for line in lines]
        assert max(map(len, values)) >= 20 and not any(map(any, values))


def test_one_client_alone(relay: Relay, new_client: NewClient) -> None:
    alice, bob = new_client(relay), new_client(relay, "bob")
    with Tap(relay, client="{}:{}".format(*bob.address)) as one, Tap(relay, client="127.0.0.7") as nobody:
        alice.allocate()
        bob.allocate()
        lines = one.until(answers(ALLOCATED))
        assert {line["client"] for line in lines} == {"{}:{}".format(*bob.address)}
        nobody.sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            nobody.line()


def test_one_user_alone_and_who_may_be_that_one(relay: Relay, new_client: NewClient) -> None:
    with Tap(relay, user="bob") as tap:
        new_client(relay).allocate()
        new_client(relay, "bob").allocate()
        lines = tap.until(answers(ALLOCATED))
    assert {line["user"] for line in lines} == {"", "bob"}


def test_at_most_two_and_room_again_when_one_has_gone(relay: Relay, new_client: NewClient) -> None:
    with Tap(relay):
        for _ in range(3):
            with Tap(relay) as second:
                assert second.answer["ok"]
                third = Tap(relay).answer
                assert not third["ok"] and "two others" in third["error"]
            until(lambda: relay.status()["taps"] == 1, "it is seen to have gone")
    new_client(relay).allocate()
    assert relay.status()["failures"] == 0


def test_what_can_not_be_shown(relay: Relay) -> None:
    for asked, said in REFUSED:
        answer = relay.control({"command": "tap", "seconds": 5} | asked)
        assert not answer["ok"] and said in answer["error"], asked


def test_it_ends_when_its_time_is_over(relay: Relay, new_client: NewClient) -> None:
    with Tap(relay, seconds=1) as tap:
        assert list(tap.lines()) == []
    assert new_client(relay).allocate().code == 0


def test_idlers_and_a_reload_leave_it_open(relay: Relay, new_client: NewClient, stack: ExitStack) -> None:
    with Tap(relay) as tap:
        for _ in range(6):
            idler = socket.socket(socket.AF_UNIX)
            stack.callback(idler.close)
            idler.connect(str(relay.settings["control"]))
            relay.status()
        relay.command("reload")
        client = new_client(relay)
        client.allocate()
        tap.until(answers(ALLOCATED))
        relay.command("kick", user="alice")
        assert tap.until(is_event("freed"))[-1]["session"] == 1


def test_who_does_not_read_loses_lines_and_harms_nobody(relay: Relay, new_client: NewClient, new_peer: NewPeer) -> None:
    client = new_client(relay)
    client.allocate()
    with Tap(relay) as tap:
        before = relay.status()["memory_bytes"]
        for number in range(400):  # more than the kernel holds for a reader, and the relay after that
            client.send(("127.0.0.9", 9), bytes(1400))
            assert number % 20 or client.refresh(600).code == 0
        until(lambda: relay.dropped("permission") == 400, "all of them")
        assert relay.status()["memory_bytes"] < before + 1_000_000
        lines = tap.until(is_event("lost"))
        assert len(lines) < 400 and set(names(lines)) == {"→0016", "→0004", "←0104", "lost"}
        with tap.gathered() as later:
            until(lambda: client.refresh(600) and any(map(answers(REFRESHED), later)), "lines again")
    assert relay.status()["failures"] == 0


def test_strangers_take_half_of_the_room(relay: Relay, new_client: NewClient) -> None:
    stranger, client = new_client(relay), new_client(relay)
    client.allocate()
    refreshes = 0
    with Tap(relay) as tap, tap.gathered() as lines:

        def is_lost() -> bool:
            nonlocal refreshes
            for _ in range(50):
                stranger.sock.send(encode(stun.BINDING, []))
            refreshes += client.refresh(600).code == 0
            assert all(stranger.sock.recv(100) for _ in range(50))
            return len([line for line in lines if line["event"] == "lost"]) > 1

        until(is_lost, "more than is shown, twice")
        until(lambda: sum(map(answers(REFRESHED), lines)) == refreshes, "all of who is no stranger")
