"""What Prometheus reads: the relay's status and sessions as text (exposition format 0.0.4), one row a metric.

Rule 1: names and units by Prometheus' conventions: seconds, bytes, counters end in _total, nothing is scaled.
Rule 2: what labels can say is bounded: codes, reasons, transports, names of API keys. No client's address and no
        user's name.
Rule 3: counters count while a session lasts: the relay adds what its sessions, and the kernel for them, have so far.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
GAUGE, COUNTER = "gauge", "counter"
_TRANSPORTS = ("udp", "tcp", "tls", "dtls")
_CODES = ("400", "401", "403", "437", "438", "441", "442", "443", "486", "508")  # RFC 8656 §19, of those that matter
_REASONS = ("bandwidth", "indication", "over budget", "permission")
_SESSION_COUNTS = ("permissions", "channels", "kernel_channels")


@dataclass(frozen=True)
class Told:
    """What there is to tell of: the relay's status ({} where none answers), sessions, and tokens' counts."""

    status: Mapping[str, Any]
    sessions: Sequence[Mapping[str, Any]] = ()
    tokens: Mapping[str, Mapping[str, int]] | None = None


Sample = tuple[dict[str, str], float]
Samples = Iterable[Sample]


@dataclass(frozen=True)
class Metric:
    """A row: name without the prefix, type, help, and what finds its samples; none for what the relay hasn't."""

    name: str
    kind: str
    about: str
    samples: Callable[[Told], Samples]


def text(
    status: Mapping[str, Any],
    sessions: Sequence[Mapping[str, Any]],
    tokens: Mapping[str, Mapping[str, int]] | None = None,
) -> str:
    """Return all metrics of a relay; status {}: none answers. tokens: what was handed out and refused (Service)."""
    told = Told(status, sessions, tokens)
    return "".join(_block(metric, told) for metric in METRICS)


def _block(metric: Metric, told: Told) -> str:
    name = f"edgeturn_{metric.name}"
    lines = [f"{name}{_labels(labels)} {_number(value)}\n" for labels, value in metric.samples(told)]
    if not lines:
        return ""
    return f"# HELP {name} {metric.about}\n# TYPE {name} {metric.kind}\n" + "".join(lines)


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _at(*path: str) -> Callable[[Told], Samples]:
    """Return what finds one number of the status; a list counts by its length."""

    def find(told: Told) -> Samples:
        found: Any = told.status
        for name in path:
            found = found.get(name) if isinstance(found, Mapping) else None
        if isinstance(found, (list, tuple)):
            found = len(found)
        return [] if found is None else [({}, float(found))]

    return find


def _each(label: str, *rows: tuple[str, tuple[str, ...]]) -> Callable[[Told], Samples]:
    """Return what finds several numbers of the status, each by the value of a label."""

    def find(told: Told) -> Samples:
        for value, path in rows:
            for _, number in _at(*path)(told):
                yield {label: value}, number

    return find


def _counted(label: str, name: str, known: Sequence[str]) -> Callable[[Told], Samples]:
    """Return what finds a dictionary of counts in the status; those that are known begin at 0, for increase()."""

    def find(told: Told) -> Samples:
        found: Mapping[str, int] | None = told.status.get(name)
        counts = {} if found is None else dict.fromkeys(known, 0) | dict(found)
        return [({label: key}, float(counts[key])) for key in sorted(counts)]

    return find


def _of_tokens(label: str, name: str) -> Callable[[Told], Samples]:
    def find(told: Told) -> Samples:
        counts = (told.tokens or {}).get(name, {})
        return [({label: key}, float(counts[key])) for key in sorted(counts)]

    return find


def _by_transport(told: Told) -> Samples:
    if not told.status:
        return []
    found = [str(each.get("transport")) for each in told.sessions]
    return [({"transport": each}, float(found.count(each))) for each in _TRANSPORTS]


def _summed(name: str) -> Callable[[Told], Samples]:
    def find(told: Told) -> Samples:
        return [({}, float(sum(each[name] for each in told.sessions)))] if told.status else []

    return find


def _by_key(told: Told) -> Samples:
    """Count sessions whose credential was minted with an API key: EXPIRY:KEY/USER, or EXPIRY:KEY."""
    found = [str(each.get("user")).partition(":")[2].partition("/")[0] for each in told.sessions]
    keys = (told.tokens or {}).get("minted", {})
    return [({"key": each}, float(found.count(each))) for each in sorted(keys)] if told.status else []


def _info(told: Told) -> Samples:
    names = ("version", "interpreter")
    return [({name: str(told.status[name]) for name in names}, 1.0)] if told.status else []


def _attached(told: Told) -> Samples:
    state = (told.status.get("kernel") or {}).get("state", "off")
    return [] if state == "off" else [({}, float(state == "on"))]


def _problems(told: Told) -> Samples:
    external = told.status.get("external")
    return [] if external is None else [({}, float(sum(len(each["problems"]) for each in external)))]


METRICS = tuple(
    Metric(*row)
    for row in (
        ("up", GAUGE, "Whether the relay answers.", lambda told: [({}, float(bool(told.status)))]),
        ("info", GAUGE, "Version and interpreter, as labels.", _info),
        ("uptime_seconds", GAUGE, "Seconds since the relay was started.", _at("uptime_seconds")),
        ("draining", GAUGE, "Whether new allocations are refused until it ends.", _at("draining")),
        ("memory_bytes", GAUGE, "Resident memory of the relay.", _at("memory_bytes")),
        ("allocations", GAUGE, "Allocations now.", _at("allocations")),
        ("allocations_max", GAUGE, "Allocations that there is room for.", _at("max_allocations")),
        ("allocations_created_total", COUNTER, "Allocations since the start.", _at("allocated_ever")),
        ("reservations", GAUGE, "Relayed ports that are reserved by EVEN-PORT.", _at("reservations")),
        ("sessions", GAUGE, "Allocations now, by what their clients come by.", _by_transport),
        ("key_sessions", GAUGE, "Allocations now, by the API key that their credential was minted with.", _by_key),
        *(
            (name, GAUGE, f"{about} of all allocations.", _summed(name))
            for name, about in zip(_SESSION_COUNTS, ("Permissions", "Channels", "Channels in the kernel"), strict=True)
        ),
        (
            "relayed_bytes_total",
            COUNTER,
            "Bytes of data that were relayed; up is from clients to peers.",
            _each("direction", ("up", ("traffic", "up_bytes")), ("down", ("traffic", "down_bytes"))),
        ),
        (
            "relayed_packets_total",
            COUNTER,
            "Packets of data that were relayed; up is from clients to peers.",
            _each("direction", ("up", ("traffic", "up_packets")), ("down", ("traffic", "down_packets"))),
        ),
        (
            "kernel_relayed_bytes_total",
            COUNTER,
            "Bytes of edgeturn_relayed_bytes_total that the kernel carried.",
            _at("traffic", "kernel_bytes"),
        ),
        (
            "kernel_relayed_packets_total",
            COUNTER,
            "Packets of edgeturn_relayed_packets_total that the kernel carried.",
            _at("traffic", "kernel_packets"),
        ),
        ("kernel_attached", GAUGE, "Whether the kernel's program is there to carry; absent where it's off.", _attached),
        ("kernel_failures_total", COUNTER, "What the kernel's maps refused.", _at("kernel", "failures")),
        (
            "refused_total",
            COUNTER,
            "Requests that were refused, by STUN error code; with 401 every client begins.",
            _counted("code", "refused", _CODES),
        ),
        ("dropped_total", COUNTER, "Messages that got no answer, by reason.", _counted("reason", "dropped", _REASONS)),
        ("unsent_packets_total", COUNTER, "Packets that the system didn't take.", _at("unsent_packets")),
        ("failures_total", COUNTER, "Errors of the program itself; the log has them.", _at("failures")),
        ("log_lines_lost_total", COUNTER, "Log lines that nobody took.", _at("lost_log_lines")),
        (
            "stream_connections",
            GAUGE,
            "Connections now.",
            _each("transport", ("tcp", ("streams", "tcp")), ("tls", ("streams", "tls"))),
        ),
        (
            "stream_connections_max",
            GAUGE,
            "Connections over TCP and TLS that there is room for.",
            _at("streams", "max_connections"),
        ),
        (
            "handshakes",
            GAUGE,
            "Handshakes under way.",
            _each("transport", ("tls", ("streams", "handshakes")), ("dtls", ("dtls", "handshakes"))),
        ),
        (
            "accepted_total",
            COUNTER,
            "Connections over TCP and TLS, and sessions over DTLS, that were begun.",
            _each("transport", ("stream", ("streams", "accepted")), ("dtls", ("dtls", "accepted"))),
        ),
        (
            "rejected_total",
            COUNTER,
            "Connections and DTLS sessions that there was no room for.",
            _each("transport", ("stream", ("streams", "refused")), ("dtls", ("dtls", "refused"))),
        ),
        (
            "gave_way_total",
            COUNTER,
            "Connections and DTLS sessions that were ended for a newer one.",
            _each("transport", ("stream", ("streams", "gave_way")), ("dtls", ("dtls", "gave_way"))),
        ),
        ("dtls_handshakes_completed_total", COUNTER, "DTLS handshakes that succeeded.", _at("dtls", "completed")),
        ("dtls_sessions", GAUGE, "DTLS sessions now.", _at("dtls", "sessions")),
        ("dtls_sessions_max", GAUGE, "DTLS sessions that there is room for.", _at("dtls", "max_sessions")),
        ("spliced_connections", GAUGE, "Connections that are handed to backends now.", _at("streams", "spliced")),
        ("tcp_peers", GAUGE, "TCP connections with peers now.", _at("tcp_relay", "tcp_peers")),
        (
            "tcp_peers_max",
            GAUGE,
            "TCP connections with peers that there is room for.",
            _at("tcp_relay", "max_tcp_peers"),
        ),
        (
            "certificate_expires_seconds",
            GAUGE,
            "Seconds until the certificate expires, negative afterwards.",
            _at("certificate", "expires_seconds"),
        ),
        ("certificate_problems", GAUGE, "What is wrong with the certificate.", _at("certificate", "problems")),
        (
            "addresses",
            GAUGE,
            "Addresses to relay from, in use or gone from the machine.",
            _each("state", ("used", ("relay_addresses",)), ("away", ("addresses_away",))),
        ),
        ("listening", GAUGE, "Places that clients are served at.", _at("listening")),
        ("not_listening", GAUGE, "Places of the configuration that can't be listened at.", _at("not_listening")),
        ("external_problems", GAUGE, "What is wrong with the addresses that are announced.", _problems),
        ("tokens_minted_total", COUNTER, "Credentials that were handed out, by API key.", _of_tokens("key", "minted")),
        (
            "tokens_refused_total",
            COUNTER,
            "Requests for credentials that were refused, by HTTP status.",
            _of_tokens("status", "refused"),
        ),
    )
)
