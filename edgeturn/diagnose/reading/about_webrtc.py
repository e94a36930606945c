"""Reading what Firefox tells in about:webrtc: the JSON of its button “Copy Report”, or the text of the whole page.

Rule 1: each connection is a side. The text has a log, too, in which the answers of TURN servers stand; JSON has none.
Rule 2: Firefox counts no checks, and hides the addresses of its own network; the raw candidates are what it has.
"""

import json
import re
from collections.abc import Iterator

from edgeturn.diagnose import seen
from edgeturn.diagnose.evidence import (
    HOST,
    RELAY,
    SRFLX,
    Candidate,
    Description,
    Event,
    IceError,
    IceServer,
    Pair,
    Side,
)
from edgeturn.diagnose.reading import candidates, sdp
from edgeturn.diagnose.reading.statistics import Row, candidate_of, complete, pair_of, rows_of, time_of
from edgeturn.diagnose.unreadable import Unreadable

_MOST_CONNECTIONS = 64
_MOST_ROWS = 2000
_BEGIN = "PeerConnection ID:"
_URI = re.compile(r"\b((?:stuns?|turns?):[^\s,\"'\]}]{1,255})")
_POLICY = re.compile(r"iceTransportPolicy: (\w+)")
_WHERE = r"IP[46]:([^\s/|]{1,80})"  # bounded, as all below: a log may be one long line
_RAW = re.compile(rf"(?m)^(host|srflx|turn-relay)\({_WHERE}/(UDP|TCP)(?:\|{_WHERE}/(?:UDP|TCP|TLS))?\)")
_PLACE = re.compile(
    r"(?:\[(?P<six>[^\]]+)\]|(?P<four>[^:\s]*|\(redacted\))):(?P<port>\d{1,5})/(?P<transport>\w+)\((?P<kind>\w+)(?:-(?P<by>\w+))?\)"
)
_PAIR = re.compile(
    r"(?m)^(succeeded|failed|in-?progress|waiting|frozen|cancelled)\t(true|false)?\t(true|false)?\t([^\t]+)\t([^\t]+)\t.*$"
)
_TAB = re.compile(r"(Local|Remote) SDP \((Offer|Answer)\)")
_RELAYING = rf"{_WHERE}/\w{{1,8}}\|{_WHERE}/(\w{{1,8}})"
_REMOTE = re.compile(r"(?m)^candidate:.*$")
_CODE = re.compile(_RELAYING + r"\).{0,500}stun error code (\d{3})")
_FAILED = re.compile(r"(?m)^TURN\(relay\(" + _RELAYING + r"\)\S*\)(?:: )? ?failed")
_KINDS = {"host": HOST, "srflx": SRFLX, "turn-relay": RELAY, "serverreflexive": SRFLX, "relay": RELAY}


def recognises(data: bytes) -> bool:
    """Say whether it comes from about:webrtc."""
    return b'"iceCandidatePairStats"' in data or (b"PeerConnection ID:" in data and b"ICE Stats" in data)


def read(name: str, data: bytes) -> list[Side]:
    """Return a side for each connection."""
    text = data.decode(errors="replace").replace("\r", "")
    sides = [_of_report(row) for row in _reports(text)] or _of_page(text)
    if not sides:
        raise Unreadable(
            f"{name}: comes from about:webrtc and shows no connection; open the page before the call begins."
        )
    for number, side in enumerate(sides, 1):
        side.name = f"{name}{f', connection {number}' if len(sides) > 1 else ''} (about:webrtc)"
        side.candidates = candidates.merged(side.candidates)
        side.remote_candidates = candidates.merged(side.remote_candidates)
    return sides


def _reports(text: str) -> Iterator[Row]:
    """Return the reports of a text, one after another as they were copied."""
    reader = json.JSONDecoder()
    at = text.find("{")
    if text[:at].strip() not in ("", "["):
        return
    for _ in range(_MOST_CONNECTIONS):
        try:
            document, at = reader.raw_decode(text, at)
        except (ValueError, RecursionError):
            return
        if isinstance(document, dict) and "iceCandidatePairStats" in document:
            yield document
        at = text.find("{", at)
        if at < 0:
            return


def _of_report(report: Row) -> Side:
    side = Side("", "about:webrtc")
    configuration = report.get("configuration")
    if isinstance(configuration, dict):
        side.policy = str(configuration.get("iceTransportPolicy", ""))
        side.servers = list(_servers(configuration.get("iceServers")))
    known: dict[str, Candidate] = {}
    for row in rows_of(report.get("iceCandidateStats")):
        known[str(row.get("id"))] = candidate_of(row)
        complete(side.candidates if row.get("type") == "local-candidate" else side.remote_candidates, candidate_of(row))
    if not side.candidates:
        side.candidates = list(_raw("\n".join(_texts(report.get("rawLocalCandidates")))))
    _describe(side, report)
    side.pairs = [pair_of(row, known, counted=False) for row in rows_of(report.get("iceCandidatePairStats"))]
    for row in rows_of(report.get("transportStats")):
        _transport(side, row)
    side.events.append(Event(time_of(report), "report"))
    return side


def _servers(listed: object) -> Iterator[IceServer]:
    for row in rows_of(listed):
        urls = row.get("urls")
        for uri in [urls] if isinstance(urls, str) else _texts(urls):
            yield IceServer(uri, has_credential=row.get("credentialProvided") is True)


def _texts(listed: object) -> list[str]:
    return [each for each in listed if isinstance(each, str)][:_MOST_ROWS] if isinstance(listed, list) else []


def _describe(side: Side, report: Row) -> None:
    offers = report.get("offerer")
    for row in rows_of(report.get("sdpHistory")):
        local = row.get("isLocal") is True
        kind = "offer" if local is offers else "answer"
        description, listed = sdp.describe(str(row.get("sdp", "")), kind, local, time_of(row))
        side.descriptions.append(description)
        if not local:
            side.remote_candidates.extend(listed)


def _transport(side: Side, row: Row) -> None:
    if row.get("iceRole") in ("controlling", "controlled"):
        side.controlling = row["iceRole"] == "controlling"
    for what, name in (("ice", "iceState"), ("dtls", "dtlsState")):
        if isinstance(row.get(name), str):
            side.events.append(Event(time_of(row), what, row[name]))


def _raw(text: str) -> Iterator[Candidate]:
    """Return the raw local candidates; those of STUN tell the server and not the address that it saw."""
    for found in list(_RAW.finditer(text))[:_MOST_ROWS]:
        kind = _KINDS[found[1]]
        base, far = _split(found[2]), _split(found[4] or "")
        address, port = far if kind == RELAY else base if kind == HOST else ("", 0)
        yield Candidate(kind, found[3].lower(), address, port, related="" if kind == HOST else found[2])


def _split(place: str) -> tuple[str, int]:
    address, _, port = place.rpartition(":")
    return address.strip("[]"), int(port) if port.isdecimal() and len(port) < 6 else 0


def _of_page(text: str) -> list[Side]:
    page, _, log = text.partition("Connection Log")
    parts = page.split(_BEGIN)[1 : 1 + _MOST_CONNECTIONS]
    errors = list(_errors(log))
    return [_of_part(part, errors) for part in parts]


def _of_part(part: str, errors: list[tuple[str, str, int]]) -> Side:
    side = Side("", "about:webrtc")
    policy = _POLICY.search(part)
    side.policy = policy[1] if policy else ""
    side.servers = [IceServer(uri) for uri in dict.fromkeys(_URI.findall(part))][:64]
    side.candidates = list(_raw(part))
    side.remote_candidates = [each for line in _REMOTE.findall(part)[:_MOST_ROWS] if (each := candidates.parse(line))]
    for found in list(_PAIR.finditer(part))[:_MOST_ROWS]:
        local, remote = _placed(found[4]), _placed(found[5])
        side.pairs.append(
            Pair(local, remote, found[1].replace("inprogress", "in-progress"), found[2] == "true", counted=False)
        )
        if local is not None and local.kind not in (HOST,):
            complete(side.candidates, local)
    side.descriptions = list(_shown(part))
    own = {seen.host_of(server.uri) for server in side.servers}
    side.errors = [
        IceError(_uri(side, server, way), code, "no answer" if code == 701 else "says the log")
        for server, way, code in errors if _split(server)[0] in own or any(not _is_numeric(each) for each in own)
    ]  # fmt: skip
    return side


def _shown(part: str) -> Iterator[Description]:
    """Return the descriptions; tabs are named for both, and the first one's text is shown, where there is one."""
    for number, found in enumerate(list(_TAB.finditer(part))[:2]):
        local, kind = found[1] == "Local", found[2].lower()
        start = part.find("v=0", found.end())
        if number == 0 and start >= 0:
            yield sdp.describe(part[start:], kind, local)[0]
        elif number:
            yield Description(local, kind)


def _is_numeric(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdecimal()


def _uri(side: Side, server: str, way: str) -> str:
    """Return the URI that a place of the log belongs to, else the place."""
    host, port = _split(server)
    for each in side.servers:
        if each.uri.startswith("turn") and seen.host_of(each.uri) == host and seen.port_of(each.uri) == port:
            return each.uri
    return f"turn:{server}?transport={way.lower()}"


def _placed(text: str) -> Candidate | None:
    found = _PLACE.match(text)
    if found is None:
        return None
    address = found["six"] or found["four"] or ""
    kind = {"serverreflexive": SRFLX, "peerreflexive": "prflx"}.get(found["kind"], found["kind"])
    if address == "(redacted)":
        address = ""
    return Candidate(kind, found["transport"], address, int(found["port"]), relay_transport=found["by"] or "")


def _errors(log: str) -> Iterator[tuple[str, str, int]]:
    """Return server, transport and last code of each TURN client that failed; 701 where nobody answered it."""
    codes: dict[str, int] = {found[1]: int(found[4]) for found in _CODE.finditer(log)}
    told: set[tuple[str, str, int]] = set()
    for found in _FAILED.finditer(log):
        row = (found[2], found[3], codes.get(found[1], 701))
        if row not in told and len(told) < 100:
            told.add(row)
            yield row
