"""What is computed from packets that came or didn't, and the pictures of it."""

import pytest

from edgeturn.probing import plot
from edgeturn.probing.figures import Arrival, Figures, compute, quantile

MILLISECOND = 1_000_000


def figures(*came: tuple[int, float], sent: int = 5) -> Figures:
    """Compute from packets sent every 20 ms; a row is a number and its latency in milliseconds."""
    times = [number * 20 * MILLISECOND for number in range(sent)]
    return compute(times, [Arrival(number, times[number] + round(latency * MILLISECOND)) for number, latency in came])


def test_all_that_came() -> None:
    found = figures((0, 10), (1, 12), (2, 11), (3, 30), (4, 10))
    assert (found.sent, found.received, found.lost, found.duplicates, found.reordered) == (5, 5, 0, 0, 0)
    assert (found.minimum, found.median, found.p95, found.maximum) == (10, 11, 30, 30)
    assert found.loss == 0 and found.latencies == [10, 12, 11, 30, 10]


def test_rfc3550_6_4_1_jitter() -> None:
    expected = 0.0
    for difference in (2, 1, 19, 20):
        expected += (difference - expected) / 16
    assert figures((0, 10), (1, 12), (2, 11), (3, 30), (4, 10)).jitter == pytest.approx(expected)


def test_what_is_lost_is_none() -> None:
    found = figures((0, 10), (3, 10))
    assert (found.received, found.lost, found.loss) == (2, 3, 60)
    assert found.latencies == [10, None, None, 10, None] and found.jitter == 0


def test_rfc4737_what_comes_behind_a_later_one_is_reordered() -> None:
    assert figures((0, 1), (2, 1), (1, 30), (4, 1), (3, 50)).reordered == 2


def test_a_copy_counts_once() -> None:
    found = figures((0, 1), (0, 2), (0, 3))
    assert (found.received, found.duplicates, found.maximum) == (1, 2, 1)


def test_nothing_came() -> None:
    found = figures()
    assert (found.received, found.loss, found.minimum, found.median, found.jitter) == (0, 100, None, None, None)


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([], 0.5, None), ([7.0], 0.95, 7), ([1.0, 2, 3, 4], 0.5, 2), ([float(n) for n in range(1, 101)], 0.95, 95)],
)
def test_quantile(values: list[float], share: float, expected: float | None) -> None:
    assert quantile(values, share) == expected


def test_latency_over_time() -> None:
    lines = plot.over_time([1.0, 2.0, None, 12.0], 2)
    assert lines == [
        "   12.0 ms ┤   █",
        "           ┤   █",
        "           ┤   █",
        "           ┤   █",
        "      0 ms ┤▃▇ █",
        "      lost ┤  ×",
        "            0 s 2 s",
    ]


@pytest.mark.parametrize("latencies", [[], [None], [0.0], [None] * 500, [float(n % 7) for n in range(12_000)]])
def test_pictures_fit_80_columns(latencies: list[float | None]) -> None:
    lines = plot.over_time(latencies, 60) + plot.histogram(latencies)
    assert all(len(line) <= 79 for line in lines) and len(lines) <= 14


def test_histogram_counts_each_packet_once() -> None:
    lines = plot.histogram([1.0, 1.0, 1.1, 5.0, None, 1000.0])
    assert sum(int(line.split()[-1]) for line in lines) == 5
