"""From what was said to the sides of a call: the ways of one host and user are one side, with all that belongs to it.

Rule 1: a way that never showed a user belongs to the host's only user, or stands for itself.
Rule 2: direct checks belong to the end that asked a server; where nobody did, to the one at which the capture was made,
        and where that can't be told, to the one that checked first.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from edgeturn.capture.packets import host_of
from edgeturn.diagnose.evidence import HOST, RELAY, SRFLX, Candidate, Flow, Pair, Side
from edgeturn.diagnose.reading.dialogue import Checks, Dialogue, Way

MOST_SIDES = 64


@dataclass
class _End:
    """A side in the making."""

    host: str
    username: str = ""
    ways: list[Way] = field(default_factory=list)


def sides(name: str, source: str, dialogue: Dialogue) -> list[Side]:
    """Return the sides of a dialogue."""
    ends = _ends(dialogue)
    made = [_side(name, source, end) for end in ends]
    for first, second, checks in dialogue.direct.values():
        owners = [(side, end) for side, end in zip(made, ends, strict=True) if end.host in _hosts(first, second)]
        if not owners and not dialogue.relayed.keys() & {first, second} and len(made) < MOST_SIDES:
            end = _End(_nearer(dialogue, host_of(first), host_of(second)))
            ends.append(end)
            made.append(_side(name, source, end))
            owners = [(made[-1], end)]
        for side, end in owners:
            local, remote = (first, second) if host_of(first) == end.host else (second, first)
            _add_direct(side, local, remote, checks)
            side.controlling = dialogue.controlling.get(local, side.controlling)
    return made


def _nearer(dialogue: Dialogue, first: str, second: str) -> str:
    """Return the one of two hosts at which a capture was made: the other's packets came over routers."""
    return second if second in dialogue.near - dialogue.far and first in dialogue.far else first


def _hosts(*places: str) -> set[str]:
    return {host_of(place) for place in places}


def _ends(dialogue: Dialogue) -> list[_End]:
    """Group the ways (rule 1)."""
    ends: dict[tuple[str, str], _End] = {}
    nameless = []
    for way in dialogue.ways.values():
        if not way.asked and not way.flows:
            continue
        key = host_of(way.client), way.username
        if not way.username:
            nameless.append(way)
        elif key in ends or len(ends) < MOST_SIDES:
            ends.setdefault(key, _End(*key)).ways.append(way)
    for way in nameless:
        host = host_of(way.client)
        own = [end for end in ends.values() if end.host == host]
        if len(own) != 1 and len(ends) < MOST_SIDES:
            own = [ends.setdefault((host, ""), _End(host))]
        if own:
            own[0].ways.append(way)
    return list(ends.values())


def _side(name: str, source: str, end: _End) -> Side:
    who = f"{end.host}, user {end.username}" if end.username else end.host
    side = Side(f"{name}: {who}", source)
    for way in end.ways:
        side.exchanges += [asked.exchange(way) for asked in way.asked]
        side.peer_flows += way.flows.values()
        for peer, checks in way.checks.items():
            _add_relayed(side, way, peer, checks)
    side.exchanges.sort(key=lambda exchange: exchange.at)
    _unique(side.candidates, _candidates(side))
    return side


def _unique(found: list[Candidate], more: Iterable[Candidate]) -> None:
    for candidate in more:
        if all(replace(candidate, at=other.at) != other for other in found):
            found.append(candidate)


def _candidates(side: Side) -> Iterable[Candidate]:
    """Yield what the exchanges gave the client as candidates."""
    for exchange in side.exchanges:
        via = exchange.transport
        scheme = "stun" if exchange.method == "Binding" else "turn"
        server = f"{scheme}:{exchange.server}" + ("" if via == "udp" else f"?transport={via}")
        yield _candidate(HOST, exchange.client, at=exchange.at)
        if exchange.mapped and exchange.mapped != exchange.client and via == "udp":
            yield _candidate(SRFLX, exchange.mapped, exchange.client, server, at=exchange.at)
        if exchange.relayed:
            yield _candidate(RELAY, exchange.relayed, exchange.mapped, server, via, exchange.at)


def _candidate(kind: str, where: str, related: str = "", server: str = "", via: str = "", at: float = 0.0) -> Candidate:
    port = int(where.rpartition(":")[2])
    return Candidate(kind, "udp", host_of(where), port, related, server, via, at=at)


def _add_relayed(side: Side, way: Way, peer: str, checks: Checks) -> None:
    local = _candidate(RELAY, way.relayed[0], server=f"turn:{way.server}") if way.relayed else None
    _add_pair(side, local, "client", peer, checks)


def _add_direct(side: Side, local: str, remote: str, checks: Checks) -> None:
    _unique(side.candidates, [_candidate(HOST, local)])
    _add_pair(side, _candidate(HOST, local), local, remote, checks)


def _add_pair(side: Side, local: Candidate | None, mine: str, peer: str, checks: Checks) -> None:
    """Add a pair if it was checked, and its media."""
    sent, answered = checks.sent.get(mine, 0), checks.answered.get(mine, 0)
    if sent or checks.sent.get(peer, 0):
        side.pairs.append(
            Pair(
                local,
                _candidate(HOST, peer) if peer else None,
                "succeeded" if answered else "failed",
                checks.nominated,
                sent,
                answered,
                checks.sent.get(peer, 0),
                checks.size.get(mine, 0),
                checks.size.get(peer, 0),
                conflicts=checks.conflicts,
            )
        )
    if checks.packets:
        _count(side.media, checks, mine, peer)


def _count(flow: Flow, checks: Checks, mine: str, peer: str) -> None:
    flow.sent_packets = (flow.sent_packets or 0) + checks.packets.get(mine, 0)
    flow.sent_bytes = (flow.sent_bytes or 0) + checks.size.get(mine, 0)
    flow.received_packets = (flow.received_packets or 0) + checks.packets.get(peer, 0)
    flow.received_bytes = (flow.received_bytes or 0) + checks.size.get(peer, 0)
    flow.sent_largest = max(flow.sent_largest, checks.largest.get(mine, 0))
    flow.received_largest = max(flow.received_largest, checks.largest.get(peer, 0))
    flow.largest = max(flow.sent_largest, flow.received_largest)
