"""What TURN messages tell of a side: the questions that the cases of allocating, relaying, lasting and media ask.

Rule 1: times are shown as seconds since the side's first message.
Rule 2: where packets come from (a capture, the running relay), times are Unix times, so credentials are judged by them.
"""

import re
from collections.abc import Iterator

from edgeturn.capture.connection import Connection
from edgeturn.capture.packets import host_of
from edgeturn.diagnose import seen
from edgeturn.diagnose.evidence import NO_ANSWER, SUCCESS, Evidence, Exchange, PeerFlow, Side

_PACKETS = ("capture", "live")
_INDICATIONS = ("Send", "Data")
REDIRECTED = 300
_ENDS = re.compile(r"(\d{9,11})(?::|$)")  # what a time-limited user name begins with (draft-uberti-behave-turn-rest)


def sides(evidence: Evidence) -> list[Side]:
    """Return the sides whose messages were seen."""
    return [side for side in evidence.sides if side.source in _PACKETS]


def trying(evidence: Evidence) -> list[Side]:
    """Return those of them that never connected: what was refused to the others did no harm."""
    return [
        side for side in sides(evidence)
        if not seen.has_connected(side) and not (side.media.sent_packets and side.media.received_packets)
    ]  # fmt: skip


def asked(side: Side, *methods: str) -> list[Exchange]:
    """Return the questions of some methods, all of them where none is named, in the order of time."""
    return [each for each in side.exchanges if (each.method in methods if methods else each.method not in _INDICATIONS)]


def all_asked(among: list[Side], *methods: str) -> Iterator[tuple[Side, Exchange]]:
    """Yield the questions of several sides."""
    for side in among:
        for exchange in asked(side, *methods):
            yield side, exchange


def allocations(side: Side) -> list[Exchange]:
    """Return the Allocates that were granted."""
    return [each for each in asked(side, "Allocate") if each.code == SUCCESS]


def is_settled(side: Side, exchange: Exchange) -> bool:
    """Say whether the same question was answered with success later: by the same way, or where it was sent on to."""
    return any(
        each.method == exchange.method and each.code == SUCCESS and each.at >= exchange.at
        and (exchange.code == REDIRECTED or (each.client, each.server) == (exchange.client, exchange.server))
        for each in side.exchanges
    )  # fmt: skip


def answered(side: Side, server: str, transport: str) -> bool:
    """Say whether a server answered anything by a transport."""
    return any(
        each.server == server and each.transport == transport and each.code != NO_ANSWER for each in side.exchanges
    )


def start(side: Side) -> float:
    """Return when the first was seen."""
    times = (
        [each.at for each in side.exchanges] + [each.at for each in side.connections] + [each.at for each in side.icmp]
    )
    return min(times, default=0.0)


def end(side: Side) -> float:
    """Return when the last was seen."""
    times = [each.at for each in side.exchanges] + [each.at for each in side.icmp]
    return max([*times, *(max(flow.sent_last, flow.received_last) for flow in side.peer_flows)], default=0.0)


def when(side: Side, at: float) -> str:
    """Return a time as people compare it."""
    return f"at {at - start(side):.1f} s"


def said(side: Side, exchange: Exchange) -> str:
    """Return an exchange in a line: when, what, of whom, and what came of it."""
    who = f" as {exchange.username}" if exchange.username else ""
    for_whom = f" for {', '.join(exchange.peers)}" if exchange.peers else ""
    many = f", sent {exchange.tries} times" if exchange.tries > 1 else ""
    result = "no answer" if exchange.code == NO_ANSWER else str(exchange.code)
    reason = f" ({exchange.reason})" if exchange.reason else ""
    to = f" to {exchange.server} over {exchange.transport.upper()}" if exchange.server else ""
    return f"{when(side, exchange.at)}: {exchange.method}{for_whom}{to}{who}{many}: {result}{reason}"


def connected(side: Side, connection: Connection) -> str:
    """Return a connection in a line."""
    sent = {"stun": "STUN was sent", "tls": "a TLS ClientHello was sent"}.get(connection.kind, "nothing was sent")
    parts = [f"connected, {sent}" if connection.opened else f"SYN sent {times(connection.tries)}"]
    if not connection.answered:
        parts.append("no answer")
    if connection.ended:
        parts.append(f"{connection.ended} by the {connection.ended_by} {when(side, connection.ended_at)}")
    return f"{when(side, connection.at)}: TCP to {connection.server}: {', '.join(parts)}"


def times(count: int) -> str:
    """Return how often."""
    return "once" if count == 1 else f"{count} times"


def duration(seconds: float) -> str:
    """Return a span as people say it."""
    if seconds < 120:
        return f"{max(1, round(seconds))} s"
    if seconds < 7200:
        return f"{round(seconds / 60)} min"
    return f"{round(seconds / 3600)} h" if seconds < 172800 else f"{round(seconds / 86400)} days"


def credential_ends(username: str) -> int | None:
    """Return the Unix time at which a time-limited user name ends, None where it has no such time."""
    found = _ENDS.match(username)
    return int(found[1]) if found else None


def transports(evidence: Evidence, server: str) -> set[str]:
    """Return the transports by which a server was asked or connected to."""
    found = {each.transport for side in sides(evidence) for each in side.exchanges if each.server == server}
    hosts = {host_of(each.server) for side in sides(evidence) for each in side.connections}
    return found | ({"tcp"} if host_of(server) in hosts else set())


def granted(side: Side, flow: PeerFlow) -> list[float]:
    """Return the times at which the peer of a flow was permitted, by CreatePermission or a channel (RFC 8656 §9)."""
    host = host_of(flow.peer)
    return [
        each.at for each in asked(side, "CreatePermission", "ChannelBind")
        if each.code == SUCCESS and each.client == flow.client and host in [host_of(peer) for peer in each.peers]
    ]  # fmt: skip


def bound(side: Side, flow: PeerFlow) -> list[float]:
    """Return the times at which the channel of a flow was bound."""
    return [
        each.at for each in asked(side, "ChannelBind")
        if each.code == SUCCESS and (each.client, each.channel) == (flow.client, flow.channel)
    ]  # fmt: skip
