"""Attaching a relay's program to interfaces and proving that it runs; taking all of it away again.

Rule 1: attaching again changes nothing but the program, in one step.
Rule 2: what is written in `hooks` is enough to take everything away, whoever does it and whenever.
Rule 3: what another relay of this machine uses, too, becomes its to take away.
Rule 4: XDP comes on top of tc: what it can't send, tc takes.
Rule 5: what is about to be done is written down first: who is killed half-way leaves nothing that `detach` can't find.
"""

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from edgeturn.kernel import bpf, flows, maps
from edgeturn.kernel.attaching import filters, forwarding, gro, hooks, interfaces, loader, pins, probe, xdp
from edgeturn.kernel.attaching.alone import alone
from edgeturn.kernel.attaching.hooks import CLSACT, FORWARDING_IPV4, FORWARDING_IPV6, GRO, REASONS, Hooks
from edgeturn.kernel.attaching.inspection import folder_of
from edgeturn.kernel.attaching.interfaces import Link
from edgeturn.kernel.bpf import Map, index
from edgeturn.kernel.flows import TC, XDP, Hook
from edgeturn.kernel.maps import Maps
from edgeturn.protocol.address import IPV4, IPV6
from edgeturn.relay.configuration import Configuration
from edgeturn.relay.passwd import find_user

AUTO = "auto"
KINDS = {"tc": TC, "xdp": XDP}

_FORWARDING = {IPV4: FORWARDING_IPV4, IPV6: FORWARDING_IPV6}
_SLOWER = ("veth",)  # kinds whose XDP makes a copy of each packet of a local sender: tc is faster (measured)
# Given up for what doesn't go away by itself; trying again may take a port down for seconds.
_FOR_GOOD = [REASONS[name] for name in ("native", "refused", "program", "unanswered")]


class Row(NamedTuple):
    """What became of a hook."""

    interface: str
    kind: int
    state: int
    reason: int


def attach(
    settings: Configuration, hook: str = AUTO, names: Iterable[str] = (), forward: bool = False, again: bool = True
) -> list[Row]:
    """Attach to interfaces, by default to those that are found; return what became of each hook.

    hook: auto, tc or xdp; forward: switch forwarding on; again: try what was given up before, too.
    Raises Unattachable, LoadError, and OSError where the kernel refuses.
    """
    with alone(), _netlink() as netlink:
        links = interfaces.named(netlink, names) if names else interfaces.find(netlink, settings)
        if not links:
            return []
        before = _identity(settings)
        with _made(settings) as opened:
            attaching = _Attaching(netlink, opened, settings)
            if _identity(settings) != before:  # programs that are attached have maps that nobody fills any more
                links = sorted({*links, *attaching.attached()})
            return attaching.run(links, hook, forward, again)


def detach(settings: Configuration) -> list[str]:
    """Take everything of a relay away; return the names of the interfaces that it was attached to."""
    folder = folder_of(settings)
    with alone(), _netlink() as netlink:
        links = interfaces.read(netlink)
        name = maps.instance(settings.text("control"))
        found = {link.name for link in links.values() if filters.detach(netlink, link.number, name)}
        with suppress(FileNotFoundError, NotADirectoryError):
            table = bpf.open_pinned(f"{folder}/hooks")
            found |= _Detaching(netlink, Hooks(table), folder).run(links)
            table.close()
    if pins.is_there(folder):
        _remove(folder)
        pins.clear(folder.parent)
    return sorted(found)


def _remove(folder: Path) -> None:
    """Remove a relay's pins and their folder, where nobody else has put something into it."""
    try:
        maps.remove_all(str(folder))
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:
            raise


def _identity(settings: Configuration) -> int:
    """Return what tells the pinned flows from others at the same place, 0 where there are none."""
    try:
        return (folder_of(settings) / "flows").stat().st_ino
    except FileNotFoundError:
        return 0


@contextmanager
def _netlink() -> Iterator[IPRoute]:
    """Open netlink; what it refuses is an OSError, as everywhere."""
    try:
        with IPRoute() as netlink:
            yield netlink
    except NetlinkError as error:
        raise OSError(error.code, os.strerror(error.code)) from error


@contextmanager
def _made(settings: Configuration) -> Iterator[Maps]:
    """Create what isn't there of a relay's maps, for its user."""
    folder = folder_of(settings)
    pins.mount(folder.parent)
    opened = maps.create_all(str(folder), settings.limits())
    try:
        user = find_user(settings.text("user"))
        if user is not None:
            pins.own(folder, *user)
        yield opened
    finally:
        opened.close()


class _Attaching:
    def __init__(self, netlink: IPRoute, opened: Maps, settings: Configuration) -> None:
        self._netlink = netlink
        self._maps = opened
        self._settings = settings
        self._name = maps.instance(settings.text("control"))
        self._hooks = Hooks(opened.hooks)
        self._links = interfaces.read(netlink)
        self._probe = loader.load("probe", opened, {})

    def attached(self) -> list[Link]:
        """Return the interfaces that have a program of ours."""
        numbers = {hook.interface for _, hook in self._hooks.taken() if hook.state == flows.PROVEN}
        return [link for link in self._links.values() if link.number in numbers]

    def run(self, links: list[Link], hook: str, forward: bool, again: bool) -> list[Row]:
        """Attach to interfaces, and return what became of their hooks."""
        self._free_gone()
        for link in links:
            self._attach_filter(link)
        wanted = [link for link in links if self._wants_xdp(link, hook, again)]
        self._attach_xdp([link for link in wanted if self._may_have_xdp(link)])
        self._set_gro(links)
        if forward:
            self._forward(links)
        self._probe.close()
        numbers = [link.number for link in links]
        rows = [hook for _, hook in self._hooks.taken() if hook.interface in numbers and hook.kind]
        return sorted(Row(self._links[each.interface].name, each.kind, each.state, each.reason) for each in rows)

    def _free_gone(self) -> None:
        for place, hook in self._hooks.taken():
            if hook.interface not in self._links:
                self._hooks.free(place)

    # tc.

    def _attach_filter(self, link: Link) -> None:
        place, hook = self._hooks.take(link.number, TC, self._maps.tallies)
        program = self._load("tc", place, link)
        if not filters.has_ingress(self._netlink, link.number):
            hook.changed |= CLSACT
            self._hooks.write(place, hook)
        try:
            filters.attach(self._netlink, link.number, self._name, program.file)
        except filters.Lacking:
            return self._give_up(place, hook, "kernel")
        except FileExistsError:
            return self._give_up(place, hook, "places")
        finally:
            program.close()
        hook.state, hook.reason, hook.program = flows.ATTACHED, 0, program.number
        self._hooks.write(place, hook)
        if probe.prove_filter(self._probe, link.number, lambda: self._seen(place)):
            hook.state = flows.PROVEN
            self._hooks.write(place, hook)
            return None
        reason = "hidden" if filters.comes_before(self._netlink, link.number, self._name) else "silent"
        filters.detach(self._netlink, link.number, self._name)
        return self._give_up(place, hook, reason)

    # XDP.

    def _wants_xdp(self, link: Link, hook: str, again: bool) -> bool:
        """Say whether XDP is to be tried on an interface; where it isn't wanted any more, take ours away."""
        found = self._hooks.find(link.number, XDP)
        announced = (xdp.features(link.number) or 0) & xdp.REDIRECTS == xdp.REDIRECTS
        if hook == "xdp" or (hook == AUTO and announced and link.kind not in _SLOWER):
            given_up = found is not None and found[1].state == flows.GIVEN_UP and found[1].reason in _FOR_GOOD
            return again or not given_up
        if found is not None:
            self._detach_xdp(found[1])
            self._hooks.free(found[0])
        return False

    def _may_have_xdp(self, link: Link) -> bool:
        """Say whether attaching can come to anything; where it can't, give up."""
        announced = xdp.features(link.number)
        if not link.header_size or (announced is not None and not announced & xdp.REDIRECTS):
            reason = "native"
        elif not link.has_carrier:
            reason = "carrier"
        else:
            return True
        place, hook = self._hooks.take(link.number, XDP, self._maps.tallies)
        self._detach_xdp(hook)
        self._give_up(place, hook, reason)
        return False

    def _attach_xdp(self, links: list[Link]) -> None:
        places = {link.number: self._hooks.take(link.number, XDP, self._maps.tallies) for link in links}
        attached = [link for link in links if self._try_xdp(link, *places[link.number])]
        proven = probe.prove_xdp(self._netlink, attached, lambda link: self._seen(places[link.number][0]))
        for link in attached:
            place, hook = places[link.number]
            if link.number in proven:
                hook.state = flows.PROVEN
                self._hooks.write(place, hook)
            else:
                self._detach_xdp(hook)
                self._give_up(place, hook, "unanswered")
        for link in attached:
            self._let_redirect(link, link.number in proven)

    def _try_xdp(self, link: Link, place: int, hook: Hook) -> bool:
        """Attach XDP; where that fails, give up."""
        try:
            program = self._load("xdp", place, link)
        except loader.LoadError:
            self._give_up(place, hook, "program")
            return False
        hook.state, hook.reason, hook.program, hook.previous = flows.ATTACHED, 0, program.number, hook.program
        self._hooks.write(place, hook)
        try:
            xdp.attach(self._netlink, link.number, program.file, hook.previous)
        except (xdp.Taken, OSError) as error:
            self._detach_xdp(hook)
            self._give_up(place, hook, "taken" if isinstance(error, xdp.Taken) else "refused")
            return False
        finally:
            program.close()
        hook.previous = 0
        self._hooks.write(place, hook)
        return True

    def _detach_xdp(self, hook: Hook) -> None:
        xdp.detach(self._netlink, hook.interface, hook.program, hook.previous)
        self._maps.devices.delete(index(hook.interface))

    def _let_redirect(self, link: Link, proven: bool) -> None:
        """Let XDP send packets out by an interface if it takes them: a veth does only while its far end polls."""
        announced = xdp.features(link.number)
        takes = link.kind != "veth" if announced is None else announced & xdp.TAKES_REDIRECTS
        if proven and takes:
            self._maps.devices.set(index(link.number), index(link.number))
        else:
            self._maps.devices.delete(index(link.number))

    # What is changed besides.

    def _set_gro(self, links: list[Link]) -> None:
        """Switch fraglists off where that's configured, and where it no longer is, on again what we switched off."""
        off = self._settings.text("kernel_gro") == "off"
        for link in {found for each in links for found in interfaces.receivers(self._links, each)}:
            if off and gro.is_on(link.name):
                self._hooks.remember(link.number, GRO)
                if not gro.switch(link.name, False):
                    self._hooks.forget(link.number, GRO)
            if not off and self._hooks.forget(link.number, GRO):
                gro.switch(link.name, True)

    def _forward(self, links: list[Link]) -> None:
        """Switch forwarding on; for IPv6 only where no default route goes by it."""
        families = interfaces.families(self._settings)
        if forwarding.loses_routes(self._netlink):
            families = [family for family in families if family != IPV6]
        for link in links:
            for family in families:
                if not forwarding.is_on(link.name, family):
                    self._hooks.remember(link.number, _FORWARDING[family])
                    try:
                        forwarding.switch(link.name, family, True)
                    except FileNotFoundError:  # the interface has no such family
                        self._hooks.forget(link.number, _FORWARDING[family])

    def _load(self, section: str, place: int, link: Link) -> loader.Program:
        return loader.load(section, self._maps, {"hook_slot": place, "link_size": link.header_size})

    def _seen(self, place: int) -> int:
        return hooks.tally(self._maps.tallies, place, 0)[0]

    def _give_up(self, place: int, hook: Hook, reason: str) -> None:
        hook.state, hook.reason, hook.program = flows.GIVEN_UP, REASONS[reason], 0
        hook.previous = 0
        if hook.changed & CLSACT:
            filters.remove_clsact(self._netlink, hook.interface)
            hook.changed &= ~CLSACT
        self._hooks.write(place, hook)


class _Detaching:
    def __init__(self, netlink: IPRoute, table: Hooks, folder: Path) -> None:
        self._netlink = netlink
        self._hooks = table
        self._folder = folder

    def run(self, links: interfaces.Links) -> set[str]:
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

    def _heir(self, interface: int) -> Map | None:
        """Return the hooks of another relay that is attached to an interface, None where there's none (rule 3)."""
        for each in filters.read(self._netlink, interface):
            if each.name.startswith("edgeturn") and each.name != self._folder.name:
                with suppress(OSError):
                    return bpf.open_pinned(f"{self._folder.parent}/{each.name}/hooks")
        return None

    def _undo(self, hook: Hook, name: str) -> None:
        undo: dict[int, Callable[[], object]] = {
            CLSACT: lambda: filters.remove_clsact(self._netlink, hook.interface),
            GRO: lambda: gro.switch(name, True),
            FORWARDING_IPV4: lambda: forwarding.switch(name, IPV4, False),
            FORWARDING_IPV6: lambda: forwarding.switch(name, IPV6, False),
        }
        for change, action in undo.items():
            if hook.changed & change:
                with suppress(OSError):  # the interface goes at this very moment
                    action()
