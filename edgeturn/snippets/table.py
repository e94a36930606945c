"""All applications, in the order in which they are listed; found by name, by another name, or by one that is near."""

from difflib import get_close_matches

from edgeturn.command.failure import Wrong
from edgeturn.snippets import matrix, media, meetings, programs, xmpp
from edgeturn.snippets.application import Application

APPLICATIONS: tuple[Application, ...] = (
    *matrix.APPLICATIONS,
    *meetings.APPLICATIONS,
    *xmpp.APPLICATIONS,
    *media.APPLICATIONS,
    *programs.APPLICATIONS,
)
_NAMES = {name: each for each in APPLICATIONS for name in (each.name, *each.aliases)}
_MOST = 3  # names that are near


def find(name: str) -> Application:
    """Return an application; Wrong, with the names that are near, where there is none."""
    known = name.strip().lower().replace(" ", "-").replace("_", "-")
    if known not in _NAMES:
        raise Wrong(f"there is no snippet for '{name}'{_near(known)}; `edgeturn snippet` lists what there is.")
    return _NAMES[known]


def _near(name: str) -> str:
    inside = [each for each in _NAMES if len(name) > 2 and name in each]
    near = list(dict.fromkeys([*get_close_matches(name, _NAMES, _MOST), *inside]))[:_MOST]
    return f", but for {', '.join(near)}" if near else ""
