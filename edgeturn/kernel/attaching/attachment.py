"""Attaching a relay's program by XDP, too, where that comes to anything: on top of what `direct` does by tc.

Rule 1: XDP comes on top of tc: what it can't send, tc takes.
Rule 2: what is about to be done is written down first: who is killed half-way leaves nothing that `detach` can't find.
"""

from collections.abc import Iterable

from edgeturn.kernel import flows
from edgeturn.kernel.attaching import probe, xdp
from edgeturn.kernel.bpf import index
from edgeturn.kernel.direct import attachment
from edgeturn.kernel.direct.attachment import Attaching, Row, detach
from edgeturn.kernel.direct.interfaces import Link
from edgeturn.kernel.direct.netlink import Netlink
from edgeturn.kernel.flows import TC, XDP, Hook
from edgeturn.kernel.hooks import REASONS
from edgeturn.kernel.loader import LoadError
from edgeturn.kernel.maps import Maps
from edgeturn.relay.configuration import Configuration

__all__ = ("AUTO", "KINDS", "Row", "attach", "detach")

AUTO = "auto"
KINDS = {"tc": TC, "xdp": XDP}

_SLOWER = ("veth",)  # kinds whose XDP makes a copy of each packet of a local sender: tc is faster (measured)
# Given up for what doesn't go away by itself; trying again may take a port down for seconds.
_FOR_GOOD = [REASONS[name] for name in ("native", "refused", "program", "unanswered")]


def attach(
    settings: Configuration, hook: str = AUTO, names: Iterable[str] = (), forward: bool = False, again: bool = True
) -> list[Row]:
    """Attach to interfaces, by default to those that are found; return what became of each hook.

    hook: auto, tc or xdp; forward: switch forwarding on; again: try what was given up before, too.
    Raises Unattachable, LoadError, and OSError where the kernel refuses.
    """

    def begin(netlink: Netlink, opened: Maps, settings: Configuration) -> Attaching:
        return _AttachingXdp(netlink, opened, settings, hook, again)

    return attachment.attach(settings, tuple(names), forward, again, begin)


class _AttachingXdp(Attaching):
    def __init__(self, netlink: Netlink, opened: Maps, settings: Configuration, hook: str, again: bool) -> None:
        super().__init__(netlink, opened, settings)
        self._hook = hook
        self._again = again

    def attach_xdp(self, links: list[Link]) -> None:
        """Attach where it's wanted and may come to something, and take ours away elsewhere."""
        wanted = [link for link in links if self._wants(link)]
        self._attach([link for link in wanted if self._may_have(link)])

    def _wants(self, link: Link) -> bool:
        """Say whether XDP is to be tried on an interface; where it isn't wanted any more, take ours away."""
        found = self.hooks.find(link.number, XDP)
        announced = (xdp.features(link.number) or 0) & xdp.REDIRECTS == xdp.REDIRECTS
        if self._hook == "xdp" or (self._hook == AUTO and announced and link.kind not in _SLOWER):
            given_up = found is not None and found[1].state == flows.GIVEN_UP and found[1].reason in _FOR_GOOD
            return self._again or not given_up
        self.free_xdp(link)
        return False

    def _may_have(self, link: Link) -> bool:
        """Say whether attaching can come to anything; where it can't, give up."""
        announced = xdp.features(link.number)
        if not link.header_size() or (announced is not None and not announced & xdp.REDIRECTS):
            reason = "native"
        elif not link.has_carrier:
            reason = "carrier"
        else:
            return True
        place, hook = self._take(link)
        self.detach_xdp(hook)
        self.give_up(place, hook, reason)
        return False

    def _take(self, link: Link) -> tuple[int, Hook]:
        return self.hooks.take(link.number, XDP, self.maps.tallies)

    def _attach(self, links: list[Link]) -> None:
        places = {link.number: self._take(link) for link in links}
        attached = [link for link in links if self._try(link, *places[link.number])]
        proven = probe.prove_xdp(self.netlink, attached, lambda link: self.seen(places[link.number][0]))
        for link in attached:
            place, hook = places[link.number]
            if link.number in proven:
                hook.state = flows.PROVEN
                self.hooks.write(place, hook)
            else:
                self.detach_xdp(hook)
                self.give_up(place, hook, "unanswered")
        for link in attached:
            self._let_redirect(link, link.number in proven)

    def _try(self, link: Link, place: int, hook: Hook) -> bool:
        """Attach; where that fails, give up."""
        try:
            program = self.load("xdp", place, link)
        except LoadError:
            self.give_up(place, hook, "program")
            return False
        hook.state, hook.reason, hook.program, hook.previous = flows.ATTACHED, 0, program.number, hook.program
        self.hooks.write(place, hook)
        try:
            xdp.attach(self.netlink, link.number, program.file, hook.previous)
        except (xdp.Taken, OSError) as error:
            self.detach_xdp(hook)
            self.give_up(place, hook, "taken" if isinstance(error, xdp.Taken) else "refused")
            return False
        finally:
            program.close()
        hook.previous = 0
        self.hooks.write(place, hook)
        return True

    def _let_redirect(self, link: Link, proven: bool) -> None:
        """Let XDP send packets out by an interface if it takes them: a veth does only while its far end polls."""
        announced = xdp.features(link.number)
        takes = link.kind != "veth" if announced is None else announced & xdp.TAKES_REDIRECTS
        if proven and takes:
            self.maps.devices.set(index(link.number), index(link.number))
        else:
            self.maps.devices.delete(index(link.number))
