"""What is seen of a side: the questions that several cases and the report ask.

Rule 1: a side that a browser tells of has states; SDP and lists of candidates have none, and so never connected.
"""

from ipaddress import ip_address, ip_network

from edgeturn.diagnose.evidence import HOST, RELAY, SRFLX, Candidate, Evidence, IceServer, Pair, Side

BROWSERS = ("webrtc-internals", "about:webrtc")
_CONNECTED = ("connected", "completed")
_PRIVATE = tuple(
    ip_network(each) for each in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7", "fe80::/10",
    )
)  # fmt: skip


def is_browser(side: Side) -> bool:
    """Say whether a browser tells this."""
    return side.source in BROWSERS


def tells_of_ice(side: Side) -> bool:
    """Say whether a side is told by something that knows candidates, and not by packets only."""
    return is_browser(side) or side.source in ("sdp", "candidates")


def last(side: Side, what: str) -> str:
    """Return the last state of a kind, "" where none was told."""
    return next((event.value for event in reversed(side.events) if event.what == what), "")


def has_connected(side: Side) -> bool:
    """Say whether ICE found a way, at any time."""
    return any(
        event.what in ("ice", "connection") and event.value in _CONNECTED for event in side.events
    ) or any(pair.state == "succeeded" and pair.nominated for pair in side.pairs)  # fmt: skip


def lost_after(side: Side) -> float | None:
    """Return after how many seconds a connection was lost that stood, None where it wasn't."""
    begun = next((event.at for event in side.events if event.what == "ice" and event.value in _CONNECTED), None)
    if begun is None or "failed" not in (last(side, "ice"), last(side, "connection")):
        return None
    ended = [event.at for event in side.events if event.what == "ice" and event.value == "disconnected"]
    failed = [event.at for event in side.events if event.what in ("ice", "connection") and event.value == "failed"]
    return (ended or failed)[-1] - begun


def anyone_connected(evidence: Evidence) -> bool:
    """Say whether ICE found a way on any side."""
    return any(has_connected(side) for side in evidence.sides)


def kinds(candidates: list[Candidate]) -> set[str]:
    """Return the kinds of candidates that there are."""
    return {each.kind for each in candidates}


def of_kind(candidates: list[Candidate], kind: str) -> list[Candidate]:
    """Return the candidates of a kind."""
    return [each for each in candidates if each.kind == kind]


def far(evidence: Evidence, side: Side) -> list[Candidate]:
    """Return the candidates of the other end: those that this side was given, else those that the other gathered."""
    if side.remote_candidates:
        return side.remote_candidates
    others = [other for other in evidence.sides if other is not side and tells_of_ice(other)]
    return others[0].candidates if len(others) == 1 else []


def other(evidence: Evidence, side: Side) -> Side | None:
    """Return the other side where there are two that tell of ICE."""
    told = [each for each in evidence.sides if tells_of_ice(each)]
    if len(told) != 2 or side not in told:
        return None
    return told[1] if told[0] is side else told[0]


def relays(side: Side) -> list[IceServer]:
    """Return the TURN servers that the application named."""
    return [server for server in side.servers if server.uri.startswith("turn")]


def is_private(address: str) -> bool:
    """Say whether an address is of a private network, behind a provider's NAT, or of the link."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return any(found in network for network in _PRIVATE)


def is_address(host: str) -> bool:
    """Say whether a host is given by its address and not by a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def places(listed: object) -> list[tuple[str, int]]:
    """Return address and port of each place in a list of a relay's status, which may be anything."""
    found = [each.rpartition(":") for each in listed if isinstance(each, str)] if isinstance(listed, list) else []
    return [(host.strip("[]"), int(port)) for host, _, port in found if port.isdecimal()]


def families(candidates: list[Candidate]) -> set[int]:
    """Return the address families of candidates; hidden ones have none."""
    return {each.family for each in candidates} - {0}


def knows_outside(candidates: list[Candidate]) -> bool:
    """Say whether an address that others may reach is among candidates."""
    return any(each.kind in (SRFLX, RELAY) for each in candidates) or any(
        each.kind == HOST and each.family and not is_private(each.address) for each in candidates
    )


def unanswered(pairs: list[Pair]) -> list[Pair]:
    """Return the pairs whose checks nobody answered."""
    return [pair for pair in pairs if pair.was_tried and not pair.was_answered]


def host_of(uri: str) -> str:
    """Return the host of a STUN or TURN URI."""
    rest = uri.partition(":")[2].partition("?")[0].removeprefix("//").rpartition("@")[2]
    if rest.startswith("["):
        return rest[1:].partition("]")[0]
    return rest.partition(":")[0] if rest.count(":") <= 1 else rest


def port_of(uri: str) -> int:
    """Return the port of a STUN or TURN URI, its default where it names none."""
    rest = uri.partition(":")[2].partition("?")[0].rpartition("]")[2]
    port = rest.rpartition(":")[2] if ":" in rest else ""
    return int(port) if port.isdecimal() and len(port) < 6 else (5349 if uri.startswith(("turns", "stuns")) else 3478)
