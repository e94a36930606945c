"""Allocating: the server refuses the credential, and packets show why; other refusals are told by refusing.py.

Rule 1: what is said of a credential is said by what it shows: its time, its realm; only then by its being refused.
"""

from shlex import quote

from edgeturn.diagnose import turns
from edgeturn.diagnose.case import ALLOCATING, CERTAIN, LIKELY, Case, Finding
from edgeturn.diagnose.cases.refusing import UNAUTHORIZED, refused
from edgeturn.diagnose.evidence import Evidence, Exchange, Side

_MINT = "`edgeturn credentials` mints one with the relay's present secret; `edgeturn check` proves that it works."
_APART = 600  # seconds that a clock may be wrong before it's rather the credential that is old


def _offered(side: Side, exchange: Exchange) -> str:
    """Return the realm that a challenge of the same server named."""
    realms = [
        each.realm for each in side.exchanges if each.server == exchange.server and not each.signed and each.realm
    ]
    return realms[-1] if realms else ""


# Refused credentials: 401, from what shows most to what shows least.


def _expired(evidence: Evidence) -> Finding | None:
    for side, each in refused(evidence, UNAUTHORIZED):
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
    for side, each in refused(evidence, UNAUTHORIZED):
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
    for side, each in refused(evidence, UNAUTHORIZED):
        ends = turns.credential_ends(each.username)
        if ends is None or ends <= each.at:
            continue
        return Finding(
            "wrong-secret",
            "The time-limited credential is refused although its time isn't over: "
            "it was made with another secret than the relay has.",
            (turns.said(side, each), f"it would last for {turns.duration(ends - each.at)} more"),
            (
                "Compare the secrets: `edgeturn secret list --show` on the relay, and the application's.",
                _MINT,
                "If they are the same: the relay's clock may be ahead; `date -u` on the relay shows it.",
            ),
            LIKELY,
        )
    return None


def _wrong_password(evidence: Evidence) -> Finding | None:
    for side, each in refused(evidence, UNAUTHORIZED):
        if turns.credential_ends(each.username) is None:
            return Finding(
                "wrong-password",
                f"The server refuses the user {each.username or 'name'} or its password.",
                (turns.said(side, each),),
                (
                    "`edgeturn user list` shows the users of the relay; `edgeturn user add NAME` makes one.",
                    "With the shared secret an application sends a user name that begins with a time: not so here.",
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


CASES: tuple[Case, ...] = (
    Case("credential-expired", ALLOCATING, _expired, ("wrong-password", "wrong-secret")),
    Case("wrong-realm", ALLOCATING, _other_realm, ("wrong-password", "wrong-secret")),
    Case("wrong-secret", ALLOCATING, _wrong_secret),
    Case("wrong-password", ALLOCATING, _wrong_password),
    Case("no-credentials", ALLOCATING, _no_credentials),
)
