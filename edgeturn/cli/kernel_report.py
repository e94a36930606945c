"""What a person is told of the kernel path: hooks as a table, what was passed to user space, and what to do."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from edgeturn.cli import kernel_advice, place
from edgeturn.cli.kernel_advice import KINDS
from edgeturn.cli.output import bytes_text, counted, print_table, wrapped
from edgeturn.command.kernel import relay_text
from edgeturn.kernel import flows, hooks
from edgeturn.kernel.direct import inspection, report, survey
from edgeturn.kernel.direct.inspection import Place
from edgeturn.relay.configuration import Configuration

_CHANGES = (
    (hooks.FORWARDING_IPV4, "IPv4 forwarding switched on"),
    (hooks.FORWARDING_IPV6, "IPv6 forwarding switched on"),
    (hooks.GRO, "rx-gro-list switched off"),
)
_UNDONE = (
    (hooks.FORWARDING_IPV4, "IPv4 forwarding is off again"),
    (hooks.FORWARDING_IPV6, "IPv6 forwarding is off again"),
    (hooks.GRO, "rx-gro-list is on again"),
)
_NAMES = {hooks.FORWARDING_IPV4: "forwarding_ipv4", hooks.FORWARDING_IPV6: "forwarding_ipv6", hooks.GRO: "gro"}
_PINS_LOST = (
    "Its pins are gone: what attaching changed isn't known; look at XDP (`ip link`), clsact (`tc qdisc`) and "
    "net.*.conf.*.forwarding."
)


class Report(report.Report):
    """What there is, and what to do, as a person reads it."""

    def summary(self, file: Path) -> list[str]:
        """Return it in a line."""
        return self.sentence(kernel_advice.commands(file))

    def print_hooks(self) -> None:
        """Print the table."""
        if self.inspection is not None:
            rows = [_row(each, self.state(each)) for each in self.inspection.places]
            print_table(("INTERFACE", "HOOK", "STATE", "FLOWS", "PACKETS", "BYTES"), rows)

    def print_relay(self, told: dict[str, Any] | None) -> None:
        """Print how the relay stands to it, and what attaching has changed, which nobody would look for."""
        click.echo(f"\n{relay_text(told)}")
        if self.inspection is not None and self.inspection.unplaced:
            one = self.inspection.unplaced == 1
            more = f"{self.inspection.unplaced} more {'flow has' if one else 'flows have'}"
            click.echo(f"{more} carried nothing yet.")
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
        passed, dropped = self.passed(), self.dropped()
        if passed:
            click.echo("\nPassed to user space since it was attached:")
        for name, count in sorted(passed.items(), key=lambda row: -row[1]):
            click.echo(f"  {count:>12}  {dict(flows.OUTCOMES)[name]}")
        if dropped:
            click.echo(f"\nDropped because a rate is used up: {counted(dropped, 'packet')}.")

    def print_advice(self) -> None:
        """Print what to do."""
        if self.advice:
            click.echo("\nTo do:")
        for each in self.advice:
            click.echo(wrapped(each.text, "  - ", "    "))


def make(settings: Configuration, file: Path, told: dict[str, Any] | None = None) -> Report:
    """Return what there is of a relay; OSError where it can't be read. told: where the relay that runs stands."""
    found = inspection.inspect(inspection.folder_of(settings))
    if found is None:
        return Report(None, [], (), tuple(survey.asleep(settings)), tuple(survey.unpinned(settings)))
    seen = _look(settings, found.places)
    advice = kernel_advice.advise(settings, file, found.places, seen, told)
    return Report(found, advice, tuple(seen.removed))


def _look(settings: Configuration, places: list[Place]) -> survey.Survey:
    """Look at the interfaces, and at what XDP does there where pyroute2 can tell."""
    if not kernel_advice.has_pyroute2():
        return survey.survey(settings, places)
    from edgeturn.kernel.attaching.survey import survey as with_xdp

    return with_xdp(settings, places)


def unpinned_text(names: Sequence[str], settings: Configuration, file: Path) -> str:
    """Return what it means that filters are there whose pins aren't."""
    return (
        f"Nothing is pinned in {inspection.folder_of(settings)}, but filters of this relay are at {', '.join(names)}: "
        "the pins' file system was unmounted, or is mounted in another mount namespace only. What these filters carry "
        f"can't be seen, and no new channel gets there. `{place.command('kernel attach', file)}` replaces them, "
        f"`{place.command('kernel detach', file)}` removes them."
    )


class Detached(NamedTuple):
    """What became of detaching: interfaces, what was undone there, whether pins told of it, and the relay's answer."""

    interfaces: list[str]
    undone: dict[int, list[str]]
    had_pins: bool
    told: dict[str, Any] | None

    def document(self) -> dict[str, Any]:
        """Return it for programs."""
        undone = {_NAMES[change]: names for change, names in self.undone.items() if names}
        pins_lost = bool(self.interfaces) and not self.had_pins
        return {"detached": self.interfaces, "undone": undone, "pins_lost": pins_lost, "relay": self.told}

    def print(self) -> None:
        """Print it."""
        if not self.interfaces and not self.had_pins:
            click.echo("Nothing was attached.")
            return
        names = ", ".join(self.interfaces)
        click.echo(f"Detached from {names}." if names else "Removed the pins; no program was attached any more.")
        for change, words in _UNDONE:
            if self.undone.get(change):
                click.echo(f"Put back: {words} at {', '.join(self.undone[change])}.")
        if not self.had_pins:
            click.echo(wrapped(_PINS_LOST))
        if self.told is not None:
            click.echo("The relay that runs goes on in Python.")


def explain(error: OSError, settings: Configuration, file: Path) -> str:
    """Return what is wrong where the kernel refuses, and what to do."""
    return report.explain(error, settings, kernel_advice.commands(file))


def _row(each: Place, state: str) -> tuple[object, ...]:
    if each.reason:
        state += f": {_reason(each)[1]}"
    carried = (each.flows, each.packets, bytes_text(each.bytes)) if each.state != flows.GIVEN_UP else ("", "", "")
    return (each.interface, KINDS[each.kind], state, *carried)


def _reason(each: Place) -> tuple[str, str]:
    return flows.HOOK_REASONS[each.reason]
