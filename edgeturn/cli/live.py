"""What a running relay is asked by its control socket: status, sessions, kick, drain, reload."""

from pathlib import Path

import click

from edgeturn.cli import control, place
from edgeturn.cli.output import json_option
from edgeturn.command import live


@click.command("status")
@place.with_file
@json_option
def status_command(file: Path, as_json: bool) -> None:
    """Show what the relay is and does."""
    live.print_status(control.ask(place.read(file), "status"), as_json)


@click.command("sessions")
@place.with_file
@json_option
def sessions_command(file: Path, as_json: bool) -> None:
    """List the allocations."""
    place.read(file)
    live.print_sessions(str(file), as_json)


@click.command("kick")
@click.argument("session", type=int, required=False, metavar="[ID]")
@click.option("--user", metavar="NAME", help="End all sessions of this user.")
@place.with_file
def kick_command(session: int | None, user: str | None, file: Path) -> None:
    """End a session by the ID that `edgeturn sessions` shows, or all of a user.

    The client may allocate again at once; remove its user or secret to keep it away.
    """
    live.end(str(file), session, user)


@click.command("drain")
@click.option("--wait", is_flag=True, help="Wait until the last allocation is gone and the relay has ended.")
@place.with_file
def drain_command(wait: bool, file: Path) -> None:
    """Admit no new allocations; the relay ends when none is left."""
    place.read(file)
    live.end_slowly(str(file), wait)


@click.command("reload")
@place.with_file
@json_option
def reload_command(file: Path, as_json: bool) -> None:
    """Apply the configuration file; allocations stay, unless their address is taken away.

    Says what was applied and what needs a restart. A file that is wrong changes nothing.
    """
    place.read_text(file)
    live.apply(str(file), as_json)
