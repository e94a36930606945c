"""
What `diagnose` says of dumps that real browsers saved, of calls with one fault each; tools/dumps makes them again.

Rule 1: a row is the fault, what both sides' dumps show together, and what each of them shows alone; "" is nothing.
Rule 2: the first finding counts, for its first sentence is the answer.
"""

import json
import re
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
    ("quota", "quota", "no-candidates-given", "quota"),
    ("pool-empty", "relay-full", "no-candidates-given", "relay-full"),
    ("udp-blocked", "udp-blocked", "server-unreachable", "other-side-only-private"),
    ("tcp-blocked-too", "tcp-blocked-too", "server-unreachable", "other-side-only-private"),
    ("srflx-on-one-side", "srflx-on-one-side", "srflx-on-one-side", "no-server-named"),
    ("symmetric", *["symmetric-nats"] * 3),
    ("behind-one-carrier", *["hairpin"] * 3),
    ("relay-blocked", "firewall-behind-relay", "firewall-behind-relay", "far-relay-not-passed"),
    ("wrong-announced-address", "wrong-announced-address", "wrong-announced-address", "far-relay-not-passed"),
    ("private-announced-address", *["relay-announces-private"] * 3),
    ("lost-way", *["connection-lost"] * 3),
    ("candidates-lost", "candidates-never-added", *["no-candidates-given"] * 2),
    ("candidates-lost-one-way", "candidates-never-added", "no-server-named", "no-candidates-given"),
    ("candidates-spoilt", *["candidates-refused"] * 3),
    ("wrong-fingerprint", *["dtls-failed"] * 3),
    # The server answers by a code, and the browser shows it.
    ("refused-400", *["bad-request"] * 3),
    ("refused-403", *["forbidden"] * 3),
    ("refused-420", *["unknown-attribute"] * 3),
    ("refused-437", *["allocation-mismatch"] * 3),
    ("refused-438", *["stale-nonce"] * 3),
    ("refused-440", *["family-refused"] * 3),
    ("refused-441", *["credential-changed"] * 3),
    ("refused-442", *["transport-refused"] * 3),
    ("refused-443", *["family-refused"] * 3),
    ("refused-500", *["server-error"] * 3),
    ("coturn-good-relayed", "", "", ""),
    ("coturn-wrong-password", *["credential-refused"] * 3),
    # A browser follows 300 and shows nothing of it, so what is said is weaker, and its next step names it.
    ("redirected", "udp-blocked", "no-candidates-given", "server-unreachable"),
    ("redirected-with-stun", "relay-missing", "relay-missing", "nat-not-passed"),
    ("turn-port-closed", "relay-missing", "relay-missing", "nat-not-passed"),
    ("turn-over-tcp-only", "relay-missing", "relay-missing", "nat-not-passed"),
    ("tcp-port-closed", *["connection-refused"] * 3),
    ("certificate-untrusted", *["connection-refused"] * 3),
    ("tls-blocked-too", "tls-blocked-too", "server-unreachable", "other-side-only-private"),
    ("peer-refused", "peer-refused", "peer-refused", "far-relay-not-passed"),
    ("one-way", "one-way", "one-way", "nat-not-passed"),
    ("open-meets-symmetric", "", "", ""),
    ("symmetric-one-way", "symmetric-nats", "symmetric-nats", "nat-not-passed"),
    ("answer-lost", "no-answer", "no-answer", "firewall-behind-relay"),
    ("unanswered", "not-answered", "no-answer", "not-answered"),
    ("same-role", *["nat-not-passed"] * 3),
    ("same-role-works", "", "", ""),
)


def sides(*names: str) -> list[Side]:
    """Return the sides of dumps, as they are or packed."""
    files = [path for name in names for path in (DUMPS / name, DUMPS / f"{name}.gz") if path.exists()]
    assert len(files) == len(names)
    return [side for path in files for side in read(path.name, path.read_bytes())]


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


def test_both_ends_in_the_same_role_are_told_beside_what_keeps_them_apart() -> None:
    here, there = sides("same-role.alice.json"), sides("same-role.bob.json")
    told = conclude(Evidence([*here, *there]))
    assert [(each.case, each.certainty) for each in told] == [("nat-not-passed", "likely"), ("same-role", "possible")]
    assert told[1].evidence == ("same-role.alice.json.gz: controlling", "same-role.bob.json.gz: controlling")


def test_a_silent_server_may_have_sent_the_client_elsewhere() -> None:
    """No browser shows 300, so each answer that it may be says how to find out."""
    for names in (["redirected.alice.json", "redirected.bob.json"], ["redirected-with-stun.alice.json"]):
        (finding,) = conclude(Evidence(sides(*names)))
        assert "`edgeturn config get alternate_server`" in " ".join(finding.next)


def test_why_a_relayed_candidate_is_missing() -> None:
    """Where a browser shows refusals and shows none, the server isn't reached that way."""
    for name, way in (("turn-port-closed", "UDP"), ("turn-over-tcp-only", "TCP")):
        (finding,) = conclude(Evidence(sides(f"{name}.alice.json")))
        assert finding.conclusion.endswith(f"it isn't reached over {way}.")


def test_what_an_address_that_only_checks_found_means() -> None:
    """Chromium hides the address of a remote one, and shows its own."""
    for name, whose in (("alice", "The other side's"), ("bob", "This side's")):
        said = answer(Evidence(sides(f"open-meets-symmetric.{name}.json")), [])
        assert f"{whose} address was found by the checks only (prflx): the NAT there" in said
    assert "prflx" not in answer(Evidence(sides("good-direct.alice.json")), [])


def test_checks_from_another_port_show_a_symmetric_nat() -> None:
    """Chromium hides where they came from, but for the port."""
    (finding,) = conclude(Evidence(sides("symmetric-one-way.alice.json")))
    (seen,) = finding.evidence
    assert re.search(r"the other side came from port \d+ \(prflx\), which it hadn't named$", seen)


def test_each_call_of_a_dump_is_judged_by_itself() -> None:
    """A dump has all connections of a browser: one that works doesn't hide one that fails, nor is compared with it."""
    works, fails, other = (
        sides(f"{name}.alice.json")[0] for name in ("good-direct", "symmetric", "wrong-announced-address")
    )
    for given in ([works, fails], [fails, works]):
        assert first(Evidence(given)) == "symmetric-nats"
        assert not answer(Evidence(given), []).startswith("Nothing is wrong")
    assert {each.case for each in conclude(Evidence([fails, other]))} == {"symmetric-nats", "wrong-announced-address"}
    assert first(Evidence([works, *sides("good-relayed.alice.json")])) == ""


def test_a_connection_that_was_never_used_is_left_out() -> None:
    document = json.loads((DUMPS / "symmetric.alice.json").read_text())
    unused = {"rtcConfiguration": '{"iceServers":[]}', "updateLog": [], "stats": {}, "url": "https://call.example/"}
    document["PeerConnections"] = {"0-1": unused, **document["PeerConnections"]}
    (side,) = read("two", json.dumps(document).encode())
    assert first(Evidence([side])) == "symmetric-nats"
    (alone,) = read("one", json.dumps({"PeerConnections": {"0-1": unused}}).encode())
    assert first(Evidence([alone])) == ""


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
