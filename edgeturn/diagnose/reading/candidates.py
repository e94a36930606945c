"""Reading ICE candidates: lines (RFC 8839 §5.1), trickle JSON (RTCIceCandidateInit), arrays of it, or one JSON a line.

Rule 1: a candidate is found in whatever is around it; a line in which there is none is noted with its number.
Rule 2: of candidates that come twice the first counts, and no side has more than MOST.
"""

import json
import re
from collections.abc import Iterator
from itertools import islice

from edgeturn.diagnose.evidence import RELAY, Candidate, Side
from edgeturn.diagnose.unreadable import Unreadable

MOST = 500
MOST_LINES = 50_000
_MOST_NOTES = 5
_MOST_DEPTH = 20
_LINE = re.compile(
    r"candidate:(?P<foundation>\S{1,64}) (?P<component>\d{1,3}) (?P<transport>\w{1,8}) (?P<priority>\d{1,10}) "
    r"(?P<address>[\w.:%-]{1,255}) (?P<port>\d{1,5}) typ (?P<kind>host|srflx|prflx|relay)(?P<rest>[^\r\n\"]{0,500})"
)
_RELATED = re.compile(r"raddr (\S{1,255}) rport (\d{1,5})")
_END = re.compile(r"end-of-candidates|\"candidate\"\s*:\s*(\"\"|null)")
_QUERY = re.compile(r"transport=(udp|tcp)")
# Lines of SDP or of JSON around candidates, which say nothing about them.
_AROUND = re.compile(r"#.*|[\[\]{},]*|[a-z]=.*")


def recognises(data: bytes) -> bool:
    """Say whether there is a candidate in it."""
    return (
        _LINE.search(data.decode(errors="replace")) is not None
        or _END.search(data.decode(errors="replace")) is not None
    )


def parse(text: str, server: str = "", at: float = 0.0) -> Candidate | None:
    """Return the first candidate in a text, None where there's none."""
    found = _LINE.search(text)
    if found is None or int(found["port"]) > 65535:
        return None
    related = _RELATED.search(found["rest"])
    return Candidate(
        kind=found["kind"],
        transport=found["transport"].lower(),
        address=found["address"],
        port=int(found["port"]),
        related=place(related[1], int(related[2])) if related else "",
        server=server,
        relay_transport=relay_transport(server) if found["kind"] == RELAY else "",
        priority=int(found["priority"]),
        component=int(found["component"]),
        at=at,
    )


def place(address: str, port: int) -> str:
    """Return ADDRESS:PORT, or [v6]:PORT."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def relay_transport(uri: str) -> str:
    """Return how a TURN URI reaches its server (RFC 7065 §3.1), "" where there is no URI."""
    if not uri:
        return ""
    query = _QUERY.search(uri)
    is_secure = uri.startswith("turns:")
    if query and query[1] == "udp":
        return "dtls" if is_secure else "udp"
    if query or is_secure:
        return "tls" if is_secure else "tcp"
    return "udp"


def merged(candidates: list[Candidate]) -> list[Candidate]:
    """Return candidates without repetition, and no more than MOST."""
    found: dict[tuple[object, ...], Candidate] = {}
    for each in candidates:
        found.setdefault((each.kind, each.transport, each.address, each.port, each.component), each)
    return list(found.values())[:MOST]


def read(name: str, data: bytes) -> list[Side]:
    """Return the side whose candidates these are."""
    text = data.decode(errors="replace")
    documents = list(islice(_documents(text), MOST_LINES + 1))
    side = Side(f"{name} (a list of ICE candidates)", "candidates")
    found: list[Candidate] = []
    for line, part in documents[:MOST_LINES]:
        candidate = parse(part)
        if candidate is not None:
            found.append(candidate)
        elif not _END.search(part) and not _AROUND.fullmatch(part.strip()):
            _note(side, line, part)
    if len(documents) > MOST_LINES:
        side.notes.append(f"this is very long: only its first {MOST_LINES} lines count.")
    side.candidates = merged(found)
    side.gathered_all = True if _END.search(text) else None
    if not side.candidates and not side.gathered_all:
        raise Unreadable(f"{name}: holds no ICE candidate.")
    return [side]


def _note(side: Side, line: int, part: str) -> None:
    if len(side.notes) < _MOST_NOTES:
        side.notes.append(f"line {line}: no candidate: {' '.join(part.split())[:50]}")
    elif len(side.notes) == _MOST_NOTES:
        side.notes.append("more lines without a candidate follow.")


def _documents(text: str) -> Iterator[tuple[int, str]]:
    """Return what each candidate may stand in, with its line: the strings of JSON, else the lines."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        yield from enumerate(text.splitlines(), 1)
        return
    yield from ((1, each) for each in _strings(document))


def _strings(document: object, depth: int = 0) -> Iterator[str]:
    """Return the candidates of RTCIceCandidateInit, however deep."""
    if depth > _MOST_DEPTH:
        return
    if isinstance(document, str):
        yield document
    elif isinstance(document, list):
        for each in document:
            yield from _strings(each, depth + 1)
    elif isinstance(document, dict):
        yield from _of_object(document, depth)


def _of_object(document: dict[str, object], depth: int) -> Iterator[str]:
    for key, value in document.items():
        if isinstance(value, (dict, list)):
            yield from _strings(value, depth + 1)
        elif key == "candidate" and isinstance(value, str) and value:
            yield value
