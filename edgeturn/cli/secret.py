"""`edgeturn secret`: shared secrets of time-limited credentials; the first one mints, all are accepted."""

import hashlib
from pathlib import Path

import click

from edgeturn.cli import change, identity, place
from edgeturn.cli.edit import Document
from edgeturn.cli.failure import Wrong
from edgeturn.cli.output import json_option, print_json, print_table
from edgeturn.relay.uci import Entry


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
    """Add a secret behind the others, a random one if no VALUE is given."""
    chosen = identity.random_word() if value is None else value
    change.apply(file, lambda document: _add(document, chosen, first=False))
    change.tell(file, f"Added the secret with fingerprint {fingerprint(chosen)}")


@secret_command.command()
@place.with_file
def rotate(file: Path) -> None:
    """Put a new random secret in front; the old ones stay valid until they are removed."""
    chosen = identity.random_word()
    old: list[str] = []

    def edit(document: Document) -> None:
        old.extend(fingerprint(entry.value) for entry in document.entries("secret"))
        _add(document, chosen, first=True)

    change.apply(file, edit)
    click.echo(f"New credentials are made with the secret {fingerprint(chosen)} from now on. Next:")
    click.echo(f"  1. {place.command('reload', file)}")
    click.echo(
        f"  2. give the new secret (`{place.command('secret list --show', file)}`) to whatever else mints credentials"
    )
    for each in old:
        click.echo(
            f"  3. once the last credential of {each} has expired: {place.command(f'secret remove {each}', file)}"
        )


@secret_command.command("list")
@place.with_file
@click.option("--show", is_flag=True, help="Show the secrets, not only their fingerprints.")
@json_option
def list_secrets(file: Path, show: bool, as_json: bool) -> None:
    """List the secrets by fingerprint."""
    rows = [
        {"fingerprint": fingerprint(str(secret)), "mints": not place_in_list, **({"secret": secret} if show else {})}
        for place_in_list, secret in enumerate(place.read(file).items("secret"))
    ]
    if as_json:
        print_json(rows)
    elif rows:
        table = [(row["fingerprint"], "mints" if row["mints"] else "accepted", row.get("secret", "")) for row in rows]
        print_table(("FINGERPRINT", "USE", "SECRET" if show else ""), table)
    else:
        click.echo(f"No secret; `{place.command('secret add', file)}` makes one.")


@secret_command.command()
@click.argument("which", metavar="FINGERPRINT|SECRET")
@place.with_file
def remove(which: str, file: Path) -> None:
    """Remove a secret: what was minted with it starts no session from the next reload on; those that run go on."""
    left = 0

    def edit(document: Document) -> None:
        nonlocal left
        entries = document.entries("secret")
        found = [entry for entry in entries if _is(entry, which)]
        if not found:
            raise Wrong(f"there is no such secret; `{place.command('secret list', file)}` shows the fingerprints.")
        document.remove(found)
        left = len(entries) - len(found)

    change.apply(file, edit)
    change.tell(file, f"Removed the secret, {left} left")
    click.echo(
        f"Sessions that were started with it go on: `{place.command('sessions', file)}` lists them, "
        f"`{place.command('kick ID', file)}` ends one."
    )
    change.tell_if_closed(file)


def fingerprint(secret: str) -> str:
    """Return what a secret is known by without telling it."""
    return hashlib.sha256(secret.encode()).hexdigest()[:8]


def _add(document: Document, secret: str, first: bool) -> None:
    if any(entry.value == secret for entry in document.entries("secret")):
        raise Wrong("this secret is there already; nothing was changed.")
    document.add("secret", secret, first)


def _is(entry: Entry, which: str) -> bool:
    return which in (entry.value, fingerprint(entry.value))
