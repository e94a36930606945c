"""
What `diagnose` says of dumps that real browsers saved, of calls with one fault each; tools/dumps makes them again.

Rule 1: a row is the fault, what both sides' dumps show together, and what each of them shows alone; "" is nothing.
Rule 2: the first finding counts, for its first sentence is the answer.
"""

from pathlib import Path

import pytest

from edgeturn.diagnose.conclusion import conclude
from edgeturn.diagnose.evidence import Evidence, Side
from edgeturn.diagnose.reading import read
from edgeturn.diagnose.report import answer

DUMPS = Path(__file__).parent / "dumps"

CALLS = (
    # fault, both, alice alone, bob alone
    ("good-direct", "", "", ""),
    ("good-relayed", "", "", ""),
    ("udp-blocked-tcp-works", "", "", ""),
    ("no-servers", "no-server-named", "no-server-named", "no-server-named"),
    ("no-turn-under-relay-policy", *["relay-policy-without-turn"] * 3),
    ("no-such-name", *["name-unresolvable"] * 3),
    ("wrong-port", *["server-unreachable"] * 3),
    ("wrong-password", *["credential-refused"] * 3),
    ("expired", *["credential-refused"] * 3),
    ("quota", "quota-reached", "no-candidates-given", "quota-reached"),
    ("pool-empty", "pool-empty", "no-candidates-given", "pool-empty"),
    ("udp-blocked", "udp-blocked", "server-unreachable", "other-side-only-private"),
    ("tcp-blocked-too", "tcp-blocked-too", "server-unreachable", "other-side-only-private"),
    ("srflx-on-one-side", "srflx-on-one-side", "srflx-on-one-side", "no-server-named"),
    ("symmetric", *["symmetric-nats"] * 3),
    ("behind-one-carrier", *["hairpin"] * 3),
    ("relay-blocked", "relay-not-passed", "relay-not-passed", "far-relay-not-passed"),
    ("wrong-announced-address", "wrong-announced-address", "wrong-announced-address", "far-relay-not-passed"),
    ("private-announced-address", *["relay-announces-private"] * 3),
    ("lost-way", *["connection-lost"] * 3),
    ("candidates-lost", "candidates-never-added", *["no-candidates-given"] * 2),
    ("candidates-lost-one-way", "candidates-never-added", "no-server-named", "no-candidates-given"),
    ("candidates-spoilt", *["candidates-refused"] * 3),
    ("wrong-fingerprint", *["dtls-failed"] * 3),
)


def sides(*names: str) -> list[Side]:
    return [side for name in names for side in read(name, (DUMPS / name).read_bytes())]


def first(evidence: Evidence) -> str:
    found = conclude(evidence)
    return found[0].case if found else ""


@pytest.mark.parametrize(("fault", "both", "alice", "bob"), CALLS, ids=[row[0] for row in CALLS])
def test_the_fault_is_found(fault: str, both: str, alice: str, bob: str) -> None:
    here, there = sides(f"{fault}.alice.json"), sides(f"{fault}.bob.json")
    assert (first(Evidence(here)), first(Evidence(there))) == (alice, bob)
    assert first(Evidence([*here, *there])) == first(Evidence([*there, *here])) == both


def test_a_changed_fingerprint_is_certain_with_both_sides_only() -> None:
    here, there = (sides(f"wrong-fingerprint.{name}.json") for name in ("alice", "bob"))
    assert [conclude(Evidence(given))[0].certainty for given in (here, [*here, *there])] == ["likely", "certain"]


def test_a_good_call_is_called_good() -> None:
    for name, way in (
        ("good-direct", "directly"),
        ("good-relayed", "through a relay"),
        ("udp-blocked-tcp-works", "through a relay"),
    ):
        assert f"the call connected, {way}" in answer(Evidence(sides(f"{name}.alice.json")), [])


def test_what_a_dump_tells() -> None:
    (side,) = sides("udp-blocked-tcp-works.bob.json")
    assert [server.uri for server in side.servers] == [
        "turn:203.0.113.1:3478?transport=udp",
        "turn:203.0.113.1:3478?transport=tcp",
    ]
    assert sorted((each.kind, each.relay_transport) for each in side.candidates if each.kind == "relay") == [
        ("relay", "tcp"),
        ("relay", "udp"),
    ]
    assert side.controlling is False and side.gathered_all and side.policy == "all"
    assert [each.kind for each in side.descriptions] == ["offer", "answer"]
    (used,) = [pair for pair in side.pairs if pair.nominated]
    assert used.remote is not None and used.remote.address == "203.0.113.1" and used.checks_answered > 0
    assert side.media.sent_packets and side.media.received_packets


OLD = """{"PeerConnections": {"7-1": {
 "rtcConfiguration": "{ iceServers: [turn:203.0.113.1:3478?transport=tcp, stun:203.0.113.1], iceTransportPolicy: all, bundlePolicy: balanced }",
 "updateLog": [
  {"time": "1/2/2026, 10:00:00 AM", "type": "icecandidate", "value": "sdpMid: 0, sdpMLineIndex: 0, candidate: candidate:1 1 udp 2122260223 192.168.1.11 50278 typ host generation 0 ufrag wUYv network-id 1"},
  {"time": "1/2/2026, 10:00:01 AM", "type": "icecandidateerror", "value": "url: turn:203.0.113.1:3478?transport=tcp, address: 192.168.1.x, port: 9, host_candidate: 192.168.1.x:9, error_text: Unauthorized, error_code: 401"},
  {"time": "1/2/2026, 10:00:02 AM", "type": "iceconnectionstatechange", "value": "ICEConnectionStateFailed"},
  {"time": "1/2/2026, 10:00:02 AM", "type": "icegatheringstatechange", "value": "complete"}]}}}"""  # noqa: E501


def test_the_generation_before_is_read_too() -> None:
    """What Chromium wrote until its log became JSON, in its words."""
    (side,) = read("old.txt", OLD.encode())
    assert [server.uri for server in side.servers] == ["turn:203.0.113.1:3478?transport=tcp", "stun:203.0.113.1"]
    assert [(error.code, error.text, error.server) for error in side.errors] == [
        (401, "Unauthorized", "turn:203.0.113.1:3478?transport=tcp")
    ]
    assert side.gathered_all and ("ice", "failed") in [(event.what, event.value) for event in side.events]
    assert first(Evidence([side])) == "credential-refused"
