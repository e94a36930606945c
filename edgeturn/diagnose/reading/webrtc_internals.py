"""Reading what chrome://webrtc-internals saves (Chromium, Chrome, Edge, Opera, Brave), JSON in two generations.

Rule 1: each RTCPeerConnection is a side. Its log says what was gathered, added and refused; its statistics what came
        of it.
Rule 2: a row of the log goes by its type, "on" in front or not; its value is JSON, formerly "name: value, name: value".
Rule 3: of each series of the statistics the last value counts.
"""

import json
import re
from collections.abc import Callable

from edgeturn.diagnose.evidence import Event, Flow, IceError, IceServer, Side
from edgeturn.diagnose.reading import candidates, sdp
from edgeturn.diagnose.reading.statistics import MOST_ROWS, Row, candidate_of, complete, number, pair_of, time_of
from edgeturn.diagnose.unreadable import Unreadable

_MOST_CONNECTIONS = 64
_URI = re.compile(r"\b((?:stuns?|turns?):[^\s,\"'\]}]{1,255})")
_POLICY = re.compile(r"iceTransportPolicy\"?:\s*\"?(\w+)")
_NEXT = re.compile(r", \w+: ")
_STATISTICS = ("candidate-pair", "local-candidate", "remote-candidate", "transport", "inbound-rtp", "outbound-rtp")


def recognises(data: bytes) -> bool:
    """Say whether it is such a dump."""
    return data.lstrip()[:1] == b"{" and b'"PeerConnections"' in data


def read(name: str, data: bytes) -> list[Side]:
    """Return a side for each connection that a dump tells of."""
    try:
        document = json.loads(data)
        connections = document["PeerConnections"]
    except (ValueError, RecursionError, KeyError, TypeError):
        raise Unreadable(f"{name}: begins as a webrtc-internals dump and is broken; save it again.") from None
    if not isinstance(connections, dict) or not connections:
        raise Unreadable(
            f"{name}: is a webrtc-internals dump without a connection; open chrome://webrtc-internals before the call."
        )
    rows = [row for row in connections.values() if isinstance(row, dict)][:_MOST_CONNECTIONS]
    numbered = len(rows) > 1
    sides = [
        _side(f"{name}{f', connection {number}' if numbered else ''} (webrtc-internals)", row)
        for number, row in enumerate(rows, 1)
    ]
    # Pages make connections only to see what the browser can; they say nothing beside one that was used.
    return [side for side in sides if side.descriptions or side.candidates or side.errors] or sides


def _side(name: str, connection: Row) -> Side:
    side = Side(name, "webrtc-internals", gathered_all=False)
    _configure(side, str(connection.get("rtcConfiguration", "")), 0.0)
    log = connection.get("updateLog")
    for row in (log if isinstance(log, list) else [])[:MOST_ROWS]:
        if isinstance(row, dict):
            _take(side, row)
    statistics = _statistics(connection.get("stats"))
    _add_statistics(side, statistics)
    side.candidates = candidates.merged(side.candidates)
    side.remote_candidates = candidates.merged(side.remote_candidates)
    return side


def _take(side: Side, row: Row) -> None:
    kind = str(row.get("type", "")).removeprefix("on")
    taking = _LOG.get(kind)
    if taking is not None:
        taking(side, str(row.get("value", "")), time_of(row))


def _field(value: str, name: str) -> str:
    """Return a field of a value, in either generation."""
    try:
        document = json.loads(value, strict=False)
    except (ValueError, RecursionError):
        found = re.search(rf"\b{name}: ", value)
        return _NEXT.split(value[found.end() :], maxsplit=1)[0].strip() if found else ""
    return str(document.get(name, "")) if isinstance(document, dict) else ""


def _configure(side: Side, value: str, at: float) -> None:
    policy = _POLICY.search(value)
    side.policy = policy[1] if policy else "all" if value else ""
    side.servers = [IceServer(uri) for uri in dict.fromkeys(_URI.findall(value))][:64]


def _gathered(side: Side, value: str, at: float) -> None:
    candidate = candidates.parse(value, _field(value, "url"), at)
    if candidate is not None:
        side.candidates.append(candidate)


def _added(side: Side, value: str, at: float) -> None:
    candidate = candidates.parse(value, at=at)
    if candidate is not None:
        side.remote_candidates.append(candidate)
    side.events.append(Event(at, "remote-candidate", "" if candidate is None else candidate.kind))


def _refused(side: Side, value: str, at: float) -> None:
    side.events.append(Event(at, "candidate-refused", value[:200]))


def _error(side: Side, value: str, at: float) -> None:
    code = _field(value, "errorCode") or _field(value, "error_code")
    text = _field(value, "errorText") or _field(value, "error_text")
    side.errors.append(IceError(_field(value, "url"), int(code) if code.isdecimal() else 0, text.strip(), at))


def _described(local: bool) -> Callable[[Side, str, float], None]:
    def take(side: Side, value: str, at: float) -> None:
        found = value.find("v=0")
        if found < 0 or len(side.descriptions) >= 100:
            return
        kind = _field(value, "type")
        description, listed = sdp.describe(value[found:], kind if kind in sdp.KINDS else "", local, at)
        side.descriptions.append(description)
        if not local:
            side.remote_candidates.extend(listed)

    return take


def _state(what: str) -> Callable[[Side, str, float], None]:
    def take(side: Side, value: str, at: float) -> None:
        state = value.strip('"').lower().removeprefix("iceconnectionstate").removeprefix("icegatheringstate")
        side.events.append(Event(at, what, state))
        if what == "gathering" and state == "complete":
            side.gathered_all = True

    return take


_LOG: dict[str, Callable[[Side, str, float], None]] = {
    "setConfiguration": _configure,
    "icecandidate": _gathered,
    "icecandidateerror": _error,
    "addIceCandidate": _added,
    "addIceCandidateFailed": _refused,
    "addIceCandidateOnFailure": _refused,
    "setLocalDescription": _described(local=True),
    "setLocalDescriptionOnSuccess": _described(local=True),
    "setRemoteDescription": _described(local=False),
    "setRemoteDescriptionOnFailure": _state("description-refused"),
    "iceconnectionstatechange": _state("ice"),
    "connectionstatechange": _state("connection"),
    "icegatheringstatechange": _state("gathering"),
    "signalingstatechange": _state("signaling"),
    "close": _state("closed"),
}


def _statistics(series: object) -> dict[str, Row]:
    """Return the rows of the statistics by their ids, each with the last values."""
    rows: dict[str, Row] = {}
    for key, one in series.items() if isinstance(series, dict) else ():
        identity, _, name = key.rpartition("-")
        if not isinstance(one, dict) or one.get("statsType") not in _STATISTICS or name.startswith("["):
            continue
        value = _last(one.get("values"))
        if value is not None and len(rows) < MOST_ROWS:
            rows.setdefault(identity, {"type": one["statsType"]})[name] = value
    return rows


def _last(values: object) -> object:
    try:
        listed = json.loads(values) if isinstance(values, str) else values
    except (ValueError, RecursionError):
        return None
    return listed[-1] if isinstance(listed, list) and listed else None


def _add_statistics(side: Side, rows: dict[str, Row]) -> None:
    known = {identity: candidate_of(row) for identity, row in rows.items() if row["type"].endswith("-candidate")}
    for identity, candidate in known.items():
        ours = rows[identity]["type"] == "local-candidate"
        listed = side.candidates if ours else side.remote_candidates
        complete(listed, candidate)
    for row in rows.values():
        if row["type"] == "candidate-pair":
            side.pairs.append(pair_of(row, known))
        elif row["type"] == "transport":
            _transport(side, row)
    side.media = _flow(rows)


def _transport(side: Side, row: Row) -> None:
    role = row.get("iceRole")
    if role in ("controlling", "controlled"):
        side.controlling = role == "controlling"
    side.events.append(Event(time_of(row), "dtls", str(row.get("dtlsState", ""))))


def _flow(rows: dict[str, Row]) -> Flow:
    """Return what media came and went; without any, what the transports carried."""
    sent = [row for row in rows.values() if row["type"] == "outbound-rtp"]
    received = [row for row in rows.values() if row["type"] == "inbound-rtp"]
    if not sent and not received:
        sent = received = [row for row in rows.values() if row["type"] == "transport"]
    if not sent and not received:
        return Flow()
    return Flow(
        sent_packets=sum(number(row, "packetsSent") for row in sent),
        sent_bytes=sum(number(row, "bytesSent") for row in sent),
        received_packets=sum(number(row, "packetsReceived") for row in received),
        received_bytes=sum(number(row, "bytesReceived") for row in received),
    )
