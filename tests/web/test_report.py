"""What a browser says of itself becomes evidence; whatever else it says becomes a sentence."""

import random
from typing import Any

import pytest

from edgeturn.diagnose.conclusion import conclude
from edgeturn.web import browser

RELAY = {
    "type": "relay",
    "protocol": "udp",
    "address": "192.0.2.1",
    "port": 50000,
    "url": "turn:192.0.2.1:3478",
    "relayProtocol": "tls",
    "priority": 7,
    "component": 1,
    "at": 0.25,
}
HOST = {"type": "host", "protocol": "udp", "address": "x.local", "port": 4000}
PAIR = {
    "local": RELAY,
    "remote": RELAY,
    "state": "succeeded",
    "nominated": True,
    "requestsSent": 3,
    "responsesReceived": 3,
    "bytesSent": 10,
    "bytesReceived": 20,
}
REPORT: dict[str, Any] = {
    "name": "this browser",
    "policy": "all",
    "servers": [{"uri": "turn:192.0.2.1:3478", "username": "1:x", "has_credential": True}],
    "candidates": [HOST, RELAY],
    "errors": [{"url": "turn:192.0.2.1:3478", "code": 701, "text": "timed out", "at": 9.5}],
    "events": [{"what": "gathering", "value": "complete", "at": 1}],
    "gathered_all": True,
    "pairs": [PAIR],
}


def test_a_report_is_evidence() -> None:
    (side,) = browser.evidence(REPORT, None, 5).sides
    assert [(each.kind, each.relay_transport, each.is_hidden) for each in side.candidates] == [
        ("host", "", True),
        ("relay", "tls", False),
    ]
    assert (side.servers[0].has_credential, side.errors[0].code, side.gathered_all) == (True, 701, True)
    assert (side.pairs[0].checks_answered, side.media.sent_bytes, side.media.received_bytes) == (3, 10, 20)


WRONG: tuple[Any, ...] = (None, True, -1, 1 << 80, 1e308, "x" * 10000, "\0", [], {}, [[]], [None], [{}], {"type": 1})


@pytest.mark.parametrize("seed", range(20))
def test_whatever_else_comes_is_evidence_or_a_sentence(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(50):
        report = {name: chance.choice(WRONG) if chance.random() < 0.2 else value for name, value in REPORT.items()}
        report["candidates"] = (
            [{**RELAY, chance.choice(list(RELAY)): chance.choice(WRONG)}]
            if chance.random() < 0.5
            else report["candidates"]
        )
        try:
            found = browser.evidence(report, None, 5)
        except ValueError as error:
            assert "report" in str(error)
            continue
        conclude(found)


def test_a_report_is_bounded() -> None:
    with pytest.raises(ValueError, match="at most"):
        browser.evidence({"candidates": [HOST] * 1000}, None, 5)
