"""The last ten minutes of a relay, as its status tells them: what the charts are drawn from.

Rule 1: a status holds totals; a point holds what they grew by in a second. A relay that was started anew grows from 0.
Rule 2: there are so many points and no more.
"""

from collections import deque
from typing import Any

EVERY = 5  # seconds
POINTS = 600 // EVERY + 1
_BITS = 8


class History:
    """Points, the oldest first."""

    def __init__(self) -> None:
        """Begin without any."""
        self._points: deque[dict[str, float | None]] = deque(maxlen=POINTS)
        self._before: tuple[float, int, dict[str, int]] | None = None

    def add(self, at: float, status: dict[str, Any] | None) -> None:
        """Take a status at a Unix time; None where there's no relay."""
        if status is None:
            self._before = None
            self._points.append({"at": at})
            return
        totals = _totals(status)
        if self._before is not None and self._before[1] != status["process"]:
            self._before = None  # another relay: what it counted since its start isn't a rate of ours
        if self._before is not None:
            self._points.append(
                {"at": at, "sessions": status["allocations"]} | _rates(at - self._before[0], self._before[2], totals)
            )
        self._before = (at, status["process"], totals)

    def since(self, at: float) -> list[dict[str, float | None]]:
        """Return the points behind a Unix time."""
        return [each for each in self._points if (each["at"] or 0) > at]


def _totals(status: dict[str, Any]) -> dict[str, int]:
    traffic = status["traffic"]
    return {
        "up": traffic["up_bytes"],
        "down": traffic["down_bytes"],
        "all": traffic["up_bytes"] + traffic["down_bytes"],
        "kernel": traffic["kernel_bytes"],
        "refused": sum(status["refused"].values()),
        "dropped": sum(status["dropped"].values()),
    }


def _rates(seconds: float, before: dict[str, int], now: dict[str, int]) -> dict[str, float | None]:
    """Return bits, refusals and drops a second, and how much of the bytes the kernel carried in percent."""
    grown = {name: max(0, now[name] - before[name]) for name in now}
    seconds = max(seconds, 0.001)
    share = min(100.0, 100 * grown["kernel"] / grown["all"]) if grown["all"] else None
    return {
        "up": grown["up"] * _BITS / seconds,
        "down": grown["down"] * _BITS / seconds,
        "kernel": share,
        "refused": grown["refused"] / seconds,
        "dropped": grown["dropped"] / seconds,
    }
