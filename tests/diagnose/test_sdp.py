"""Offers, answers and candidates, as browsers and aioice wrote them, and as people paste them."""

import json
import re
from pathlib import Path

import pytest

from edgeturn.diagnose.conclusion import conclude
from edgeturn.diagnose.evidence import Evidence, Side
from edgeturn.diagnose.reading import Unreadable, read

DUMPS = Path(__file__).parent / "dumps"
OFFER = (DUMPS / "good-direct.alice.offer.sdp").read_text()
ANSWER = (DUMPS / "good-direct.bob.answer.sdp").read_text()
HOST = "candidate:3456307884 1 udp 2122260223 192.168.1.11 50278 typ host generation 0 ufrag wUYv network-id 1"
SRFLX = "candidate:3625867294 1 udp 1686052607 203.0.113.21 50278 typ srflx raddr 192.168.1.11 rport 50278 generation 0"
HIDDEN = (
    "candidate:0 1 UDP 2122187007 ddcf37ac-7f50-45d9-8412-ab1b0af58186.local 55852 typ host"  # as Firefox writes it
)
TRICKLED = {"candidate": HOST, "sdpMid": "0", "sdpMLineIndex": 0, "usernameFragment": "wUYv"}


def first(*sides: Side) -> str:
    found = conclude(Evidence(list(sides)))
    return found[0].case if found else ""


def sdp(fault: str) -> list[Side]:
    return [
        side
        for name in ("alice.offer", "bob.answer")
        for side in read(name, (DUMPS / f"{fault}.{name}.sdp").read_bytes())
    ]


def candidates(*lines: str) -> list[Side]:
    return read("list", "\n".join(lines).encode())


CALLS = (
    ("no-servers", "only-host-candidates"),
    ("srflx-on-one-side", "srflx-on-one-side"),
    ("symmetric", "symmetric-nats"),
    ("behind-one-carrier", "hairpin"),
    ("private-announced-address", "relay-announces-private"),
    ("good-direct", "no-relay-offered"),  # possible only: nothing says that it failed
    ("good-relayed", ""),
)


@pytest.mark.parametrize(("fault", "case"), CALLS, ids=[row[0] for row in CALLS])
def test_offer_and_answer_tell_the_fault(fault: str, case: str) -> None:
    assert first(*sdp(fault)) == case


FORMS = (
    ("as it is", OFFER),
    ("with the line ends of a log", OFFER.replace("\r\n", "\n").replace("\n", "\\r\\n")),
    ("as a description", json.dumps({"type": "offer", "sdp": OFFER})),
    ("inside a message", json.dumps({"to": "bob", "payload": {"type": "offer", "sdp": OFFER}})),
    ("with spaces in front", "\n".join(f"  {line}" for line in OFFER.splitlines())),
)


@pytest.mark.parametrize(("how", "text"), FORMS, ids=[row[0] for row in FORMS])
def test_an_offer_is_read_in_each_form(how: str, text: str) -> None:
    (side,) = read("offer", text.encode())
    (description,) = side.descriptions
    assert side.name == "offer (an SDP offer)" and description.kind == "offer"
    assert (description.setup, description.trickle, description.media) == ("actpass", True, ("audio",))
    assert [each.kind for each in side.candidates] == ["host", "srflx", "host"] and side.notes == []


def test_two_descriptions_in_one_file_are_two_sides() -> None:
    both = read("call", (OFFER + ANSWER).encode())
    assert [side.name for side in both] == ["call (an SDP offer)", "call (an SDP answer)"]


def test_a_line_that_is_no_sdp_is_named() -> None:
    (side,) = read("offer", (OFFER.rstrip() + "\nINFO: sent the offer\n").encode())
    assert side.notes == [f"line {len(OFFER.splitlines()) + 1}: no SDP: INFO: sent the offer"]


LISTS = (
    ("lines", f"{HOST}\n{SRFLX}\n"),
    ("lines of SDP", f"a={HOST}\r\na={SRFLX}\r\n"),
    ("an array", json.dumps([TRICKLED, {"candidate": SRFLX}])),
    ("one JSON a line", f"{json.dumps(TRICKLED)}\n{json.dumps({'candidate': SRFLX})}\n"),
    (
        "messages of an application",
        json.dumps([{"type": "candidate", "candidate": TRICKLED}, {"ice": {"candidate": SRFLX}}]),
    ),
)


@pytest.mark.parametrize(("how", "text"), LISTS, ids=[row[0] for row in LISTS])
def test_candidates_are_read_in_each_form(how: str, text: str) -> None:
    (side,) = read("list", text.encode())
    assert [(each.kind, each.transport, each.address, each.port) for each in side.candidates] == [
        ("host", "udp", "192.168.1.11", 50278), ("srflx", "udp", "203.0.113.21", 50278),
    ]  # fmt: skip
    assert side.candidates[1].related == "192.168.1.11:50278" and side.notes == [] and side.gathered_all is None


ENDS = (
    f"{HOST}\na=end-of-candidates",
    json.dumps([TRICKLED, {"candidate": ""}]),
    json.dumps([TRICKLED, {"candidate": None}]),
)


@pytest.mark.parametrize("text", ENDS)
def test_the_end_of_candidates_is_seen(text: str) -> None:
    (side,) = read("list", text.encode())
    assert side.gathered_all is True and len(side.candidates) == 1


def test_a_line_without_a_candidate_is_named() -> None:
    (side,) = candidates(HOST, "", "then nothing came", SRFLX)
    assert side.notes == ["line 3: no candidate: then nothing came"] and len(side.candidates) == 2


def test_hidden_hosts_alone_are_worthless_elsewhere() -> None:
    assert first(*candidates(HIDDEN)) == "hosts-hidden"
    assert first(*candidates(HIDDEN), *candidates(SRFLX)) == "srflx-on-one-side"


def test_a_side_alone() -> None:
    """What one side's candidates show without the other's: no relay; a symmetric NAT; or all that there is."""
    assert first(*candidates(HOST, SRFLX)) == "no-relay-offered"
    assert (
        first(*candidates(HOST, SRFLX, SRFLX.replace("203.0.113.21 50278", "203.0.113.21 50279"))) == "symmetric-nats"
    )
    assert first(*candidates(HOST, SRFLX, SRFLX.replace("srflx", "relay").replace("203.0.113.21", "203.0.113.1"))) == ""


def test_families_that_dont_meet() -> None:
    """What aioice gathered with IPv4 only, from a relay too, and with IPv6 only."""
    sides = [
        side for name in ("only-ipv4", "only-ipv6") for side in read(name, (DUMPS / f"{name}.candidates").read_bytes())
    ]
    assert first(*sides) == "families-dont-meet"
    assert first(sides[0]) == first(sides[1]) == ""


def _without(word: str, text: str) -> str:
    return "\n".join(line for line in text.splitlines() if word not in line)


LITE = OFFER.replace("a=group", "a=ice-lite\na=group", 1), ANSWER.replace("a=group", "a=ice-lite\na=group", 1)
ROLES = (
    ("both are lite", *LITE, "both-lite"),
    ("a lite server behind a NAT", _without("srflx", LITE[0]), ANSWER, "lite-behind-nat"),
    ("both offer", OFFER, ANSWER.replace("setup:active", "setup:actpass"), "both-offer"),
    ("both begin DTLS", OFFER.replace("setup:actpass", "setup:active"), ANSWER, "setup-doesnt-fit"),
    (
        "the answer refuses",
        OFFER,
        _without("BUNDLE", re.sub(r"m=audio \d+", "m=audio 0", ANSWER)),
        "media-refused",
    ),
)


@pytest.mark.parametrize(("what", "offer", "answer", "case"), ROLES, ids=[row[0] for row in ROLES])
def test_roles_that_dont_fit(what: str, offer: str, answer: str, case: str) -> None:
    kinds = ("offer", "offer") if case == "both-offer" else ("offer", "answer")
    sides = [
        side for kind, text in zip(kinds, (offer, answer), strict=True)
        for side in read(kind, json.dumps({"type": kind, "sdp": text}).encode())
    ]  # fmt: skip
    assert case in [finding.case for finding in conclude(Evidence(sides))]


def test_a_description_without_candidates_is_only_half() -> None:
    empty = "\n".join(line for line in OFFER.splitlines() if "candidate" not in line)
    (side,) = read("offer", empty.encode())
    assert first(side) == "only-described"
    assert first(side, *candidates(HOST)) == "only-host-candidates"


@pytest.mark.parametrize(
    "text", ["", "  \n", "hello", "{}", "[1, 2]", '{"candidate": 7}', "\x00\x01\x02", "candidate:1 1 udp"]
)
def test_what_is_none_of_these_is_said_so(text: str) -> None:
    with pytest.raises(Unreadable, match=r"^thing: .*\.$"):
        read("thing", text.encode())
