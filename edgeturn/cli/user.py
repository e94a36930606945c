"""`edgeturn user`: users with a lasting password. Names and passwords are OpaqueStrings (RFC 8265 §4.2, RFC 8489)."""

import sys
import unicodedata
from pathlib import Path

import click

from edgeturn.cli import change, identity, place
from edgeturn.cli.edit import Document
from edgeturn.cli.failure import Wrong
from edgeturn.cli.output import json_option, print_json, print_table
from edgeturn.protocol.credentials import SHA256

_NAME_SIZE = 508  # bytes, RFC 8489 §14.3


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

    def edit(document: Document) -> None:
        if document.section("user", name):
            raise Wrong(f"there is a user '{name}' already; `{place.command('user remove', file, name)}` comes first.")
        document.add_section("user", name, [("password", chosen)])

    change.apply(file, edit)
    change.tell(file, f"Added user '{name}'" + (f" with password {chosen}" if password is None else ""))


@user_command.command("list")
@place.with_file
@json_option
def list_users(file: Path, as_json: bool) -> None:
    """List the users."""
    rows = [(user.name, "keys" if user.keys else "password", _algorithms(user.keys)) for user in place.read(file).users]
    if as_json:
        print_json([{"name": name, "kept": kept, "algorithms": known.split(", ")} for name, kept, known in rows])
    elif rows:
        print_table(("NAME", "KEPT AS", "ALGORITHMS"), rows)
    else:
        click.echo(f"No user; `{place.command('user add NAME', file)}` makes one.")


@user_command.command()
@click.argument("name")
@place.with_file
def remove(name: str, file: Path) -> None:
    """Remove a user: no new session from the next reload on; those that run go on until `edgeturn kick --user NAME`."""
    name = unicodedata.normalize("NFC", name)

    def edit(document: Document) -> None:
        section = document.section("user", name)
        if section is None:
            raise Wrong(f"there is no user '{name}'; `{place.command('user list', file)}` shows who is there.")
        document.remove_section(section)

    change.apply(file, edit)
    change.tell(file, f"Removed user '{name}'")
    click.echo(f"Sessions of it go on; `{place.command('kick --user', file, name)}` ends them.")
    change.tell_if_closed(file)


def user_name(text: str) -> str:
    """Return a name as it is compared; Wrong where it can't be one."""
    name = opaque(text, "a name")
    if ":" in name:
        raise Wrong("a name can't have a colon: it separates name, realm and password, and expiry and name in time-limited ones.")  # fmt: skip  # noqa: E501
    if len(name.encode()) > _NAME_SIZE:
        raise Wrong(f"a name can have {_NAME_SIZE} bytes at most (RFC 8489 §14.3).")
    return name


def opaque(text: str, what: str) -> str:
    """Return a text by the OpaqueString profile: NFC, every space a plain one, nothing that can't be printed."""
    spaced = "".join(" " if unicodedata.category(character) == "Zs" else character for character in text)
    normal = unicodedata.normalize("NFC", spaced)
    if not normal:
        raise Wrong(f"{what} can't be empty.")
    if any(unicodedata.category(character) in ("Cc", "Cs", "Cn", "Co") for character in normal):
        raise Wrong(f"{what} can't have control characters or unassigned ones.")
    return normal


def _algorithms(keys: dict[int, bytes]) -> str:
    return "MD5, SHA-256" if not keys or SHA256 in keys else "MD5"
