"""What a browser makes of what was gathered, row by row, and behind two NATs with a router that says its address."""

import json
import sys
import time
from dataclasses import replace

import pytest

from edgeturn.command.ice import Login
from edgeturn.diagnose.evidence import HOST, RELAY, SRFLX, Candidate, IceError
from edgeturn.probing import verdict
from edgeturn.probing.behaviour import Behaviour
from edgeturn.probing.candidate import Gathered
from edgeturn.probing.gathering import LookUp, Sight, Wanted
from edgeturn.probing.picture import Picture
from edgeturn.protocol import address
from tests.lab.programs import ROOT
from tests.lab.test_upstream_nat import OUTSIDE, STUN, Upstream, upstream
from tests.lab.test_upstream_nat import RELAY as INSIDE

__all__ = ["upstream"]

BASE, MAPPED, SERVER = (address.parse(text) for text in ("192.168.1.2:5000", "203.0.113.7:5000", "198.51.100.1:3478"))
STUN_ONLY = Wanted("stun:a", False, None, list)
TURN = Wanted("turn:b", True, None, list)


def gathered(kind: str, ip: str, transport: str = "") -> Gathered:
    return Gathered(Candidate(kind, "udp", ip, 5000, server="turn:b", relay_transport=transport), "1", BASE)


def nat(mapping: str, filtering: str, mapped: bytes = MAPPED, server: bytes = SERVER) -> Behaviour:
    return Behaviour(server, BASE, mapped, mapping, filtering)


@pytest.mark.parametrize(
    ("mapping", "filtering", "said"),
    [
        ("none", "endpoint-independent", "no NAT and no firewall: calls go direct with everybody"),
        ("none", "address-and-port-dependent", "no NAT: calls go direct with everybody who can send UDP."),
        ("none", "", "no NAT: calls go direct with everybody who can send UDP."),
        ("endpoint-independent", "endpoint-independent", "even behind a symmetric NAT."),
        ("endpoint-independent", "address-dependent", "even behind a symmetric NAT."),
        (
            "endpoint-independent",
            "address-and-port-dependent",
            "with those behind a symmetric NAT the relay is needed.",
        ),
        ("endpoint-independent", "", "with some behind a symmetric NAT the relay is needed."),
        ("address-dependent", "endpoint-independent", "with all others the relay is needed."),
        ("address-and-port-dependent", "", "with all others the relay is needed."),
        ("destination-dependent", "", "with all others the relay is needed."),
    ],
)
def test_direct_calls(mapping: str, filtering: str, said: str) -> None:
    (sentence, _) = verdict.conclude(Picture([TURN], behaviours=[nat(mapping, filtering)]))
    assert sentence.startswith("Over IPv4: ") and said in sentence


@pytest.mark.parametrize(
    ("what", "picture", "said"),
    [
        (
            "a server at home", Picture([TURN], behaviours=[nat("none", "", BASE)]),
            "Over IPv4 the server is in the same network: that says nothing of the NAT on the way out.",
        ),
        (
            "a NAT of whatever kind", Picture([TURN], behaviours=[nat("", "")]),
            "Over IPv4 there is a NAT of a kind that these servers can't tell: direct calls may work or not.",
        ),
        (
            "a server here", Picture([TURN], behaviours=[nat("none", "", BASE, address.parse("127.0.0.1:3478"))]),
            "Over IPv4 the server is this machine itself: that says nothing of the way to others.",
        ),
        (
            "private servers", Picture([STUN_ONLY], sights=[Sight("stun:a", BASE, BASE, BASE)]),
            "The servers have private addresses only: nobody outside this network can use them.",
        ),
        (
            "relays over UDP only", Picture([TURN], [gathered(RELAY, "203.0.113.9", "udp")]),
            "No relay over TCP or TLS: who is in a network that blocks UDP has no way in; add a turns: URI.",
        ),
        (
            "a relay over DTLS", Picture([TURN], [gathered(RELAY, "203.0.113.9", "dtls")]),
            "No browser speaks DTLS to a relay: turns:…?transport=udp is for other applications.",
        ),
        (
            "a host of the provider's", Picture([TURN], [gathered(HOST, "100.64.3.4")]),
            "100.64.3.4 is of the provider's NAT (CGNAT, 100.64.0.0/10): over IPv4 nobody gets in unasked.",
        ),
        (
            "two NATs",
            Picture([TURN], [gathered(SRFLX, "203.0.113.7")], outer={BASE[2:]: address.parse_ip("10.1.1.1")}),
            "Two NATs in a row: the router's own address is 10.1.1.1, the server sees 203.0.113.7.",
        ),
        (
            "a name of IPv6 only",
            Picture([TURN], look_ups=[LookUp("turn:b", "b.example", (address.parse("[2001:db8::1]:3478"),), 0.1)]),
            "The name b.example has no IPv4 address: who has no IPv6 doesn't reach it.",
        ),
        (
            "slow DNS", Picture([TURN], look_ups=[LookUp("turn:b", "b.example", (SERVER,), 2.5)]),
            "DNS took 2.5 s for b.example: each call begins that much later.",
        ),
        (
            "many servers", Picture([STUN_ONLY] * 5),
            "5 servers make gathering slow, and browsers warn of it: two or three do.",
        ),
    ],
)  # fmt: skip
def test_remarks(what: str, picture: Picture, said: str) -> None:
    assert said in verdict.conclude(picture)


def test_a_credential_that_has_ended() -> None:
    ended = replace(TURN, login=Login(f"{int(time.time()) - 3630}:a", ""))
    said = "The credential for turn:b ended 60 minutes ago, or this machine's clock is wrong."
    assert said in verdict.conclude(Picture([ended], errors=[IceError("", 401, "")]))


def test_nothing_is_said_without_reason() -> None:
    picture = Picture([TURN], [gathered(RELAY, "203.0.113.9", "tls")], [Sight("turn:b", SERVER, BASE, MAPPED)])
    picture.outer = {BASE[2:]: MAPPED[2:]}
    picture.gathered.append(gathered(SRFLX, "203.0.113.7"))
    assert verdict.conclude(picture) == [
        "A page with iceTransportPolicy 'relay' connects: relayed IPv4, reached over TLS."
    ]


def test_behind_the_provider_and_a_router_that_says_its_address(upstream: Upstream) -> None:
    upstream.connect(behind_provider=True)
    upstream.map_ports()
    argv = ["env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "edgeturn", "probe", f"stun:{STUN}", "--json"]
    found = json.loads(upstream.home.run(argv, 30).stdout)
    assert [each["address"] for each in found["candidates"] if each["type"] == "srflx"] == [OUTSIDE]
    assert found["router_says"] == {INSIDE: "0.0.0.0"}  # miniupnpd tells no address that isn't public
    assert any(sentence.startswith("The router says that it has no public address") for sentence in found["verdict"])
