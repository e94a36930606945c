"""Refusing: what the error code of a server means, whoever shows it: a browser's error, or an answer in a capture.

Rule 1: one code is one case; only 401 of packets says more, see allocating.py.
Rule 2: a refusal that the client overcame (a challenge, a stale nonce once) is none.
Rule 3: a browser shows an Allocate only, and its code at the end: 300 and 438 it follows by itself.
"""

from edgeturn.command.place import quoted
from edgeturn.diagnose import seen, turns, wording
from edgeturn.diagnose.case import ALLOCATING, CERTAIN, Case, Finding
from edgeturn.diagnose.evidence import RELAY, Evidence, Exchange, Side
from edgeturn.diagnose.texts import refusing

# RFC 8489 §14.8, RFC 8656 §18.13, RFC 6062 §6.3, RFC 8016 §3.2.
CASES_OF_CODES = (
    (300, "redirected"),
    (400, "bad-request"),
    (403, "forbidden"),
    (405, "mobility-off"),
    (420, "unknown-attribute"),
    (437, "allocation-mismatch"),
    (438, "stale-nonce"),
    (440, "family-refused"),
    (441, "credential-changed"),
    (442, "transport-refused"),
    (443, "family-refused"),
    (446, "connection-exists"),
    (447, "peer-not-reached"),
    (486, "quota"),
    (500, "server-error"),
    (508, "relay-full"),
)
UNAUTHORIZED, STALE = 401, 438
_LOOP = 3  # stale nonces in a row that no client needs
_LONGEST_SIGHT = 5
_OPTIONS = {486: "user_quota", 508: "max_allocations", 442: "tcp_relay"}
# Of requests about an allocation, these have cases of their own: peers (relaying.py), and lifetimes (lasting.py).
_LATER = ("CreatePermission", "ChannelBind", "Connect")
_TOLD_ELSEWHERE = (UNAUTHORIZED, 403, 437, 443)
_AT_ANY_TIME = (STALE, 441)  # of a Refresh, too, and of a call that connected
_TEXTS = wording.of_cases(refusing.TEXT)


def named(code: int) -> str:
    """Return the case of a code, of any from 300 to 699."""
    return dict(CASES_OF_CODES).get(code, "other-refusal")


def is_answer(code: int) -> bool:
    """Say whether a browser's code is a server's, and not its own word for silence."""
    return 300 <= code < 700


def refused(evidence: Evidence, code: int) -> list[tuple[Side, Exchange]]:
    """Return the signed Allocates, and what is asked of an allocation, that ended with a code."""
    methods = ("Allocate",) if code in _TOLD_ELSEWHERE else ("Allocate", *_LATER)
    among = turns.trying(evidence)
    if code in _AT_ANY_TIME:
        among, methods = turns.sides(evidence), (*methods, "Refresh")
    return [
        (side, each) for side, each in turns.all_asked(among, *methods)
        if each.code == code and each.signed and not turns.is_settled(side, each)
    ]  # fmt: skip


def _set(evidence: Evidence, code: int) -> tuple[str, ...]:
    """Return what the relay that was watched has set."""
    name = _OPTIONS.get(code, "")
    settings = evidence.relay.settings if evidence.relay else {}
    return (f"{name} of this relay is {settings[name]}",) if name in settings else ()


def _by_packets(code: int, name: str) -> Case:
    def judge(evidence: Evidence) -> Finding | None:
        found = refused(evidence, code)
        if not found or (code == STALE and len(found) < _LOOP):
            return None
        said = list(dict.fromkeys(turns.said(side, each) for side, each in found))
        many = (f"{len(found)} answers {code} in all",) * (len(found) > len(said[:_LONGEST_SIGHT]))
        told = [*said[:_LONGEST_SIGHT], *many, *_set(evidence, code)]
        return _TEXTS.finding(name, evidence, told, CERTAIN, code=code)

    return Case(name, ALLOCATING, judge)


def _other_codes(evidence: Evidence) -> Finding | None:
    known = {code for code, _ in CASES_OF_CODES} | {UNAUTHORIZED}
    for side, each in turns.all_asked(turns.trying(evidence), "Allocate"):
        if is_answer(each.code) and each.code not in known:
            return _TEXTS.finding("other-refusal", evidence, [turns.said(side, each)], CERTAIN, code=each.code)
    return None


def _by_browsers(evidence: Evidence) -> Finding | None:
    for side in [] if seen.anyone_connected(evidence) else evidence.sides:
        for error in side.errors if seen.is_browser(side) else ():
            if not is_answer(error.code) or RELAY in seen.kinds(side.candidates) or _shown(evidence, error.code):
                continue
            name = "credential-refused" if error.code == UNAUTHORIZED else named(error.code)
            told = _answers(evidence, error.code)
            return _TEXTS.finding(name, evidence, told, CERTAIN, uri=quoted(error.server), code=error.code)
    return None


def _answers(evidence: Evidence, code: int) -> list[str]:
    """Return what the browsers of all sides say of a code."""
    said = [
        f"{side.label}: {error.server} answered {code} ({error.text.rstrip('.')})"
        for side in evidence.sides for error in side.errors if error.code == code
    ]  # fmt: skip
    return list(dict.fromkeys(said))[:_LONGEST_SIGHT]


def _shown(evidence: Evidence, code: int) -> bool:
    """Say whether a capture shows an answer, which then tells more than the browser."""
    return any(exchange.code == code and exchange.signed for side in evidence.sides for exchange in side.exchanges)


CASES: tuple[Case, ...] = (
    Case("refused", ALLOCATING, _by_browsers, ("relay-missing", "only-host-candidates", "hosts-hidden")),
    *(_by_packets(*row) for row in CASES_OF_CODES),
    Case("other-refusal", ALLOCATING, _other_codes),
)
