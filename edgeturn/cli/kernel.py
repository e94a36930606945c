"""`edgeturn kernel`: attach the program that carries media, take it away, and show what it does.

Rule 1: only XDP wants pyroute2, which is loaded where it's there and when it's wanted; tc does without.
Rule 2: what a person should know is said by kernel_report.py; the relay that runs is told of every change.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from edgeturn.cli import control, kernel_advice, kernel_report, place
from edgeturn.cli.failure import FAILED, Failure
from edgeturn.cli.kernel_advice import NEEDS_PYROUTE2, has_pyroute2
from edgeturn.cli.output import json_option, print_json, wrapped
from edgeturn.kernel import flows
from edgeturn.kernel.direct import attachment, inspection, survey
from edgeturn.kernel.direct.attachment import Row
from edgeturn.kernel.hooks import Unattachable
from edgeturn.kernel.loader import LoadError
from edgeturn.relay.configuration import Configuration

_ONLY = "Attach only here; what is attached elsewhere stays. May be repeated."


@click.group("kernel")
def kernel_command() -> None:
    """Let the kernel carry the media of bound channels.

    `edgeturn run` attaches by itself where it may; option `kernel` says how, or not at all. What is attached stays when
    the relay ends: a restart costs no packet.

    \b
    Examples:
      edgeturn kernel attach
      edgeturn kernel attach --interface eth0 --interface br-lan --hook tc
      edgeturn kernel status
      edgeturn kernel detach
    """


@kernel_command.command(short_help="Attach to the interfaces of this relay and prove that it works.")
@click.option(
    "--hook",
    type=click.Choice(["auto", "tc", "xdp"]),
    help="Where: tc works everywhere; xdp is faster and comes on top; auto: xdp where the driver announces it.  [default: option `kernel`]",  # noqa: E501
)
@click.option("--interface", "names", multiple=True, metavar="NAME", help=_ONLY)
@click.option("--following", is_flag=True, hidden=True, help="Leave given up what was given up for good.")
@click.option(
    "--enable-forwarding", "forward", is_flag=True, help="Switch forwarding on, on the interfaces that are attached to."
)
@place.with_file
@json_option
def attach(hook: str | None, names: tuple[str, ...], following: bool, forward: bool, file: Path, as_json: bool) -> None:
    """Attach to the interfaces that packets of this relay come in by, and prove that it works.

    They are found by the addresses that are listened on and relayed from, and by their routes. Attaching again replaces
    the program and costs no packet. What others attached isn't touched.

    The route look-up takes packets only from interfaces that forward. Without --enable-forwarding nothing is changed
    there, and what doesn't forward is named. `detach` takes back whatever was changed.
    """
    settings = kernel_advice.read(file)
    with explained(settings, file):
        rows = _attach(settings, hook, names, forward, again=not following)
        told = tell_relay(settings)
        report = kernel_report.make(settings, file, told)
    if as_json:
        print_json(report.document() | {"relay": told})
    elif rows:
        report.print_attached(told)
    else:
        click.echo(f"Nothing to attach to: {kernel_advice.why_nothing(list(report.asleep))}.")
    if hook == "xdp" and (flows.XDP, flows.PROVEN) not in {(row.kind, row.state) for row in rows}:
        raise SystemExit(FAILED)


@kernel_command.command(short_help="Take everything away, and put back what attaching has changed.")
@place.with_file
@json_option
def detach(file: Path, as_json: bool) -> None:
    """Take everything away: programs, pins, and what attaching has changed.

    Media of a relay that runs goes through Python again.
    """
    settings = kernel_advice.read(file)
    with explained(settings, file):
        had_pins = Path(inspection.folder_of(settings), "hooks").exists()
        changed = inspection.changes(inspection.folder_of(settings))
        found = attachment.detach(settings)
        undone = survey.put_back(changed)
    done = kernel_report.Detached(found, undone, had_pins, tell_relay(settings))
    if as_json:
        print_json(done.document())
    else:
        done.print()


@kernel_command.command()
@place.with_file
@json_option
def status(file: Path, as_json: bool) -> None:
    """Show what is attached, what it carries, and what it leaves to Python and why.

    Works with and without a running relay, and changes nothing.
    """
    settings = kernel_advice.read(file)
    running: dict[str, Any] | None = control.is_served(settings)
    told = running and running.get("kernel")
    with explained(settings, file):
        report = kernel_report.make(settings, file, told)
    if as_json:
        print_json(report.document() | {"relay": told})
        return
    if report.unpinned:
        click.echo(wrapped(kernel_report.unpinned_text(report.unpinned, settings, file)))
        return
    if report.inspection is None:
        click.echo(f"Nothing is attached; `{place.command('kernel attach', file)}` does it, as root.")
        return
    report.print_hooks()
    report.print_relay(told)
    report.print_outcomes()
    report.print_advice()


def _attach(
    settings: Configuration, hook: str | None, names: tuple[str, ...] = (), forward: bool = False, again: bool = True
) -> list[Row]:
    """Attach by tc, and by XDP where there is pyroute2 for it; hook: what was asked for by hand."""
    if has_pyroute2():
        from edgeturn.kernel.attaching import attachment as with_xdp

        return with_xdp.attach(settings, hook or chosen_hook(settings), names, forward, again)
    if hook == "xdp":
        raise Failure(f"{NEEDS_PYROUTE2}; only XDP wants it: `--hook tc` does without.")
    return attachment.attach(settings, names, forward, again)


def at_start(settings: Configuration, file: Path) -> list[str]:
    """Attach for a relay that is about to start, and return what to say of it: it starts whatever becomes of this."""
    if settings.text("kernel") == "off":
        return []
    if os.geteuid() != 0:
        return ["Kernel: media stays in Python; start the relay as root to have the kernel carry it."]
    try:
        with explained(settings, file):
            _attach(settings, None, again=False)
            return kernel_report.make(settings, file).summary(file)
    except Failure as error:
        return [f"Kernel: media stays in Python: {error.message}"]
    except Exception as error:  # a defect of ours or of pyroute2 is no reason for a relay not to start
        return [f"Kernel: media stays in Python, for attaching failed: {error!r}."]


def again(file: Path) -> list[str]:
    """Return the command by which a relay that runs has its program attached to interfaces that have appeared."""
    return [sys.executable, "-m", "edgeturn", "kernel", "attach", "--following", "-c", os.path.abspath(file)]


def chosen_hook(settings: Configuration) -> str:
    """Return the hook that is configured; who attaches by hand means it, also where option `kernel` is off."""
    return settings.text("kernel").replace("off", "auto")


def tell_relay(settings: Configuration) -> dict[str, Any] | None:
    """Let the relay that runs look at its maps; return where it stands, None where none runs."""
    try:
        return control.ask(settings, "kernel")
    except control.Unreachable:
        return None
    except control.Refused as error:
        return {"state": "failed", "reason": error.message.removesuffix("."), "channels": 0}


@contextmanager
def explained(settings: Configuration, file: Path) -> Iterator[None]:
    """Turn what goes wrong into a Failure with what to do."""
    try:
        yield
    except (LoadError, Unattachable) as error:
        raise Failure(f"{error}.") from None
    except OSError as error:
        said = kernel_report.explain(error, settings, file)
        is_refused = isinstance(error, PermissionError) and os.geteuid() != 0
        raise Failure(f"{said} Call it as root: `{_as_root(file)}`." if is_refused else said) from None


def _as_root(file: Path) -> str:
    """Return what to type to run the command that runs now as root."""
    context = click.get_current_context(silent=True)
    return place.as_root(f"kernel {context.info_name if context else 'status'}", file)
