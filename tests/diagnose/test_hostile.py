"""Documents that somebody made to hurt: broken, cut, deep, or long where a reader may read again and again."""

import json
import random
import time
from pathlib import Path

import pytest

from edgeturn.diagnose import conclusion, reading, report
from edgeturn.diagnose.evidence import Evidence
from edgeturn.diagnose.reading.packed import unpacked
from edgeturn.diagnose.unreadable import Unreadable

HERE = Path(__file__).parent
FIXTURES = sorted(each for name in ("captures", "dumps") for each in (HERE / name).iterdir())
LONG = 200_000
SECONDS = 5.0  # all of these take far less than one; whatever reads again from each character takes minutes
CANDIDATE = "candidate:1 1 udp 2122260223 192.0.2.1 50000 typ host"
PLACE = "IP4:192.0.2.1:5/UDP|"


def dump(kind: str, value: str) -> bytes:
    """Return a webrtc-internals dump with one row in its log."""
    row = {"type": kind, "value": value, "time": 1}
    return json.dumps({"PeerConnections": {"1": {"updateLog": [row]}}}).encode()


def page(text: str, log: str = "") -> bytes:
    """Return the text of about:webrtc."""
    return f"PeerConnection ID: 1\nICE Stats\n{text}\nConnection Log\n{log}\n".encode()


LONG_ONES = (
    ("line ends", b"\n" * LONG + b"x"),
    ("line ends and a candidate", b"\n" * LONG + CANDIDATE.encode()),
    ("a line of blanks", CANDIDATE.encode() + b"\n" + b" " * LONG + b"x\n"),
    ("a field again and again", dump("icecandidateerror", "url: " * (LONG // 5) + "\nx")),
    ("the same beside a candidate", dump("icecandidate", "url: " * (LONG // 5) + "\n" + CANDIDATE)),
    ("places of a log", page("", PLACE * (LONG // 20))),
    ("answers of a log", page("", "IP4:192.0.2.1:5/UDP|IP4:192.0.2.2:5/UDP) " * (LONG // 40))),
    ("failures of a log", page("", "TURN(relay(" + PLACE * (LONG // 20))),
    ("raw candidates", page("turn-relay(" + PLACE * (LONG // 20))),
    ("many candidates", f"{CANDIDATE}\n".encode() * 300_000),
    ("a description with as many", f"v=0\na={CANDIDATE}\n".encode() + f"a={CANDIDATE}\n".encode() * 300_000),
    ("deep candidates", b'{"a":' * LONG + b'"' + CANDIDATE.encode()),
    ("a deep dump", b'{"PeerConnections":' + b"[" * LONG),
    ("a deep report", b'{"iceCandidatePairStats":' + b"[" * LONG),
)


def concluded(name: str, data: bytes) -> None:
    """Read a document and say what it shows, or that it's unreadable; nothing else may happen."""
    try:
        evidence = Evidence(sides=reading.read(name, data))
    except Unreadable as error:
        assert "\x1b" not in str(error)
        return
    findings = conclusion.conclude(evidence)
    json.dumps(report.as_json(evidence, findings)).encode()
    assert "\x1b" not in "".join(report.as_text(evidence, findings))


@pytest.mark.parametrize(("what", "data"), LONG_ONES, ids=[what for what, _ in LONG_ONES])
def test_what_is_long_is_read_once(what: str, data: bytes) -> None:
    began = time.process_time()
    concluded(what, data)
    assert time.process_time() - began < SECONDS


@pytest.mark.parametrize("seed", range(4))
def test_what_is_broken_is_read_or_unreadable(seed: int) -> None:
    """Bytes of real documents are changed, cut out, doubled, and values put in that no program writes."""
    chance = random.Random(seed)
    for _ in range(60):
        file = chance.choice(FIXTURES)
        concluded(file.name, _broken(unpacked(file.name, file.read_bytes()), chance))


WORDS = (b"\x1b[31m", b"\xff\xff\xff\xff", bytes(4), b"null", b"[]", b"{}", b"1e999", b"-1", b"NaN", b"\n", b"\\ud800")


def _broken(data: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.choice((1, 2, 4, 20))):
        at = chance.randrange(len(data) + 1)
        end = at + chance.choice((0, 1, 4, 200))
        word = chance.choice((*WORDS, data[at : end + 20] * 2, bytes([chance.randrange(256)])))
        data = data[:at] + word + data[end:] if chance.random() < 0.97 else data[:at]
    return data
