"""What keeps media out of the kernel although a relay is attached: asked from the kernel through pyroute2.

Rule 1: nothing is changed.
"""

from contextlib import suppress
from typing import NamedTuple

from pyroute2 import IPRoute

from edgeturn.kernel import flows, maps
from edgeturn.kernel.attaching import filters, forwarding, gro, interfaces, xdp
from edgeturn.kernel.attaching.inspection import Place
from edgeturn.kernel.flows import TC, XDP
from edgeturn.relay.configuration import Configuration


class Survey(NamedTuple):
    """Names of interfaces, by what is amiss there."""

    removed: list[str]  # somebody took the program away
    losing: list[str]  # XDP sends packets out by them, and their drivers take none
    appeared: list[str]  # not attached, and found now
    joining: list[str]  # GRO's fraglists are on, and tc meets them
    closed: dict[int, list[str]]  # forwarding of a family is off
    advertised: list[str]  # their IPv6 default routes would go with forwarding


def survey(settings: Configuration, places: list[Place]) -> Survey:
    """Look at the interfaces of a relay and of its hooks."""
    with IPRoute() as netlink:
        links = interfaces.read(netlink)
        attached = {place.number: links[place.number] for place in places if place.number in links}
        proven = {(place.number, place.kind) for place in places if place.state == flows.PROVEN}
        by_tc = [link for link in attached.values() if (link.number, TC) in proven]
        below = {
            found for link in by_tc if (link.number, XDP) not in proven for found in interfaces.receivers(links, link)
        }
        return Survey(
            removed=_removed(netlink, settings, [place for place in places if place.number in links]),
            losing=[place.interface for place in places if place.redirects and _is_deaf(place.number)],
            appeared=[link.name for link in interfaces.find(netlink, settings) if link.number not in attached],
            joining=sorted(link.name for link in below if _joins(link.name)),
            closed={
                family: sorted(link.name for link in by_tc if not forwarding.is_on(link.name, family))
                for family in interfaces.families(settings)
            },
            advertised=forwarding.loses_routes(netlink),
        )


def _removed(netlink: IPRoute, settings: Configuration, places: list[Place]) -> list[str]:
    name = maps.instance(settings.text("control"))
    gone = set()
    for place in places:
        if place.state == flows.PROVEN:
            if place.kind == TC:
                there = bool(filters.own(netlink, place.number, name))
            else:
                there = xdp.program(netlink, place.number) == place.program
            if not there:
                gone.add(place.interface)
    return sorted(gone)


def _is_deaf(interface: int) -> bool:
    """Say whether a driver announces that it takes no redirects: a veth's doesn't once its far end stops to poll."""
    announced = xdp.features(interface)
    return announced is not None and not announced & xdp.TAKES_REDIRECTS


def _joins(interface: str) -> bool:
    with suppress(OSError):  # some devices have no features, and one may be gone by now
        return gro.is_on(interface)
    return False
