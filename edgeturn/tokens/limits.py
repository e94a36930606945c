"""How often something may be done: one number for each who does it, the time at which all is paid back (GCRA).

Rule 1: the table of strangers has a fixed size; who shares a place in it shares what it may do. A random key keeps
        anybody from choosing whose place to share.
"""

import hashlib
import math
import secrets
from array import array

_PLACES = 4096
_SECONDS = 60


def take(paid_at: float, now: float, per_minute: int, burst: int) -> tuple[float, int]:
    """Return when all is paid back after one more, and 0; or, where that is too much, the seconds to wait."""
    interval = _SECONDS / per_minute
    due = max(paid_at, now)
    too_much = due + interval - now - burst * interval
    if too_much > 1e-9:
        return paid_at, max(1, math.ceil(too_much))
    return due + interval, 0


class KeyRates:
    """What each key may ask for in a minute."""

    def __init__(self) -> None:
        """Begin with nobody having asked."""
        self._paid_at: dict[str, float] = {}

    def take(self, key: str, per_minute: int, now: float) -> int:
        """Count a request; return 0, or the seconds to wait where it is one too many."""
        if not per_minute:
            return 0
        self._paid_at[key], wait = take(self._paid_at.get(key, 0.0), now, per_minute, per_minute)
        return wait

    def keep(self, keys: set[str]) -> None:
        """Forget all but some keys."""
        self._paid_at = {key: at for key, at in self._paid_at.items() if key in keys}


class Failures:
    """How often strangers at one address may fail to prove themselves before they're told to wait."""

    def __init__(self, per_minute: int = 20) -> None:
        """Take how many failures a minute are answered as what they are."""
        self._per_minute = per_minute
        self._paid_at = array("d", bytes(8 * _PLACES))
        self._key = secrets.token_bytes(16)

    def take(self, source: str, now: float) -> int:
        """Count a failure; return 0, or the seconds to wait where it is one too many."""
        digest = hashlib.blake2b(source.encode(), digest_size=4, key=self._key).digest()
        place = int.from_bytes(digest) % _PLACES
        self._paid_at[place], wait = take(self._paid_at[place], now, self._per_minute, self._per_minute)
        return wait
