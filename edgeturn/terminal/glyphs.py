"""The letters that are drawn with: those of Unicode, or ASCII where the terminal has no others.

Linux's own console has a font without the eight heights of bars; a locale or --ascii may forbid them as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Glyphs:
    """Bars from low to high, the marks of a rising and of a falling order, what separates and what follows."""

    bars: str
    rising: str
    falling: str
    dot: str
    more: str
    arrows: str


UNICODE = Glyphs("▁▂▃▄▅▆▇█", "▲", "▼", "·", "…", "↑ ↓")
ASCII = Glyphs("_.-=+*%#", "^", "v", "|", "~", "up and down")


def glyphs(encoding: str, environment: Mapping[str, str]) -> Glyphs:
    """Return what a terminal can show, by the encoding of what is printed and by the environment."""
    if environment.get("TERM") == "linux" or environment.get("LC_ALL") in ("C", "POSIX"):
        return ASCII
    return UNICODE if encoding.lower().replace("-", "") == "utf8" else ASCII
