"""What people and programs get: the answer first, then what it's from and what to do, then what was seen on each side.

Rule 1: the first sentence is the answer; it says so where there is none.
Rule 2: what came from a document is printed without control characters, for it may be somebody else's.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict

from edgeturn.diagnose import seen
from edgeturn.diagnose.calls import calls
from edgeturn.diagnose.case import CERTAIN, LIKELY, POSSIBLE, Finding
from edgeturn.diagnose.evidence import (
    HOST,
    NO_ANSWER,
    PRFLX,
    RELAY,
    SRFLX,
    SUCCESS,
    Candidate,
    Evidence,
    Exchange,
    Flow,
    Pair,
    Side,
)
from edgeturn.terminal.wrapping import wrapped

_KINDS = (HOST, SRFLX, PRFLX, RELAY)
_ALSO = {CERTAIN: "Also", LIKELY: "Also likely", POSSIBLE: "Perhaps"}
_SURE = {CERTAIN: "", LIKELY: " (so this is likely, not certain)", POSSIBLE: " (so this is possible, no more)"}
_MOST_LINES = 12
_INDENT = " " * 13


def as_json(evidence: Evidence, findings: list[Finding]) -> dict[str, object]:
    """Return everything as a document for programs."""
    return {
        "answer": answer(evidence, findings),
        "findings": [asdict(finding) for finding in findings],
        "sides": [asdict(side) for side in evidence.sides],
        "own_relay": evidence.relay is not None,
    }


def answer(evidence: Evidence, findings: list[Finding]) -> str:
    """Return the answer in a sentence or two."""
    if findings:
        return findings[0].conclusion
    if all(seen.anyone_connected(call) for call in calls(evidence)):
        return f"Nothing is wrong here: the call connected, {_way(evidence)}."
    packets = [side.media for side in evidence.sides if not seen.is_browser(side)]
    if any(each.sent_packets and each.received_packets for each in packets):
        return "Nothing is wrong in what is shown: the relay served, and packets went both ways."
    if evidence.sides and all(RELAY in seen.kinds(side.candidates) for side in evidence.sides):
        return "All was gathered, a relayed candidate included. If the call fails, the reason comes after that."
    return "What was given doesn't show why. The more of the other side and of the network you give, the more is told."


def as_text(evidence: Evidence, findings: list[Finding]) -> Iterator[str]:
    """Return the lines for people."""
    yield from _wrapped(answer(evidence, findings))
    for finding in findings[:1]:
        yield from _details(finding)
    for finding in findings[1:]:
        yield ""
        yield from _wrapped(f"{_ALSO[finding.certainty]}: {finding.conclusion}")
        yield from _details(finding)
    if not findings and not answer(evidence, findings).startswith("Nothing"):
        yield from _list("Give also", ASK)
    for side in evidence.sides:
        yield ""
        yield from _side(side)


ASK = (
    "the same from the other side, as a second file",
    "a dump of the browser: open chrome://webrtc-internals (Firefox: about:webrtc) first, call, save it when it failed",
    "a capture of the relay's signalling: `edgeturn capture`, or `edgeturn diagnose --live` while the call is tried",
)


def _details(finding: Finding) -> Iterator[str]:
    yield from _list(f"Seen{_SURE[finding.certainty]}", finding.evidence)
    yield from _list("Do next", finding.next)


def _list(title: str, rows: tuple[str, ...]) -> Iterator[str]:
    if rows:
        yield f"  {title}"
    for row in rows:
        yield from _wrapped(row, "    - ", "      ")


def _wrapped(text: str, first: str = "", others: str = "") -> list[str]:
    return wrapped(clean(text), first, others).splitlines()


def clean(text: str) -> str:
    """Return text without what would move a terminal's cursor."""
    return "".join(each if each.isprintable() else " " for each in text)


def _side(side: Side) -> Iterator[str]:
    yield clean(side.name)
    rows = (
        ("servers", ", ".join(server.uri for server in side.servers[:8])),
        ("policy", side.policy if side.policy not in ("", "all") else ""),
        ("gathered", gathered(side.candidates) if seen.tells_of_ice(side) else ""),
        ("was given", gathered(side.remote_candidates) if seen.is_browser(side) else ""),
        ("errors", "; ".join(f"{error.code} {error.text} ({error.server})" for error in side.errors[:4])),
        ("tried", tried(side)),
        ("TURN", turn(side.exchanges)),
        ("media", media(side.media) if seen.has_connected(side) or not seen.is_browser(side) else ""),
        ("ended as", _states(side)),
    )
    for title, text in rows:
        if text:
            yield from _wrapped(text, f"  {title:11}", _INDENT)
    for note in side.notes:
        yield from _wrapped(note, "  not read   ", _INDENT)


def gathered(candidates: list[Candidate]) -> str:
    """Return how many candidates of each kind there are, over what."""
    if not candidates:
        return "nothing"
    parts = [_of_kind([each for each in candidates if each.kind == kind], kind) for kind in _KINDS]
    return ", ".join(part for part in parts if part)


def _of_kind(candidates: list[Candidate], kind: str) -> str:
    if not candidates:
        return f"no {kind}" if kind in (SRFLX, RELAY) else ""
    over = dict.fromkeys(_over(each) for each in candidates)
    return f"{len(candidates)} {kind} ({', '.join(over)})"


def _over(candidate: Candidate) -> str:
    family = {4: " IPv4", 6: " IPv6"}.get(candidate.family, " hidden by mDNS" if candidate.is_hidden else "")
    by = f" by {candidate.relay_transport}" if candidate.relay_transport else ""
    return f"{candidate.transport}{family}{by}"


def tried(side: Side) -> str:
    """Return what became of the pairs."""
    if not side.pairs:
        return ""
    states = Counter("unanswered" if pair in seen.unanswered(side.pairs) else pair.state for pair in side.pairs)
    sent = sum(pair.checks_sent for pair in side.pairs)
    answered = sum(pair.checks_answered for pair in side.pairs)
    received = sum(pair.checks_received for pair in side.pairs)
    count = len(side.pairs)
    counts = f"; checks: {sent} sent, {answered} answered, {received} received" if side.pairs[0].counted else ""
    became = ", ".join(f"{number} {state}" for state, number in states.items())
    return f"{count} pair{'s' * (count != 1)}: {became}{counts}"


def media(flow: Flow) -> str:
    """Return what was sent and received beside STUN, where both were counted."""
    if flow.sent_packets is None or flow.received_packets is None:
        return ""
    return f"{flow.sent_packets} packets sent, {flow.received_packets} received"


def turn(exchanges: list[Exchange]) -> str:
    """Return how far TURN came: each request with its answer, repetitions counted."""
    steps: list[tuple[str, int]] = []
    for each in exchanges:
        text = _step(each)
        if steps and steps[-1][0] == text:
            steps[-1] = (text, steps[-1][1] + 1)
        else:
            steps.append((text, 1))
    shown = [f"{text}{f' ×{count}' if count > 1 else ''}" for text, count in steps[:_MOST_LINES]]
    return " → ".join(shown + (["…"] if len(steps) > _MOST_LINES else []))


def _step(each: Exchange) -> str:
    if each.method in ("Send", "Data"):
        return each.method
    result = {SUCCESS: "ok", NO_ANSWER: "no answer"}.get(each.code, str(each.code))
    return f"{each.method} {result}"


def _states(side: Side) -> str:
    rows = [(what, seen.last(side, what)) for what in ("ice", "connection", "dtls")]
    return ", ".join(f"{ {'ice': 'ICE', 'dtls': 'DTLS'}.get(what, what) } {value}" for what, value in rows if value)


def _way(evidence: Evidence) -> str:
    """Return by which candidates a call connected."""
    for side in evidence.sides:
        for pair in side.pairs:
            if pair.state == "succeeded" and pair.nominated and pair.local and pair.remote:
                ends = f"{pair.local.kind} here, {pair.remote.kind} there"
                relayed = RELAY in (pair.local.kind, pair.remote.kind)
                return f"{'through a relay' if relayed else 'directly'} ({ends}){_by_checks(pair)}"
    return "by a way that isn't told"


def _by_checks(pair: Pair) -> str:
    """Return what it means that an end was found by the checks only (prflx), "" where none was."""
    for end, whose in ((pair.local, "this side"), (pair.remote, "the other side")):
        if end is None or end.kind != PRFLX:
            continue
        return (
            f". {whose.capitalize()}'s address was found by the checks only (prflx): the NAT there gives each "
            "destination another port, or a candidate came late. With such a NAT on both sides it takes a relay"
        )
    return ""
