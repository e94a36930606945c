"""`edgeturn probe --relay-echo`: how the tool shows what packets through a relay meet with."""

import sys
from dataclasses import asdict
from typing import Any

import click

from edgeturn.cli.check_advice import Advice
from edgeturn.cli.failure import Failure, Wrong
from edgeturn.cli.output import print_json, wrapped
from edgeturn.cli.stopping import leave, stoppable
from edgeturn.probing import echo, plot, report
from edgeturn.probing.echo import Measured, Path, Plan
from edgeturn.probing.fault import FAULTS, happened
from edgeturn.probing.gathering import Wanted, reachable
from edgeturn.protocol import address

__all__ = ["Plan", "measure"]


def measure(wanted: list[Wanted], plan: Plan, advice: Advice, as_json: bool) -> bool:
    """Measure each relay, one after the other, and print; say whether packets came through each."""
    relays = [each for each in wanted if each.relays]
    if not relays:
        raise Wrong("packets go through a TURN server only: name one, such as turn:turn.example.org.")
    documents: list[dict[str, Any]] = []
    with stoppable(reader=True):
        for each in relays:
            documents.append(_measure(each, plan, advice, as_json))
            if documents[-1].get("stopped"):
                break
    if as_json:
        print_json({"plan": asdict(plan), "relays": documents})
    if documents[-1].get("stopped"):
        leave()
    return all(each.get("received") for each in documents)


def _measure(wanted: Wanted, plan: Plan, advice: Advice, as_json: bool) -> dict[str, Any]:
    """Measure one relay and print; return what JSON has of it."""
    document: dict[str, Any] = {"server": wanted.uri}
    try:
        server = reachable(wanted.find())[0]
        if not as_json:
            click.secho(f"{wanted.uri} ({address.format(server.place)} over {server.transport.upper()})", bold=True)
        with echo.through(server, wanted.login) as path:
            measured = _with_bar(path, plan, as_json)
    except (*FAULTS, Failure) as error:
        said = happened(error)
        meaning, action = advice.at_first(said)
        if not as_json:
            for line in (f"failed: {said}", f"means:  {meaning}", f"next:   {action}"):
                click.echo(wrapped(line, "  ", " " * 10))
        return document | {"error": said, "meaning": meaning, "advice": action}
    if not as_json:
        _print(measured, plan)
    return document | report.measured(measured)


def _with_bar(path: Path, plan: Plan, as_json: bool) -> Measured:
    """Measure behind a progress bar, where there's a terminal."""
    if as_json or not sys.stderr.isatty():
        return path.measure(plan, lambda number: None)
    with click.progressbar(length=plan.count, label="  sending", file=sys.stderr) as bar:
        return path.measure(plan, lambda number: bar.update(1))


def _print(measured: Measured, plan: Plan) -> None:
    found = measured.figures
    click.echo(f"  {measured.relayed} to {measured.other_is} at {measured.other}")
    seconds = found.sent / plan.rate if measured.stopped else plan.seconds
    stopped = ", until it was stopped" if measured.stopped else ""
    click.echo(f"  {found.sent} packets of {plan.size} bytes, {plan.rate} a second for {seconds:.3g} s{stopped}")
    click.echo(
        f"  lost     {found.lost} ({found.loss:.1f} %), out of order {found.reordered}, twice {found.duplicates}"
    )
    if not found.received:
        click.echo(wrapped("None came through. Next: `edgeturn check` finds out which step fails.", "  ", "  "))
        return
    words = (("least", found.minimum), ("median", found.median), ("95 %", found.p95), ("most", found.maximum))
    click.echo("  latency  " + ", ".join(f"{name} {value:.2f}" for name, value in words) + " ms")
    click.echo(f"  jitter   {found.jitter or 0:.2f} ms (RFC 3550)")
    click.echo("\n".join(["", *plot.over_time(found.latencies, seconds), "", *plot.histogram(found.latencies)]))
