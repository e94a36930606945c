"""Attaching a relay's program by tc and proving that it runs; taking all of it away again: on both interpreters.

XDP is put on top by edgeturn/kernel/attaching, where there is CPython with pyroute2; here it's only taken away, so that
whoever detaches takes away what either of them made.

Rule 1: attaching again changes nothing but the program, in one step.
Rule 2: what is written in `hooks` is enough to take everything away, whoever does it and whenever.
Rule 3: what another relay of this machine uses, too, becomes its to take away.
Rule 4: what is about to be done is written down first: who is killed half-way leaves nothing that `detach` can't find.
"""

import os
from errno import EEXIST

from edgeturn import seam
from edgeturn.kernel import bpf, flows, loader, maps, mounts, pins
from edgeturn.kernel.direct import filters, forwarding, gro, interfaces, probe, xdp
from edgeturn.kernel.direct.alone import Alone
from edgeturn.kernel.direct.inspection import folder_of
from edgeturn.kernel.direct.interfaces import Link
from edgeturn.kernel.direct.netlink import Netlink
from edgeturn.kernel.flows import TC, XDP, Hook
from edgeturn.kernel.hooks import CLSACT, FORWARDING_IPV4, FORWARDING_IPV6, GRO, REASONS, Hooks, Unattachable, tally
from edgeturn.kernel.maps import Maps
from edgeturn.protocol.address import IPV4, IPV6
from edgeturn.relay.configuration import Configuration
from edgeturn.relay.passwd import find_user

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from edgeturn.kernel.bpf import Map

_FORWARDING = {IPV4: FORWARDING_IPV4, IPV6: FORWARDING_IPV6}
_ENOENT, _ENODEV = 2, 19


class Row:
    """What became of a hook."""

    def __init__(self, interface: str, kind: int, state: int, reason: int) -> None:
        """Take the fields."""
        self.interface = interface
        self.kind = kind
        self.state = state
        self.reason = reason


def attach(
    settings: Configuration,
    names: "tuple[str, ...]" = (),
    forward: bool = False,
    again: bool = True,
    begin: "Callable[[Netlink, Maps, Configuration], Attaching] | None" = None,
) -> "list[Row]":
    """Attach to interfaces, by default to those that are found; return what became of each hook.

    forward: switch forwarding on; again: of no matter here, for tc is tried each time; begin: what attaches.
    Raises Unattachable, LoadError, and OSError where the kernel refuses.
    """
    _check_interpreter()
    before = _identity(settings)
    try:
        with Alone(), Netlink() as netlink:
            links = interfaces.named(netlink, tuple(names)) if names else interfaces.find(netlink, settings)
            return _attach(netlink, settings, links, forward, begin or Attaching) if links else []
    except Exception:
        if not before:  # maps without a program are of no use, and a relay would try to open them
            _clean(settings)
        raise


def _attach(
    netlink: Netlink,
    settings: Configuration,
    links: "list[Link]",
    forward: bool,
    begin: "Callable[[Netlink, Maps, Configuration], Attaching]",
) -> "list[Row]":
    before = _identity(settings)
    with _make(settings) as opened:
        attaching = begin(netlink, opened, settings)
        if _identity(settings) != before:  # programs that are attached have maps that nobody fills any more
            links = interfaces.ordered(links + attaching.attached())
        return attaching.run(links, forward)


def _clean(settings: Configuration) -> None:
    """Take away what was made before attaching failed, as far as that can be done."""
    try:
        detach(settings)
    except OSError:  # what is said is why attaching failed
        pass


def detach(settings: Configuration) -> "list[str]":
    """Take everything of a relay away; return the names of the interfaces that it was attached to."""
    _check_interpreter()
    folder = folder_of(settings)
    with Alone(), Netlink() as netlink:
        links = interfaces.read(netlink)
        name = maps.instance(settings.text("control"))
        found = {link.name for link in links.values() if filters.detach(netlink, link.number, name)}
        table = _hooks(folder)
        if table is not None:
            found.update(_Detaching(netlink, Hooks(table), folder).run(links))
            table.close()
    if pins.is_there(folder):
        pins.remove(folder)
        pins.clear(mounts.parent(folder))
    return sorted(found)


def _check_interpreter() -> None:
    """Say it where this interpreter can call nothing."""
    if not seam.CALLS or not seam.BPF:
        raise Unattachable("this MicroPython can't call the kernel: the package edgeturn-static brings one that can")


def _hooks(folder: str) -> "Map | None":
    try:
        return bpf.open_pinned(f"{folder}/hooks")
    except OSError:  # not there, or no file system for it
        return None


def _identity(settings: Configuration) -> int:
    """Return what tells the pinned flows from others at the same place, 0 where there are none."""
    try:
        return os.stat(folder_of(settings) + "/flows")[1]
    except OSError:
        return 0


def _make(settings: Configuration) -> Maps:
    """Create what isn't there of a relay's maps, for its user."""
    folder = folder_of(settings)
    pins.mount(mounts.parent(folder))
    pins.check(folder)
    opened = maps.create_all(folder, settings.limits())
    user = find_user(settings.text("user"))
    if user is not None:
        try:
            pins.own(folder, *user)
        except OSError:
            opened.close()
            raise
    return opened


class Attaching:
    """Attaches a relay's program to interfaces by tc."""

    def __init__(self, netlink: Netlink, opened: Maps, settings: Configuration) -> None:
        """Take netlink, which stays open, the relay's maps and its configuration."""
        self.netlink = netlink
        self.maps = opened
        self.hooks = Hooks(opened.hooks)
        self._settings = settings
        self._name = maps.instance(settings.text("control"))
        self._links = interfaces.read(netlink)
        self._probe = loader.load("probe", opened, {})

    def attached(self) -> "list[Link]":
        """Return the interfaces that have a program of ours."""
        numbers = [hook.interface for _, hook in self.hooks.taken() if hook.state == flows.PROVEN]
        return [link for link in self._links.values() if link.number in numbers]

    def run(self, links: "list[Link]", forward: bool) -> "list[Row]":
        """Attach to interfaces, and return what became of their hooks."""
        self._free_gone()
        links = [link for link in links if self._is_filtered(link)]
        self.attach_xdp(links)
        self._set_gro(links)
        if forward:
            self._forward(links)
        self._probe.close()
        numbers = [link.number for link in links]
        rows = [hook for _, hook in self.hooks.taken() if hook.interface in numbers and hook.kind]
        found = [Row(self._links[each.interface].name, each.kind, each.state, each.reason) for each in rows]
        return sorted(found, key=lambda row: (row.interface, row.kind))

    def _free_gone(self) -> None:
        for place, hook in self.hooks.taken():
            if hook.interface not in self._links:
                self.hooks.free(place)

    def _is_filtered(self, link: Link) -> bool:
        """Attach to an interface and return whether it's still there: one that goes costs the others nothing."""
        try:
            self._attach_filter(link)
        except OSError as error:
            if error.args[0] != _ENODEV:
                raise
            found = self.hooks.find(link.number, TC)
            if found is not None:
                self.hooks.free(found[0])
            return False
        return True

    def _attach_filter(self, link: Link) -> None:
        place, hook = self.hooks.take(link.number, TC, self.maps.tallies)
        program = self.load("tc", place, link)
        if not filters.has_ingress(self.netlink, link.number):
            hook.changed |= CLSACT
            self.hooks.write(place, hook)
        refused = self._set_filter(link, program)
        if refused:
            return self.give_up(place, hook, refused)
        hook.state, hook.reason, hook.program = flows.ATTACHED, 0, program.number
        self.hooks.write(place, hook)
        if probe.prove(self._probe, link.number, lambda: self.seen(place)):
            hook.state = flows.PROVEN
            self.hooks.write(place, hook)
            return None
        reason = "hidden" if filters.comes_before(self.netlink, link.number, self._name) else "silent"
        filters.detach(self.netlink, link.number, self._name)
        return self.give_up(place, hook, reason)

    def _set_filter(self, link: Link, program: loader.Program) -> str:
        """Attach a program, which is closed then; return the name of the reason why that can't be, "" where it is."""
        try:
            filters.attach(self.netlink, link.number, self._name, program.file)
        except filters.Lacking:
            return "kernel"
        except OSError as error:
            if error.args[0] != EEXIST:
                raise
            return "places"
        finally:
            program.close()
        return ""

    def attach_xdp(self, links: "list[Link]") -> None:
        """Take the programs away that who has XDP has put there: what they send, tc sends."""
        for link in links:
            self.free_xdp(link)

    def free_xdp(self, link: Link) -> None:
        """Take XDP away from an interface, and give its place back."""
        found = self.hooks.find(link.number, XDP)
        if found is not None:
            self.detach_xdp(found[1])
            self.hooks.free(found[0])

    def detach_xdp(self, hook: Hook) -> None:
        """Take an XDP program of ours away."""
        xdp.detach(self.netlink, hook.interface, hook.program, hook.previous)
        self.maps.devices.delete(bpf.index(hook.interface))

    def seen(self, place: int) -> int:
        """Return how many probes were counted at a place."""
        return tally(self.maps.tallies, place, 0)[0]

    def load(self, section: str, place: int, link: Link) -> loader.Program:
        """Load the program of a place."""
        return loader.load(section, self.maps, {"hook_slot": place, "link_size": link.header_size()})

    # What is changed besides.

    def _set_gro(self, links: "list[Link]") -> None:
        """Switch fraglists off where that's configured, and where it no longer is, on again what we switched off."""
        off = self._settings.text("kernel_gro") == "off"
        for link in interfaces.ordered([found for each in links for found in interfaces.receivers(self._links, each)]):
            if off and gro.is_on(link.name):
                self.hooks.remember(link.number, GRO)
                if not gro.switch(link.name, False):
                    self.hooks.forget(link.number, GRO)
            if not off and self.hooks.forget(link.number, GRO):
                gro.switch(link.name, True)

    def _forward(self, links: "list[Link]") -> None:
        """Switch forwarding on; for IPv6 only where no default route goes by it."""
        families = interfaces.families(self._settings)
        if forwarding.loses_routes(self.netlink):
            families = [family for family in families if family != IPV6]
        for link in links:
            for family in families:
                if not forwarding.is_on(link.name, family):
                    self._switch_forwarding(link, family)

    def _switch_forwarding(self, link: Link, family: int) -> None:
        self.hooks.remember(link.number, _FORWARDING[family])
        try:
            forwarding.switch(link.name, family, True)
        except OSError as error:
            if error.args[0] != _ENOENT:
                raise
            self.hooks.forget(link.number, _FORWARDING[family])  # the interface has no such family

    def give_up(self, place: int, hook: Hook, reason: str) -> None:
        """Write down that a hook was given up, and why; undo what was done for it."""
        hook.state, hook.reason, hook.program = flows.GIVEN_UP, REASONS[reason], 0
        hook.previous = 0
        if hook.changed & CLSACT:
            filters.remove_clsact(self.netlink, hook.interface)
            hook.changed &= ~CLSACT
        self.hooks.write(place, hook)


class _Detaching:
    def __init__(self, netlink: Netlink, table: Hooks, folder: str) -> None:
        self._netlink = netlink
        self._hooks = table
        self._folder = folder

    def run(self, links: "dict[int, Link]") -> "set[str]":
        """Take XDP away and undo what was changed; return the names of the interfaces that had XDP."""
        found = set()
        here = [hook for _, hook in self._hooks.taken() if hook.interface in links]
        for hook in here:
            if hook.kind == XDP and xdp.detach(self._netlink, hook.interface, hook.program, hook.previous):
                found.add(links[hook.interface].name)
        for hook in here:
            heir = self._heir(hook.interface) if hook.changed else None
            if heir is None:
                self._undo(hook, links[hook.interface].name)
            else:
                Hooks(heir).remember(hook.interface, hook.changed)
                heir.close()
        return found

    def _heir(self, interface: int) -> "Map | None":
        """Return the hooks of another relay that is attached to an interface, None where there's none (rule 3)."""
        parent, name = self._folder.rsplit("/", 1)
        for each in filters.read(self._netlink, interface):
            if each.name.startswith("edgeturn") and each.name != name:
                table = _hooks(f"{parent}/{each.name}")
                if table is not None:
                    return table
        return None

    def _undo(self, hook: Hook, name: str) -> None:
        undo = (
            (CLSACT, lambda: filters.remove_clsact(self._netlink, hook.interface)),
            (GRO, lambda: gro.switch(name, True)),
            (FORWARDING_IPV4, lambda: forwarding.switch(name, IPV4, False)),
            (FORWARDING_IPV6, lambda: forwarding.switch(name, IPV6, False)),
        )
        for change, action in undo:
            if hook.changed & change:
                try:
                    action()
                except OSError:  # the interface goes at this very moment
                    pass


# What the commands say.


def at_start(settings: Configuration, command: "Callable[[str], str] | None" = None) -> "list[str]":
    """Attach for a relay that is about to start, and return what to say of it: it starts whatever becomes of this.

    command: gives what to type for a command of the tool, by its words.
    """
    from edgeturn.kernel.direct import report

    typed = command or (lambda words: f"edgeturn {words} -c {settings.file}")
    if settings.text("kernel") == "off":
        return []
    if seam.user_id() != 0:
        return ["Kernel: media stays in Python; start the relay as root to have the kernel carry it."]
    try:
        attach(settings, again=False)
        return report.make(settings, typed).sentence(typed)
    except (loader.LoadError, Unattachable) as error:
        return [f"Kernel: media stays in Python: {error}."]
    except OSError as error:
        return [f"Kernel: media stays in Python: {report.explain(error, settings, typed)}"]
    except Exception as error:  # a defect of ours is no reason for a relay not to start
        return [f"Kernel: media stays in Python, for attaching failed: {error!r}."]


def status(
    settings: Configuration, command: "Callable[[str], str] | None" = None, told: "dict[str, Any] | None" = None
) -> "dict[str, Any]":
    """Return what there is of a relay, as `edgeturn kernel status --json` has it; told: where the relay stands."""
    from edgeturn.kernel.direct import report

    typed = command or (lambda words: f"edgeturn {words} -c {settings.file}")
    return report.make(settings, typed, told).document()
