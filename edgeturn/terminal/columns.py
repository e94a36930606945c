"""The columns of the tables, a row each: a new column is a new row.

Rule 1: where the terminal is narrow the columns of the highest rank number go first; what remains keeps its order.
Rule 2: a column has at least its least width, at most what its rows need, and never more than its most.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from edgeturn.terminal.amounts import share, short, span
from edgeturn.terminal.picture import Rates, Session, User

GAP = 2
_ROOMY = 1000


@dataclass(frozen=True)
class Column:
    """A column: what its head says, its text, what it is sorted by, rank, least and most width, alignment."""

    head: str
    text: Callable[[Any], str]
    key: Callable[[Any], Any]
    rank: int
    least: int
    most: int = _ROOMY
    to_the_right: bool = False
    falling: bool = False  # whether the largest comes first at first


def path(rates: Rates, channels: int) -> str:
    """Return who carries: the kernel, Python, or the kernel's share of both; channels are those that it holds."""
    if rates.kernel is None:
        return "kernel" if channels else "python"
    if rates.kernel >= 0.995:
        return "kernel"
    return "python" if rates.kernel < 0.005 else f"k {share(rates.kernel)}"


def _peers(session: Session) -> list[str]:
    return [*session.told["peers"], *session.told["tcp_peers"]]


def _told(name: str) -> Callable[[Session], Any]:
    return lambda session: session.told[name]


SESSIONS = (
    Column("ID", lambda each: str(each.number), lambda each: each.number, 1, 2, to_the_right=True),
    Column("USER", lambda each: each.user, lambda each: each.user, 0, 17, 32),
    Column("CLIENT", _told("client"), _told("client"), 3, 15),
    Column("BY", lambda each: each.told["transport"], _told("transport"), 5, 4),
    Column("UP/s", lambda each: short(each.rates.up_bits), lambda each: each.rates.up_bits, 2, 5, 5, True, True),
    Column("DOWN/s", lambda each: short(each.rates.down_bits), lambda each: each.rates.down_bits, 2, 6, 6, True, True),
    Column(
        "PATH",
        lambda each: path(each.rates, each.told["kernel_channels"]),
        lambda each: (each.rates.kernel or 0, each.told["kernel_channels"]),
        4,
        6,
        falling=True,
    ),
    Column("AGE", lambda each: span(each.told["age_seconds"]), _told("age_seconds"), 6, 6, 6, True, True),
    Column("ENDS IN", lambda each: span(each.told["expires_seconds"]), _told("expires_seconds"), 7, 7, 7, True),
    Column("PEERS", lambda each: _numbered(_peers(each)), lambda each: len(_peers(each)), 8, 15, 48, falling=True),
    Column("RELAYED", lambda each: " ".join(each.told["relayed"]), _told("relayed"), 9, 15),
)
USERS = (
    Column("USER", lambda each: each.name, lambda each: each.name, 0, 6, 48),
    Column("SESSIONS", lambda each: str(each.sessions), lambda each: each.sessions, 1, 8, 8, True, True),
    Column("LOGINS", lambda each: str(each.credentials), lambda each: each.credentials, 6, 6, 6, True, True),
    Column("UP/s", lambda each: short(each.rates.up_bits), lambda each: each.rates.up_bits, 2, 6, 6, True, True),
    Column("DOWN/s", lambda each: short(each.rates.down_bits), lambda each: each.rates.down_bits, 3, 6, 6, True, True),
    Column("PATH", lambda each: path(each.rates, 0), lambda each: each.rates.kernel or 0, 5, 6, falling=True),
    Column(
        "CARRIED", lambda each: short(each.carried_bytes) + "B", lambda each: each.carried_bytes, 4, 7, 7, True, True
    ),
)


def _numbered(peers: Sequence[str]) -> str:
    return f"{len(peers)}: {' '.join(peers)}" if len(peers) > 1 else "".join(peers)


def searched(row: Session | User) -> str:
    """Return what a filter looks through: user, client, relayed address and peers."""
    if isinstance(row, User):
        return row.name.lower()
    return " ".join([row.user, row.told["client"], *row.told["relayed"], *_peers(row)]).lower()


def chosen(columns: Sequence[Column], rows: Sequence[Any], room: int) -> list[tuple[Column, int]]:
    """Return the columns that so much room has, with their widths."""
    needs = {each.head: _needs(each, rows) for each in columns}
    least = {each.head: min(max(each.least, len(each.head) + 1), needs[each.head]) for each in columns}
    kept: list[Column] = []
    for column in sorted(columns, key=lambda each: each.rank):
        if sum(least[each.head] + GAP for each in [*kept, column]) - GAP > room and kept:
            break
        kept.append(column)
    spare = room - sum(least[each.head] + GAP for each in kept) + GAP
    widths = {}
    for column in kept:
        more = max(min(needs[column.head] - least[column.head], spare), 0)
        widths[column.head] = least[column.head] + more
        spare -= more
    return [(each, widths[each.head]) for each in columns if each in kept]


def _needs(column: Column, rows: Sequence[Any]) -> int:
    longest = max([len(column.text(row)) for row in rows], default=0)
    return max(min(longest, column.most), len(column.head) + 1)  # one for the mark of what it is sorted by
