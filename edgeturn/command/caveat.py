"""What makes useless what a person is about to paste into an application, found before it's printed.

Rule: the relay runs nevertheless; a router's clock and its way out come a minute after it was switched on.
"""

from edgeturn import seam
from edgeturn.command.output import date_text
from edgeturn.relay import network

_BORN = 1767225600  # 2026-01-01: no clock that is right says less


def clock() -> "list[str]":
    """Return a sentence where the clock is wrong."""
    now = seam.wall()
    if now >= _BORN:
        return []
    wrong = f"This machine's clock says {date_text(now)}: a credential made now has expired for everybody else."
    return [f"{wrong} Set it: `ntpd -nq -p pool.ntp.org`, or `date -u -s 'YYYY-MM-DD hh:mm'`."]


def way_out() -> "list[str]":
    """Return a sentence where there is no route to the internet."""
    if network.default_sources():
        return []
    return [
        "This machine has no route to the internet: nobody elsewhere reaches it yet; `ip route` shows what is there."
    ]
