"""Relaying: there is a relayed address, and nothing gets through it to the peer.

Rule 1: "nothing gets through" is checks that the client sent through the relay and nobody answered.
Rule 2: what the relay says of itself, a refusal or its rule, counts more than silence.
"""

import re
from shlex import quote

from edgeturn.capture.packets import host_of
from edgeturn.diagnose import seen, turns, wording
from edgeturn.diagnose.case import CERTAIN, LIKELY, PAIRING, Case, Finding
from edgeturn.diagnose.evidence import HOST, RELAY, SUCCESS, Candidate, Evidence, Exchange, Pair, PeerFlow, Side
from edgeturn.diagnose.texts import pairing

_TEXTS = wording.of_cases(pairing.TEXT)
_MANY = 3  # checks without an answer that no loss explains
_ABOUT = re.compile(r"^peer \S+: ")  # what stands in front of the rule where the relay says it
_PERMITTING = ("CreatePermission", "ChannelBind", "Send", "Connect")


def _refused_peers(evidence: Evidence, code: int) -> list[tuple[Side, Exchange]]:
    return [(side, each) for side, each in turns.all_asked(turns.trying(evidence), *_PERMITTING) if each.code == code]


def _refused(evidence: Evidence) -> Finding | None:
    for side, each in _refused_peers(evidence, 403):
        hosts = [host_of(peer) for peer in each.peers]
        peers = ", ".join(hosts) or "a peer"
        reason = _ABOUT.sub("", each.reason)
        rule = f", by the rule: {reason}" if reason else ""
        return Finding(
            "peer-refused",
            f"The relay doesn't relay to {peers}{rule}.",
            (turns.said(side, each), *_why(reason, hosts)),
            (
                _open(reason, hosts[0] if hosts else "ADDRESS"),
                "Most calls don't need that: the other side's outside or relayed address is enough.",
            ),
            CERTAIN,
        )
    return None


def _open(reason: str, host: str) -> str:
    """Return how a peer is opened; what deny_peer denies, allow_peer doesn't open."""
    denied = reason.partition(" ")[2] if reason.startswith("deny_peer ") else ""
    change = f"remove deny_peer {quote(denied)}" if denied else f"add allow_peer {host}"
    return f"To open it: `edgeturn config {change}`, then `edgeturn reload`."


def _why(reason: str, hosts: list[str]) -> tuple[str, ...]:
    if reason.startswith("deny_peer"):
        return ("the rule stands in the relay's configuration",)
    if any(seen.is_private(host) for host in hosts):
        return ("private addresses are closed unless allow_peer opens them: a relay is no door into its own network",)
    return ()


def _other_family(evidence: Evidence) -> Finding | None:
    for side, each in _refused_peers(evidence, 443):
        return Finding(
            "peer-family",
            "The peer has an address of another family, IPv4 or IPv6, than the relayed address.",
            (turns.said(side, each),),
            ("Give the relay an address of both families: `edgeturn config add relay_address ADDRESS`.",),
            CERTAIN,
        )
    return None


def _no_permission(evidence: Evidence) -> Finding | None:
    for side, flow in _flows(evidence):
        if flow.sent < _MANY or not flow.peer or turns.granted(side, flow) or flow.received:
            continue
        asked = [each for each in turns.asked(side, "CreatePermission", "ChannelBind") if _names(each, flow)]
        dropped = [
            each for each in turns.asked(side, "Send") if flow.peer in each.peers and "permission" in each.reason
        ]
        if asked or not (dropped or any(each.client == flow.client for each in turns.allocations(side))):
            continue  # refused, or from before the capture began
        return Finding(
            "no-permission",
            f"The client sends to {flow.peer} through the relay and never asked for a permission: the relay drops it.",
            (
                f"{turns.when(side, flow.sent_first)}: the first of {flow.sent} Send indications for {flow.peer}",
                "no CreatePermission and no ChannelBind for that address",
                *(turns.said(side, each) for each in dropped[:1]),
            ),
            ("Have the client ask CreatePermission for the peer's address before it sends (RFC 8656 §9).",),
            CERTAIN,
        )
    return None


def _flows(evidence: Evidence) -> list[tuple[Side, PeerFlow]]:
    return [(side, flow) for side in turns.trying(evidence) for flow in side.peer_flows]


def _names(asked: Exchange, flow: PeerFlow) -> bool:
    return host_of(flow.peer) in [host_of(peer) for peer in asked.peers]


# Checks through the relay that nobody answers.


def _unanswered(evidence: Evidence) -> list[tuple[Side, Pair]]:
    """Return relayed pairs of sides on which no relayed pair was answered, where the peer was permitted."""
    found = []
    for side in turns.trying(evidence):
        pairs = [pair for pair in side.pairs if pair.local and pair.local.kind == RELAY and pair.remote]
        if not any(pair.was_answered or pair.checks_received for pair in pairs):
            found += [(side, pair) for pair in pairs if pair.checks_sent >= _MANY and _permitted(side, pair)]
    return found


def _permitted(side: Side, pair: Pair) -> bool:
    return any(
        each.code == SUCCESS
        and pair.remote is not None
        and pair.remote.address in [host_of(peer) for peer in each.peers]
        for each in turns.asked(side, "CreatePermission", "ChannelBind")
    )


def _seen(side: Side, pair: Pair) -> tuple[str, ...]:
    local, remote = _place(pair.local), _place(pair.remote)
    errors = [error for error in side.icmp if error.destination == remote]
    return (
        f"{pair.checks_sent} checks from {local} to {remote}: none answered, none came from there",
        *(f"{turns.when(side, each.at)}: ICMP {each.what} from {each.said_by}" for each in errors[:1]),
    )


def _place(candidate: object) -> str:
    address, port = getattr(candidate, "address", ""), getattr(candidate, "port", 0)
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _private(evidence: Evidence) -> Finding | None:
    for side in turns.trying(evidence):
        for each in turns.allocations(side):
            relayed = host_of(each.relayed)
            if each.relayed and seen.is_private(relayed) and not seen.is_private(host_of(each.server)):
                told = [turns.said(side, each), f"relayed address: {each.relayed}"]
                return _TEXTS.finding("relay-announces-private", evidence, told, CERTAIN, address=relayed)
    return None


def _answers_elsewhere(evidence: Evidence) -> Finding | None:
    """Judge relayed addresses whose checks come to the other side from another address, with the same port."""
    relayed = [each.relayed for side in turns.trying(evidence) for each in turns.allocations(side) if each.relayed]
    for side in turns.trying(evidence):
        for pair in side.pairs:
            if pair.local is None or pair.local.kind != HOST or pair.remote is None or not pair.checks_received:
                continue
            for place in relayed:
                if place.endswith(f":{pair.remote.port}") and host_of(place) != pair.remote.address:
                    return _announced(evidence, place, side, pair.remote)
    return None


def _announced(evidence: Evidence, place: str, side: Side, sender: Candidate) -> Finding:
    told = [f"relayed address {place}; {side.label} got checks from {_place(sender)}"]
    said = {"address": host_of(place), "server": sender.address}
    return _TEXTS.finding("wrong-announced-address", evidence, told, CERTAIN, **said)


def _is_on_relay(side: Side, pair: Pair) -> bool:
    """Say whether the remote end is another session of the same relay, which is reached where it relays."""
    servers = {host_of(each.server) for each in turns.allocations(side)}
    remote = pair.remote.address if pair.remote else ""
    return remote in servers and pair.local is not None and pair.local.address == remote


def _other_side(evidence: Evidence) -> Finding | None:
    for side, pair in _unanswered(evidence):
        if _is_on_relay(side, pair):
            return Finding(
                "other-side-silent",
                "The other side has a session on the same relay and doesn't answer: "
                "it never got this side's candidates, or has given up.",
                _seen(side, pair),
                (
                    "`edgeturn sessions` on the relay shows whether its session is still there.",
                    "Look at what the signalling gave it: a capture or dump from there, as a second file, tells.",
                ),
                LIKELY,
            )
    return None


def _hairpin(evidence: Evidence) -> Finding | None:
    for side, pair in _unanswered(evidence):
        if pair.local is None or pair.remote is None:
            continue
        if _is_on_relay(side, pair):
            continue
        mapped = {host_of(each.mapped) for each in turns.allocations(side) if each.mapped}
        same = pair.remote.address in mapped | {pair.local.address}
        if same and not seen.is_private(pair.remote.address):
            return Finding(
                "hairpin",
                f"The peer is behind the same public address as the relay or the client ({pair.remote.address}), "
                "and the router doesn't turn packets round to it (no hairpin).",
                _seen(side, pair),
                (
                    "Let the peer use the relay as well: with relayed addresses on both sides nothing turns round.",
                    "Or switch on NAT loopback (hairpin, NAT reflection) in the router.",
                ),
                LIKELY,
            )
    return None


def _firewall(evidence: Evidence) -> Finding | None:
    for side, pair in _unanswered(evidence):
        if pair.remote is None:
            continue
        peer = _place(pair.remote)
        left = sum(flow.left_relay for flow in side.peer_flows if flow.peer == peer)
        came = sum(flow.reached_relay for flow in side.peer_flows if flow.peer == peer)
        if came:
            continue
        seen_there = (f"{left} packets left the relay for {peer}, none came back",) if left else ()
        return Finding(
            "firewall-behind-relay",
            f"Nothing comes back from {peer} to the relay: a firewall between the two drops it, or the peer has gone.",
            (*_seen(side, pair), *seen_there),
            (
                "`edgeturn firewall show` looks at the relay's own firewall; peers need all of relay_ports over UDP.",
                "If the peer's network lets no UDP through, let the peer use the relay, too: iceServers on both sides.",
            ),
            CERTAIN if left else LIKELY,
        )
    return None


def _nothing_back(evidence: Evidence) -> Finding | None:
    """Judge a side of the running relay, which counts what it carries and shows no checks."""
    for side in turns.trying(evidence):
        sent, received = side.media.sent_packets or 0, side.media.received_packets
        peers = sorted({peer for each in turns.asked(side, "CreatePermission", "ChannelBind") for peer in each.peers})
        if side.source != "live" or sent < _MANY or received != 0 or not peers:
            continue
        return Finding(
            "firewall-behind-relay",
            "The relay sends on what the client gives it, and nothing comes back from the peer: "
            "a firewall between the two drops it, or the peer doesn't answer.",
            (f"{side.label}: {sent} packets up, none down", f"peers: {', '.join(peers[:4])}"),
            (
                "`edgeturn firewall show` looks at the relay's own firewall; peers need all of relay_ports over UDP.",
                "`edgeturn check` sends packets through the relay and back.",
            ),
            LIKELY,
        )
    return None


_SILENT = ("firewall-behind-relay", "hairpin")

CASES: tuple[Case, ...] = (
    Case("peer-refused", PAIRING, _refused, ("firewall-behind-relay",)),
    Case("peer-family", PAIRING, _other_family, ("firewall-behind-relay",)),
    Case("no-permission", PAIRING, _no_permission, ("firewall-behind-relay", "media-out-only")),
    Case("relay-announces-private", PAIRING, _private, (*_SILENT, "wrong-announced-address")),
    Case("wrong-announced-address", PAIRING, _answers_elsewhere, _SILENT),
    Case("other-side-silent", PAIRING, _other_side, _SILENT),
    Case("hairpin", PAIRING, _hairpin, ("firewall-behind-relay", "wrong-announced-address")),
    Case("firewall-behind-relay", PAIRING, _firewall),
    Case("firewall-behind-relay", PAIRING, _nothing_back, ("media-out-only",)),
)
