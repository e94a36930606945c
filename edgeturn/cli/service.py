"""`edgeturn service`: a systemd unit for this relay, hardened, and what to type next.

Rule 1: nothing is started or enabled here: who installs decides when.
Rule 2: installing twice changes nothing; where the configuration asks for other rights, `status` says so.
"""

import difflib
from pathlib import Path

import click

from edgeturn.cli import place, service_machine, service_unit
from edgeturn.cli.failure import FAILED, Failure
from edgeturn.cli.output import json_option, print_json, wrapped
from edgeturn.cli.service_machine import UNIT
from edgeturn.cli.service_unit import NAME, USER, Places
from edgeturn.relay.configuration import Configuration

_FIREWALL = "CAP_NET_ADMIN"


@click.group("service")
def service_command() -> None:
    """Run the relay as a service of systemd.

    It runs as user edgeturn, in a sandbox, without any right that the configuration doesn't ask for.

    \b
    Examples:
      edgeturn service install --dry-run
      edgeturn service install
      edgeturn service status
      edgeturn service uninstall
    """


@service_command.command()
@click.option("--dry-run", is_flag=True, help="Say what would be done, with the changes of the unit; do nothing.")
@click.option("--print", "only_print", is_flag=True, help="Print the unit and do nothing.")
@click.option(
    "--firewall", is_flag=True, help="Let the relay open its live ports in nftables, which takes CAP_NET_ADMIN."
)
@place.with_file
def install(dry_run: bool, only_print: bool, firewall: bool, file: Path) -> None:
    """Write the unit, make its user, and let this user read the configuration.

    A configuration is made where there is none. Call it again after changing options that the unit depends on: ports
    below 1024, the number of allocations, `kernel`, `discovery`, `dtls`, `control`.
    """
    file = file.absolute()
    unit = service_machine.unit_for(file, firewall)
    if only_print:
        click.echo(unit, nl=False)
        return
    service_machine.check_systemd("there is no service to install")
    if dry_run:
        _say_steps(unit, file)
        return
    service_machine.check_root("installing a service")
    _install(file, firewall)


@service_command.command()
@place.with_file
def uninstall(file: Path) -> None:
    """Stop the service, take its program out of the kernel, and remove the unit.

    The configuration and the user stay.
    """
    service_machine.check_systemd("there is no service")
    if not place.exists(UNIT):
        raise Failure(_not_ours())
    service_machine.check_root("removing a service")
    service_machine.check_unit()
    service_machine.remove_unit()
    click.echo(f"Stopped {NAME} and removed {UNIT}.")
    click.echo(f"What the kernel still carries: `{place.command('kernel detach', file)}` ends it.")
    click.echo(f"{file} and user {USER} stay; `userdel {USER}` removes the user.")


@service_command.command()
@place.with_file
@json_option
def status(file: Path, as_json: bool) -> None:
    """Show whether the service is installed, enabled and running, and how exposed it is."""
    service_machine.check_systemd("there is no service")
    installed = service_machine.installed()
    told = _told(installed, file.absolute())
    if as_json:
        print_json(told)
    else:
        _print_status(told, file)
    if not told["installed"]:
        raise SystemExit(FAILED)


def _install(file: Path, firewall: bool) -> None:
    """Do all of it, and say what to type next."""
    places = Places()
    service_machine.check_unit()
    service_machine.check_places(places)
    service_machine.check_file(file)
    service_machine.make_user()
    made = not place.exists(file)
    service_machine.make_configuration(file)
    settings = place.read(file)
    service_machine.give_files(file, settings)
    service_machine.check_start(file, places)
    unit = service_unit.text(settings, file, firewall)
    changed = service_machine.installed() != unit
    service_machine.write_unit(unit)
    if made:
        click.echo(f"Made {file} with a realm, one secret and one user.")
    click.echo(f"{'Wrote' if changed else 'Unchanged:'} {UNIT}.")
    _say_exposure(unit)
    _say_unreadable(settings)
    _say_next(changed, file)


def _say_unreadable(settings: Configuration) -> None:
    for path in service_machine.unreadable(service_unit.files_of(settings)):
        click.echo(
            wrapped(
                f"User {USER} can't read {path}: `setfacl -m u:{USER}:r {path}`, also after each renewal (package acl)."
            )
        )


def _say_next(changed: bool, file: Path) -> None:
    running = service_machine.property_of("ActiveState") == "active"
    if running:
        click.echo(f"Next: `systemctl restart {NAME}` takes it." if changed else "It runs; nothing to do.")
    else:
        click.echo(f"Next: `systemctl enable --now {NAME}`, and then `{place.command('check', file)}`.")


def _say_exposure(unit: str) -> None:
    exposure = service_machine.exposure(unit)
    if exposure is not None:
        click.echo(f"Exposure: {exposure:.1f} of 10, by `systemd-analyze security`; less is better.")


def _say_steps(unit: str, file: Path) -> None:
    """Say what installing would do."""
    if not service_machine.has_user():
        click.echo(f"Would make user {USER}.")
    if not place.exists(file):
        click.echo(f"Would make {file} with a realm, one secret and one user.")
    click.echo(f"Would let group {USER} read {file}, and name the user in it.")
    before = service_machine.installed()
    lines = difflib.unified_diff(before.splitlines(True), unit.splitlines(True), str(UNIT), str(UNIT), n=1)
    told = "".join(lines)
    click.echo(told or f"{UNIT} would stay as it is.")
    _say_exposure(unit)


def _told(own: str, file: Path) -> dict[str, object]:
    """Return where the service stands; a unit of ours goes before a package's."""
    installed = own or service_machine.packaged()
    wanted = service_machine.unit_for(file, _FIREWALL in installed)
    return {
        "installed": bool(installed),
        "unit": str(UNIT if own else service_machine.PACKAGED),
        "matches": not installed or installed == wanted,
        "enabled": service_machine.property_of("UnitFileState"),
        "active": service_machine.property_of("ActiveState"),
        "exposure": service_machine.exposure(installed) if installed else None,
    }


def _print_status(told: dict[str, object], file: Path) -> None:
    if not told["installed"]:
        click.echo(f"Not installed; `{place.command('service install', file)}` does it, as root.")
        return
    click.echo(f"{told['unit']}: {told['active']}, {told['enabled']}")
    if told["exposure"] is not None:
        click.echo(f"Exposure: {told['exposure']} of 10")
    if not told["matches"]:
        again = place.command("service install", file)
        click.echo(wrapped(f"The configuration asks for another unit than this: `{again}` as root writes it anew."))
    if told["active"] != "active":
        click.echo(f"Next: `systemctl enable --now {NAME}`; `journalctl -u edgeturn` says what went wrong.")


def _not_ours() -> str:
    if place.exists(service_machine.PACKAGED):
        return f"{service_machine.PACKAGED} belongs to the package edgeturn: `systemctl disable --now {NAME}` stops it."
    return f"there is no {UNIT}: nothing to remove."
