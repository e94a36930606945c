"""Figures as small pictures of letters, for a terminal of 80 columns.

    12.4 ms ┤      ▂                          latency over time: the highest of each column
            ┤▁▁▂▁▁▁█▁▁▁▁▃▁▁
     0.0 ms ┤█████████████████    ×           × where packets were lost

Rule 1: an axis begins at 0; what is no number stays empty.
"""

import itertools

from edgeturn.probing.figures import quantile

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_BARS = " ▏▎▍▌▋▊▉█"
_WIDTH, _HEIGHT = 64, 5
_BUCKETS = 6
_BAR_WIDTH = 40
_LOST = "×"


def over_time(latencies: list[float | None], seconds: float) -> list[str]:
    """Return lines that show latency, in milliseconds, over time."""
    columns = _columns(latencies)
    highest = max((each for column in columns for each in column if each is not None), default=0.0) or 1.0
    heights = [max((each for each in column if each is not None), default=None) for column in columns]
    rows = []
    for row in range(_HEIGHT - 1, -1, -1):
        label = {_HEIGHT - 1: f"{highest:.1f} ms", 0: "0 ms"}.get(row, "")
        rows.append(f"{label:>10} ┤" + "".join(_cell(height, highest, row) for height in heights).rstrip())
    lost = "".join(_LOST if None in column else " " for column in columns).rstrip()
    rows.append(f"{'lost':>10} ┤{lost}" if lost else f"{'':>10} └{'─' * len(columns)}")
    return [*rows, f"{'':>12}0 s{f'{seconds:.0f} s':>{max(len(columns) - 3, 4)}}"]


def histogram(latencies: list[float | None]) -> list[str]:
    """Return lines that show how often which latency was; the last bucket holds all that is above."""
    known = [each for each in latencies if each is not None]
    if not known:
        return []
    lowest, top = min(known), quantile(known, 0.99) or 0.0
    step = (top - lowest) / _BUCKETS or 0.1
    counts = [0] * (_BUCKETS + 1)
    for each in known:
        counts[min(int((each - lowest) / step), _BUCKETS)] += 1
    most = max(counts)
    labels = [f"{lowest + number * step:.2f} ms" for number in range(_BUCKETS)]
    labels.append(f"≥ {lowest + _BUCKETS * step:.2f} ms")
    rows = [
        f"{label:>12} {_bar(count / most):<{_BAR_WIDTH}} {count}" for label, count in zip(labels, counts, strict=True)
    ]
    return rows if counts[-1] else rows[:-1]


def _columns(latencies: list[float | None]) -> list[list[float | None]]:
    """Return what each column of a picture shows."""
    width = min(_WIDTH, len(latencies)) or 1
    bounds = [number * len(latencies) // width for number in range(width + 1)]
    return [latencies[start:end] for start, end in itertools.pairwise(bounds)]


def _cell(height: float | None, highest: float, row: int) -> str:
    if height is None:
        return " "
    eighths = max(round(height / highest * _HEIGHT * 8), 1) - 8 * row
    return _EIGHTHS[min(max(eighths, 0), 8)]


def _bar(share: float) -> str:
    eighths = round(share * _BAR_WIDTH * 8)
    return _BARS[8] * (eighths // 8) + (_BARS[eighths % 8] if eighths % 8 else "")
