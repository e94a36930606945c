"""`edgeturn credentials`: mint a time-limited credential."""

from pathlib import Path

import click

from edgeturn.cli import place
from edgeturn.command import ice
from edgeturn.command.credentials import mint

_LONGEST = 10 * 365 * 86400


@click.command("credentials")
@click.option("--user", default="guest", show_default=True, help="Name that quotas and logs go by.")
@click.option(
    "--ttl", default=ice.LIFETIME, show_default=True, type=click.IntRange(1, _LONGEST), help="Seconds it is valid."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "env", "text"]),
    default="json",
    show_default=True,
    help="json: iceServers for RTCPeerConnection; env: for a shell; text: for people.",
)
@place.with_file
def credentials_command(user: str, ttl: int, form: str, file: Path) -> None:
    """Mint a time-limited credential from the first secret.

    The relay needs not be told: who knows the secret can mint.

    \b
    Examples:
      edgeturn credentials
      edgeturn credentials --user alice --ttl 3600 --format text
      eval "$(edgeturn credentials --format env)"
    """
    place.read(file)
    mint(str(file), user, ttl, form)
