"""Dropping: what the relay itself says that it dropped, by its tap or its own capture; nobody else sees that.

Rule 1: a single drop is nothing; strangers knock at every port.
"""

import re

from edgeturn.capture.packets import host_of
from edgeturn.diagnose import turns
from edgeturn.diagnose.case import CERTAIN, LASTING, PAIRING, POSSIBLE, Case, Finding
from edgeturn.diagnose.evidence import SUCCESS, Event, Evidence, Side
from edgeturn.protocol.limits import PERMISSION_LIFETIME

_SOME = 3
_PLACE = re.compile(r"\[[0-9a-f:.]+\]:\d+|\d+\.\d+\.\d+\.\d+(?::\d+)?")


def _dropped(side: Side, reason: str) -> list[Event]:
    return [event for event in side.events if event.what == "dropped" and reason in event.value]


def _channel(evidence: Evidence) -> Finding | None:
    for side in turns.sides(evidence):
        dropped = _dropped(side, "channel")
        if len(dropped) >= _SOME:
            return Finding(
                "channel-not-bound",
                "The client sends on a channel that isn't bound at the relay, or no longer: the relay drops it.",
                (f"{turns.when(side, dropped[0].at)}: the first of {len(dropped)} that were dropped",),
                ("Update the client, or tell its author: ChannelBind again within 10 minutes (RFC 8656 §12).",),
                CERTAIN,
            )
    return None


def _peers(side: Side) -> dict[str, list[Event]]:
    """Return what was dropped of peers without a permission, by their addresses."""
    found: dict[str, list[Event]] = {}
    for event in _dropped(side, "permission"):
        place = _PLACE.search(event.value)
        if place:
            found.setdefault(host_of(place[0]), []).append(event)
    return {host: events for host, events in found.items() if len(events) >= _SOME}


def _granted(side: Side) -> dict[str, float]:
    """Return when each peer was permitted last."""
    return {
        host_of(peer): each.at
        for each in turns.asked(side, "CreatePermission", "ChannelBind") if each.code == SUCCESS for peer in each.peers
    }  # fmt: skip


def _lapsed(evidence: Evidence) -> Finding | None:
    for side in turns.sides(evidence):
        granted = _granted(side)
        for host, events in _peers(side).items():
            if host in granted and events[-1].at > granted[host] + PERMISSION_LIFETIME:
                return Finding(
                    "permission-lapsed",
                    f"The client didn't renew its permission for {host}: it lapsed after 300 s, "
                    "and the relay drops everything of that peer since.",
                    (
                        f"{turns.when(side, granted[host])}: the last permission for {host}",
                        f"{turns.when(side, events[0].at)}: the first of {len(events)} packets that were dropped",
                    ),
                    ("Update the client, or tell its author: CreatePermission every 4 minutes (RFC 8656 §9).",),
                    CERTAIN,
                )
    return None


def _from_elsewhere(evidence: Evidence) -> Finding | None:
    for side in turns.trying(evidence):
        granted = _granted(side)
        for host, events in _peers(side).items():
            if granted and host not in granted:
                return Finding(
                    "peer-from-elsewhere",
                    f"Packets for this client come from {host}, which it never permitted: the relay drops them.",
                    (
                        f"{turns.when(side, events[0].at)}: the first of {len(events)} that were dropped",
                        f"permitted: {', '.join(sorted(granted)[:4])}",
                    ),
                    (
                        f"If {host} is the peer: its NAT gives it an unknown address, or a candidate was lost.",
                        "Let the peer use the relay, too.",
                        "If nobody knows that address: a stranger knocks, which does no harm.",
                    ),
                    POSSIBLE,
                )
    return None


CASES: tuple[Case, ...] = (
    Case("channel-not-bound", LASTING, _channel, ("channel-lapsed",)),
    Case("permission-lapsed", LASTING, _lapsed),
    Case("peer-from-elsewhere", PAIRING, _from_elsewhere),
)
