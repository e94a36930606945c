"""One look at the relay, and what became of it per second since the look before.

Rule 1: rates are of the relay's counters and of our clock, which nobody sets; a counter that shrank counts as still.
Rule 2: a relay that was started anew has no look before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgeturn.protocol.credentials import account_of

_CUT = 64  # letters; see edgeturn/relay/describe.py
_BYTE = 8  # bits


@dataclass(frozen=True)
class Look:
    """What the relay said at a time of the monotonic clock; the sessions may be those of an earlier look."""

    at: float
    status: Mapping[str, Any]
    sessions: Sequence[Mapping[str, Any]] = ()
    sessions_at: float | None = None  # None: at the same time


@dataclass(frozen=True)
class Rates:
    """What went on per second; kernel is the share of packets that it carried, None where there were none."""

    up_bits: float = 0.0
    down_bits: float = 0.0
    up_packets: float = 0.0
    down_packets: float = 0.0
    kernel: float | None = None


@dataclass(frozen=True)
class Session:
    """A session as it was told, and its rates."""

    told: Mapping[str, Any]
    rates: Rates

    @property
    def number(self) -> int:
        """Return the number that it is ended by."""
        return int(self.told["session"])

    @property
    def user(self) -> str:
        """Return its user."""
        return str(self.told["user"])

    @property
    def bits(self) -> float:
        """Return what it carries in both directions."""
        return self.rates.up_bits + self.rates.down_bits


@dataclass(frozen=True)
class User:
    """The sessions of one user together, and by how many usernames they logged in: each credential has one."""

    name: str
    sessions: int
    credentials: int
    rates: Rates
    carried_bytes: int

    @property
    def bits(self) -> float:
        """Return what they carry in both directions."""
        return self.rates.up_bits + self.rates.down_bits


@dataclass(frozen=True)
class Picture:
    """All that one look and the one before tell."""

    status: Mapping[str, Any]
    rates: Rates
    refused: Mapping[str, float]
    dropped: Mapping[str, float]
    sessions: list[Session]
    users: list[User] = field(default_factory=list)


def is_restarted(before: Look, now: Look) -> bool:
    """Say whether another relay answers than before."""
    shrank = int(now.status["allocated_ever"]) < int(before.status["allocated_ever"])
    return shrank or bool(now.status["process"] != before.status["process"])


def picture(before: Look | None, now: Look, last: Picture | None = None) -> Picture:
    """Return what a look shows; without one before it nothing has a rate. last: the picture of the one before."""
    seconds = now.at - before.at if before else 0.0
    old: Mapping[str, Any] = before.status if before else {}
    if before and last and _sessions_at(before) == _sessions_at(now):
        sessions, together = last.sessions, last.users
    else:
        sessions = _sessions(before, now)
        together = users(sessions)
    return Picture(
        now.status,
        rates(old.get("traffic"), now.status["traffic"], seconds),
        _increases(old.get("refused", {}), now.status["refused"], seconds),
        _increases(old.get("dropped", {}), now.status["dropped"], seconds),
        sessions,
        together,
    )


def _sessions_at(look: Look) -> float:
    return look.at if look.sessions_at is None else look.sessions_at


def _sessions(before: Look | None, now: Look) -> list[Session]:
    seconds = _sessions_at(now) - _sessions_at(before) if before else 0.0
    earlier = {each["session"]: each for each in before.sessions} if before else {}
    return [Session(told, rates(earlier.get(told["session"]), told, seconds)) for told in now.sessions]


def rates(before: Mapping[str, Any] | None, now: Mapping[str, Any], seconds: float) -> Rates:
    """Return the rates between two states of the same counters."""
    if before is None or seconds <= 0:
        return Rates()
    grown = {name: max(now[name] - before[name], 0) for name in before if name.endswith(("_packets", "_bytes"))}
    packets = grown["up_packets"] + grown["down_packets"]
    return Rates(
        grown["up_bytes"] * _BYTE / seconds,
        grown["down_bytes"] * _BYTE / seconds,
        grown["up_packets"] / seconds,
        grown["down_packets"] / seconds,
        min(grown["kernel_packets"] / packets, 1.0) if packets else None,
    )


def _increases(before: Mapping[str, int], now: Mapping[str, int], seconds: float) -> dict[str, float]:
    if seconds <= 0:
        return dict.fromkeys(now, 0.0)
    return {name: max(count - before.get(name, 0), 0) / seconds for name, count in now.items()}


def account(username: str) -> str:
    """Return the user of a username as the relay counts quotas: what stands behind the expiry of a time-limited one.

    One that the relay may have cut stays as it is: it finds nobody by a part of a name.
    """
    if len(username) >= _CUT:
        return username
    return account_of(username.encode()).decode()


def users(sessions: Sequence[Session]) -> list[User]:
    """Return the users of some sessions, who carries most first."""
    by_name: dict[str, list[Session]] = {}
    for each in sessions:
        by_name.setdefault(account(each.user), []).append(each)
    found = [_user(name, theirs) for name, theirs in by_name.items()]
    return sorted(found, key=lambda user: (-user.bits, -user.sessions, user.name))


def _user(name: str, theirs: Sequence[Session]) -> User:
    every = [each.rates for each in theirs]
    packets = [(each.up_packets + each.down_packets, each.kernel or 0.0) for each in every]
    total = sum(count for count, _ in packets)
    together = Rates(
        sum(each.up_bits for each in every),
        sum(each.down_bits for each in every),
        sum(each.up_packets for each in every),
        sum(each.down_packets for each in every),
        sum(count * kernel for count, kernel in packets) / total if total else None,
    )
    usernames = len({each.user for each in theirs})
    return User(
        name, len(theirs), usernames, together, sum(each.told["up_bytes"] + each.told["down_bytes"] for each in theirs)
    )
