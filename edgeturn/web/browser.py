"""What a visitor's browser found out by itself (page/trickle.js), as evidence for edgeturn/diagnose.

Rule 1: every field is read for its type and bounded; what isn't as expected is left out or refused, never believed.
"""

from typing import Any

from edgeturn.diagnose.evidence import Candidate, Event, Evidence, Flow, IceError, IceServer, OwnRelay, Pair, Side

SOURCE = "webrtc-internals"  # the cases trust it as they trust what Chromium itself writes down
_MOST = 256
_LONGEST = 512


def evidence(document: dict[str, Any], relay: OwnRelay | None, clock: float) -> Evidence:
    """Return what a browser's report says; ValueError where it is none."""
    if not isinstance(document, dict):
        raise ValueError("the report is no JSON object")
    candidates = {str(number): _candidate(each) for number, each in enumerate(_rows(document, "candidates"))}
    side = Side(
        name=_text(document, "name") or "this browser",
        source=SOURCE,
        servers=[_server(each) for each in _rows(document, "servers")],
        candidates=list(candidates.values()),
        errors=[_error(each) for each in _rows(document, "errors")],
        events=[
            Event(_number(each, "at"), _text(each, "what"), _text(each, "value")) for each in _rows(document, "events")
        ],
        policy=_text(document, "policy"),
        gathered_all=document.get("gathered_all") is True,
    )
    _add_call(side, document)
    return Evidence(sides=[side], relay=relay, clock=clock)


def _add_call(side: Side, document: dict[str, Any]) -> None:
    """Add the call through the relay that the browser made with itself, where it made one."""
    side.pairs = [_pair(each) for each in _rows(document, "pairs")]
    side.remote_candidates = [pair.remote for pair in side.pairs if pair.remote is not None]
    used = [pair for pair in side.pairs if pair.nominated]
    if used:
        side.media = Flow(sent_bytes=used[0].bytes_sent, received_bytes=used[0].bytes_received)


def _candidate(row: dict[str, Any]) -> Candidate:
    return Candidate(
        kind=_text(row, "type"),
        transport=_text(row, "protocol") or "udp",
        address=_text(row, "address"),
        port=int(_number(row, "port")),
        related=_text(row, "related"),
        server=_text(row, "url"),
        relay_transport=_text(row, "relayProtocol"),
        priority=int(_number(row, "priority")),
        component=int(_number(row, "component")) or 1,
        at=_number(row, "at"),
    )


def _pair(row: dict[str, Any]) -> Pair:
    return Pair(
        local=_candidate(_row(row, "local")),
        remote=_candidate(_row(row, "remote")),
        state=_text(row, "state"),
        nominated=row.get("nominated") is True,
        checks_sent=int(_number(row, "requestsSent")),
        checks_answered=int(_number(row, "responsesReceived")),
        checks_received=int(_number(row, "requestsReceived")),
        bytes_sent=int(_number(row, "bytesSent")),
        bytes_received=int(_number(row, "bytesReceived")),
    )


def _error(row: dict[str, Any]) -> IceError:
    return IceError(_text(row, "url"), int(_number(row, "code")), _text(row, "text"), _number(row, "at"))


def _server(row: dict[str, Any]) -> IceServer:
    return IceServer(_text(row, "uri"), _text(row, "username"), row.get("has_credential") is True)


def _rows(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = document.get(name, [])
    if not isinstance(found, list) or len(found) > _MOST or not all(isinstance(each, dict) for each in found):
        raise ValueError(f"'{name}' of the report is no list of at most {_MOST} objects")
    return found


def _row(document: dict[str, Any], name: str) -> dict[str, Any]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def _text(row: dict[str, Any], name: str) -> str:
    found = row.get(name)
    return found[:_LONGEST] if isinstance(found, str) else ""


def _number(row: dict[str, Any], name: str) -> float:
    found = row.get(name)
    if isinstance(found, bool) or not isinstance(found, int | float) or not abs(found) < 1 << 53:
        return 0
    return found
