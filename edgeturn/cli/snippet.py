"""`edgeturn snippet`: an application's configuration on standard output, what is to be said of it beside that."""

from pathlib import Path

import click

from edgeturn.cli import place
from edgeturn.cli.failure import Wrong
from edgeturn.cli.output import json_option, print_json, print_table, wrapped
from edgeturn.snippets import table
from edgeturn.snippets.application import MINTED, SECRET, STUN, USER, YEAR
from edgeturn.snippets.snippet import Snippet, Wishes, write

_TAKES = {SECRET: "secret", USER: "user", MINTED: "secret", STUN: "nothing"}


@click.command("snippet")
@click.argument("app", required=False)
@click.option("--name", metavar="HOST", default="", help="Domain name or address under which clients reach the relay.")
@click.option("--user", metavar="NAME", default="", help="Use this user and its password.")
@click.option("--secret", metavar="FINGERPRINT", default="", help="Use this secret, instead of the first.")
@click.option("--lifetime", type=click.IntRange(1, 10 * YEAR), help="Seconds that credentials last.")
@place.with_file
@json_option
def snippet_command(
    app: str | None, name: str, user: str, secret: str, lifetime: int | None, file: Path, as_json: bool
) -> None:
    """Print an application's configuration for this relay; without APP, list the applications.

    Only the configuration goes to standard output, so that it can be written into a file. It has a secret or a
    password in it.

    \b
    Examples:
      edgeturn snippet
      edgeturn snippet synapse
      edgeturn snippet nextcloud-talk --name turn.example.org
      edgeturn snippet go2rtc --user alice > turn.yaml
    """
    if app is None:
        if name or user or secret or lifetime:
            raise Wrong("name the application whose configuration you want; `edgeturn snippet` lists them.")
        _list(as_json)
        return
    application = table.find(app)
    _print(write(application, place.read(file), Wishes(name, user, secret, lifetime or 0)), as_json)


def _print(made: Snippet, as_json: bool) -> None:
    if as_json:
        print_json(_document(made))
        return
    click.echo(made.text, nl=False)
    for note in made.notes:
        click.echo("\n" + wrapped(note), err=True)


def _list(as_json: bool) -> None:
    rows = [
        (each.name, each.title, " or ".join(dict.fromkeys(_TAKES[style] for style in each.styles)))
        for each in table.APPLICATIONS
    ]
    if as_json:
        print_json(
            [
                {"name": each.name, "title": each.title, "where": each.where, "aliases": list(each.aliases)}
                for each in table.APPLICATIONS
            ]
        )
    else:
        print_table(("APP", "APPLICATION", "TAKES"), rows)


def _document(made: Snippet) -> dict[str, object]:
    return {
        "name": made.application.name,
        "title": made.application.title,
        "where": made.application.where,
        "apply": made.application.apply,
        "configuration": made.text,
        "credential": made.style,
        "expires": made.expires or None,
        "notes": list(made.notes),
    }
