"""`edgeturn probe`: gather candidates as a browser would, and say what a browser makes of them."""

import sys
from pathlib import Path

import click

from edgeturn.cli import place, probe_echo
from edgeturn.cli.check_advice import Advice
from edgeturn.cli.failure import FAULT, Failure, Wrong, reason
from edgeturn.cli.login_options import Asked, with_login
from edgeturn.cli.output import json_option, print_json, wrapped
from edgeturn.cli.stopping import leave, stoppable
from edgeturn.command import ice
from edgeturn.command.ice import Login
from edgeturn.diagnose.evidence import IceError
from edgeturn.probing import behaviour, document, probe, report, resolve, uri, verdict
from edgeturn.probing.candidate import Gathered, family_name
from edgeturn.probing.gathering import UNREACHED, Wanted
from edgeturn.probing.picture import Picture
from edgeturn.probing.server import Server
from edgeturn.protocol import address
from edgeturn.protocol.address import ip_of

_MOST = 32  # servers; a browser takes fewer
_HELP = """Gather candidates from STUN and TURN servers as a browser would, and say what a browser makes of them.

Without URI: the relay of the configuration file. URI may be the name of a file with iceServers in JSON, or - for
standard input. Shows each candidate as a line of SDP, with the time it took and the server that it came from; then
what NAT is in front of this machine, as far as the servers can tell (RFC 5780).

--relay-echo sends packets through each relay instead, as a call would, and measures loss, latency and jitter.

\b
Examples:
  edgeturn probe
  edgeturn probe stun:stun.example.org turn:turn.example.org --user alice --password s3cret
  edgeturn credentials | edgeturn probe -
  edgeturn probe "turns:turn.example.org?transport=tcp" --secret one-shared-secret --relay-echo --rate 100

Ends with 0 if every server gave what it was asked for, with 3 if one didn't, with 130 if it was stopped; what
it had found by then is printed.
"""


@click.command("probe", help=_HELP)
@click.argument("servers", nargs=-1, metavar="[URI]...")
@with_login
@click.option("--relay-echo", is_flag=True, help="Measure loss, latency and jitter through the relay.")
@click.option("--seconds", type=click.IntRange(1, 60), default=5, show_default=True, help="How long to measure.")
@click.option("--rate", type=click.IntRange(1, 200), default=50, show_default=True, help="Packets a second.")
@click.option("--size", type=click.IntRange(16, 1200), default=200, show_default=True, help="Bytes of a packet.")
@place.with_file
@json_option
def probe_command(
    servers: tuple[str, ...],
    asked: Asked,
    relay_echo: bool,
    seconds: int,
    rate: int,
    size: int,
    file: Path,
    as_json: bool,
) -> None:
    """Probe what is named."""
    wanted = [each for text in servers for each in _named(text, asked)] if servers else _own(file, asked, relay_echo)
    advice = Advice(None if servers else file)
    if len(wanted) > _MOST:
        raise Wrong(f"{len(wanted)} servers are too many; name {_MOST} at most.")
    if relay_echo:
        good = probe_echo.measure(wanted, probe_echo.Plan(seconds, rate, size), advice, as_json)
    else:
        good = _gather(wanted, advice, as_json)
    if not good:
        raise click.exceptions.Exit(FAULT)


def _own(file: Path, asked: Asked, once: bool) -> list[Wanted]:
    """Return the relay of a configuration; once: by each transport one address only."""
    servers, login = asked.of_file(file)
    if once:
        servers = list({server.transport: server for server in reversed(servers)}.values())[::-1]
    told, found = ice.urls(place.read(file)), []
    for server in servers:
        uri_of_it = _uri_of(server)
        found.append(Wanted(uri_of_it, True, login, lambda server=server: [server], uri_of_it in told))  # type: ignore[misc]
    return found


def _uri_of(server: Server) -> str:
    host, _, port = address.format(server.place).rpartition(":")
    return ice.form(True, server.name or host, int(port), server.transport)


def _named(text: str, asked: Asked) -> list[Wanted]:
    """Return the server of a URI, or those of a document."""
    if text != "-" and (text.partition(":")[0].lower() in uri.SCHEMES or not place.exists(Path(text))):
        return [_of_uri(text, asked.login, asked)]
    return [_of_uri(each, asked.login or login, asked) for each, login in document.servers(_read(text), text)]


def _of_uri(text: str, login: Login | None, asked: Asked) -> Wanted:
    parsed = uri.parse(text)
    if parsed.relays and login is None:
        login = asked.needed(text)
    return Wanted(text, parsed.relays, login, lambda: [found.server(asked.trust) for found in resolve.resolve(parsed)])


def _read(name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        said = reason(error) if isinstance(error, OSError) else "it is no text"
        raise Failure(f"{name} can't be read: {said}.") from None


def _gather(wanted: list[Wanted], advice: Advice, as_json: bool) -> bool:
    """Gather and print; say whether every server gave something."""
    if not as_json:
        uris = ", ".join(each.uri for each in wanted)
        click.secho(wrapped(f"Candidates, from {uris}", "", "  "), bold=True)
    errors: list[IceError] = []

    def tell(found: Gathered | IceError) -> None:
        if isinstance(found, IceError):
            errors.append(found)
        elif not as_json:
            _print_candidate(found)

    with stoppable(reader=True):
        picture = probe.run(wanted, tell)
    if as_json:
        print_json(report.as_json(picture))
    else:
        _print_errors(errors, advice)
        (_print_stopped if picture.stopped else _print_rest)(picture)
    if picture.stopped:
        leave()
    return not picture.gave_nothing()


def _print_stopped(picture: Picture) -> None:
    left = ", ".join(picture.unanswered())
    click.echo(wrapped("Stopped before its end." + (f" No answer yet from {left}." if left else ""), "", "  "))


def _print_candidate(found: Gathered) -> None:
    server = f"  {found.candidate.server}" if found.candidate.server else ""
    click.echo(f"{found.line()}\n{report.milliseconds(found.candidate.at):>10} ms{server}")


def _print_errors(errors: list[IceError], advice: Advice) -> None:
    if errors:
        click.secho("Errors", bold=True)
    for error in errors:
        meaning, action = advice.at_first(error.text if error.code == UNREACHED else str(error.code))
        click.echo(wrapped(f"{error.server}: {error.code}{', ' if error.text else ''}{error.text}", "  ", "    "))
        click.echo(wrapped(f"means: {meaning}", "      ", "      "))
        click.echo(wrapped(f"next:  {action}", "      ", "      "))


def _print_rest(picture: Picture) -> None:
    for each in picture.behaviours:
        click.secho(f"NAT, over {family_name(ip_of(each.server))}", bold=True)
        for name, told in behaviour.rows(each):
            click.echo(wrapped(told, f"  {name:<11}", " " * 13))
    click.secho("What a browser makes of it", bold=True)
    for sentence in verdict.conclude(picture):
        click.echo(wrapped(sentence, "  - ", "    "))
