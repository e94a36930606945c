"""Gathering: which candidates a side should have got and hasn't, and why.

Rule 1: a server that a side named and got no candidate from was silent, unless the browser says what it answered.
Rule 2: where the other side reached the same server, the server works, and the silent side's network is in the way.
"""

from edgeturn.command.place import quoted
from edgeturn.diagnose import seen, wording
from edgeturn.diagnose.case import CERTAIN, GATHERING, LIKELY, Case, Finding
from edgeturn.diagnose.cases.refusing import is_answer
from edgeturn.diagnose.evidence import HOST, RELAY, SRFLX, Evidence, IceError, Side
from edgeturn.diagnose.texts import gathering

UNREACHABLE = 701  # W3C webrtc-pc §5.8: the server can't be reached
_PATIENCE = 9.0  # seconds after which a server that said nothing won't
_IN_ORDER = ("UDP", "TCP", "TLS")
_OTHER_WAYS = (
    "Where a network drops UDP, name the relay over TCP and TLS, too: `turn:HOST:3478?transport=tcp`, "
    "`turns:HOST:443?transport=tcp`."
)
_TRUST = "For TLS that machine has to trust the certificate: `edgeturn check {uri}` there says so."
_ISSUED = (
    "A browser trusts no certificate that somebody signed himself, and none that was issued for another name: "
    "the name in the URI has to be in it."
)
_USUAL = "Compare the port with what the relay listens on. Usual are 3478, 5349 and 443."
_ENDED_AT_ONCE = "establish connection"  # as Chromium says it; of silence it says "timed out", or nothing yet
_LISTENING = {"UDP": "listening", "TCP": "listening_tcp"}  # of the relay's status
_TEXTS = wording.of_cases(gathering.TEXT)


def _browsers(evidence: Evidence) -> list[Side]:
    """Return the sides of browsers, unless the call connected."""
    return [] if seen.anyone_connected(evidence) else [side for side in evidence.sides if seen.is_browser(side)]


def _heard(side: Side) -> bool:
    """Say whether any server answered with a candidate."""
    return bool(seen.kinds(side.candidates) & {SRFLX, RELAY})


def _hosts(side: Side) -> str:
    hosts = seen.of_kind(side.candidates, HOST)
    hidden = sum(each.is_hidden for each in hosts)
    count = f"{len(hosts)} host candidate{'s' * (len(hosts) != 1)}"
    return f"{count}{f', {hidden} hidden by mDNS' if hidden else ''}" if hosts else "nothing"


def _uris(side: Side) -> str:
    return ", ".join(server.uri for server in side.servers[:4])


def _no_server_named(evidence: Evidence) -> Finding | None:
    sides = [
        side for side in _browsers(evidence)
        if side.policy and not side.servers and not _heard(side) and (side.candidates or side.descriptions)
    ]  # fmt: skip
    if not sides or len(sides) < len([side for side in evidence.sides if seen.tells_of_ice(side)]):
        return None
    told = [f"{side.label}: iceServers is empty; gathered {_hosts(side)}" for side in sides]
    return _TEXTS.finding("no-server-named", evidence, told, CERTAIN)


def _no_turn_for_relay_policy(evidence: Evidence) -> Finding | None:
    for side in _browsers(evidence):
        if side.policy == "relay" and not seen.relays(side):
            told = [f"{side.label}: iceTransportPolicy is relay; servers: {_uris(side) or 'none'}"]
            return _TEXTS.finding("relay-policy-without-turn", evidence, told, CERTAIN)
    return None


def _is_lookup(error: IceError) -> bool:
    return error.code == UNREACHABLE and "lookup" in error.text.lower()


def _name(evidence: Evidence) -> Finding | None:
    for side in _browsers(evidence):
        errors = [error for error in side.errors if _is_lookup(error)]
        if errors and not _heard(side):
            told = [f"{side.label}: {error.code} {error.text} ({error.server})" for error in errors[:2]]
            host = quoted(seen.host_of(errors[0].server))
            return _TEXTS.finding("name-unresolvable", evidence, told, CERTAIN, host=host)
    return None


def _silent(evidence: Evidence) -> list[Side]:
    """Return the sides that named servers and heard nothing of them; none where a capture shows what was said."""
    return [] if any(side.exchanges for side in evidence.sides) else [
        side for side in _browsers(evidence)
        if side.servers and not _heard(side) and _waited(side) and (side.policy != "relay" or seen.relays(side))
        and all(error.code == UNREACHABLE and not _is_lookup(error) for error in side.errors)
    ]  # fmt: skip


def _waited(side: Side) -> bool:
    """Say whether a side had its time: an error came, or gathering or ICE ended, or the report was made late."""
    begun = next((each.at for each in side.descriptions), 0.0)
    told = next((event.at for event in side.events if event.what == "report"), 0.0)
    ended = {"failed", "closed"} & {seen.last(side, "connection"), seen.last(side, "ice")}
    return bool(side.errors or side.gathered_all) or told - begun > _PATIENCE or bool(ended)


def _ways(side: Side) -> set[str]:
    """Return the ways by which servers were tried: UDP, TCP, TLS."""
    return {_way_of(server.uri) for server in side.servers}


def _listed(ways: set[str]) -> str:
    """Return ways in the order in which they are tried."""
    return " and ".join(way for way in _IN_ORDER if way in ways)


def _way_of(uri: str) -> str:
    if uri.startswith(("turns", "stuns")):
        return "TLS"
    return "TCP" if "transport=tcp" in uri else "UDP"


def _told(side: Side) -> list[str]:
    said = dict.fromkeys(f"{error.server}: {error.code} {error.text}" for error in side.errors)
    return [f"{side.label}: named {_uris(side)}; gathered {_hosts(side)}", *list(said)[:4], *_late(side)]


def _late(side: Side) -> list[str]:
    return ["gathering hadn't ended when the call was given up"] if side.gathered_all is False else []


def _blocked(evidence: Evidence) -> Finding | None:
    """Judge a silent side whose other end reached a server of the same host."""
    for side in _silent(evidence):
        other = seen.other(evidence, side)
        if other is None or not _heard(other) or not _hosts_of(side) & _hosts_of(other):
            continue
        ways = _ways(side)
        name = "tls-blocked-too" if "TLS" in ways else "udp-blocked" if ways == {"UDP"} else "tcp-blocked-too"
        told = [*_told(side), f"{other.label}: reached the same server"]
        return _TEXTS.finding(name, evidence, told, LIKELY, uri=quoted(side.servers[-1].uri))
    return None


def _hosts_of(side: Side) -> set[str]:
    return {seen.host_of(server.uri) for server in side.servers}


def _wrong_port(evidence: Evidence) -> Finding | None:
    """Judge a port that the relay on this machine doesn't listen on, where the application names its address."""
    status = {} if evidence.relay is None else evidence.relay.status
    for side in _silent(evidence):
        for server in side.servers:
            listens = seen.places(status.get(_LISTENING.get(_way_of(server.uri), "")))
            host, port = seen.host_of(server.uri), seen.port_of(server.uri)
            if not listens or host not in _own_hosts(status) or port in {each for _, each in listens}:
                continue
            ports = ", ".join(dict.fromkeys(str(each) for _, each in listens))
            told = [*_told(side), f"the relay on this machine listens on {_way_of(server.uri)} port {ports}"]
            return _TEXTS.finding("wrong-port", evidence, told, CERTAIN, port=port, ports=ports)
    return None


def _own_hosts(status: dict[str, object]) -> set[str]:
    """Return the addresses that lead to the relay on this machine."""
    listed = status.get("external")
    rows = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
    return {host for key in _LISTENING.values() for host, _ in seen.places(status.get(key))} | {
        str(row.get("address")) for row in rows
    }


def _connection_refused(evidence: Evidence) -> Finding | None:
    """Judge connections that ended at once: the way is open, and nobody is there or isn't trusted."""
    for side in _silent(evidence):
        errors = [error for error in side.errors if _ENDED_AT_ONCE in error.text]
        if not errors or len(errors) < len(side.errors):
            continue
        ways = {_way_of(error.server) for error in errors}
        why = ", or the browser doesn't trust its certificate" if "TLS" in ways else ""
        said = {"uri": quoted(errors[0].server), "ways": _listed(ways), "certificate": why}
        said["then"] = _ISSUED if "TLS" in ways else _USUAL
        return _TEXTS.finding("connection-refused", evidence, _told(side), LIKELY, **said)
    return None


def _unreachable(evidence: Evidence) -> Finding | None:
    sides = _silent(evidence)
    if not sides:
        return None
    side, both = sides[0], len(sides) > 1
    unexplained = side.source == "about:webrtc" and not side.errors
    return _TEXTS.finding(
        "server-silent" if unexplained else "server-unreachable",
        evidence,
        [line for each in sides[:2] for line in _told(each)],
        CERTAIN if both and side.errors else LIKELY,
        who="Neither side gets an answer" if both else "The side that is shown gets no answer",
        ways=_listed(_ways(side)),
        instead=_TRUST.format(uri=quoted(side.servers[-1].uri)) if "TLS" in _ways(side) else _OTHER_WAYS,
        uri=quoted(side.servers[-1].uri),
        ports=", ".join(dict.fromkeys(str(seen.port_of(server.uri)) for server in side.servers)),
    )


def _relay_missing(evidence: Evidence) -> Finding | None:
    """Judge a side that reached a server and got no relayed candidate, without being told why."""
    for side in _browsers(evidence):
        has = seen.kinds(side.candidates)
        if seen.relays(side) and SRFLX in has and RELAY not in has and not _is_told(side):
            told = [f"{side.label}: named {_uris(side)}; no relay among {len(side.candidates)} candidates"]
            said = [f"{error.server}: {error.code} {error.text}" for error in side.errors if _is_of_turn(error)]
            why = f"it isn't reached over {_listed({_way_of(server.uri) for server in seen.relays(side)})}"
            if side.source == "about:webrtc" and not said:  # which shows no answers; Chromium would
                why = "mostly a refused credential"
            return _TEXTS.finding(
                "relay-missing",
                evidence,
                [*told, *said[:3], *_late(side)],
                LIKELY,
                uri=quoted(seen.relays(side)[0].uri),
                why=why,
            )
    return None


def _is_of_turn(error: IceError) -> bool:
    return error.code == UNREACHABLE and error.server.startswith("turn")


def _is_told(side: Side) -> bool:
    return any(is_answer(error.code) for error in side.errors)


def _hidden(evidence: Evidence) -> Finding | None:
    for side in [] if seen.anyone_connected(evidence) else evidence.sides:
        hosts = seen.of_kind(side.candidates, HOST)
        if hosts and not _heard(side) and all(each.is_hidden for each in hosts):
            told = [f"{side.label}: {_hosts(side)}, no srflx, no relay"]
            return _TEXTS.finding("hosts-hidden", evidence, told)
    return None


def _only_host_candidates(evidence: Evidence) -> Finding | None:
    """Judge what is known by candidates alone, where nobody tells of servers."""
    sides = [side for side in evidence.sides if seen.tells_of_ice(side) and side.candidates]
    poor = [side for side in sides if not seen.knows_outside(side.candidates)]
    if not poor or len(poor) < len(sides) or seen.anyone_connected(evidence):
        return None
    told = [f"{side.label}: {_hosts(side)}, no srflx, no relay" for side in poor[:2]]
    return _TEXTS.finding("only-host-candidates", evidence, told)


def _one_side(evidence: Evidence) -> Finding | None:
    for side in [] if seen.anyone_connected(evidence) else evidence.sides:
        far = seen.far(evidence, side)
        here, there = seen.knows_outside(side.candidates), seen.knows_outside(far)
        both = [*side.candidates, *far]
        if not side.candidates or not far or here == there or RELAY in seen.kinds(both):
            continue
        poor, rich = ("the other side", side.label) if here else (side.label, "the other side")
        told = [f"{poor}: host candidates only", f"{rich}: has a server reflexive candidate (srflx)"]
        return _TEXTS.finding("srflx-on-one-side", evidence, told)
    return None


_CONSEQUENCES = (
    "far-relay-not-passed", "hosts-hidden", "nat-not-passed", "no-relay-offered", "only-host-candidates",
    "relay-missing", "srflx-on-one-side", "symmetric-nats",
)  # fmt: skip
_BLOCKED = ("server-unreachable", "firewall-behind-relay", "other-side-only-private")

CASES: tuple[Case, ...] = (
    Case("no-server-named", GATHERING, _no_server_named, _CONSEQUENCES),
    Case("relay-policy-without-turn", GATHERING, _no_turn_for_relay_policy, ("server-unreachable",)),
    Case("name-unresolvable", GATHERING, _name, (*_CONSEQUENCES, "server-unreachable")),
    Case("udp-blocked", GATHERING, _blocked, (*_CONSEQUENCES, *_BLOCKED)),
    Case("wrong-port", GATHERING, _wrong_port, (*_CONSEQUENCES, "server-unreachable", "udp-blocked")),
    Case("connection-refused", GATHERING, _connection_refused, (*_CONSEQUENCES, "server-unreachable", "udp-blocked")),
    Case("server-unreachable", GATHERING, _unreachable, _CONSEQUENCES),
    Case("relay-missing", GATHERING, _relay_missing, ("nat-not-passed", "no-relay-offered", "one-way")),
    Case("hosts-hidden", GATHERING, _hidden),
    Case("only-host-candidates", GATHERING, _only_host_candidates),
    Case(
        "srflx-on-one-side", GATHERING, _one_side,
        ("only-host-candidates", "hosts-hidden", "nat-not-passed", "no-relay-offered"),
    ),
)  # fmt: skip
