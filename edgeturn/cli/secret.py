"""`edgeturn secret`: shared secrets of time-limited credentials; the first one mints, all are accepted."""

from pathlib import Path

import click

from edgeturn.cli import place
from edgeturn.cli.output import json_option
from edgeturn.command import secret
from edgeturn.command.identity import random_word
from edgeturn.command.secret import fingerprint

__all__ = ["fingerprint", "secret_command"]


@click.group("secret")
def secret_command() -> None:
    """Add, rotate, list and remove shared secrets.

    `edgeturn credentials` mints with the first one; the relay accepts what was made with any of them.

    \b
    Examples:
      edgeturn secret rotate
      edgeturn secret list
      edgeturn secret remove 1c2f03ab
    """


@secret_command.command()
@click.argument("value", required=False)
@place.with_file
def add(value: str | None, file: Path) -> None:
    """Add a secret behind the others, a random one if no VALUE is given; - reads it from standard input."""
    place.read_text(file)
    secret.add_to(str(file), random_word() if value is None else value)


@secret_command.command()
@place.with_file
def rotate(file: Path) -> None:
    """Put a new random secret in front; the old ones stay valid until they are removed."""
    place.read_text(file)
    secret.rotate_in(str(file))


@secret_command.command("list")
@place.with_file
@click.option("--show", is_flag=True, help="Show the secrets, not only their fingerprints.")
@json_option
def list_secrets(file: Path, show: bool, as_json: bool) -> None:
    """List the secrets by fingerprint."""
    place.read(file)
    secret.print_secrets(str(file), show, as_json)


@secret_command.command()
@click.argument("which", metavar="FINGERPRINT|SECRET")
@place.with_file
def remove(which: str, file: Path) -> None:
    """Remove a secret: what was minted with it starts no session from the next reload on; those that run go on."""
    place.read_text(file)
    secret.remove_from(str(file), which)
