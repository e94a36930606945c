"""
`diagnose --live`: what a running relay shows of clients, each with one fault, while it is watched.

Rule 1: one relay and one watch serve all rows, side by side; each client is judged by its own side.
"""

import sys
import time
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from hmac import digest
from pathlib import Path

import pytest

from edgeturn.diagnose.conclusion import conclude
from edgeturn.diagnose.evidence import Evidence, Side
from edgeturn.diagnose.reading.live import gather
from edgeturn.relay.configuration import Configuration
from tests.blackbox.client import CHANNEL, Client, Peer
from tests.blackbox.relay import DEADLINE, HOST, SECRET, Relay, until

SECONDS = (3, 12, 48)
REFUSED = "127.0.0.9"
FAULTS = (
    "wrong-secret",
    "credential-expired",
    "peer-refused",
    "firewall-behind-relay",
    "channel-not-bound",
    "peer-from-elsewhere",
    "quota",
)


def configuration(relay: Relay) -> Configuration:
    return Configuration(relay.file.read_text(), str(relay.file))


def client(relay: Relay, name: str, seconds: int = 3600, secret: str = SECRET) -> Client:
    """Return a client with a time-limited credential."""
    user = f"{int(time.time()) + seconds}:{name}"
    return Client(relay.server(), user, b64encode(digest(secret.encode(), user.encode(), "sha1")).decode())


def act(relay: Relay) -> dict[str, str]:
    """Let clients fail; return the place of each by its fault."""
    wrong, expired = client(relay, "ann", secret="another secret"), client(relay, "ben", -3600)
    assert wrong.allocate().code == expired.allocate().code == 401
    refused, silent, unbound, moved = (client(relay, name) for name in ("cem", "dan", "eve", "fay"))
    first, second = client(relay, "gus"), client(relay, "gus")
    assert (first.allocate().code, second.allocate().code) == (0, 486)
    places = [each.allocate().relayed[0] for each in (refused, silent, unbound, moved)]
    peer, elsewhere = Peer(), Peer("127.0.0.5")
    assert refused.permit((REFUSED, 5000)) == 403
    assert silent.bind(CHANNEL, peer.address) == moved.permit(peer.address) == 0
    for _ in range(30):
        silent.channel(CHANNEL, b"hello?")
    for _ in range(4):
        unbound.channel(CHANNEL, b"lost")
        elsewhere.send(places[-1], b"lost, too")
    until(lambda: relay.dropped("channel") >= 4 and relay.dropped("permission") >= 4, "what has to be dropped is")
    until(lambda: any(session["up_packets"] >= 30 for session in relay.sessions()), "the packets are relayed")
    clients = wrong, expired, refused, silent, unbound, moved, second
    return {fault: f"{HOST}:{each.address[1]}" for fault, each in zip(FAULTS, clients, strict=True)}


def watch(folder: Path, seconds: int) -> tuple[Evidence, dict[str, str]] | None:
    """Watch for so many seconds what the clients do; None where they took longer than that."""
    with (
        Relay([sys.executable], folder, {"deny_peer": [REFUSED], "user_quota": 1}) as relay,
        ThreadPoolExecutor() as pool,
    ):
        watching = pool.submit(gather, configuration(relay), None, seconds)
        until(lambda: relay.status()["taps"] or watching.done(), "the relay is watched")
        places = act(relay)
        in_time = relay.status()["taps"] == 1
        evidence = watching.result(seconds + DEADLINE)
    return (evidence, places) if in_time else None


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> tuple[Evidence, dict[str, str]]:
    """What was seen, and where each client is: as quickly as this machine can."""
    tries = (watch(tmp_path_factory.mktemp("live"), seconds) for seconds in SECONDS)
    return next(found for found in tries if found)


def side_at(evidence: Evidence, place: str) -> Side:
    return next(side for side in evidence.sides if any(each.client == place for each in side.exchanges))


@pytest.mark.parametrize("fault", FAULTS)
def test_the_fault_is_found(seen: tuple[Evidence, dict[str, str]], fault: str) -> None:
    evidence, places = seen
    found = conclude(Evidence([side_at(evidence, places[fault])], evidence.relay, evidence.clock))
    assert [each.case for each in found] == [fault]


def test_the_relay_says_by_which_rule(seen: tuple[Evidence, dict[str, str]]) -> None:
    evidence, places = seen
    side = side_at(evidence, places["peer-refused"])
    (finding,) = conclude(Evidence([side], evidence.relay))
    assert f"deny_peer {REFUSED}" in finding.conclusion
    assert "allocated" in [event.what for event in side.events]


def test_the_relay_counts_what_was_sent(seen: tuple[Evidence, dict[str, str]]) -> None:
    evidence, places = seen
    media = side_at(evidence, places["firewall-behind-relay"]).media
    assert (media.sent_packets, media.sent_bytes, media.received_packets) == (30, 180, 0)


def test_the_relays_setting_is_named(seen: tuple[Evidence, dict[str, str]]) -> None:
    evidence, places = seen
    (finding,) = conclude(Evidence([side_at(evidence, places["quota"])], evidence.relay))
    assert "user_quota of this relay is 1" in finding.evidence


def test_no_secret_is_in_the_evidence(seen: tuple[Evidence, dict[str, str]]) -> None:
    evidence, _ = seen
    assert evidence.relay is not None
    assert evidence.relay.settings["user_quota"]
    assert SECRET not in repr(evidence)


def test_where_nobody_comes_it_says_so(tmp_path: Path) -> None:
    with Relay([sys.executable], tmp_path, {}) as relay:
        evidence = gather(configuration(relay), "192.0.2.77", 1)
    (finding,) = conclude(evidence)
    assert finding.case == "nothing-came"
    assert "192.0.2.77" in finding.conclusion
