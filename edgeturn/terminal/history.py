"""What was seen of the relay: the last picture, sixty samples of each rate, restarts and silences.

Rule 1: sixty samples and no more, however long somebody watches.
"""

from collections import deque
from dataclasses import dataclass, field

from edgeturn.terminal.picture import Look, Picture, is_restarted, picture

SAMPLES = 60


@dataclass
class Series:
    """The samples of each rate, oldest first; None where there was nothing to measure."""

    up_bits: deque[float | None] = field(default_factory=lambda: deque(maxlen=SAMPLES))
    down_bits: deque[float | None] = field(default_factory=lambda: deque(maxlen=SAMPLES))
    up_packets: deque[float | None] = field(default_factory=lambda: deque(maxlen=SAMPLES))
    down_packets: deque[float | None] = field(default_factory=lambda: deque(maxlen=SAMPLES))
    kernel: deque[float | None] = field(default_factory=lambda: deque(maxlen=SAMPLES))


class History:
    """What somebody who watches has seen."""

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self.series = Series()
        self.picture: Picture | None = None
        self.restarted = ""  # when another relay was seen last
        self.silent = ""  # why none answers
        self.silent_since = ""
        self._last: Look | None = None

    def see(self, look: Look, clock: str) -> None:
        """Take a look at the relay, at a time of day."""
        before = self._last
        if before is not None and is_restarted(before, look):
            self.restarted, before = clock, None
        self._last, self.silent, self.silent_since = look, "", ""
        self.picture = picture(before, look, self.picture)
        if before is not None:
            self._sample(self.picture)

    def miss(self, reason: str, clock: str) -> None:
        """Note that the relay didn't answer, and why; the last picture stays."""
        self.silent, self.silent_since = reason, self.silent_since or clock

    def _sample(self, seen: Picture) -> None:
        for name, samples in vars(self.series).items():
            samples.append(getattr(seen.rates, name))
