"""Rows of getStats (W3C webrtc-stats), which the browsers' dumps have in common.

Rule 1: a row is whatever JSON holds; a field that is absent or of another type is as if it were empty.
"""

from dataclasses import replace
from typing import Any

from edgeturn.diagnose.evidence import RELAY, Candidate, Pair

MOST_ROWS = 20000
_FIELDS = ("candidateType", "address", "ip", "protocol", "relayProtocol", "url")
Row = dict[str, Any]


def rows_of(listed: object) -> list[Row]:
    """Return the rows of a list that may be anything."""
    return [row for row in listed if isinstance(row, dict)][:MOST_ROWS] if isinstance(listed, list) else []


def number(row: Row, name: str) -> int:
    """Return a number, 0 where there's none."""
    value = row.get(name)
    return int(value) if isinstance(value, (int, float)) and abs(value) < 1e18 else 0


def time_of(row: Row) -> float:
    """Return a row's time in seconds."""
    return number(row, "timestamp") / 1000


def candidate_of(row: Row) -> Candidate:
    """Return the candidate that a row describes."""
    text = {name: str(row.get(name) or "")[:255] for name in _FIELDS}
    return Candidate(
        kind=text["candidateType"],
        transport=text["protocol"],
        address=text["address"] or text["ip"],
        port=number(row, "port"),
        server=text["url"],
        relay_transport=text["relayProtocol"] if text["candidateType"] == RELAY else "",
        priority=number(row, "priority"),
    )


def complete(listed: list[Candidate], candidate: Candidate) -> None:
    """Add a candidate of the statistics, or what they say more of one that is listed."""
    for index, each in enumerate(listed):
        if _is_same(each, candidate):
            listed[index] = replace(
                each,
                server=each.server or candidate.server,
                relay_transport=candidate.relay_transport or each.relay_transport,
            )
            return
    if candidate.kind and (candidate.address or not any(each.port == candidate.port for each in listed)):
        listed.append(candidate)


def _is_same(one: Candidate, other: Candidate) -> bool:
    return (one.kind, one.address, one.port, one.transport) == (other.kind, other.address, other.port, other.transport)


def pair_of(row: Row, known: dict[str, Candidate], counted: bool = True) -> Pair:
    """Return the pair that a row describes, of the candidates that are known by their ids."""
    return Pair(
        local=known.get(str(row.get("localCandidateId"))),
        remote=known.get(str(row.get("remoteCandidateId"))),
        state=str(row.get("state", ""))[:20],
        nominated=row.get("nominated") is True,
        checks_sent=number(row, "requestsSent"),
        checks_answered=number(row, "responsesReceived"),
        checks_received=number(row, "requestsReceived"),
        bytes_sent=number(row, "bytesSent"),
        bytes_received=number(row, "bytesReceived"),
        counted=counted,
    )
