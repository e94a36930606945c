"""Trace: each line as a person reads it, in 80 columns."""

import time

import pytest

from edgeturn.capture import trace
from edgeturn.capture.messages import words
from edgeturn.protocol import stun
from tests.capture.documents import CLIENT, LOGIN, TRANSACTION, Document, event, login, message, place

PEER = "203.0.113.5:4000"
CHANNEL = (stun.CHANNEL_NUMBER, b"\x40\0\0\0")
FREED = {"up_packets": 10, "down_packets": 1}
ROWS: tuple[tuple[Document, str], ...] = (
    (login()[0], "→ Allocate for udp"),
    (login(transport="tls")[0], "→ Allocate over tls for udp"),
    (login()[1], "← Allocate 401: challenge, as in every login"),
    (login()[2], "→ Allocate for udp, user alice"),
    (login()[4], "← Allocate ok: relayed 198.51.100.1:60000, 600 s"),
    (
        message(stun.CHANNEL_BIND, [CHANNEL, place(stun.XOR_PEER_ADDRESS, PEER), *LOGIN], True),
        f"→ ChannelBind 0x4000, peer {PEER}",
    ),
    (
        message(stun.SEND | stun.INDICATION, [place(stun.XOR_PEER_ADDRESS, PEER), (stun.DATA, b"abc")]),
        f"→ Send peer {PEER}, 3 bytes",
    ),
    (
        message(stun.CREATE_PERMISSION | stun.ERROR, [(stun.ERROR_CODE, stun.encode_error(403))], True, why="the rule"),
        "← CreatePermission 403: the rule",
    ),
    (
        message(stun.REFRESH | stun.ERROR, [(stun.ERROR_CODE, stun.encode_error(438))], True),
        "← Refresh 438: nonce too old, a new one is with it",
    ),
    (message(stun.BINDING, [], dropped="method"), "→ Binding dropped: a method that this relay doesn't have"),
    (
        message(stun.BINDING, []) | {"message": "61" + 30 * "00", "dropped": "header"},
        "→ 31 bytes dropped: no STUN message",
    ),
    (event("freed", reason="", **FREED), "· session 1 freed: 10 packets up, 1 down"),
    (event("dropped", reason="channel"), "· dropped: on a channel that isn't bound now"),
    (event("moved", former=CLIENT), f"· session 1 moved here from {CLIENT}"),
    (
        event("bound", channel=0x4000, peer=PEER),
        f"· channel 0x4000 is silent: the permission for {PEER} has ended",
    ),
    ({"event": "lost", "count": 3}, "· 3 lines aren't shown: too many at once"),
)


def plain(text: str, colour: str) -> str:
    return text


@pytest.mark.parametrize(("document", "said"), ROWS)
def test_a_line(document: Document, said: str) -> None:
    shown = trace.line(document)
    assert shown is not None
    time_, rest = trace.laid_out(shown, 0, plain).split(" ", 1)
    assert rest == f"{document.get('client', ''):<21} {said}" and len(time_) == len("09:25:49.123")
    rows = trace.laid_out(shown, 80, plain).split("\n")
    assert all(len(row) <= 80 for row in rows)
    assert " ".join(" ".join(rows).split()) == " ".join(f"{time_} {rest}".split())


def test_a_long_address_is_shortened_on_a_terminal_only() -> None:
    client = "[2001:db8:1111:2222:3333:4444:5555:6666]:50001"
    shown = trace.line(login(client=client)[0])
    assert shown is not None and client in trace.laid_out(shown, 0, plain)
    assert trace.laid_out(shown, 80, plain).endswith(" [2001:d…5:6666]:50001 → Allocate for udp")


def test_what_an_answer_says_isn_t_said_twice() -> None:
    assert trace.line(login()[3]) is None
    assert trace.line(event("bound", lifetime=300)) is None
    assert trace.line({"event": "ended", "reason": "time"}) is None


def test_the_clock_is_the_local_one() -> None:
    at = time.mktime((2026, 11, 22, 9, 25, 49, 0, 0, -1))
    assert trace.clock({"at_ms": int(at) * 1000 + 7}) == "09:25:49.007"


def test_every_mutation_of_a_message_is_shown() -> None:
    whole = bytes.fromhex(login()[4]["message"])
    for at in range(len(whole)):
        for value in (0, 0x7F, 0xFF):
            changed = (whole[:at] + bytes([value]) + whole[at + 1 :]).hex()
            assert trace.line(login()[4] | {"message": changed})
        assert trace.line(login()[4] | {"message": whole[:at].hex()})
    for kind in range(0x31):  # attributes of no length
        empty = stun.encode(stun.ALLOCATE | stun.ERROR, TRANSACTION, [(kind, b"")])
        assert trace.line(login()[4] | {"message": empty.hex()})


def test_colours_tell_refusals_from_challenges() -> None:
    colours = [trace._colour(words(ROWS[number][0])) for number in (0, 2, 4, 7, 8, 9)]
    assert colours == ["", "yellow", "green", "red", "yellow", "red"]
