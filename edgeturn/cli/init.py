"""`edgeturn init`: a configuration after at most three questions, each with a found default."""

import ipaddress
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from edgeturn.cli import identity, place, self_signed
from edgeturn.cli.failure import Failure, Wrong
from edgeturn.cli.output import wrapped
from edgeturn.command import caveat
from edgeturn.relay import network, options

_CARRIER_GRADE = ipaddress.ip_network("100.64.0.0/10")  # RFC 6598
_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16")  # RFC 1918, RFC 3927
_HIDDEN = (_CARRIER_GRADE, *map(ipaddress.ip_network, _PRIVATE))


@click.command("init")
@place.with_file
@click.option("-y", "--yes", is_flag=True, help="Ask nothing; take every default.")
@click.option("--realm", help="Domain of the credentials.")
@click.option("--external", metavar="ADDRESS", help="Address that clients know a relay behind a one-to-one NAT by.")
@click.option("--allow-peer", "allowed", multiple=True, metavar="PREFIX", help="Local network that clients may reach.")
@click.option("--tls", "with_tls", is_flag=True, help="Make a self-signed certificate, also for a file that exists.")
@click.option("--name", "names", multiple=True, metavar="NAME", help="Domain name or address in that certificate.")
@click.option("--days", type=click.IntRange(1, 36500), help=f"Days that it is valid.  [default: {self_signed.DAYS}]")
def init_command(file: Path, with_tls: bool, names: tuple[str, ...], days: int | None, **answers: Any) -> None:
    """Make a configuration: asks for the realm, the address to announce and the local networks that clients may reach.

    A secret and a user with a random password are made along with it. An existing file is never overwritten; --tls
    adds its certificate to it.

    \b
    Examples:
      edgeturn init
      edgeturn init --yes -c ./my.conf
      edgeturn init --yes --realm example.org --external 198.51.100.7 --allow-peer 192.168.1.0/24
      edgeturn init --tls --name turn.example.org
    """
    if not with_tls and (names or days):
        raise click.UsageError("--name and --days go with --tls.")
    checked = [_name(name) for name in names]
    if with_tls:
        self_signed.check_library()
        self_signed.check_free(file)
    if not with_tls or not place.exists(file):
        _make(file, **answers)
    if with_tls:
        _secure(file, tuple(checked), days or self_signed.DAYS)


def _make(file: Path, yes: bool, realm: str | None, external: str | None, allowed: tuple[str, ...]) -> None:
    """Make the configuration."""
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
    for line in caveat.clock() + caveat.way_out() + ([] if answers.external else _reached(file)):
        click.echo(wrapped(line))


def _secure(file: Path, names: tuple[str, ...], days: int) -> None:
    """Make the certificate."""
    made = self_signed.create(file, names, days)
    click.echo(f"Made {made.certificate} for {', '.join(made.names)}, self-signed, valid until {made.ends}.")
    click.echo(f"Made {made.key} (mode 0600). Both are named in {file}; a relay takes them when it is started next.")
    click.echo(wrapped(self_signed.WARNING.format(made.certificate)))


def _name(name: str) -> str:
    try:
        return self_signed.checked(name)
    except ValueError as error:
        raise click.UsageError(f"'{name}' {error.args[0]}.") from None


def _take(given: str, kind: Callable[[str], object], question: str, default: str, yes: bool) -> str:
    """Return what was given as an option, else the default, else what a person answers; asks again while it's wrong."""
    if given or yes:
        return _checked(given or default, kind)
    try:
        answer: str = click.prompt(question, default=default, value_proc=lambda value: _checked(value, kind))
    except click.Abort:
        if sys.stdin.isatty():
            raise
        raise Failure("nobody is here to answer; `edgeturn init --yes` takes every default.") from None
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
    if any(ip in _CARRIER_GRADE for ip in sources):
        return f"auto is {names}: the provider's NAT (CGNAT) is in front, and IPv4 from outside can't pass it"
    if any(_is_private(ip) for ip in sources):
        return f"auto is {names}: private, so give the public one if clients come from the internet"
    return f"auto is {names}"


def _reached(file: Path) -> list[str]:
    """Return who doesn't reach this machine by the address that its routes use."""
    sources = [ipaddress.ip_address(ip) for ip in network.default_sources()]
    hidden = [ip for ip in sources if _is_private(ip)]
    if not hidden:
        return []
    if hidden[0] in _CARRIER_GRADE:
        way_out = "Use IPv6, ask the provider for a public IPv4 address, or run a relay elsewhere."
        return [
            f"The provider's NAT (CGNAT) is in front of {hidden[0]}: over IPv4 nobody outside reaches it. {way_out}"
        ]
    auto = place.command("config set external_address", file, "auto")
    return [f"{hidden[0]} is private: who comes from the internet needs a port mapping. `{auto}` makes it by itself."]


def _is_private(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return any(ip in each for each in _HIDDEN)
