"""What a measurement leaves: samples, median and spread, ratios within a repetition, and a goal that is met or not.

Rule 1: a ratio is taken between samples of the same repetition; the machine's weather then cancels out.
Rule 2: "met" is computed from the measured median, never written down.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

Samples = list[float]
Row = tuple[str, ...]


@dataclass
class Section:
    """One table: a title, a sentence about the method, rows, lines below it, and the raw samples."""

    title: str
    method: str
    header: Row
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    samples: dict[str, Samples] = field(default_factory=dict)
    verdicts: dict[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class Goal:
    """A bound for a median, in words that stand in a table."""

    bound: float
    at_least: bool = False

    def met(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound

    def words(self) -> str:
        return f"{'>=' if self.at_least else '<='}{self.bound:g}"


def ratios(samples: Samples, others: Samples) -> Samples:
    return [a / b for a, b in zip(samples, others, strict=False) if b]


def differences(samples: Samples, others: Samples) -> Samples:
    return [a - b for a, b in zip(samples, others, strict=False)]


def spread(samples: Sequence[float], form: str = ".2f") -> str:
    """Return `median [min-max]`, or a dash for nothing measured."""
    if not samples:
        return "-"
    if len(samples) == 1:
        return f"{samples[0]:{form}}"
    return f"{median(samples):{form}} [{min(samples):{form}}-{max(samples):{form}}]"


def middle(samples: Sequence[float], form: str = ".2f") -> str:
    return f"{median(samples):{form}}" if samples else "-"


def judge(
    section: Section,
    name: str,
    samples: Sequence[float],
    goal: Goal | None,
    show: Callable[[Sequence[float]], str] = middle,
) -> str:
    """Return the cell for a figure that has a goal, and keep the verdict."""
    if not samples or goal is None:
        return show(samples)
    met = goal.met(median(samples))
    section.verdicts[f"{name} {goal.words()}"] = met
    return f"{show(samples)} {goal.words()} {'met' if met else 'missed'}"
