"""What is told of the kernel path, by both tools: its document, a line at the start, and why the kernel refuses."""

from errno import EOPNOTSUPP

from edgeturn import seam
from edgeturn.kernel import flows, loader
from edgeturn.kernel.direct import advice, inspection
from edgeturn.kernel.direct.advice import KINDS, Advice
from edgeturn.kernel.direct.inspection import Inspection, Place
from edgeturn.relay.configuration import Configuration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from edgeturn.kernel.direct.advice import Command

STATES = {flows.ATTACHED: "not proven", flows.PROVEN: "proven", flows.GIVEN_UP: "given up"}
_DROPPED = "bandwidth"
_NOT_PASSED = ("seen", "carried", _DROPPED)
_GONE = "gone"
_NO_XDP = "Option kernel 'xdp': only edgeturn on CPython with pyroute2 attaches XDP; here tc carries all of it."
_EPERM, _EACCES = 1, 13
_NO_FILE_SYSTEM = (2, 17, 19, 20, 30)  # ENOENT, EEXIST, ENODEV, ENOTDIR, EROFS


class Report:
    """What there is, and what to do; names are those of interfaces.

    gone: hooks, as name and kind, that somebody took away; asleep: what nothing was attached to, for it's down;
    unpinned: filters of this relay whose pins are gone.
    """

    def __init__(
        self,
        inspection: "Inspection | None",
        advice: "list[Advice]",
        gone: "tuple[tuple[str, int], ...]" = (),
        asleep: "tuple[str, ...]" = (),
        unpinned: "tuple[str, ...]" = (),
    ) -> None:
        """Take all of it."""
        self.inspection = inspection
        self.advice = advice
        self.gone = gone
        self.asleep = asleep
        self.unpinned = unpinned

    def sentence(self, command: "Command") -> "list[str]":
        """Return it in a line."""
        if self.inspection is None:
            return [f"Kernel: media stays in Python: {advice.why_nothing(list(self.asleep))}."]
        hooked = self._hooked()
        short = ([each.short for each in self.advice if each.short] or [""])[0]
        if not short:
            return [f"Kernel: attached {hooked}." if hooked else "Kernel: media stays in Python: nothing is attached."]
        state = f"attached {hooked}, but {short}" if hooked else f"media stays in Python: {short}"
        return [f"Kernel: {state}. `{command('kernel status')}` says what to do."]

    def document(self) -> "dict[str, Any]":
        """Return all of it for programs."""
        found = self.inspection
        return {
            "attached": found is not None,
            "hooks": [_entry(each, self.state(each)) for each in found.places] if found else [],
            "flows": found.flows if found else 0,
            "passed": self.passed(),
            "dropped": self.dropped(),
            "to_do": [each.text for each in self.advice],
            "asleep": list(self.asleep),
            "unpinned": list(self.unpinned),
        }

    def state(self, each: Place) -> str:
        """Return how a hook stands."""
        return _GONE if (each.interface, each.kind) in self.gone else STATES[each.state]

    def passed(self) -> "dict[str, int]":
        """Return packets that were left to user space, by the name of the reason."""
        found = self.inspection.outcomes if self.inspection else {}
        return {name: found[name] for name in found if found[name] and name not in _NOT_PASSED}

    def dropped(self) -> int:
        """Return packets that were dropped because a rate is used up."""
        count: int = self.inspection.outcomes[_DROPPED] if self.inspection else 0
        return count

    def _hooked(self) -> str:
        places = self.inspection.places if self.inspection else []
        parts = []
        for kind in (flows.TC, flows.XDP):
            names = [each.interface for each in places if (each.state, each.kind) == (flows.PROVEN, kind)]
            if names:
                parts.append(f"by {KINDS[kind]} at {', '.join(names)}")
        return " and ".join(parts)


def make(settings: Configuration, command: "Command", told: "dict[str, Any] | None" = None) -> Report:
    """Return what there is of a relay; OSError where it can't be read. told: where the relay that runs stands."""
    from edgeturn.kernel.direct import survey

    found = inspection.inspect(inspection.folder_of(settings))
    if found is None:
        return Report(None, [], (), tuple(survey.asleep(settings)), tuple(survey.unpinned(settings)))
    seen = survey.survey(settings, found.places)
    steps = advice.advise(settings, command, found.places, seen, told)
    if settings.text("kernel") == "xdp" and not any(each.kind == flows.XDP for each in found.places):
        steps.append(Advice(_NO_XDP, ""))
    return Report(found, steps, tuple(seen.removed))


def explain(error: OSError, settings: Configuration, command: "Command") -> str:
    """Return what is wrong where the kernel refuses, and what to do."""
    pins, number, said = settings.text("kernel_pins"), error.args[0], seam.reason(error)
    if number in (_EPERM, _EACCES):
        return "this takes root, or the capabilities CAP_BPF and CAP_NET_ADMIN."
    if number == loader.ENOSYS:
        return "this kernel is built without bpf(2)."
    if number in _NO_FILE_SYSTEM:
        return (
            f"there's no BPF file system at {pins}, and none can be mounted: {said}; `mount -t bpf bpf PLACE` "
            f"does it at another place, and `{command('config set kernel_pins PLACE/edgeturn')}` names it."
        )
    if number == EOPNOTSUPP and "bpf file system" in said.lower():
        return f"{pins} isn't in a BPF file system: `mount -t bpf bpf /sys/fs/bpf` mounts one."
    if "another version" in said:
        return f"{said} of edgeturn; `{command('kernel attach')}` makes it anew."
    return f"the kernel refuses: {said}."


def _entry(each: Place, state: str) -> "dict[str, object]":
    return {
        "interface": each.interface,
        "hook": KINDS[each.kind].lower(),
        "state": state,
        "reason": flows.HOOK_REASONS[each.reason][0] if each.reason else "",
        "flows": each.flows,
        "packets": each.packets,
        "bytes": each.bytes,
    }
