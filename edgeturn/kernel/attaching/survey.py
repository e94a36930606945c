"""What keeps media out of the kernel although XDP is attached, on top of what edgeturn/kernel/direct/survey.py finds.

Rule 1: nothing is changed.
"""

from edgeturn.kernel import flows
from edgeturn.kernel.attaching import xdp
from edgeturn.kernel.direct import survey as direct
from edgeturn.kernel.direct.inspection import Place
from edgeturn.kernel.direct.survey import Survey, asleep, put_back, unpinned
from edgeturn.kernel.flows import XDP
from edgeturn.relay.configuration import Configuration

__all__ = ("Survey", "asleep", "put_back", "survey", "unpinned")


def survey(settings: Configuration, places: list[Place]) -> Survey:
    """Look at the interfaces of a relay and of its hooks."""
    losing = [place.interface for place in places if place.redirects and _is_deaf(place.number)]
    return direct.survey(settings, places)._replace(losing=losing, idle=_idle(places))


def _idle(places: list[Place]) -> dict[str, list[str]]:
    """Return where XDP sends nothing out, with the others, which take nothing; one that's alone sends to itself."""
    proven = [each for each in places if each.state == flows.PROVEN]
    found = {}
    for each in proven:
        others = {other.number for other in proven} - {each.number} or {each.number}
        taking = {other.number for other in proven if other.redirects}
        if each.kind == XDP and not others & taking:
            found[each.interface] = sorted({other.interface for other in proven if other.number in others})
    return found


def _is_deaf(interface: int) -> bool:
    """Say whether a driver announces that it takes no redirects: a veth's doesn't once its far end stops to poll."""
    announced = xdp.features(interface)
    return announced is not None and not announced & xdp.TAKES_REDIRECTS
