"""Amounts in a few letters, for columns: rates, times, shares."""

_FACTORS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_PARTS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def short(amount: float) -> str:
    """Return an amount in at most five letters: 0, 0.3, 12, 1.2k, 34M."""
    for factor, letter in _FACTORS:
        if amount >= 0.9995 * factor:
            return _digits(amount / factor) + letter
    return _digits(amount)


def _digits(amount: float) -> str:
    if amount == int(amount) or amount >= 9.95:
        return f"{amount:.0f}"
    return f"{amount:.1f}" if amount >= 0.05 else "0"


def bits(per_second: float) -> str:
    """Return a rate in bits as people write it."""
    return _with_unit(short(per_second), "bit/s")


def packets(per_second: float) -> str:
    """Return a rate of packets as people write it."""
    return _with_unit(short(per_second), "pkt/s")


def _with_unit(number: str, unit: str) -> str:
    if number[-1].isalpha():
        return f"{number[:-1]} {number[-1]}{unit}"
    return f"{number} {unit}"


def share(part: float | None) -> str:
    """Return a share of one as a percentage, a dash where there is nothing to share."""
    return "-" if part is None else f"{part * 100:.0f} %"


def span(seconds: int) -> str:
    """Return a time in at most six letters, its two largest parts."""
    rest = max(seconds, 0)
    told: list[str] = []
    for size, letter in _PARTS:
        count, rest = divmod(rest, size)
        if told or count or size == 1:
            told.append(f"{count}{letter}")
    return "".join(told[:2])
