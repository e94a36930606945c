"""`edgeturn check`: test a running relay as a client would, over each of its transports, from the outside in."""

from dataclasses import asdict
from pathlib import Path

import click

from edgeturn.cli import check_advice, check_certificates, check_external, login_options, place, ports
from edgeturn.cli.check_certificates import WARNED
from edgeturn.cli.check_steps import FAILED, PASSED, SKIPPED, Probe, Report, Result
from edgeturn.cli.failure import FAULT
from edgeturn.cli.login_options import Asked
from edgeturn.cli.output import json_option, print_json
from edgeturn.command.ice import Login
from edgeturn.probing import resolve, uri
from edgeturn.probing.server import Server
from edgeturn.protocol import address
from edgeturn.relay.configuration import Configuration

_MARKS = {PASSED: ("✓", "green"), FAILED: ("✗", "red"), SKIPPED: ("–", "yellow"), WARNED: ("!", "yellow")}

_HELP = """Test a running relay as a client would.

Without URI: the relay of the configuration file, at each family's address that most clients reach, over each transport.
With URI: any TURN or STUN server; what the URI leaves open, SRV records say (RFC 5928).

\b
Examples:
  edgeturn check
  edgeturn check -c ./my.conf --json
  edgeturn check turn:turn.example.org --user alice --password s3cret
  edgeturn check "turns:turn.example.org?transport=tcp" --secret one-shared-secret
  edgeturn check stun:192.0.2.1:3478

Ends with 0 if every step passed, with 3 if one failed; a step that doesn't apply is skipped and says why.
"""


@click.command("check", help=_HELP)
@click.argument("server", required=False, metavar="[URI]")
@login_options.with_login
@place.with_file
@json_option
def check_command(server: str | None, asked: Asked, file: Path, as_json: bool) -> None:
    """Check what is named."""
    proof: Login | None
    if server is None:
        (servers, proof), relays = asked.of_file(file), True
    else:
        parsed = uri.parse(server)
        servers = [found.server(asked.trust) for found in resolve.resolve(parsed)]
        relays = parsed.relays
        proof = asked.needed(server) if relays else asked.login
    results = _run(servers, proof, relays, file if server is None else None, as_json)
    if any(result.state == FAILED for result in results):
        raise click.exceptions.Exit(FAULT)


def _run(servers: list[Server], login: Login | None, relays: bool, file: Path | None, as_json: bool) -> list[Result]:
    """Run every step at each address of a server; file is its configuration where it is one of our own."""
    results: list[Result] = []
    advise = check_advice.Advice(file)

    def tell(result: Result) -> None:
        results.append(result)
        if not as_json:
            _print(result)

    for result in [] if file is None else _of_the_machine(place.read(file), file):
        tell(result)
    _judge_certificate(file, tell, as_json)
    for server in servers:
        if not as_json:
            click.secho(f"{address.format(server.place)} over {server.transport.upper()}", bold=True)
        for result in check_certificates.of_server(server) if file is None else ():
            tell(result)
        Probe(server, login, relays, advise, tell).run()
    if as_json:
        print_json({"passed": _count(results, FAILED) == 0, "steps": [asdict(result) for result in results]})
    else:
        _sum_up(results)
    return results


def _of_the_machine(settings: Configuration, file: Path) -> list[Result]:
    return ports.report(settings, file) + check_external.report(settings, file)


def _judge_certificate(file: Path | None, tell: Report, as_json: bool) -> None:
    """Judge the certificate that a configuration names."""
    results = check_certificates.of_files(place.read(file)) if file is not None else []
    if results and not as_json:
        click.secho("Certificate", bold=True)
    for result in results:
        tell(result)


def _print(result: Result) -> None:
    mark, colour = _MARKS[result.state]
    name = f"{result.relayed} {result.step}".strip()
    skipped = "skipped: " if result.state == SKIPPED else ""
    click.echo(f"  {click.style(mark, fg=colour)} {name:<22}{skipped}{result.detail}")
    if result.state == FAILED:
        click.echo(f"      means: {result.meaning}\n      next:  {result.advice}")


def _sum_up(results: list[Result]) -> None:
    states = (PASSED, FAILED, SKIPPED) + ((WARNED,) if _count(results, WARNED) else ())
    counts = ", ".join(f"{_count(results, state)} {state}" for state in states)
    if _count(results, FAILED):
        click.echo(f"It doesn't work yet: {counts}.")
    else:
        click.echo(f"It works: {counts}.")


def _count(results: list[Result], state: str) -> int:
    return sum(result.state == state for result in results)
