"""What keeps media out of the kernel although a relay is attached: asked from the kernel through netlink.

Rule 1: nothing is changed.
"""

from collections import namedtuple

from edgeturn.kernel import flows, maps
from edgeturn.kernel.direct import filters, forwarding, gro, interfaces
from edgeturn.kernel.direct.inspection import Place
from edgeturn.kernel.direct.interfaces import Link
from edgeturn.kernel.direct.netlink import Netlink
from edgeturn.kernel.flows import TC, XDP
from edgeturn.kernel.hooks import FORWARDING_IPV4, FORWARDING_IPV6, GRO
from edgeturn.protocol.address import IPV4, IPV6
from edgeturn.relay.configuration import Configuration

# Names of interfaces, by what is amiss there:
#   removed     hooks, as name and kind, whose program somebody took away
#   losing      XDP sends packets out by them, and their drivers take none
#   idle        XDP is there and sends nothing out, for these others take no packets from it
#   appeared    not attached, and found now
#   asleep      would be found if they were up
#   joining     GRO's fraglists are on, and tc meets them
#   closed      forwarding is off, by family
#   advertised  their IPv6 default routes would go with forwarding
# What is lost and idle under XDP, edgeturn/kernel/attaching/survey.py adds.
Survey = namedtuple("Survey", ("removed", "losing", "idle", "appeared", "asleep", "joining", "closed", "advertised"))


def survey(settings: Configuration, places: "list[Place]") -> Survey:
    """Look at the interfaces of a relay and of its hooks."""
    with Netlink() as netlink:
        links = interfaces.read(netlink)
        here = [place for place in places if place.number in links]
        attached = [place.number for place in here]
        by_tc, joining = _met_by_tc(links, [place for place in here if place.state == flows.PROVEN])
        closed = {
            family: sorted([link.name for link in by_tc if not forwarding.is_on(link.name, family)])
            for family in interfaces.families(settings)
        }
        appeared = [link.name for link in interfaces.find(netlink, settings) if link.number not in attached]
        removed = _removed(netlink, settings, links, here)
        asleep = interfaces.asleep(netlink, settings)
        return Survey(removed, [], {}, appeared, asleep, joining, closed, forwarding.loses_routes(netlink))


def _met_by_tc(links: "dict[int, Link]", proven: "list[Place]") -> "tuple[list[Link], list[str]]":
    """Return the interfaces that have tc, and the names of those where it meets joined datagrams."""
    hooks = [(place.number, place.kind) for place in proven]
    by_tc = [links[number] for number, kind in hooks if kind == TC]
    alone = [link for link in by_tc if (link.number, XDP) not in hooks]
    below = {found.name for link in alone for found in interfaces.receivers(links, link)}
    return by_tc, sorted([name for name in below if _joins(name)])


def unpinned(settings: Configuration) -> "list[str]":
    """Return the interfaces that have a relay's filters: told by their names, which is all where its pins are gone."""
    name = maps.instance(settings.text("control"))
    with Netlink() as netlink:
        links = interfaces.read(netlink).values()
        return sorted([link.name for link in links if filters.own(netlink, link.number, name)])


def asleep(settings: Configuration) -> "list[str]":
    """Return the interfaces that a relay would be attached to if they were up."""
    with Netlink() as netlink:
        return interfaces.asleep(netlink, settings)


def put_back(changed: "dict[int, list[str]]") -> "dict[int, list[str]]":
    """Return which of the changes are undone now: names of interfaces by GRO, FORWARDING_IPV4, FORWARDING_IPV6."""
    undone = {
        FORWARDING_IPV4: lambda name: not forwarding.is_on(name, IPV4),
        FORWARDING_IPV6: lambda name: not forwarding.is_on(name, IPV6),
        GRO: _joins,
    }
    return {
        change: [name for name in changed.get(change, ()) if is_undone(name)] for change, is_undone in undone.items()
    }


def _removed(
    netlink: Netlink, settings: Configuration, links: "dict[int, Link]", places: "list[Place]"
) -> "list[tuple[str, int]]":
    """Return the hooks, as name and kind, whose program somebody took away."""
    name = maps.instance(settings.text("control"))
    gone = set()
    for place in places:
        if place.state == flows.PROVEN:
            if place.kind == TC:
                there = len(filters.own(netlink, place.number, name)) > 0
            else:
                there = links[place.number].xdp == place.program
            if not there:
                gone.add((place.interface, place.kind))
    return sorted(gone)


def _joins(interface: str) -> bool:
    try:
        return gro.is_on(interface)
    except OSError:  # some devices have no features, and one may be gone by now
        return False
