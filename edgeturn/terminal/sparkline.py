"""A series of samples as one line of small bars."""

from collections.abc import Iterable


def sparkline(samples: Iterable[float | None], columns: int, most: float, bars: str) -> str:
    """Return the last samples, a bar each as high as it is a part of the most; a gap where nothing was measured."""
    shown = list(samples)[-columns:] if columns > 0 else []
    return "".join([_bar(each, most, bars) for each in shown])


def _bar(sample: float | None, most: float, bars: str) -> str:
    if sample is None:
        return " "
    if sample <= 0 or most <= 0:
        return bars[0]
    return bars[min(1 + int(sample / most * (len(bars) - 1)), len(bars) - 1)]
