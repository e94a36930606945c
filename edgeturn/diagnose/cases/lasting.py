"""Lasting: the call connected and ended after a while, because something wasn't renewed, or was and was refused.

Rule 1: what a relay gives ends by itself: an allocation after its lifetime, a permission after 300 s, a channel after
        600 s (RFC 8656 §7.2, §9, §12); a client renews each in time.
Rule 2: a 437 after the lifetime is the client's fault; before it, the relay lost the allocation or the port changed.
"""

from itertools import pairwise

from edgeturn.capture.packets import host_of
from edgeturn.diagnose import turns
from edgeturn.diagnose.case import CERTAIN, LASTING, LIKELY, Case, Finding
from edgeturn.diagnose.evidence import SUCCESS, Event, Evidence, Exchange, PeerFlow, Side
from edgeturn.protocol.limits import CHANNEL_LIFETIME, PERMISSION_LIFETIME

_SLACK = 15.0  # seconds around the end of a lifetime: packets may be that far apart
_EARLY = 3.0  # seconds; the relay counts whole ones
_DEFAULT = 600  # RFC 8656 §6
_MISMATCH = 437


def _renewals(side: Side, allocation: Exchange) -> list[Exchange]:
    """Return the allocation and what renewed it."""
    renewed = [
        each for each in turns.asked(side, "Refresh")
        if each.client == allocation.client and each.code == SUCCESS and each.at >= allocation.at
    ]  # fmt: skip
    return [allocation, *renewed]


def _expires(side: Side, allocation: Exchange) -> float:
    """Return when an allocation ends by what was granted."""
    last = _renewals(side, allocation)[-1]
    return last.at + (_DEFAULT if last.lifetime is None else last.lifetime)


def _allocation_of(side: Side, exchange: Exchange) -> Exchange | None:
    """Return the allocation that a question is about: the last of the same way."""
    found = [
        each for each in turns.allocations(side)
        if each.client == exchange.client and each.server == exchange.server and each.at <= exchange.at
    ]  # fmt: skip
    return found[-1] if found else None


def _mismatches(evidence: Evidence) -> list[tuple[Side, Exchange]]:
    methods = "Refresh", "CreatePermission", "ChannelBind"
    return [(side, each) for side, each in turns.all_asked(turns.sides(evidence), *methods) if each.code == _MISMATCH]


def _ran_out(evidence: Evidence) -> Finding | None:
    for side, each in _mismatches(evidence):
        allocation = _allocation_of(side, each)
        if allocation is None or each.at < _expires(side, allocation):
            continue
        granted = _renewals(side, allocation)
        if granted[-1].lifetime == 0:  # the client ended it itself
            continue
        return Finding(
            "refresh-missing",
            "The client didn't renew its allocation: it ran out, and with it the call, "
            f"after {turns.duration(granted[-1].lifetime or _DEFAULT)}.",
            (
                turns.said(side, granted[-1]) + f", for {granted[-1].lifetime or _DEFAULT} s",
                f"no Refresh was granted until {turns.when(side, _expires(side, allocation))[3:]}",
                turns.said(side, each),
            ),
            (
                "Update the client, or tell its author: Refresh before the lifetime is over (RFC 8656 §8).",
                "Until then a longer one helps: `edgeturn config set default_lifetime 3600`, then `edgeturn reload`.",
            ),
            CERTAIN,
        )
    return None


def _freed(evidence: Evidence) -> Finding | None:
    """Judge allocations of which the relay says that it freed them, at the end of their lifetime."""
    for side in turns.sides(evidence):
        for event in side.events:
            granted = _granted_until(side, event)
            if granted is not None:
                lifetime = granted.lifetime or _DEFAULT
                return Finding(
                    "refresh-missing",
                    "The client didn't renew its allocation: the relay freed it when it ran out, "
                    f"after {turns.duration(lifetime)}.",
                    (f"{turns.said(side, granted)}, for {lifetime} s", f"{turns.when(side, event.at)}: {event.value}"),
                    (
                        "Nothing to do if the call was over by then: the program ended without saying so.",
                        "Otherwise the client has to send Refresh before the lifetime is over (RFC 8656 §8).",
                    ),
                    LIKELY,
                )
    return None


def _granted_until(side: Side, event: Event) -> Exchange | None:
    """Return what was granted last of an allocation that an event ends in time, None where it isn't so."""
    for each in turns.allocations(side):
        if event.what == "freed" and each.relayed in event.value and event.at > _expires(side, each) - _EARLY:
            last = _renewals(side, each)[-1]
            return None if last.lifetime == 0 else last
    return None


def _refused(evidence: Evidence) -> Finding | None:
    for side, each in turns.all_asked(turns.sides(evidence), "Refresh"):
        if each.code in (SUCCESS, _MISMATCH, 438, 441, 0) or not each.signed or turns.is_settled(side, each):
            continue
        ends = turns.credential_ends(each.username)
        if each.code == 401 and ends is not None and ends <= each.at:
            return _credential_ended(side, each, ends)
        return Finding(
            "refresh-refused",
            f"The relay refused to renew the allocation ({each.code}).",
            (turns.said(side, each),),
            ("`edgeturn trace` on the relay while a call lasts shows the reason.",),
            CERTAIN,
        )
    return None


def _credential_ended(side: Side, refresh: Exchange, ends: int) -> Finding:
    return Finding(
        "credential-shorter-than-call",
        "The credential ended during the call, and the relay refused to renew the allocation with it.",
        (turns.said(side, refresh), f"the user name's time ended {turns.duration(refresh.at - ends)} before"),
        (
            "Mint credentials that last longer than any call, such as `edgeturn credentials --ttl 86400`.",
            "edgeturn lets a session renew with the credential that it began with, unless the relay was restarted.",
        ),
        CERTAIN,
    )


def _rebinding(evidence: Evidence) -> Finding | None:
    """Judge a 437 to a place that never had an allocation, while the same user had one from another place."""
    for side, each in _mismatches(evidence):
        if _allocation_of(side, each) is not None or not each.username:
            continue
        former = [
            allocation for other in turns.sides(evidence) for allocation in turns.allocations(other)
            if (allocation.username, allocation.server) == (each.username, each.server)
            and allocation.client != each.client and allocation.at < each.at
        ]  # fmt: skip
        if former:
            return _moved(
                side, f" from {former[-1].client} to {each.client}:", (turns.said(side, former[-1]),), each, CERTAIN
            )
    return None


def _moved(side: Side, how: str, before: tuple[str, ...], each: Exchange, certainty: str) -> Finding:
    return Finding(
        "nat-rebinding",
        f"The client's address changed during the call{how} the relay doesn't know the client there (437). "
        "A NAT forgot the old port after silence, or the network changed.",
        (*before, turns.said(side, each)),
        (
            "Let the application restart ICE when that happens (`restartIce()`); browsers do where it is told to.",
            "Let the client send something at least every 25 s, so that the NAT keeps its port.",
            "Over TCP and TLS NATs keep ports far longer: `?transport=tcp` in iceServers.",
        ),
        certainty,
    )


def _lost(evidence: Evidence) -> Finding | None:
    """Judge a 437 before the lifetime was over, at a place that had the allocation."""
    for side, each in _mismatches(evidence):
        allocation = _allocation_of(side, each)
        if allocation is None or each.at >= _expires(side, allocation):
            continue
        granted = _renewals(side, allocation)[-1]
        if granted.lifetime == 0:
            continue
        if allocation.mapped and allocation.mapped != allocation.client:
            how = f", or the relay was restarted: it was {allocation.mapped}, and"
            return _moved(side, how, (turns.said(side, granted),), each, LIKELY)
        return _restarted(side, granted, each)
    return None


def _restarted(side: Side, granted: Exchange, refused: Exchange) -> Finding:
    stale = [each for each in turns.asked(side) if each.code == 438 and granted.at < each.at <= refused.at]
    return Finding(
        "relay-restarted",
        "The relay lost the allocation before its time: it was restarted, or the session was ended there.",
        (
            turns.said(side, granted) + f", for {granted.lifetime or _DEFAULT} s",
            *(turns.said(side, each) + ": the relay had new keys" for each in stale[:1]),
            turns.said(side, refused),
        ),
        (
            "`edgeturn status` shows since when the relay runs.",
            "Apply changes by `edgeturn reload`, which keeps calls, and end a relay by `edgeturn drain`.",
        ),
        CERTAIN if stale else LIKELY,
    )


# Permissions and channels end without an answer: the peer's packets stop, and the client goes on sending.


def _ended_at(times: list[float], lifetime: int) -> float | None:
    """Return when the first gap opened in what has to be renewed, None where nothing was granted."""
    if not times:
        return None
    for now, following in pairwise(times):
        if following - now > lifetime:
            return now + lifetime
    return times[-1] + lifetime


def _went_on(flow: PeerFlow, ended: float) -> bool:
    """Say whether packets came until something ended, and the client went on sending afterwards."""
    return (
        bool(flow.received)
        and ended - _SLACK * 2 < flow.received_last < ended + _SLACK
        and flow.sent_last > ended + _SLACK
    )


def _permission(evidence: Evidence) -> Finding | None:
    for side in turns.sides(evidence):
        for flow in side.peer_flows:
            ended = _ended_at(turns.granted(side, flow), PERMISSION_LIFETIME) if flow.peer else None
            if ended is not None and _went_on(flow, ended) and not _received_later(side, flow, ended):
                return Finding(
                    "permission-lapsed",
                    f"The client didn't renew its permission for {host_of(flow.peer)}: it lapsed after 300 s, "
                    "and the relay drops everything of that peer since.",
                    _gap(side, flow, ended, "permission"),
                    ("Update the client, or tell its author: CreatePermission every 4 minutes (RFC 8656 §9).",),
                    LIKELY,
                )
    return None


def _received_later(side: Side, flow: PeerFlow, ended: float) -> bool:
    """Say whether the peer was heard after a time by any means."""
    return any(
        other.peer == flow.peer and other.client == flow.client and other.received_last > ended + _SLACK
        for other in side.peer_flows
    )


def _gap(side: Side, flow: PeerFlow, ended: float, what: str) -> tuple[str, ...]:
    return (
        f"{turns.when(side, ended)}: the {what} ended; nothing had renewed it",
        f"{turns.when(side, flow.received_last)}: the last packet from {flow.peer}, of {flow.received}",
        f"the client went on sending until {turns.when(side, flow.sent_last)[3:]}",
    )


def _channel(evidence: Evidence) -> Finding | None:
    for side in turns.sides(evidence):
        for flow in side.peer_flows:
            ended = _ended_at(turns.bound(side, flow), CHANNEL_LIFETIME) if flow.channel else None
            if ended is None or not _went_on(flow, ended):
                continue
            return Finding(
                "channel-lapsed",
                f"The client didn't renew channel {flow.channel:#06x}: it lapsed after 600 s, and the relay drops "
                "what the client goes on sending by it.",
                (
                    *_gap(side, flow, ended, "channel"),
                    *(
                        ("the peer's packets come by Data indications since",)
                        if _received_later(side, flow, ended)
                        else ()
                    ),
                ),
                ("Update the client, or tell its author: ChannelBind every 8 minutes or so (RFC 8656 §12).",),
                LIKELY,
            )
    return None


CASES: tuple[Case, ...] = (
    Case("refresh-missing", LASTING, _ran_out, ("permission-lapsed", "channel-lapsed")),
    Case("refresh-missing", LASTING, _freed, ("permission-lapsed", "channel-lapsed")),
    Case("refresh-refused", LASTING, _refused, ("wrong-password",)),
    Case("nat-rebinding", LASTING, _rebinding, ("relay-restarted",)),
    Case("relay-restarted", LASTING, _lost),
    Case("channel-lapsed", LASTING, _channel, ("permission-lapsed",)),
    Case("permission-lapsed", LASTING, _permission),
)
