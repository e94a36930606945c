"""
What `diagnose` says of about:webrtc: of the copied report (JSON, a connection each), and of the copied page (with log).

Rule 1: as in test_browser_dumps.py, but both ends were in one Firefox.
"""

from pathlib import Path

import pytest

from edgeturn.diagnose.conclusion import conclude
from edgeturn.diagnose.evidence import Evidence, Side
from edgeturn.diagnose.reading import read

DUMPS = Path(__file__).parent / "dumps"

CALLS = (
    # fault, of a report, of the page
    ("good-relayed", "", ""),
    ("wrong-password", "server-silent", "credential-refused"),
    ("wrong-port", "server-silent", "server-unreachable"),
    ("refused-437", "server-silent", "allocation-mismatch"),
    ("refused-486", "server-silent", "quota"),
    ("relay-missing", "relay-missing", "credential-refused"),
    ("candidates-lost", "no-candidates-given", "candidates-never-added"),
)


def test_an_offer_without_an_answer() -> None:
    """The first side answered, and the second, which had offered, never got that."""
    here, there = (sides(f"answer-lost.{number}.json") for number in (1, 2))
    assert first(here) == "firewall-behind-relay" and first(there) == "no-answer"
    assert first([*here, *there]) == first(sides("answer-lost.txt")) == "no-answer"


def sides(name: str) -> list[Side]:
    return read(name, (DUMPS / f"firefox-{name}").read_bytes())


def first(found: list[Side]) -> str:
    findings = conclude(Evidence(found))
    return findings[0].case if findings else ""


@pytest.mark.parametrize(("fault", "report", "page"), CALLS, ids=[row[0] for row in CALLS])
def test_the_fault_is_found(fault: str, report: str, page: str) -> None:
    assert [first(sides(f"{fault}.{number}.json")) for number in (1, 2)] == [report, report]
    assert first(sides(f"{fault}.txt")) == page


def test_what_a_report_tells() -> None:
    (side,) = sides("candidates-lost.1.json")
    assert [(server.uri, server.has_credential) for server in side.servers] == [
        ("turn:203.0.113.1:3478?transport=udp", True)
    ]
    assert [each.kind for each in side.candidates if each.is_hidden] == ["host", "host"]
    assert {each.kind for each in side.candidates} == {"host", "srflx", "relay"}
    assert side.controlling is True and [each.kind for each in side.descriptions] == ["offer", "answer"]


def test_what_the_page_tells() -> None:
    alice, bob = sides("good-relayed.txt")
    (used,) = alice.pairs
    assert used.local is not None and used.remote is not None
    assert (used.local.address, used.local.kind, used.remote.kind) == ("203.0.113.1", "relay", "relay")
    assert [(each.local, each.kind) for each in alice.descriptions] == [(False, "answer"), (True, "offer")]
    assert [(each.local, each.kind) for each in bob.descriptions] == [(True, "answer"), (False, "offer")]
    refused = sides("wrong-password.txt")[0].errors
    assert [(error.code, error.server) for error in refused] == [(401, "turn:203.0.113.1:3478?transport=udp")]
