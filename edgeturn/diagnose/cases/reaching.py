"""Reaching: the server is asked, and doesn't answer; or the connection to it doesn't last for one answer.

Rule 1: an ICMP error says why; without one only what else was tried and worked tells silence from a closed way.
Rule 2: a connection that is cut at its first bytes was cut for what they say.
"""

from edgeturn.capture.connection import Connection
from edgeturn.capture.packets import host_of
from edgeturn.diagnose import turns
from edgeturn.diagnose.case import ALLOCATING, CERTAIN, LIKELY, Case, Finding
from edgeturn.diagnose.evidence import NO_ANSWER, Evidence, Exchange, IcmpError, Side

_LISTEN_443 = (
    "On the relay: `edgeturn config add listen_tls 0.0.0.0:443`, with a certificate; `edgeturn check` tests it."
)
_CALL_443 = "`turns:NAME:443?transport=tcp` in iceServers"


def _silent(evidence: Evidence) -> list[tuple[Side, Exchange]]:
    """Return questions over UDP to servers that never answered any over UDP."""
    return [
        (side, each) for side, each in turns.all_asked(turns.trying(evidence))
        if each.code == NO_ANSWER and each.transport == "udp" and not turns.answered(side, each.server, "udp")
        and each.tries > 1
    ]  # fmt: skip


def _unreachable(evidence: Evidence) -> Finding | None:
    for side, each in _silent(evidence):
        for error in side.icmp:
            if error.destination == each.server and error.what != "too-big":
                return _closed(side, each, error)
    return None


def _closed(side: Side, asked: Exchange, error: IcmpError) -> Finding:
    host, port = host_of(asked.server), asked.server.rpartition(":")[2]
    seen = (turns.said(side, asked), f"{turns.when(side, error.at)}: ICMP {error.what} from {error.said_by}")
    if error.what == "port-unreachable" and error.said_by == host:
        steps = (
            "Compare the port in the application with `edgeturn config get listen`; 3478 is the usual one.",
            "If it's the right one, the relay doesn't run: `edgeturn status`.",
        )
        return Finding("wrong-port", f"Nothing listens on UDP port {port} of {host}.", seen, steps, CERTAIN)
    return Finding(
        "way-closed",
        f"The way to {asked.server} is closed: {error.said_by} answers {error.what}.",
        seen,
        (f"Open UDP port {port} at {error.said_by}, or try from another network.",),
        CERTAIN,
    )


def _udp_blocked(evidence: Evidence) -> Finding | None:
    for side, each in _silent(evidence):
        host, port = host_of(each.server), each.server.rpartition(":")[2]
        heard = [
            other for other in side.exchanges
            if host_of(other.server) == host and other.transport != "udp" and other.code != NO_ANSWER
        ]  # fmt: skip
        if heard:
            return Finding(
                "udp-blocked",
                f"UDP to {each.server} is blocked on the way; over {heard[-1].transport.upper()} the server answers.",
                (turns.said(side, each), turns.said(side, heard[-1])),
                (
                    f"Calls work by `turn:{each.server}?transport=tcp`: keep it in iceServers beside the one over UDP.",
                    f"UDP sounds better: open UDP port {port} in the firewalls between client and relay.",
                    "`edgeturn firewall show` looks at the relay's own.",
                ),
                CERTAIN,
            )
    return None


def _udp_silent(evidence: Evidence) -> Finding | None:
    for side, each in _silent(evidence):
        if "tcp" not in turns.transports(evidence, each.server):
            return Finding(
                "server-unreachable",
                f"{each.server} never answers over UDP, and TCP wasn't tried.",
                (turns.said(side, each),),
                (
                    f"`edgeturn probe 'turn:{each.server}?transport=tcp'` in the client's network tries TCP.",
                    "If that works, put the same URL into iceServers as well.",
                    "`edgeturn check` on the relay says whether it runs and whether its own firewall is open.",
                ),
                LIKELY,
            )
    return None


def _tcp_refused(evidence: Evidence) -> Finding | None:
    for side, each in _connections(evidence):
        if each.ended == "refused" and each.ended_by == "server":
            return Finding(
                "wrong-port",
                f"Nothing listens on TCP port {each.server.rpartition(':')[2]} of {host_of(each.server)}.",
                (turns.connected(side, each),),
                (
                    "Compare the port in the application with `edgeturn config get listen`, for TLS with listen_tls.",
                    "TLS needs a certificate: `edgeturn check` says what is missing.",
                ),
                CERTAIN,
            )
    return None


def _tcp_silent(evidence: Evidence) -> Finding | None:
    for side, each in _connections(evidence):
        if not each.opened and not each.ended and each.tries > 1:
            return Finding(
                "server-unreachable",
                f"{each.server} never answers over TCP: a firewall swallows the connection.",
                (turns.connected(side, each),),
                (f"Try TLS on port 443, which most firewalls let through: {_CALL_443}.", _LISTEN_443),
                LIKELY,
            )
    return None


def _connections(evidence: Evidence) -> list[tuple[Side, Connection]]:
    return [(side, each) for side in turns.trying(evidence) for each in side.connections]


def _cut(evidence: Evidence, kind: str) -> list[tuple[Side, Connection]]:
    """Return connections that were reset after their first bytes, before any answer."""
    return [
        (side, each) for side, each in _connections(evidence)
        if (each.ended, each.ended_by, each.kind) == ("reset", "server", kind) and not each.answered
    ]  # fmt: skip


def _inspected(evidence: Evidence) -> Finding | None:
    for side, each in _cut(evidence, "stun"):
        return Finding(
            "inspected",
            "The TCP connection is cut right after the first bytes of STUN: something on the way looks into packets "
            "and doesn't let TURN through.",
            (turns.connected(side, each),),
            (f"Hide TURN in TLS on port 443, where it looks like any web site: {_CALL_443}.", _LISTEN_443),
            LIKELY,
        )
    return None


def _inspected_tls(evidence: Evidence) -> Finding | None:
    for side, each in _cut(evidence, "tls"):
        port = each.server.rpartition(":")[2]
        other = (f"Use port 443, which such networks leave open to TLS: {_CALL_443}.", _LISTEN_443)
        same = ("The filter judges by the name: use one that isn't blocked, or another network.",)
        return Finding(
            "inspected-tls",
            f"The connection is cut at the TLS handshake on port {port}: something on the way lets no TLS through "
            "there, or the server speaks none on that port.",
            (turns.connected(side, each),),
            (
                *(same if port == "443" else other),
                f"`openssl s_client -connect {each.server}` in another network shows whether the server speaks TLS.",
            ),
            LIKELY,
        )
    return None


def _nothing_came(evidence: Evidence) -> Finding | None:
    """Judge a watch on the running relay during which nobody came."""
    for side in turns.trying(evidence):
        if side.source == "live" and not side.exchanges and not side.connections:
            return Finding(
                "nothing-came",
                f"Nothing reached the relay ({side.label}): the client asks elsewhere, or is stopped on the way.",
                ("no message of STUN or TURN came from there",),
                (
                    "Compare name and port in the application with what `edgeturn credentials` prints.",
                    "`edgeturn firewall show` looks for what stops clients at this machine.",
                    "`edgeturn probe turn:NAME` in the client's network shows how far it comes.",
                ),
                LIKELY,
            )
    return None


def _limited(evidence: Evidence) -> Finding | None:
    for side in turns.trying(evidence):
        dropped = [each for each in turns.asked(side) if "over budget" in each.reason or "unauth" in each.reason]
        if dropped:
            return Finding(
                "rate-limited",
                "The relay is silent to this client: too many requests without a login came from its network.",
                (turns.said(side, dropped[0]), f"{turns.times(len(dropped))} in all"),
                (
                    "See how many a network may send in a second: `edgeturn config get unauthenticated_rate`.",
                    "Admit more: `edgeturn config set unauthenticated_rate 100`, then `edgeturn reload`.",
                ),
                CERTAIN,
            )
    return None


CASES: tuple[Case, ...] = (
    Case("inspected", ALLOCATING, _inspected, ("udp-blocked", "server-unreachable")),
    Case("inspected-tls", ALLOCATING, _inspected_tls),
    Case("nothing-came", ALLOCATING, _nothing_came),
    Case("rate-limited", ALLOCATING, _limited, ("server-unreachable", "udp-blocked")),
    Case("wrong-port", ALLOCATING, _unreachable, ("server-unreachable", "udp-blocked")),
    Case("udp-blocked", ALLOCATING, _udp_blocked),
    Case("server-unreachable", ALLOCATING, _udp_silent),
    Case("wrong-port", ALLOCATING, _tcp_refused),
    Case("server-unreachable", ALLOCATING, _tcp_silent),
)
