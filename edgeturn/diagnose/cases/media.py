"""Media: the call connected, and nothing is seen or heard, or not all of it.

Rule 1: media is what isn't STUN; a handful of packets is none.
Rule 2: what one side sent and the other didn't receive is lost between them; with one side only, nobody can say where.
"""

from edgeturn.capture.packets import host_of
from edgeturn.diagnose import seen, turns
from edgeturn.diagnose.case import CERTAIN, LIKELY, MEDIA, POSSIBLE, Case, Finding
from edgeturn.diagnose.evidence import Evidence, Flow, Side

_SOME = 20  # packets
_NOTABLE = 100  # bytes between the largest that were sent and that arrived
_SMALLEST = 400  # bytes: what is smaller passes everywhere
_SAFE = 1200  # bytes of payload that pass nearly everywhere (RFC 9000 §14)
_HEADERS = 48  # bytes of IPv6 and UDP


def _smaller(most: int = _SAFE) -> tuple[str, ...]:
    """Return how packets become small enough, and how one learns the limit."""
    size = f"Make packets smaller: {min(most, _SAFE)} bytes or less in the application."
    return (
        f"{size} MSS clamping in the router doesn't help UDP.",
        "Let ICMP (too big, fragmentation needed) through the firewalls on the way, or nobody learns the limit.",
    )


def _counted(side: Side) -> tuple[int, int] | None:
    """Return packets sent and received, None where nobody counted both."""
    if side.media.sent_packets is None or side.media.received_packets is None:
        return None
    return side.media.sent_packets, side.media.received_packets


def _counts(side: Side) -> str:
    flow = side.media
    return (
        f"{side.label}: {flow.sent_packets} packets ({flow.sent_bytes or 0} bytes) sent, "
        f"{flow.received_packets} ({flow.received_bytes or 0} bytes) received"
    )


def _others(evidence: Evidence, side: Side) -> list[Flow]:
    return [other.media for other in evidence.sides if other is not side and _counted(other) is not None]


def _out_only(evidence: Evidence) -> Finding | None:
    for side in evidence.sides:
        counted = _counted(side)
        if counted is None or counted[0] < _SOME or counted[1]:
            continue
        sent_there = [flow.sent_packets or 0 for flow in _others(evidence, side)]
        lost = any(count >= _SOME for count in sent_there)
        return Finding(
            "media-out-only",
            "Connected, but only one way: what this side sends goes out, and nothing comes in"
            + (", although the other side sends." if lost else "."),
            (_counts(side), *(_counts(other) for other in evidence.sides if other is not side and _counted(other))),
            (
                "What the other side sends is lost on the way: look at the firewalls there and at the relay."
                if lost else "Does the other side send at all? A capture or dump from there, as a second file, tells.",
                "`edgeturn sessions` on the relay shows packets up and down for each session.",
            ),
            LIKELY,
        )  # fmt: skip
    return None


def _in_only(evidence: Evidence) -> Finding | None:
    for side in evidence.sides:
        counted = _counted(side)
        if counted is None or counted[1] < _SOME or counted[0]:
            continue
        return Finding(
            "media-in-only",
            "Connected, but only one way: this side gets packets, and sends none.",
            (_counts(side),),
            (
                "Look at this side's application: microphone or camera not allowed, track muted, direction recvonly?",
                "`edgeturn sessions` on the relay shows packets up and down for each session.",
            ),
            LIKELY,
        )
    return None


def _too_big(evidence: Evidence) -> Finding | None:
    for side in turns.sides(evidence):
        errors = [error for error in side.icmp if error.what == "too-big"]
        if errors:
            first = errors[0]
            limit = f" of {first.mtu} bytes" if first.mtu else ""
            return Finding(
                "mtu",
                f"A link on the way carries packets{limit} at most, and larger ones were sent.",
                (
                    f"{turns.when(side, first.at)}: ICMP too-big from {first.said_by}",
                    f"about a packet from {first.source} to {first.destination}",
                    f"{turns.times(len(errors))} in all; the largest payload was {_largest(side)} bytes",
                ),
                _smaller(first.mtu - _HEADERS if first.mtu > _HEADERS else _SAFE),
                LIKELY,
            )
    return None


def _largest(side: Side) -> int:
    return max([side.media.largest, *(max(flow.sent_largest, flow.received_largest) for flow in side.peer_flows)])


def _pieces(evidence: Evidence) -> Finding | None:
    for side in turns.sides(evidence):
        for each in side.pieces:
            if each.first > 2 and not each.later:
                return Finding(
                    "fragments-lost",
                    f"Large packets from {each.source} to {each.destination} are cut into pieces, "
                    "and only the first piece of each arrives.",
                    (f"{each.first} first pieces, no other",),
                    ("A firewall on the way drops fragments: let them through.", *_smaller()),
                    CERTAIN,
                )
    return None


def _swallowed(evidence: Evidence) -> Finding | None:
    """Judge two sides: the largest that one sent, and the largest that the other received."""
    told = [side for side in evidence.sides if _counted(side) is not None]
    if len(told) != 2:
        return None
    for side, other in (told, told[::-1]):
        sent, came = side.media.sent_largest, other.media.received_largest
        lost = (side.media.sent_packets or 0) - (other.media.received_packets or 0)
        if sent >= _SMALLEST and came and sent - came >= _NOTABLE and lost > 0:
            return Finding(
                "mtu-silent",
                f"Packets of more than {came} bytes from {_who(side)} to {_who(other)} are lost, without a word.",
                (_counts(side), _counts(other), f"largest sent: {sent} bytes; largest that arrived: {came} bytes"),
                _smaller(came),
                LIKELY,
            )
    return None


def _who(side: Side) -> str:
    return side.name.rpartition(": ")[2] or side.name


def _nothing(evidence: Evidence) -> Finding | None:
    """Judge a side that connected through the relay, and through which nothing went."""
    for side in turns.sides(evidence):
        if seen.has_connected(side) and not side.media.sent_packets and not side.media.received_packets:
            working = sum(pair.state == "succeeded" for pair in side.pairs)
            hosts = ", ".join(sorted({host_of(exchange.server) for exchange in side.exchanges if exchange.server}))
            by = f", by {hosts}" if hosts else ""
            return Finding(
                "no-media",
                "ICE connected, and no media was sent after it by either side.",
                (f"{side.label}: pairs that work: {working}{by}; no packet but STUN",),
                (
                    "Look at both applications: does a track or data channel exist, did DTLS end well?",
                    "A dump of chrome://webrtc-internals, given as another file, tells.",
                ),
                POSSIBLE,
            )
    return None


CASES: tuple[Case, ...] = (
    Case("fragments-lost", MEDIA, _pieces, ("mtu", "mtu-silent")),
    Case("mtu-silent", MEDIA, _swallowed, ("mtu",)),
    Case("mtu", MEDIA, _too_big),
    Case("media-out-only", MEDIA, _out_only),
    Case("media-in-only", MEDIA, _in_only),
    Case("no-media", MEDIA, _nothing),
)
