"""Changing a configuration file: edit, check the whole, write at once, say when it takes effect."""

from collections.abc import Callable
from pathlib import Path

import click

from edgeturn.cli import files, place
from edgeturn.cli.edit import Document
from edgeturn.cli.failure import Wrong
from edgeturn.relay import options
from edgeturn.relay.configuration import Configuration
from edgeturn.relay.uci import ConfigError


def apply(file: Path, edit: Callable[[Document], None]) -> None:
    """Edit a file; Wrong, and nothing changed, where the result would be no correct configuration."""
    before = place.read_text(file)
    document = Document(before, str(file))
    edit(document)
    try:
        Configuration(document.text, str(file))
    except ConfigError as error:
        raise Wrong(f"{error.message}; {file} was not changed.") from None
    if document.text != before:
        files.replace(file, document.text)


def tell(file: Path, what: str, live: bool = True) -> None:
    """Say what was changed and when a running relay takes it."""
    if live:
        click.echo(f"{what}; a running relay takes it by `{place.command('reload', file)}`.")
    else:
        click.echo(f"{what}; it takes effect when the relay is started next.")


def tell_if_closed(file: Path) -> None:
    """Say so where nobody can log in, and what makes a login."""
    settings = place.read(file)
    if not settings.items("secret") and not settings.users:
        click.echo(
            f"But nobody can log in: {file} has no secret and no user; `{place.command('secret add', file)}` or "
            f"`{place.command('user add NAME', file)}` makes one."
        )


def option_named(name: str) -> options.Option:
    """Return an option of the relay section; Wrong where there is none of that name."""
    found = options.find("relay", name)
    if found is not None:
        return found
    raise Wrong(
        f"there is no option '{name}'{_meant(name)}; `{place.command('config reference', None)}` lists all of them."
    )


def _meant(name: str) -> str:
    import difflib

    close = difflib.get_close_matches(name, names(), 1)
    return f", perhaps '{close[0]}' is meant" if close else ""


def names() -> list[str]:
    """Return the names of the relay section's options."""
    return [option.name for option in options.OPTIONS if option.section == "relay"]
