"""`edgeturn user`: users with a lasting password. Names and passwords are OpaqueStrings (RFC 8265 §4.2, RFC 8489)."""

import sys
import unicodedata
from pathlib import Path

import click

from edgeturn.cli import change, identity, place
from edgeturn.cli.failure import Wrong
from edgeturn.cli.output import json_option
from edgeturn.command import user


@click.group("user")
def user_command() -> None:
    """Add, list and remove users with a password.

    For browsers, time-limited credentials serve better (`edgeturn credentials`): what leaks, ends.

    \b
    Examples:
      edgeturn user add alice
      edgeturn user add bob --password s3cret
      edgeturn user list --json
    """


@user_command.command()
@click.argument("name")
@click.option("-p", "--password", help="The password; - reads it from standard input.")
@click.option(
    "-g", "--generate", is_flag=True, help="Make a random password and print it; so it is without --password."
)
@place.with_file
def add(name: str, password: str | None, generate: bool, file: Path) -> None:
    """Add a user."""
    if password is not None and generate:
        raise Wrong("--password and --generate exclude each other.")
    name = user_name(name)
    if password == "-":
        password = sys.stdin.readline().rstrip("\r\n")
    chosen = identity.random_word() if password is None else opaque(password, "a password")

    place.read_text(file)
    user.add_to(str(file), name, chosen)
    change.tell(file, f"Added user '{name}'" + (f" with password {chosen}" if password is None else ""))


@user_command.command("list")
@place.with_file
@json_option
def list_users(file: Path, as_json: bool) -> None:
    """List the users."""
    user.print_users(place.read(file).users, str(file), as_json)


@user_command.command()
@click.argument("name")
@place.with_file
def remove(name: str, file: Path) -> None:
    """Remove a user: no new session from the next reload on; those that run go on until `edgeturn kick --user NAME`."""
    place.read_text(file)
    user.remove_from(str(file), unicodedata.normalize("NFC", name))


def user_name(text: str) -> str:
    """Return a name as it is compared; Wrong where it can't be one."""
    return user.checked_name(opaque(text, "a name"))


def opaque(text: str, what: str) -> str:
    """Return a text by the OpaqueString profile: NFC, every space a plain one, nothing that can't be printed."""
    spaced = "".join(" " if unicodedata.category(character) == "Zs" else character for character in text)
    normal = unicodedata.normalize("NFC", spaced)
    if not normal:
        raise Wrong(f"{what} can't be empty.")
    if any(unicodedata.category(character) in ("Cc", "Cs", "Cn", "Co") for character in normal):
        raise Wrong(f"{what} can't have control characters or unassigned ones.")
    return normal
