"""What keeps media out of the kernel although a relay is attached: asked from the kernel through pyroute2.

Rule 1: nothing is changed.
"""

from contextlib import suppress
from typing import NamedTuple

from pyroute2 import IPRoute

from edgeturn.kernel import flows, maps
from edgeturn.kernel.attaching import filters, forwarding, gro, interfaces, xdp
from edgeturn.kernel.attaching.hooks import FORWARDING_IPV4, FORWARDING_IPV6, GRO
from edgeturn.kernel.attaching.inspection import Place
from edgeturn.kernel.flows import TC, XDP
from edgeturn.protocol.address import IPV4, IPV6
from edgeturn.relay.configuration import Configuration

Hooked = tuple[str, int]  # name of an interface, and TC or XDP


class Survey(NamedTuple):
    """Names of interfaces, by what is amiss there."""

    removed: list[Hooked]  # somebody took the program away
    losing: list[str]  # XDP sends packets out by them, and their drivers take none
    idle: dict[str, list[str]]  # XDP is there and sends nothing out, for these others take no packets from it
    appeared: list[str]  # not attached, and found now
    asleep: list[str]  # would be found if they were up
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
            idle=_idle(places),
            appeared=[link.name for link in interfaces.find(netlink, settings) if link.number not in attached],
            asleep=interfaces.asleep(netlink, settings),
            joining=sorted(link.name for link in below if _joins(link.name)),
            closed={
                family: sorted(link.name for link in by_tc if not forwarding.is_on(link.name, family))
                for family in interfaces.families(settings)
            },
            advertised=forwarding.loses_routes(netlink),
        )


def unpinned(settings: Configuration) -> list[str]:
    """Return the interfaces that have a relay's filters: told by their names, which is all where its pins are gone."""
    name = maps.instance(settings.text("control"))
    with IPRoute() as netlink:
        return sorted(
            link.name for link in interfaces.read(netlink).values() if filters.own(netlink, link.number, name)
        )


def asleep(settings: Configuration) -> list[str]:
    """Return the interfaces that a relay would be attached to if they were up."""
    with IPRoute() as netlink:
        return interfaces.asleep(netlink, settings)


def put_back(changed: dict[int, list[str]]) -> dict[int, list[str]]:
    """Return which of the changes are undone now: names of interfaces by GRO, FORWARDING_IPV4, FORWARDING_IPV6."""
    undone = {
        FORWARDING_IPV4: lambda name: not forwarding.is_on(name, IPV4),
        FORWARDING_IPV6: lambda name: not forwarding.is_on(name, IPV6),
        GRO: _joins,
    }
    return {
        change: [name for name in changed.get(change, ()) if is_undone(name)] for change, is_undone in undone.items()
    }


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


def _removed(netlink: IPRoute, settings: Configuration, places: list[Place]) -> list[Hooked]:
    name = maps.instance(settings.text("control"))
    gone = set()
    for place in places:
        if place.state == flows.PROVEN:
            if place.kind == TC:
                there = bool(filters.own(netlink, place.number, name))
            else:
                there = xdp.program(netlink, place.number) == place.program
            if not there:
                gone.add((place.interface, place.kind))
    return sorted(gone)


def _is_deaf(interface: int) -> bool:
    """Say whether a driver announces that it takes no redirects: a veth's doesn't once its far end stops to poll."""
    announced = xdp.features(interface)
    return announced is not None and not announced & xdp.TAKES_REDIRECTS


def _joins(interface: str) -> bool:
    with suppress(OSError):  # some devices have no features, and one may be gone by now
        return gro.is_on(interface)
    return False
