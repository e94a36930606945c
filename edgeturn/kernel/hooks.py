"""Who is attached where: the table `hooks`, which outlives the process that fills it.

Rule 1: a place belongs to one interface and one kind of hook for as long as it's taken; its tallies begin at zero.
Rule 2: what was changed on an interface stands in the place of its tc program, or, where none is, in one of kind 0.
"""

from edgeturn.kernel import flows
from edgeturn.kernel.bpf import Map, index
from edgeturn.kernel.flows import Hook

# What `detach` must undo.
CHANGES = CLSACT, GRO, FORWARDING_IPV4, FORWARDING_IPV6 = 1, 2, 4, 8
SETTINGS = 0  # the kind of a place where nothing is attached and only settings were changed

_OUTCOMES = len(flows.OUTCOMES)
REASONS = {name: number for number, (name, _) in enumerate(flows.HOOK_REASONS)}


class Unattachable(Exception):
    """What can't be attached to, in one sentence, with what to do."""


class Hooks:
    """The table of one relay."""

    def __init__(self, table: Map) -> None:
        """Take the open map."""
        self._table = table
        self._hooks = [flows.read_hook(table.get(index(place)) or b"") for place in range(table.entries)]

    def taken(self) -> "list[tuple[int, Hook]]":
        """Return the places that aren't free, with what is there."""
        return [(place, hook) for place, hook in enumerate(self._hooks) if hook.interface]

    def find(self, interface: int, kind: int) -> "tuple[int, Hook] | None":
        """Return the place of a kind at an interface, with what is there; None where it has none."""
        for place, hook in self.taken():
            if (hook.interface, hook.kind) == (interface, kind):
                return place, hook
        return None

    def take(self, interface: int, kind: int, tallies: "Map | None" = None) -> "tuple[int, Hook]":
        """Return the place of a kind at an interface, or else a new one, its tallies zero; Unattachable for none."""
        found = self.find(interface, kind)
        if found is not None:
            return found
        for place, hook in enumerate(self._hooks):
            if not hook.interface:
                if tallies is not None:
                    _begin(tallies, place)
                return place, self.write(place, Hook(interface, kind))
        raise Unattachable(f"all {len(self._hooks)} places for hooks are taken; `edgeturn kernel detach` frees them")

    def write(self, place: int, hook: Hook) -> Hook:
        """Keep what is at a place, and return it."""
        self._table.set(index(place), hook.pack())
        self._hooks[place] = hook
        return hook

    def free(self, place: int) -> None:
        """Let a place be taken by another."""
        self.write(place, Hook(0, 0))

    def remember(self, interface: int, change: int) -> None:
        """Keep that something was changed on an interface (rule 2)."""
        place, hook = self.find(interface, flows.TC) or self.take(interface, SETTINGS)
        hook.changed |= change
        self.write(place, hook)

    def forget(self, interface: int, change: int) -> bool:
        """Forget a change, and return whether there was one."""
        changed = False
        for place, hook in self.taken():
            if hook.interface == interface and hook.changed & change:
                changed = True
                hook.changed &= ~change
                self.write(place, hook)
        return changed


def tally(tallies: Map, place: int, outcome: int) -> "tuple[int, int]":
    """Return packets and bytes of an outcome at a place."""
    return flows.read_tally(tallies.get(index(place * _OUTCOMES + outcome)) or b"")


def _begin(tallies: Map, place: int) -> None:
    for outcome in range(_OUTCOMES):
        tallies.set(index(place * _OUTCOMES + outcome), bytes(flows.TALLY_SIZE))
