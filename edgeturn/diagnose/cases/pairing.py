"""Pairing: both sides have candidates, and no pair of them carries a check; and what comes after: DTLS.

Rule 1: SDP and lists of candidates have no pairs, so they are judged by their addresses alone.
Rule 2: a relayed pair that failed without a check was refused a permission by the relay.
"""

from edgeturn.command.output import seconds_text
from edgeturn.command.place import quoted
from edgeturn.diagnose import seen, wording
from edgeturn.diagnose.case import CERTAIN, LASTING, LIKELY, PAIRING, POSSIBLE, SECURITY, Case, Finding
from edgeturn.diagnose.evidence import PRFLX, RELAY, SRFLX, Candidate, Evidence, Pair, Side
from edgeturn.diagnose.reading.candidates import place
from edgeturn.diagnose.texts import pairing

_TEXTS = wording.of_cases(pairing.TEXT)


def _tried(evidence: Evidence) -> list[Side]:
    """Return the sides whose checks came to nothing; none where the call connected."""
    if seen.anyone_connected(evidence):
        return []
    return [side for side in evidence.sides if any(pair.was_tried for pair in side.pairs)]


def _told_by_addresses(evidence: Evidence) -> list[Side]:
    """Return the sides that were tried; where there are none, those that only have addresses."""
    if seen.anyone_connected(evidence):
        return []
    return _tried(evidence) or [side for side in evidence.sides if side.source in ("sdp", "candidates")]


def _with_relay(side: Side, far: list[Candidate]) -> bool:
    return RELAY in seen.kinds([*side.candidates, *far])


def _checks(pairs: list[Pair]) -> str:
    """Return what became of the checks of pairs, as far as they were counted."""
    sent, received = (sum(getattr(pair, name) for pair in pairs) for name in ("checks_sent", "checks_received"))
    return f"{f'{sent} ' if sent else ''}checks sent, none answered, {received or 'none'} received"


def _families(evidence: Evidence) -> Finding | None:
    for side in [] if seen.anyone_connected(evidence) else evidence.sides:
        far = seen.far(evidence, side)
        here, there = seen.families(side.candidates), seen.families(far)
        hidden = any(each.is_hidden for each in (*side.candidates, *far))
        if not here or not there or here & there or hidden:
            continue
        said = {"here": _family(here), "there": _family(there)}
        told = [f"{side.label}: {said['here']} only, {_count(side.candidates)}"]
        told += [f"the other side: {said['there']} only, {_count(far)}"]
        return _TEXTS.finding("families-dont-meet", evidence, told, CERTAIN, **said)
    return None


def _count(listed: list[Candidate]) -> str:
    return f"{len(listed)} candidate{'s' * (len(listed) != 1)}"


def _family(families: set[int]) -> str:
    return " and ".join(f"IPv{each}" for each in sorted(families))


def _mappings(who: str, candidates: list[Candidate]) -> list[str]:
    """Return the local places that have more than one outside: a NAT that maps by destination."""
    found: dict[tuple[str, str], set[str]] = {}
    for each in candidates:
        if each.kind == SRFLX and each.transport == "udp" and each.related and each.port:
            found.setdefault((each.related, each.address), set()).add(place(each.address, each.port))
    return [
        f"{who}: {base} appears outside as {' and '.join(sorted(places))}"
        for (base, _), places in found.items() if len(places) > 1
    ]  # fmt: skip


def _surprises(side: Side) -> list[str]:
    """Return the places that checks came from (prflx) and that are another port of an address that was named.

    Chromium hides the address, so its port has to do.
    """
    named = seen.of_kind(side.remote_candidates, SRFLX)
    met = [pair.remote for pair in side.pairs if pair.remote is not None and pair.remote.kind == PRFLX]
    met += seen.of_kind(side.remote_candidates, PRFLX)
    told = [
        f"{side.label}: the other side came from {_at(each) if each.address else f'port {each.port}'} (prflx), "
        "which it hadn't named" for each in met if _is_other(each, named)
    ]  # fmt: skip
    return list(dict.fromkeys(told))


def _is_other(found: Candidate, named: list[Candidate]) -> bool:
    """Say whether a place is another port of an address that was named, or of one that isn't shown."""
    ports = {each.port for each in named if found.address in ("", each.address)}
    return bool(ports) and bool(found.port) and found.port not in ports


def _symmetric(evidence: Evidence) -> Finding | None:
    told: list[str] = []
    for side in [] if seen.anyone_connected(evidence) else evidence.sides:
        if _with_relay(side, seen.far(evidence, side)):
            return None
        told += _mappings(side.label, side.candidates)
        if seen.other(evidence, side) is None:
            told += _mappings(f"{side.label}, the other side", side.remote_candidates)
        told += _surprises(side)
    if not told:
        return None
    sure = len({line.partition(": ")[0] for line in told}) > 1
    return _TEXTS.finding("symmetric-nats", evidence, told[:4], CERTAIN if sure else LIKELY)


def _not_passed(evidence: Evidence) -> Finding | None:
    """Judge two sides with outside addresses, without a relay, and without an answer."""
    for side in _told_by_addresses(evidence):
        far = seen.far(evidence, side)
        if not (seen.knows_outside(side.candidates) and seen.knows_outside(far)) or _with_relay(side, far):
            continue
        if side.pairs:
            return _TEXTS.finding("nat-not-passed", evidence, [f"{side.label}: {_checks(side.pairs)}"])
        told = [f"{each.label}: srflx, no relay" for each in evidence.sides[:2]]
        return _TEXTS.finding("no-relay-offered", evidence, told, POSSIBLE, who="Both sides know their outside address")
    return None


def _one_way(evidence: Evidence) -> Finding | None:
    """Judge a side that gets the other's checks and no answer to its own."""
    if any(_with_relay(side, seen.far(evidence, side)) for side in evidence.sides):
        return None
    for side in _tried(evidence):
        if not any(pair.checks_received for pair in side.pairs) or any(pair.was_answered for pair in side.pairs):
            continue
        told = [f"{side.label}: {_checks(side.pairs)}"]
        outside = {each.address for each in side.candidates if each.kind == SRFLX and each.address}
        addresses = ", ".join(sorted(outside)) or "this side's outside address"
        return _TEXTS.finding("one-way", evidence, told, LIKELY, addresses=addresses)
    return None


def _no_relay_here(evidence: Evidence) -> Finding | None:
    """Judge a single side that is known by its candidates only."""
    if len(evidence.sides) != 1 or evidence.sides[0].source not in ("sdp", "candidates"):
        return None
    has = seen.kinds(evidence.sides[0].candidates)
    if SRFLX not in has or RELAY in has:
        return None
    told = [f"{evidence.sides[0].label}: srflx, no relay"]
    return _TEXTS.finding("no-relay-offered", evidence, told, POSSIBLE, who="This side knows its outside address")


def _same_nat(evidence: Evidence) -> Finding | None:
    """Judge two sides that the world sees as one address."""
    for side in _told_by_addresses(evidence):
        far = seen.far(evidence, side)
        here, there = ({each.address for each in seen.of_kind(listed, SRFLX)} for listed in (side.candidates, far))
        shared = (here & there) - {""}
        if not shared or _with_relay(side, far):
            continue
        hidden = any(each.is_hidden for each in (*side.candidates, *far))
        direct = "is closed because mDNS hides the addresses" if hidden else "between their networks is closed, too"
        told = [f"{side.label}: both sides appear as {', '.join(sorted(shared))}"]
        return _TEXTS.finding("hairpin", evidence, told, direct=direct)
    return None


def _relayed(side: Side) -> list[Pair]:
    return [pair for pair in side.pairs if pair.local is not None and pair.local.kind == RELAY]


def _private_relay(evidence: Evidence) -> Finding | None:
    """Judge a relay that announces an address which only its own network reaches."""
    for side in [] if seen.anyone_connected(evidence) else evidence.sides:
        for each in seen.of_kind([*side.candidates, *side.remote_candidates], RELAY):
            if not seen.is_private(each.address):
                continue
            given = each not in side.candidates
            others = [one for one in (*side.candidates, *seen.far(evidence, side)) if one.kind != RELAY]
            source = f", gathered from {each.server}" if each.server else ""
            told = [f"{side.label}: {'the other side sent ' * given}relay candidate {_at(each)}{source}"]
            sure = CERTAIN if seen.knows_outside(others) else LIKELY
            return _TEXTS.finding("relay-announces-private", evidence, told, sure, address=each.address)
    return None


def _at(candidate: Candidate) -> str:
    return place(candidate.address, candidate.port)


def _wrong_address(evidence: Evidence) -> Finding | None:
    """Judge a relay that announces one address and was reached by another."""
    for side in _tried(evidence):
        for each in seen.of_kind(side.candidates, RELAY):
            server = seen.host_of(each.server)
            if not _differs(server, each.address):
                continue
            sender = _came_from(evidence, server)
            told = [f"{side.label}: relay candidate {_at(each)}, gathered from {each.server}"]
            told += [f"{sender}: its checks came from {server}"] if sender else []
            told += [f"{side.label}, through the relay: {_checks(_relayed(side))}"]
            said = {"address": each.address, "server": server}
            return _TEXTS.finding("wrong-announced-address", evidence, told, CERTAIN if sender else LIKELY, **said)
    return None


def _differs(server: str, announced: str) -> bool:
    """Say whether a server's address is known, is another than the announced one, and of the same family."""
    return (
        seen.is_address(server) and server != announced and (":" in server) == (":" in announced)
        and not seen.is_private(announced)
    )  # fmt: skip


def _came_from(evidence: Evidence, server: str) -> str:
    """Return the side that got checks from a server's own address without having been told of it."""
    for side in evidence.sides:
        named = {each.address for each in side.remote_candidates if each.kind != PRFLX}
        met = {pair.remote.address for pair in side.pairs if pair.remote is not None and pair.remote.kind == PRFLX}
        if server in met and server not in named:
            return side.label
    return ""


def _behind_relay(evidence: Evidence) -> Finding | None:
    """Judge pairs over a relay of which none is answered."""
    for side in _tried(evidence):
        pairs = [pair for pair in _relayed(side) if pair.was_tried]
        if not pairs or any(pair.was_answered for pair in pairs):
            continue
        what = "nothing comes back from the other side: it isn't trying, or"
        if any(pair.checks_received for pair in pairs):
            what = "what the other side sends comes through it, but what goes out from it gets lost:"
        places = dict.fromkeys(_at(pair.local) for pair in pairs if pair.local)
        told = [f"{side.label}, through {', '.join(places)}: {_checks(pairs)}"]
        return _TEXTS.finding("firewall-behind-relay", evidence, told, what=what)
    return None


def _far_relay(evidence: Evidence) -> Finding | None:
    """Judge the side that sends to the other side's relayed address and hears nothing."""
    for side in _tried(evidence):
        pairs = [pair for pair in side.pairs if pair.remote and pair.remote.kind == RELAY and pair.was_tried]
        if not pairs or any(pair.was_answered for pair in pairs) or RELAY in seen.kinds(side.candidates):
            continue
        places = dict.fromkeys(_at(pair.remote) for pair in pairs if pair.remote)
        told = [f"{side.label}, to {', '.join(places)}: {_checks(pairs)}"]
        sure = LIKELY if seen.knows_outside(side.candidates) else POSSIBLE
        return _TEXTS.finding("far-relay-not-passed", evidence, told, sure)
    return None


def _other_private(evidence: Evidence) -> Finding | None:
    """Judge a relay here that has nobody to send to there."""
    for side in _tried(evidence):
        far = [each for each in seen.far(evidence, side) if each.kind != PRFLX]
        addresses = sorted({each.address for each in far if each.family})[:4]
        if not addresses or seen.knows_outside(far) or RELAY not in seen.kinds(side.candidates):
            continue
        told = [f"{side.label}: has a relay candidate; the other side offers {', '.join(addresses)}"]
        return _TEXTS.finding("other-side-only-private", evidence, told)
    return None


def _peer_refused(evidence: Evidence) -> Finding | None:
    for side in _tried(evidence):
        refused = [pair for pair in _relayed(side) if pair.state == "failed" and not pair.was_tried]
        peers = list(dict.fromkeys(pair.remote.address for pair in refused if pair.remote and pair.remote.address))
        peers.sort(key=seen.is_private)  # the outside one is the one to be opened
        if not peers or len(refused) < len(_relayed(side)):
            continue
        told = [f"{side.label}: no check was sent through the relay to {', '.join(peers[:4])}"]
        return _TEXTS.finding("peer-refused", evidence, told, peer=quoted(peers[0]))
    return None


def _lost(evidence: Evidence) -> Finding | None:
    for side in evidence.sides:
        after = seen.lost_after(side)
        if after is None or seen.last(side, "dtls") not in ("connected", ""):
            continue
        used = next((pair for pair in side.pairs if pair.nominated), None)
        told = [f"{side.label}: ICE {seen.last(side, 'ice')}, connection {seen.last(side, 'connection')}"]
        if used is not None and used.local is not None and used.remote is not None:
            told.append(f"{side.label}: used {used.local.kind} here and {used.remote.kind} there")
        sure = POSSIBLE if any(each.exchanges for each in evidence.sides) else CERTAIN  # a capture knows why
        return _TEXTS.finding("connection-lost", evidence, told, sure, seconds=seconds_text(round(after)))
    return None


def _dtls(evidence: Evidence) -> Finding | None:
    for side in evidence.sides:
        dtls, connection = seen.last(side, "dtls"), seen.last(side, "connection")
        if not seen.has_connected(side) or (dtls != "failed" and (connection, dtls) not in _UNDONE):
            continue
        changed = _changed_fingerprint(evidence)
        why = "the fingerprint or the role in offer and answer doesn't fit, or large packets get lost"
        if changed:
            why = "the signalling changed the fingerprint on its way"
        states = {"ICE": seen.last(side, "ice"), "connection": connection, "DTLS": dtls}
        told = [f"{side.label}: " + ", ".join(f"{what} {value}" for what, value in states.items() if value), *changed]
        return _TEXTS.finding("dtls-failed", evidence, told, CERTAIN if changed else LIKELY, why=why)
    return None


_UNDONE = (("failed", "connecting"), ("failed", "new"))


def _changed_fingerprint(evidence: Evidence) -> list[str]:
    for side in evidence.sides:
        for other in evidence.sides:
            sent = {each.fingerprint for each in side.descriptions if each.local and each.fingerprint}
            got = {each.fingerprint for each in other.descriptions if not each.local and each.fingerprint}
            if other is not side and sent and got and not sent & got:
                return [f"{side.label} sent {min(sent)[:30]}…", f"{other.label} got {min(got)[:30]}…"]
    return []


_WAYS = ("nat-not-passed", "no-relay-offered", "hairpin", "only-host-candidates")
_SILENCE = ("firewall-behind-relay", "far-relay-not-passed")

CASES: tuple[Case, ...] = (
    Case("families-dont-meet", PAIRING, _families, (*_WAYS, "srflx-on-one-side")),
    Case("symmetric-nats", PAIRING, _symmetric, ("nat-not-passed", "no-relay-offered", "one-way")),
    Case("relay-announces-private", PAIRING, _private_relay, (*_SILENCE, "wrong-announced-address")),
    Case("wrong-announced-address", PAIRING, _wrong_address, _SILENCE),
    Case("other-side-only-private", PAIRING, _other_private, (*_SILENCE, "peer-refused")),
    Case("firewall-behind-relay", PAIRING, _behind_relay, ("far-relay-not-passed",)),
    Case("far-relay-not-passed", PAIRING, _far_relay),
    Case("peer-refused", PAIRING, _peer_refused),
    Case("hairpin", PAIRING, _same_nat, ("nat-not-passed", "no-relay-offered", "one-way")),
    Case("one-way", PAIRING, _one_way, ("nat-not-passed",)),
    Case("nat-not-passed", PAIRING, _not_passed),
    Case("no-relay-offered", PAIRING, _no_relay_here),
    Case("connection-lost", LASTING, _lost),
    Case("dtls-failed", SECURITY, _dtls),
)
