"""Allocating: the server is asked for a relayed address, and gives none.

Rule 1: a refusal that the client overcame (a challenge, a stale nonce once) is none.
Rule 2: what is said of a credential is said by what it shows: its time, its realm; only then by its being refused.
"""

from shlex import quote

from edgeturn.diagnose import turns
from edgeturn.diagnose.case import ALLOCATING, CERTAIN, LIKELY, Case, Finding
from edgeturn.diagnose.evidence import Evidence, Exchange, Side

_MINT = "`edgeturn credentials` mints one with the relay's present secret; `edgeturn check` proves that it works."
_LOOP = 3  # stale nonces in a row that no client needs
_APART = 600  # seconds that a clock may be wrong before it's rather the credential that is old
_LONGEST_SIGHT = 5


def _refused(evidence: Evidence, code: int) -> list[tuple[Side, Exchange]]:
    """Return the signed Allocates that ended with a code."""
    return [
        (side, each) for side, each in turns.all_asked(turns.trying(evidence), "Allocate")
        if each.code == code and each.signed and not turns.is_settled(side, each)
    ]  # fmt: skip


def _lines(found: list[tuple[Side, Exchange]]) -> tuple[str, ...]:
    return tuple(turns.said(side, each) for side, each in found[:_LONGEST_SIGHT])


def _offered(side: Side, exchange: Exchange) -> str:
    """Return the realm that a challenge of the same server named."""
    realms = [
        each.realm for each in side.exchanges if each.server == exchange.server and not each.signed and each.realm
    ]
    return realms[-1] if realms else ""


# Refused credentials: 401, from what shows most to what shows least.


def _expired(evidence: Evidence) -> Finding | None:
    for side, each in _refused(evidence, 401):
        ends = turns.credential_ends(each.username)
        if ends is None or ends > each.at:
            continue
        late = each.at - ends
        clock = (
            ("Compare the clocks of the relay and of what makes the credentials: `date -u` on both.",)
            if late < _APART else ()
        )  # fmt: skip
        return Finding(
            "credential-expired",
            f"The credential had ended {turns.duration(late)} before it was used."
            + (" Or the clock of whoever made it is behind." if late < _APART else ""),
            (
                turns.said(side, each),
                f"user name {each.username}: it ends at Unix time {ends}, and was used at {each.at:.0f}",
            ),
            (*clock, "Let the application fetch a new credential for each call, not keep one.", _MINT),
            CERTAIN,
        )
    return None


def _other_realm(evidence: Evidence) -> Finding | None:
    for side, each in _refused(evidence, 401):
        offered = _offered(side, each)
        if offered and each.realm and offered != each.realm:
            return Finding(
                "wrong-realm",
                f"The client signs for the realm {each.realm}, and the server's realm is {offered}.",
                (turns.said(side, each), f"the server's challenge named the realm {offered}"),
                (
                    "Take the realm out of the client's configuration, so that it takes the server's;",
                    f"or set the server's: `edgeturn config set realm {quote(each.realm)}`.",
                ),
                CERTAIN,
            )
    return None


def _wrong_secret(evidence: Evidence) -> Finding | None:
    for side, each in _refused(evidence, 401):
        ends = turns.credential_ends(each.username)
        if ends is None or ends <= each.at:
            continue
        return Finding(
            "wrong-secret",
            "The time-limited credential is refused although its time isn't over: "
            "it was made with another secret than the relay has.",
            (turns.said(side, each), f"it would last for {turns.duration(ends - each.at)} more"),
            (
                "Compare the secrets: `edgeturn config get secret` on the relay, and the application's.",
                _MINT,
                "If they are the same: the relay's clock may be ahead; `date -u` on the relay shows it.",
            ),
            LIKELY,
        )
    return None


def _wrong_password(evidence: Evidence) -> Finding | None:
    for side, each in _refused(evidence, 401):
        if turns.credential_ends(each.username) is None:
            return Finding(
                "wrong-password",
                f"The server refuses the user {each.username or 'name'} or its password.",
                (turns.said(side, each),),
                (
                    "`edgeturn user list` shows the users of the relay; `edgeturn user add NAME` makes one.",
                    "If the application should have the shared secret: it hasn't, its user name has no time in it.",
                ),
                LIKELY,
            )
    return None


def _no_credentials(evidence: Evidence) -> Finding | None:
    for side in turns.trying(evidence):
        challenged = [each for each in turns.asked(side, "Allocate") if each.code == 401 and not each.signed]
        if challenged and not any(each.signed for each in side.exchanges):
            return Finding(
                "no-credentials",
                "The server asks for a user name and password, and the client gives none.",
                (turns.said(side, challenged[0]), "nothing signed came after it"),
                ("Put `username` and `credential` beside the `turn:` URL in the application's iceServers.", _MINT),
                LIKELY,
            )
    return None


def _stale(evidence: Evidence) -> Finding | None:
    for side in turns.trying(evidence):
        stale = [each for each in turns.asked(side) if each.code == 438]
        unsettled = [each for each in stale if not turns.is_settled(side, each)]
        if len(unsettled) >= _LOOP:
            return Finding(
                "stale-nonce",
                "The client signs with an old nonce again and again and doesn't take the new one that it is sent.",
                (f"{len(unsettled)} answers 438 (stale nonce)", turns.said(side, unsettled[-1])),
                (
                    "Update the client: RFC 8489 §9.2.5 has it try again with the nonce of the answer.",
                    "If several relays share one address: each client has to reach the same one every time.",
                ),
                CERTAIN,
            )
    return None


# Other refusals: code, name, sentence, what to do.

_CODES: tuple[tuple[int, str, str, tuple[str, ...]], ...] = (
    (486, "quota", "The user has as many sessions as it may have (486).", (
        "`edgeturn sessions` shows them; `edgeturn config set user_quota 24` admits more.",
        "If all clients share one user, they share its quota: give each a name, `edgeturn credentials --user NAME`.")),
    (508, "relay-full", "The relay has no session left to give (508).", (
        "`edgeturn status` shows how many are in use; more: `edgeturn config set max_allocations 256`, and restart.",
        "`edgeturn plan` says what that takes of memory.")),
    (437, "allocation-mismatch", "The client asks for a relayed address from a port that has one already (437).", (
        "Nothing to do if it happens once: the program was started anew, and the old session ends by itself.",
        "If it goes on: let the client use a new port, or end its session: `edgeturn kick --user NAME`.")),
    (300, "redirected", "The server sends the client to another one (300), and it doesn't go there.", (
        "Name the other relay in iceServers as well, or take out the option alternate_server.",
        "`edgeturn status` shows whether this relay is full or draining.")),
    (420, "unknown-attribute", "The client wants something that the server doesn't know (420).", (
        "Look for options of the client beyond plain TURN, and switch them off.",)),
    (442, "transport-refused", "The client asks to be relayed over TCP, which the server doesn't do (442).", (
        "Calls need UDP behind the relay; `?transport=` in the URL says only how the relay is reached.",
        "If it really is TCP (RFC 6062): `edgeturn config set tcp_relay 1`.")),
    (440, "family-refused", "The relay has no address of the family, IPv4 or IPv6, that is asked for (440).",
        ("Give it one: `edgeturn config add relay_address ADDRESS`; `edgeturn status` shows those it has.",)),
    (443, "family-refused", "The relay has no address of the family, IPv4 or IPv6, that is asked for (443).",
        ("Give it one: `edgeturn config add relay_address ADDRESS`; `edgeturn status` shows those it has.",)),
    (403, "forbidden", "The server forbids this client to relay anything (403).", (
        "The server's log says why: `edgeturn trace` on the relay while the client tries.",)),
    (405, "mobility-off", "The client asks for mobility, which the server doesn't do (405).", (
        "`edgeturn config set mobility 1`, or switch it off in the client.",)),
    (400, "bad-request", "The server doesn't understand the client's request (400).", (
        "`edgeturn trace` on the relay says what is wrong with it.",)),
    (500, "server-error", "The server failed (500).", ("Look into the server's log.",)),
)  # fmt: skip


_OPTIONS = {486: "user_quota", 508: "max_allocations", 442: "tcp_relay"}


def _set(evidence: Evidence, code: int) -> tuple[str, ...]:
    """Return what the relay that was watched has set."""
    name = _OPTIONS.get(code, "")
    settings = evidence.relay.settings if evidence.relay else {}
    return (f"{name} of this relay is {settings[name]}",) if name in settings else ()


def _by_code(code: int, name: str, sentence: str, steps: tuple[str, ...]) -> Case:
    def judge(evidence: Evidence) -> Finding | None:
        found = _refused(evidence, code)
        return Finding(name, sentence, (*_lines(found), *_set(evidence, code)), steps, CERTAIN) if found else None

    return Case(name, ALLOCATING, judge)


CASES: tuple[Case, ...] = (
    Case("credential-expired", ALLOCATING, _expired, ("wrong-password", "wrong-secret")),
    Case("wrong-realm", ALLOCATING, _other_realm, ("wrong-password", "wrong-secret")),
    Case("wrong-secret", ALLOCATING, _wrong_secret),
    Case("wrong-password", ALLOCATING, _wrong_password),
    Case("no-credentials", ALLOCATING, _no_credentials),
    Case("stale-nonce", ALLOCATING, _stale),
    *(_by_code(*row) for row in _CODES),
)
