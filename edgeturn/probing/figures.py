"""What packets met with on their way: loss, latency, jitter, reordering, computed from who came when.

Rule 1: both ends are this machine, so a latency is the difference of one clock: through the relay and back here.
Rule 2: jitter is that of RFC 3550 §6.4.1, in the order of arrival.
Rule 3: a packet is reordered where one that was sent later has come before it (RFC 4737 §3.3).
"""

import itertools
import math
from dataclasses import dataclass

_NANOSECONDS = 1e6  # of a millisecond
_JITTER_SHARE = 16  # RFC 3550 §6.4.1


@dataclass(frozen=True)
class Arrival:
    """A packet that came: its number, and when it did, in nanoseconds."""

    number: int
    at: int


@dataclass(frozen=True)
class Figures:
    """The outcome; times are milliseconds. latencies has a row for each packet sent, None for one that was lost."""

    sent: int
    received: int
    lost: int
    duplicates: int
    reordered: int
    minimum: float | None
    median: float | None
    p95: float | None
    maximum: float | None
    jitter: float | None
    latencies: list[float | None]

    @property
    def loss(self) -> float:
        """Return how much was lost, in percent."""
        return 100 * self.lost / self.sent if self.sent else 0.0


def compute(sent: list[int], arrivals: list[Arrival]) -> Figures:
    """Return the figures; sent has for each packet when it was, in nanoseconds."""
    latencies: list[float | None] = [None] * len(sent)
    first, duplicates = [], 0
    for each in arrivals:
        if latencies[each.number] is not None:
            duplicates += 1
            continue
        latencies[each.number] = (each.at - sent[each.number]) / _NANOSECONDS
        first.append(each.number)
    known = [latency for latency in latencies if latency is not None]
    return Figures(
        sent=len(sent),
        received=len(known),
        lost=len(sent) - len(known),
        duplicates=duplicates,
        reordered=_reordered(first),
        minimum=min(known, default=None),
        median=quantile(known, 0.5),
        p95=quantile(known, 0.95),
        maximum=max(known, default=None),
        jitter=_jitter([latency for number in first if (latency := latencies[number]) is not None]),
        latencies=latencies,
    )


def quantile(values: list[float], share: float) -> float | None:
    """Return the least value that a share of all don't exceed, None where there's none."""
    ordered = sorted(values)
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else None


def _reordered(numbers: list[int]) -> int:
    count, highest = 0, -1
    for number in numbers:
        count += number < highest
        highest = max(highest, number)
    return count


def _jitter(latencies: list[float]) -> float | None:
    """Return the interarrival jitter: the difference of latencies is that of RFC 3550's transit times."""
    if len(latencies) < 2:
        return None
    jitter = 0.0
    for before, after in itertools.pairwise(latencies):
        jitter += (abs(after - before) - jitter) / _JITTER_SHARE
    return jitter
