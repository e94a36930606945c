"""What stands above the tables: what the relay is, its rates, refusals, users, and what is wrong.

Rule 1: each line has a rank; where the terminal is low, those of the highest number go first.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgeturn.command.output import bytes_text, counted, seconds_text
from edgeturn.terminal.amounts import bits, packets, share, short
from edgeturn.terminal.glyphs import Glyphs
from edgeturn.terminal.history import History
from edgeturn.terminal.picture import Picture
from edgeturn.terminal.sparkline import sparkline
from edgeturn.terminal.style import BAD, BOLD, DIM, GOOD, GRAPH, PLAIN, WARN, Line, fit

_LABEL, _VALUE = 9, 10  # with a space behind them 60 samples fit a line of 80
_FEW = 1.0  # the least that the highest bar stands for


@dataclass(frozen=True)
class Scene:
    """What is drawn: what was seen, how wide, with which letters, how often it is looked, whether that pauses."""

    history: History
    columns: int
    glyphs: Glyphs
    pace: str
    paused: bool = False


def header(scene: Scene, room: int) -> list[Line]:
    """Return the lines above the tables, as many as there is room for."""
    seen = scene.history.picture
    if seen is None:
        return [_title_unseen(scene)]
    ranked = [(rank, line) for rank, make in _LINES for line in make(scene, seen)]
    while len(ranked) > max(room, 1):
        ranked.remove(max(ranked, key=lambda each: each[0]))
    return [line for _, line in ranked]


def _title_unseen(scene: Scene) -> Line:
    return fit([[("edgeturn", BOLD)], [(scene.history.silent or "asking the relay", PLAIN)]], scene.columns)


def _title(scene: Scene, seen: Picture) -> list[Line]:
    status = seen.status
    pieces: list[Line] = [
        [("edgeturn ", BOLD), (status["version"], BOLD)],
        _state(scene, seen),
        [(f"up {seconds_text(status['uptime_seconds'])}", PLAIN)],
        [(status["realm"], PLAIN)],
        [(scene.pace, DIM)],
    ]
    return [fit(pieces, scene.columns)]


def _state(scene: Scene, seen: Picture) -> Line:
    if scene.history.silent:
        return [(f"NO ANSWER since {scene.history.silent_since}", BAD)]
    if scene.paused:
        return [("PAUSED", WARN)]
    if seen.status["draining"]:
        return [("DRAINING: no new sessions", WARN)]
    return [("running", GOOD)]


def _trouble(scene: Scene, seen: Picture) -> list[Line]:
    """Return what is wrong, a line each, two lines at most."""
    status, history = seen.status, scene.history
    told = [history.silent] if history.silent else []
    if history.restarted:
        told.append(f"The relay was started anew, seen at {history.restarted}.")
    told += [f"{reason}; it tries again." for reason in status["not_listening"]]
    told += [f"{ip} is away now: no new allocation there." for ip in status["addresses_away"]]
    told += [problem for each in status["external"] or () for problem in each["problems"]]
    told += (status["certificate"] or {}).get("problems", [])
    if len(told) > 2:
        told = [told[0], f"{told[1]} ({len(told) - 2} more: `edgeturn status`)"]
    return [fit([[("! ", BAD), (sentence, WARN)]], scene.columns) for sentence in told]


def _pools(scene: Scene, seen: Picture) -> list[Line]:
    status = seen.status
    full = status["allocations"] >= status["max_allocations"]
    pieces: list[Line] = [
        [("sessions ", DIM), ("{allocations} of {max_allocations}".format(**status), BAD if full else BOLD)],
        [("so far ", DIM), (str(status["allocated_ever"]), PLAIN)],
        *[[(f"{name} ", DIM), (text, PLAIN)] for name, text in _pool_texts(status)],
        [("memory ", DIM), (f"{bytes_text(status['memory_bytes'])}, {status['interpreter']}", PLAIN)],
    ]
    return [fit(pieces, scene.columns)]


# Name, part of the status, what is used, what there is.
_POOLS = (
    ("TCP/TLS", "streams", "connections", "max_connections"),
    ("DTLS", "dtls", "sessions", "max_sessions"),
    ("TCP peers", "tcp_relay", "tcp_peers", "max_tcp_peers"),
)


def _pool_texts(status: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = []
    for name, part, used, most in _POOLS:
        pool = status[part]
        if pool and pool.get(most):
            found.append((name, f"{pool[used]} of {pool[most]}"))
    if status["reservations"]:
        found.append(("reserved", str(status["reservations"])))
    return found


def _place(scene: Scene, seen: Picture) -> list[Line]:
    pieces = [*_kernel(seen.status["kernel"]), *_known_as(seen.status)]
    return [fit(pieces, scene.columns)]


def _kernel(path: Mapping[str, Any]) -> list[Line]:
    if path["state"] == "on":
        carried = f"attached, carries {counted(path['channels'], 'channel')}"
        return [[("kernel ", DIM), (carried, GOOD if path["channels"] else PLAIN)]]
    why = f" ({path['reason']})" if path["reason"] else ""
    return [[("kernel ", DIM), (f"{path['state']}, Python carries{why}", PLAIN)]]


def _known_as(status: Mapping[str, Any]) -> list[Line]:
    found = [_external(each) for each in status["external"] or ()]
    return [[("WAN ", DIM), (each, PLAIN)] if index == 0 else [(each, PLAIN)] for index, each in enumerate(found)]


def _external(each: Mapping[str, Any]) -> str:
    known = each["address"] or "not known yet"
    return known if known == each["relay_address"] else f"{known} for {each['relay_address']}"


# Label, series, how its value is said, what its bars are measured by: with which other series they share the scale.
_RATES: tuple[tuple[str, str, Callable[[float], str], tuple[str, ...]], ...] = (
    ("up", "up_bits", bits, ("up_bits", "down_bits")),
    ("down", "down_bits", bits, ("up_bits", "down_bits")),
    ("up", "up_packets", packets, ("up_packets", "down_packets")),
    ("down", "down_packets", packets, ("up_packets", "down_packets")),
    ("kernel", "kernel", share, ()),
)


def _rate(row: int) -> Callable[[Scene, Picture], list[Line]]:
    def rate(scene: Scene, seen: Picture) -> list[Line]:
        label, name, said, scale = _RATES[row]
        series, room = scene.history.series, scene.columns - _LABEL - _VALUE - 1
        every = [sample or 0.0 for each in scale for sample in getattr(series, each)]
        most = max(every, default=_FEW) if scale else 1.0
        bars = sparkline(getattr(series, name), room, max(most, _FEW), scene.glyphs.bars)
        value = said(getattr(seen.rates, name))
        return [fit([[(f"{label:<{_LABEL}}", DIM), (f"{value:>{_VALUE}} ", BOLD), (bars, GRAPH)]], scene.columns)]

    return rate


def _counts(label: str, name: str) -> Callable[[Scene, Picture], list[Line]]:
    """Return what draws counters by name, those that grow first, with how much a second."""

    def counts(scene: Scene, seen: Picture) -> list[Line]:
        growing: Mapping[str, float] = getattr(seen, name)
        counted_: Mapping[str, int] = seen.status[name]
        order = sorted(counted_, key=lambda each: (-growing[each], -counted_[each], each))
        return [_listed(scene, label, [_count(each, counted_[each], growing[each]) for each in order])]

    return counts


def _count(name: str, count: int, growing: float) -> Line:
    if growing <= 0:
        return [(f"{name} {short(count)}", PLAIN)]
    return [(f"{name} {short(count)} ", PLAIN), (f"+{short(growing)}/s", WARN)]


def _users(scene: Scene, seen: Picture) -> list[Line]:
    pieces = [[(each.name, PLAIN), (f" {each.sessions} at {bits(each.bits)}", DIM)] for each in seen.users]
    return [_listed(scene, "users", pieces)]


def _listed(scene: Scene, label: str, pieces: Sequence[Line]) -> Line:
    first, *others = pieces or [[("none", PLAIN)]]
    return fit([[(f"{label:<{_LABEL}}", DIM), *first], *others], scene.columns, scene.glyphs.more)


_LINES: Sequence[tuple[int, Callable[[Scene, Picture], list[Line]]]] = (
    (0, _title),
    (1, _trouble),
    (2, _pools),
    (5, _place),
    (3, _rate(0)),
    (3, _rate(1)),
    (8, _rate(2)),
    (8, _rate(3)),
    (4, _rate(4)),
    (6, _counts("refused", "refused")),
    (9, _counts("dropped", "dropped")),
    (7, _users),
)
