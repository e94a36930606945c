"""Which calls are made: a row is a name and what is wrong in it.

Rule 1: a call that fails by no fault of the network is made in a network without fault.
Rule 2: what a row leaves out is as it should be: NATs that keep ports, a relay, a right credential.
"""

from dataclasses import dataclass, field
from typing import Any

from tests.lab.relay import Options, credentials
from tools.dumps.street import RELAY, SECOND

PORT = 3478
Servers = list[dict[str, Any]]


def turn(
    query: str = "?transport=udp", password: str = "", place: str = f"{RELAY}:{PORT}", lifetime: int = 3600
) -> dict[str, Any]:
    """Return a TURN server as an application names it."""
    user, right = credentials("lab", lifetime)
    return {"urls": f"turn:{place}{query}", "username": user, "credential": password or right}


def turns(place: str = f"{RELAY}:443") -> dict[str, Any]:
    """Return a TURN server over TLS as an application names it."""
    return {**turn(), "urls": f"turns:{place}?transport=tcp"}


def stun(place: str = f"{RELAY}:{PORT}") -> dict[str, Any]:
    """Return a STUN server as an application names it."""
    return {"urls": f"stun:{place}"}


@dataclass(frozen=True)
class Call:
    """A row."""

    name: str
    alice: Servers = field(default_factory=lambda: [turn()])
    bob: Servers | None = None  # as alice's
    policy: str = "all"
    symmetric: tuple[str, ...] = ()  # houses
    carrier: bool = False
    drops: tuple[tuple[str, str], ...] = ()  # house, nftables match
    relay_drops: str = ""
    relay: Options = field(default_factory=dict)
    loses: tuple[str, ...] = ()
    change: str = ""
    camera: bool = False
    seconds: int = 45
    spoils: bool = False  # the signalling garbles candidates
    cut: str = ""  # what alice's house drops once the call is connected, as nftables match it
    sdp: bool = False  # whether offer and answer are kept, too
    firefox: bool = False  # both ends in alice's Firefox
    open: str = ""  # the house whose NAT lets everything in (full cone)
    stops: str = ""  # where the signalling ends: answer-lost, unanswered
    crossed: bool = False  # both offer, and each is given the other's offer as an answer
    refuses: int = 0  # instead of the relay a server that answers by this code
    coturn: bool = False  # instead of edgeturn
    certificate: bool = False  # the relay has one that no browser trusts
    packed: bool = False  # kept as a browser packs it


UDP = "ip protocol udp"
APART = (("left", "ip daddr 203.0.113.22"), ("right", "ip daddr 203.0.113.21"))  # the houses don't reach each other
NO_TCP = "tcp dport { 443, 3478 }"
EVERY_WAY = [turn(), turn("?transport=tcp"), turns()]
ELSEWHERE = f"turn:{SECOND}:3999"  # where nothing listens
REFUSALS = (400, 403, 420, 437, 438, 440, 441, 442, 443, 500)

CALLS = (
    Call("good-direct", [stun()], camera=True, sdp=True),
    Call("good-relayed", policy="relay", sdp=True),
    Call("no-servers", [], sdp=True),
    Call("wrong-port", [stun(f"{RELAY}:3999"), turn(place=f"{RELAY}:3999")]),
    Call("no-such-name", [stun("turn.invalid:3478"), turn(place="turn.invalid:3478")]),
    Call("udp-blocked", [stun(), turn()], drops=(("left", UDP),)),
    Call("udp-blocked-tcp-works", [turn(), turn("?transport=tcp")], drops=(("left", UDP),)),
    Call("tcp-blocked-too", [turn(), turn("?transport=tcp")], drops=(("left", UDP), ("left", "tcp dport 3478"))),
    Call("srflx-on-one-side", [stun()], [], drops=APART, sdp=True),
    Call("symmetric", [stun(), stun(f"{SECOND}:{PORT}")], symmetric=("left", "right"), camera=True, sdp=True),
    Call("wrong-password", [turn(password="wrong")], policy="relay"),
    Call("expired", [turn(lifetime=-600)], policy="relay"),
    Call("no-turn-under-relay-policy", [stun()], policy="relay"),
    Call("quota", [turn()], policy="relay", relay={"user_quota": "1"}, camera=True),
    Call("pool-empty", policy="relay", relay={"max_allocations": "1"}),
    Call("relay-blocked", [turn()], [stun()], drops=APART, relay_drops="udp sport 49152-65535"),
    Call("wrong-announced-address", [turn()], [stun()], drops=APART, relay={"external_address": ["203.0.113.99"]}),
    Call(
        "private-announced-address",
        [turn()],
        [stun()],
        drops=APART,
        relay={"external_address": ["192.168.9.1"]},
        sdp=True,
    ),
    Call("behind-one-carrier", [stun()], carrier=True, sdp=True),
    Call("lost-way", policy="relay", camera=True, cut="ip protocol udp", seconds=60),
    Call("candidates-lost", loses=("alice", "bob"), camera=True),
    Call("candidates-lost-one-way", [], loses=("alice",), drops=APART),
    Call("candidates-spoilt", spoils=True, camera=True),
    Call("wrong-fingerprint", change="fingerprint"),
    Call("redirected", policy="relay", relay={"max_allocations": "1", "alternate_server": [ELSEWHERE]}, packed=True),
    Call("redirected-with-stun", [turn()], [stun()], drops=APART, refuses=300, packed=True),
    Call("tcp-port-closed", [turn("?transport=tcp", place=f"{RELAY}:3999")], policy="relay", packed=True, seconds=15),
    *(Call(f"refused-{code}", policy="relay", refuses=code, seconds=12, packed=True) for code in REFUSALS),
    Call("peer-refused", [turn()], [stun()], drops=APART, relay={"deny_peer": ["203.0.113.22"]}, packed=True),
    Call("turn-port-closed", [stun(), turn(place=f"{RELAY}:3999")], [stun()], drops=APART, packed=True),
    Call(
        "turn-over-tcp-only", [stun(), turn("?transport=tcp")], [stun()], drops=(*APART, ("left", NO_TCP)), packed=True
    ),
    Call("tls-blocked-too", EVERY_WAY, drops=(("left", UDP), ("left", NO_TCP)), certificate=True, packed=True),
    Call("certificate-untrusted", [turns()], policy="relay", certificate=True, packed=True),
    Call("one-way", [stun()], drops=(("right", "iifname wan ip saddr 203.0.113.21"),), camera=True, packed=True),
    Call("open-meets-symmetric", [stun()], symmetric=("right",), open="left", camera=True, packed=True),
    Call(
        "symmetric-one-way",
        [stun()],
        symmetric=("right",),
        open="left",
        drops=(("right", "iifname wan ip saddr 203.0.113.21"),),
        camera=True,
        packed=True,
    ),
    Call("answer-lost", stops="answer-lost", seconds=12, packed=True),
    Call("unanswered", stops="unanswered", seconds=12, packed=True),
    Call("same-role", [stun()], crossed=True, drops=APART, packed=True),
    Call("same-role-works", [stun()], crossed=True, packed=True),
    Call("coturn-good-relayed", policy="relay", coturn=True, packed=True),
    Call("coturn-wrong-password", [turn(password="wrong")], policy="relay", coturn=True, seconds=12, packed=True),
    Call("firefox-good-relayed", policy="relay", firefox=True, seconds=5),
    Call("firefox-wrong-password", [turn(password="wrong")], policy="relay", firefox=True, seconds=12),
    Call("firefox-candidates-lost", loses=("alice", "bob"), firefox=True, seconds=12),
    Call("firefox-wrong-port", [turn(place=f"{RELAY}:3999")], policy="relay", firefox=True, seconds=15),
    Call("firefox-relay-missing", [stun(), turn(password="wrong")], loses=("bob",), firefox=True, seconds=8),
    Call("firefox-refused-437", policy="relay", refuses=437, firefox=True, seconds=12),
    Call("firefox-refused-486", policy="relay", refuses=486, firefox=True, seconds=12),
    Call("firefox-answer-lost", stops="answer-lost", firefox=True, seconds=8),
)
