"""Roles: what the signalling has to carry, offer, answer and candidates, and who is what in ICE and DTLS.

Rule 1: none of this is the relay's doing: it is the application's signalling that lost or changed something.
"""

from collections.abc import Iterator

from edgeturn.diagnose import seen, wording
from edgeturn.diagnose.case import CERTAIN, LIKELY, POSSIBLE, ROLES, Case, Finding
from edgeturn.diagnose.evidence import Description, Evidence, Side
from edgeturn.diagnose.texts import roles

_TEXTS = wording.of_cases(roles.TEXT)
_MANY = 3
_NONE_ARRIVED = "Look at the other findings: no packet passes between the two."
_GIVE_WAY = "Update both programs: who is told 487 has to take the other role (RFC 8445 §7.2.5.1)."
# What offer and answer may say together (RFC 8842 §5.3); actpass belongs to offers.
_SETUP = {
    "actpass": ("active", "passive"),
    "active": ("passive",),
    "passive": ("active",),
    "": ("active", "passive", "actpass", ""),
}


def _waiting(evidence: Evidence) -> list[Side]:
    """Return the sides of browsers of a call that didn't connect."""
    return [] if seen.anyone_connected(evidence) else [side for side in evidence.sides if seen.is_browser(side)]


def _no_candidates_came(evidence: Evidence) -> Finding | None:
    sides = [side for side in _waiting(evidence) if _lacks_candidates(evidence, side)]
    if not sides or all(not side.candidates for side in sides):
        return None
    others = [other for side in sides if (other := seen.other(evidence, side)) is not None]
    told = [f"{side.label}: has the other side's description, and none of its candidates" for side in sides]
    told += [f"{other.label}: gathered {len(other.candidates)} candidates, which never came over" for other in others]
    whose = "either side's" if len(sides) > 1 else "the other side's"
    name = "candidates-never-added" if others else "no-candidates-given"
    return _TEXTS.finding(name, evidence, told, CERTAIN if others else LIKELY, whose=whose)


def _lacks_candidates(evidence: Evidence, side: Side) -> bool:
    """Say whether a side has the other's description and no candidate of it, though the other had some to send."""
    described = any(not each.local and each.kind != "rollback" for each in side.descriptions)
    other = seen.other(evidence, side)
    return described and not side.remote_candidates and (other is None or bool(other.candidates))


def _candidates_refused(evidence: Evidence) -> Finding | None:
    for side in _waiting(evidence):
        refused = [event.value for event in side.events if event.what == "candidate-refused"]
        if refused:
            told = [f"{side.label}: {' '.join(refused[0].split())}"]
            sure = CERTAIN if len(refused) >= len(side.remote_candidates) else POSSIBLE
            return _TEXTS.finding("candidates-refused", evidence, told, sure, count=len(refused))
    return None


def _half(evidence: Evidence, local: bool) -> Finding | None:
    """Judge a side that has one description of two: its own (local), or the other's."""
    has, lacks = ("setLocalDescription", "setRemoteDescription")[:: 1 if local else -1]
    for side in _waiting(evidence):
        made = {each.local for each in side.descriptions}
        if made == {local}:
            told = [f"{side.label}: {has}, and no {lacks}"]
            return _TEXTS.finding("no-answer" if local else "not-answered", evidence, told, CERTAIN)
    return None


def _no_answer(evidence: Evidence) -> Finding | None:
    return _half(evidence, local=True)


def _not_answered(evidence: Evidence) -> Finding | None:
    return _half(evidence, local=False)


def _ends(evidence: Evidence) -> Iterator[tuple[str, Description, Description]]:
    """Return both ends' last descriptions: of one side that has both, else of two sides."""
    for side in evidence.sides:
        local = [each for each in side.descriptions if each.local]
        remote = [each for each in side.descriptions if not each.local]
        if local and remote:
            yield side.label, local[-1], remote[-1]
    sides = [side for side in evidence.sides if side.descriptions]
    if len(sides) == 2:
        mine, its = ([each for each in side.descriptions if each.local] for side in sides)
        if mine and its and not all(_has_answer(side) for side in sides):  # which were offers, handed out as answers
            yield " and ".join(dict.fromkeys(side.label for side in sides)), mine[-1], its[-1]


def _has_answer(side: Side) -> bool:
    return any(not each.local and each.kind == "answer" for each in side.descriptions)


def _both_offer(evidence: Evidence) -> Finding | None:
    for name, one, other in [] if seen.anyone_connected(evidence) else _ends(evidence):
        if one.kind == other.kind == "offer":
            return _TEXTS.finding("both-offer", evidence, [f"{name}: offer and offer"], CERTAIN)
    return None


def _both_lite(evidence: Evidence) -> Finding | None:
    for name, one, other in [] if seen.anyone_connected(evidence) else _ends(evidence):
        if one.ice_lite and other.ice_lite:
            return _TEXTS.finding("both-lite", evidence, [f"{name}: a=ice-lite in offer and answer"], CERTAIN)
    return None


def _lite_behind_nat(evidence: Evidence) -> Finding | None:
    for side in [] if seen.anyone_connected(evidence) else evidence.sides:
        for candidates, local in ((side.candidates, True), (side.remote_candidates, False)):
            lite = any(each.ice_lite for each in side.descriptions if each.local is local)
            if lite and candidates and not seen.knows_outside(candidates):
                addresses = sorted({each.address for each in candidates})[:4]
                told = [f"{side.label}: a=ice-lite, {', '.join(addresses)}"]
                return _TEXTS.finding("lite-behind-nat", evidence, told)
    return None


def _setup(evidence: Evidence) -> Finding | None:
    for name, one, other in _ends(evidence):
        offer, answer = (one, other) if other.kind == "answer" or one.kind == "offer" else (other, one)
        if offer.kind == answer.kind or not answer.setup or answer.setup in _SETUP.get(offer.setup, ()):
            continue
        said = {"offer": offer.setup or "absent", "answer": answer.setup}
        told = [f"{name}: a=setup:{said['offer']} in the offer, a=setup:{said['answer']} in the answer"]
        return _TEXTS.finding("setup-doesnt-fit", evidence, told, CERTAIN, **said)
    return None


def _same_role(evidence: Evidence) -> Finding | None:
    told = [side for side in _waiting(evidence) if side.controlling is not None]
    if len(told) != 2 or told[0].controlling is not told[1].controlling:
        return None
    role = "controlling" if told[0].controlling else "controlled"
    why = ": the conflict is settled by the first check that arrives, so none arrived"
    told_of = [f"{side.label}: {role}" for side in told]
    return _TEXTS.finding("same-role", evidence, told_of, POSSIBLE, role=role, why=why, step=_NONE_ARRIVED)


def _stubborn(evidence: Evidence) -> Finding | None:
    """Judge checks that are answered by 487 again and again: once or twice settles a conflict."""
    for side in evidence.sides:
        for pair in side.pairs:
            if pair.conflicts < _MANY or pair.conflicts <= pair.checks_answered:
                continue
            role = "controlled" if side.controlling is False else "controlling"
            why = ", and one of them doesn't give way: checks are refused by 487 again and again"
            told = [f"{side.label}: {pair.conflicts} checks answered by 487, {pair.checks_answered} by success"]
            return _TEXTS.finding("same-role", evidence, told, CERTAIN, role=role, why=why, step=_GIVE_WAY)
    return None


def _refused_media(evidence: Evidence) -> Finding | None:
    for side in evidence.sides:
        for each in side.descriptions:
            if each.disabled and each.kind == "answer":
                told = [f"{side.label}: m= line with port 0 in the answer"]
                return _TEXTS.finding("media-refused", evidence, told, media=", ".join(each.disabled))
    return None


def _empty(evidence: Evidence) -> Finding | None:
    """Judge SDP without candidates, of which the rest was never given."""
    empty = [side for side in evidence.sides if side.source == "sdp" and not side.candidates]
    if not empty or any(side.source == "candidates" for side in evidence.sides):
        return None
    trickles = all(each.trickle for side in empty for each in side.descriptions)
    told = [f"{side.label}: no a=candidate line" for side in empty]
    name = "only-described" if trickles else "no-candidates-in-sdp"
    return _TEXTS.finding(name, evidence, told, POSSIBLE if trickles else LIKELY)


_WAYS = (
    "only-host-candidates", "hosts-hidden", "srflx-on-one-side", "nat-not-passed", "no-relay-offered",
    "hairpin",
    "symmetric-nats",
)  # fmt: skip

_SILENCE = (*_WAYS, "firewall-behind-relay", "far-relay-not-passed")

CASES: tuple[Case, ...] = (
    Case("no-answer", ROLES, _no_answer, _SILENCE),
    Case("not-answered", ROLES, _not_answered, _SILENCE),
    Case("both-offer", ROLES, _both_offer, _WAYS),
    Case("candidates-never-added", ROLES, _no_candidates_came, (*_WAYS, "no-server-named")),
    Case("candidates-refused", ROLES, _candidates_refused),
    Case("both-lite", ROLES, _both_lite, (*_WAYS, "lite-behind-nat")),
    Case("lite-behind-nat", ROLES, _lite_behind_nat, _WAYS),
    Case("setup-doesnt-fit", ROLES, _setup, ("dtls-failed",)),
    Case("same-role", ROLES, _stubborn),
    Case("same-role", ROLES, _same_role),
    Case("media-refused", ROLES, _refused_media),
    Case("no-candidates-in-sdp", ROLES, _empty),
)
