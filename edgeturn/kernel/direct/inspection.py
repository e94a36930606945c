"""What the kernel carries, read from a relay's pinned maps: nothing is changed.

Rule 1: a flow is shown at the interface by which its packets come in: the one that the flow back leaves by. One that
        nothing came back for yet is counted in the sum only.
"""

from collections import namedtuple
from struct import unpack_from

from edgeturn import seam
from edgeturn.kernel import flows, maps, mounts
from edgeturn.kernel.bpf import index
from edgeturn.kernel.direct import interfaces
from edgeturn.kernel.direct.netlink import Netlink
from edgeturn.kernel.flows import COUNTER_SIZE, TC, XDP, Hook
from edgeturn.kernel.hooks import CHANGES, SETTINGS, Hooks, tally
from edgeturn.kernel.maps import Maps
from edgeturn.relay.configuration import Configuration

_ROUTE_EXPIRES, _INTERFACE = 24, 32  # offsets in struct counter
_FINAL = ("seen", "carried", "bandwidth")  # the packet goes no further
_ENOENT = 2
_CARRIED = [name for name, _ in flows.OUTCOMES].index("carried")


# A hook, and what it did: number and name of its interface, TC or XDP, its state, why it was given up, its program,
# whether XDP may send packets out by the interface, and what came in there.
Place = namedtuple(
    "Place",
    ("number", "interface", "kind", "state", "reason", "program", "redirects", "flows", "packets", "bytes"),
)

# What there is: hooks, live flows in all, those of which it isn't known yet by which interface they come in (rule 1),
# packets by the name of their outcome, and names of the interfaces at which attaching changed something, by CLSACT, …
Inspection = namedtuple("Inspection", ("places", "flows", "unplaced", "outcomes", "changed"))


def folder_of(settings: Configuration) -> str:
    """Return where a relay's pins are."""
    parent = mounts.absolute(settings.text("kernel_pins"))
    return maps.folder(parent, maps.instance(settings.text("control")))


def inspect(folder: str) -> "Inspection | None":
    """Return what is pinned in a folder, None where nothing is; OSError where it can't be read."""
    try:
        opened = maps.open_all(folder)
    except OSError as error:
        if error.args[0] != _ENOENT:
            raise
        return None
    try:
        return _inspect(opened)
    finally:
        opened.close()


def changes(folder: str) -> "dict[int, list[str]]":
    """Return at which interfaces attaching changed what, as far as pins tell that."""
    try:
        found = inspect(folder)
    except OSError:  # of another version: detaching works all the same
        return {}
    return found.changed if found else {}


def _inspect(opened: Maps) -> Inspection:
    with Netlink() as netlink:
        links = interfaces.read(netlink)
    entering = _entering(opened)
    everything = Hooks(opened.hooks).taken()
    names = {hook.interface: _name(links, hook.interface) for _, hook in everything}
    taken = [(place, hook) for place, hook in everything if hook.kind != SETTINGS]
    places = [_place(opened, place, hook, names[hook.interface], entering) for place, hook in taken]
    changed = {
        change: sorted([names[hook.interface] for _, hook in everything if hook.changed & change]) for change in CHANGES
    }
    places.sort(key=lambda each: (each.interface, each.kind))
    outcomes = _outcomes(opened, taken)
    return Inspection(places, sum(entering.values()), entering.get(0, 0), outcomes, changed)


def _place(opened: Maps, place: int, hook: Hook, name: str, entering: "dict[int, int]") -> Place:
    redirects = hook.kind == XDP and opened.devices.get(index(hook.interface)) is not None
    packets, size = tally(opened.tallies, place, _CARRIED)
    numbers = (redirects, entering.get(hook.interface, 0), packets, size)
    return Place(hook.interface, name, hook.kind, hook.state, hook.reason, hook.program, *numbers)


def _outcomes(opened: Maps, taken: "list[tuple[int, Hook]]") -> "dict[str, int]":
    """Return packets by the name of their outcome; what XDP passes is counted by tc behind it, where that is there."""
    behind = {hook.interface for _, hook in taken if hook.kind == TC}
    found = {}
    for number, (name, _) in enumerate(flows.OUTCOMES):
        places = [place for place, hook in taken if name in _FINAL or hook.kind == TC or hook.interface not in behind]
        found[name] = sum([tally(opened.tallies, place, number)[0] for place in places])
    return found


def _entering(opened: Maps) -> "dict[int, int]":
    """Return how many live flows enter by each interface, those of which it isn't known yet at 0."""
    found: dict[int, int] = {}
    now = seam.clock()
    listed = opened.flows.keys()
    for each in listed:
        value = opened.flows.get(each)
        if value is None:  # ended meanwhile
            continue
        flow = flows.read_flow(value)
        if flow.expires > now:
            back = opened.flows.get(flows.key(flow.source, flow.destination, flow.channel))
            interface = 0 if back is None else _way_out(opened, flows.read_flow(back).counter)
            found[interface] = found.get(interface, 0) + 1
    return found


def _way_out(opened: Maps, counter: int) -> int:
    """Return the interface by which a flow left last, on whichever CPU; 0 for none yet."""
    value = opened.counters.get(index(counter)) or b""
    last = (0, 0)
    for at in range(0, len(value), COUNTER_SIZE):
        last = max(last, unpack_from("Q", value, at + _ROUTE_EXPIRES) + unpack_from("I", value, at + _INTERFACE))
    return last[1]


def _name(links: "dict[int, interfaces.Link]", number: int) -> str:
    """Return the name of an interface, its number in words where it's gone."""
    return links[number].name if number in links else f"number {number}, gone"
