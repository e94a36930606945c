"""What makes useless what a person is about to paste into an application, found before it's printed.

Rule: the relay runs nevertheless; a router's clock and its way out come a minute after it was switched on.
"""

from edgeturn import seam
from edgeturn.command import ice
from edgeturn.command.output import date_text
from edgeturn.relay import network

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.relay.configuration import Configuration

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


def left_out(settings: "Configuration") -> "list[str]":
    """Return a sentence where applications aren't told all URIs."""
    left = ice.left_out(settings)
    if not left:
        return []
    return [f"Left out, for browsers warn of five servers: {', '.join(left)}. Option `ice_uri` says which to give."]
