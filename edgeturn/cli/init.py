"""`edgeturn init`: a configuration after at most three questions, each with a found default."""

import ipaddress
from collections.abc import Callable
from pathlib import Path

import click

from edgeturn.cli import identity, place
from edgeturn.cli.failure import Wrong
from edgeturn.relay import network, options


@click.command("init")
@place.with_file
@click.option("-y", "--yes", is_flag=True, help="Ask nothing; take every default.")
@click.option("--realm", help="Domain of the credentials.")
@click.option("--external", metavar="ADDRESS", help="Address that clients know a relay behind a one-to-one NAT by.")
@click.option("--allow-peer", "allowed", multiple=True, metavar="PREFIX", help="Local network that clients may reach.")
def init_command(file: Path, yes: bool, realm: str | None, external: str | None, allowed: tuple[str, ...]) -> None:
    """Make a configuration: asks for the realm, the address to announce and the local networks that clients may reach.

    A secret and a user with a random password are made along with it. An existing file is never overwritten.

    \b
    Examples:
      edgeturn init
      edgeturn init --yes -c ./my.conf
      edgeturn init --yes --realm example.org --external 198.51.100.7 --allow-peer 192.168.1.0/24
    """
    if place.exists(file):
        raise Wrong(
            f"{file} exists already and is not overwritten: change it by "
            f"`{place.command('config set NAME VALUE', file)}`, move it away, or name another with -c FILE."
        )
    answers = identity.Answers(
        _take(realm or "", options.realm, "Realm", identity.found_realm(), yes),
        _named(_take(external or "", options.external, f"Address that clients reach it at ({_found()})", "auto", yes)),
        _split(_take(",".join(allowed), _prefixes, "Local networks that clients may reach, with commas", "none", yes)),
    )
    identity.create(file, answers)
    click.echo(f"Made {file} (mode 0600). Start the relay: {place.command('run', file)}")


def _take(given: str, kind: Callable[[str], object], question: str, default: str, yes: bool) -> str:
    """Return what was given as an option, else the default, else what a person answers; asks again while it's wrong."""
    if given or yes:
        return _checked(given or default, kind)
    answer: str = click.prompt(question, default=default, value_proc=lambda value: _checked(value, kind))
    return answer


def _checked(value: str, kind: Callable[[str], object]) -> str:
    try:
        kind(value)
    except ValueError as error:
        raise click.UsageError(f"'{value}' {error.args[0]}.") from None
    return value


def _named(external: str) -> str:
    """Return an address that is to be written; auto is what the table does anyway."""
    return "" if external == "auto" else external


def _prefixes(value: str) -> object:
    return [_checked(prefix, options.prefix) for prefix in _split(value)]


def _split(value: str) -> tuple[str, ...]:
    return () if value == "none" else tuple(prefix.strip() for prefix in value.split(","))


def _found() -> str:
    """Return what routes say of this machine's address, and what a private one means."""
    sources = [ipaddress.ip_address(ip) for ip in network.default_sources()]
    if not sources:
        return "no route to the internet found; auto is this machine's own"
    names = ", ".join(str(ip) for ip in sources)
    if any(ip.version == 4 and ip.is_private for ip in sources):
        return f"auto is {names}: private, so give the public one if clients come from the internet"
    return f"auto is {names}"
