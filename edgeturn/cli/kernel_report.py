"""What a person is told of the kernel path: hooks as a table, what was passed to user space, and what to do."""

import errno
from pathlib import Path
from typing import Any, NamedTuple

import click

from edgeturn.cli import kernel_advice, place
from edgeturn.cli.failure import reason
from edgeturn.cli.output import bytes_text, counted, print_table
from edgeturn.kernel import flows
from edgeturn.kernel.attaching import hooks, inspection
from edgeturn.kernel.attaching.inspection import Inspection
from edgeturn.relay.configuration import Configuration

KINDS = {flows.TC: "tc", flows.XDP: "XDP"}
STATES = {flows.ATTACHED: "not proven", flows.PROVEN: "proven", flows.GIVEN_UP: "given up"}
_DROPPED = "bandwidth"
_CHANGES = (
    (hooks.FORWARDING_IPV4, "IPv4 forwarding switched on"),
    (hooks.FORWARDING_IPV6, "IPv6 forwarding switched on"),
    (hooks.GRO, "rx-gro-list switched off"),
)
_NOT_PASSED = ("seen", "carried", _DROPPED)


class Report(NamedTuple):
    """What there is, and what to do; names are those of interfaces."""

    inspection: Inspection | None
    advice: list[str]

    def summary(self, file: Path) -> list[str]:
        """Return it in a line, and another where there's something to do."""
        if self.inspection is None:
            return ["Kernel: media stays in Python: this relay is on the loopback only."]
        proven = [each for each in self.inspection.places if each.state == flows.PROVEN]
        at = [(word, [each.interface for each in proven if each.kind == kind]) for kind, word in KINDS.items()]
        hooked = "; ".join(f"{word} at {', '.join(names)}" for word, names in at if names)
        lines = [f"Kernel: {hooked or 'nothing is attached, media stays in Python'}."]
        if self.advice:
            first = self.advice[0].partition(". ")[0].removesuffix(".")
            lines.append(f"Kernel: {first}. `{place.command('kernel status', file)}` says what to do.")
        return lines

    def print_hooks(self) -> None:
        """Print the table."""
        if self.inspection is not None:
            rows = [_row(each) for each in self.inspection.places]
            print_table(("INTERFACE", "HOOK", "STATE", "FLOWS", "PACKETS", "BYTES"), rows)

    def print_relay(self, told: dict[str, Any] | None) -> None:
        """Print how the relay stands to it, and what attaching has changed, which nobody would look for."""
        click.echo(f"\n{relay_text(told)}")
        if self.inspection is not None and self.inspection.unplaced:
            click.echo(f"Besides, {counted(self.inspection.unplaced, 'flow')} for which nothing came back yet.")
        for change, words in _CHANGES:
            names = self.inspection.changed[change] if self.inspection else []
            if names:
                click.echo(f"Changed until `detach`: {words} at {', '.join(names)}.")

    def print_attached(self, told: dict[str, Any] | None) -> None:
        """Print what became of attaching."""
        self.print_hooks()
        self.print_relay(told)
        self.print_advice()

    def print_outcomes(self) -> None:
        """Print what was not carried, by reason, what is most first."""
        passed, dropped = self._passed(), self._dropped()
        if passed:
            click.echo("\nPassed to user space:")
        for name, count in sorted(passed.items(), key=lambda row: -row[1]):
            click.echo(f"  {count:>12}  {dict(flows.OUTCOMES)[name]}")
        if dropped:
            click.echo(f"\nDropped because a rate is used up: {counted(dropped, 'packet')}.")

    def print_advice(self) -> None:
        """Print what to do."""
        if self.advice:
            click.echo("\nTo do:")
        for each in self.advice:
            click.echo(f"  - {each}")

    def document(self) -> dict[str, Any]:
        """Return all of it for programs."""
        found = self.inspection
        return {
            "attached": found is not None,
            "hooks": [_entry(each) for each in found.places] if found else [],
            "flows": found.flows if found else 0,
            "passed": self._passed(),
            "dropped": self._dropped(),
            "to_do": self.advice,
        }

    def _passed(self) -> dict[str, int]:
        found = self.inspection.outcomes if self.inspection else {}
        return {name: count for name, count in found.items() if count and name not in _NOT_PASSED}

    def _dropped(self) -> int:
        return self.inspection.outcomes[_DROPPED] if self.inspection else 0


def make(settings: Configuration, file: Path) -> Report:
    """Return what there is of a relay; OSError where it can't be read."""
    found = inspection.inspect(inspection.folder_of(settings))
    return Report(found, kernel_advice.advise(settings, file, found.places) if found else [])


def relay_text(told: dict[str, Any] | None) -> str:
    """Return how the relay that runs stands to the kernel path; told: its answer, None where none runs."""
    if told is None:
        return "No relay runs with this configuration now; the next one finds what is attached."
    if told["reason"]:
        return f"The relay that runs leaves media in Python: {told['reason']}."
    if told["state"] == "off":
        return "The relay that runs leaves media in Python: option `kernel` was off when it started."
    return f"The relay that runs has {counted(told['channels'], 'channel')} in the kernel."


def explain(error: OSError, settings: Configuration, file: Path) -> str:
    """Return what is wrong where the kernel refuses, and what to do."""
    pins = settings.text("kernel_pins")
    if error.errno in (errno.EPERM, errno.EACCES):
        return "this takes root, or the capabilities CAP_BPF and CAP_NET_ADMIN."
    if error.errno == errno.ENOSYS:
        return "this kernel is built without bpf(2): media stays in Python."
    if error.errno in (errno.ENODEV, errno.EROFS, errno.ENOENT, errno.ENOTDIR):
        return (
            f"there's no BPF file system at {pins}, and none can be mounted: {reason(error)}; `mount -t bpf bpf PLACE` "
            f"does it at another place, and `{place.command('config set kernel_pins PLACE/edgeturn', file)}` names it."
        )
    if "another version" in reason(error):
        return f"{reason(error)} of edgeturn; `{place.command('kernel attach', file)}` makes it anew."
    return f"the kernel refuses: {reason(error)}."


def _row(each: inspection.Place) -> tuple[object, ...]:
    state = STATES[each.state]
    if each.reason:
        state += f": {_reason(each)[1]}"
    carried = (each.flows, each.packets, bytes_text(each.bytes)) if each.state != flows.GIVEN_UP else ("", "", "")
    return (each.interface, KINDS[each.kind], state, *carried)


def _entry(each: inspection.Place) -> dict[str, object]:
    return {
        "interface": each.interface,
        "hook": KINDS[each.kind].lower(),
        "state": STATES[each.state],
        "reason": _reason(each)[0] if each.reason else "",
        "flows": each.flows,
        "packets": each.packets,
        "bytes": each.bytes,
    }


def _reason(each: inspection.Place) -> tuple[str, str]:
    return flows.HOOK_REASONS[each.reason]
