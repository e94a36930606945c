"""`edgeturn config`: show, change and check the configuration; the reference is the table itself."""

import os
import stat
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from edgeturn.cli import change, place
from edgeturn.cli.change import option_named
from edgeturn.cli.edit import Document
from edgeturn.cli.failure import Wrong
from edgeturn.cli.output import json_option, print_json, print_table
from edgeturn.relay import options
from edgeturn.relay.options import Option


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    rows = [option for option in options.OPTIONS if option.section == "relay" and option.name.startswith(incomplete)]
    return [CompletionItem(option.name, help=option.about) for option in rows]


_name = click.argument("name", shell_complete=_complete)


@click.group("config")
def config_command() -> None:
    """Show, change and check the configuration file.

    Comments, order and everything else of the file stay as they are, and what would be wrong is never written.
    Users have a command of their own, `edgeturn user`; secrets have `edgeturn secret`.

    \b
    Examples:
      edgeturn config set max_allocations 256
      edgeturn config add allow_peer 192.168.1.0/24
      edgeturn config set listen 0.0.0.0:3479 '[::]:3479'
      edgeturn config reference --format markdown
    """


@config_command.command()
@place.with_file
@click.option("--show", is_flag=True, help="Show secrets too.")
@json_option
def show(file: Path, show: bool, as_json: bool) -> None:
    """Show every option's value, those that aren't in the file with their defaults."""
    place.read(file)
    document = Document(place.read_text(file), str(file))
    rows = [option for option in options.OPTIONS if option.section == "relay"]
    if as_json:
        shown = [option for option in rows if show or option.name != "secret"]
        print_json({option.name: _value(document, option) for option in shown})
        return
    table = []
    for option in rows:
        values = _hidden(option, _values(document, option), show)
        table.append((option.name, ", ".join(values) or "-", "file" if document.entries(option.name) else "default"))
    print_table(("OPTION", "VALUE", "FROM"), table)


@config_command.command()
@_name
@place.with_file
@json_option
def get(name: str, file: Path, as_json: bool) -> None:
    """Print an option's value, a list's values one a line."""
    option = option_named(name)
    document = Document(place.read_text(file), str(file))
    if as_json:
        print_json(_value(document, option))
        return
    for value in _values(document, option):
        click.echo(value)


@config_command.command("set")
@_name
@click.argument("values", nargs=-1, required=True, metavar="VALUE...")
@place.with_file
def set_value(name: str, values: tuple[str, ...], file: Path) -> None:
    """Give an option a value, or a list these values instead of those that it has."""
    option = option_named(name)
    if not option.is_list and len(values) > 1:
        raise Wrong(f"'{name}' takes one value, not {len(values)}; {file} was not changed.")

    def edit(document: Document) -> None:
        if option.is_list:
            document.set_list(name, values)
        else:
            document.set(name, values[0])

    change.apply(file, edit)
    change.tell(file, f"{name} is {', '.join(values)}", option.live)


@config_command.command()
@_name
@place.with_file
def unset(name: str, file: Path) -> None:
    """Remove an option or a whole list, so that its default counts."""
    option = option_named(name)
    change.apply(file, lambda document: document.remove(document.entries(name)))
    change.tell(file, f"{name} has its default, {option.default or 'none'}", option.live)
    if name == "secret":
        change.tell_if_closed(file)


@config_command.command()
@_name
@click.argument("value")
@place.with_file
def add(name: str, value: str, file: Path) -> None:
    """Add a value to a list."""
    option = _list_named(name, file)

    def edit(document: Document) -> None:
        if value in _values(document, option):
            raise Wrong(f"'{name}' has the value {value} already; {file} was not changed.")
        document.add(name, value)

    change.apply(file, edit)
    change.tell(file, f"{name} has {value} too", option.live)


@config_command.command()
@_name
@click.argument("value")
@place.with_file
def remove(name: str, value: str, file: Path) -> None:
    """Remove a value from a list."""
    option = _list_named(name, file)

    def edit(document: Document) -> None:
        found = [entry for entry in document.entries(name) if entry.value == value]
        if not found:
            has = ", ".join(_hidden(option, _values(document, option), False)) or "no value"
            raise Wrong(f"'{name}' doesn't have the value {value}, it has {has}; {file} was not changed.")
        document.remove(found)

    change.apply(file, edit)
    change.tell(file, f"{name} no longer has {value}", option.live)
    if name == "secret":
        change.tell_if_closed(file)


@config_command.command()
@place.with_file
def check(file: Path) -> None:
    """Say whether the file is correct, and what may be a mistake nevertheless."""
    settings = place.read(file)
    click.echo(f"{file} is correct.")
    change.tell_if_closed(file)
    if stat.S_IMODE(os.stat(file).st_mode) & 0o077:
        click.echo(f"But others may read the secrets in it: `chmod 600 {file}`.")
    for prefix in settings.items("allow_peer"):
        if str(prefix).endswith("/0"):
            click.echo(f"But allow_peer {prefix} opens every address, this machine's own services too.")


@config_command.command()
@click.option("--format", "form", type=click.Choice(["text", "markdown"]), default="text", show_default=True)
@json_option
def reference(form: str, as_json: bool) -> None:
    """Explain every option: where it stands, its default, when a change takes effect, what it is for."""
    if as_json:
        print_json([_explained(option) for option in options.OPTIONS])
    elif form == "markdown":
        _print_markdown()
    else:
        _print_text()


def _print_text() -> None:
    for kind in options.section_kinds():
        click.echo(f"config {kind}" + ("" if kind == "relay" else " 'NAME'"))
        for option in _of(kind):
            default = "" if option.default is None else f" = {option.default}"
            click.echo(f"  {_keyword(option)} {option.name}{default}  (applied on {_applied(option)})")
            click.echo(f"      {option.about}")


def _print_markdown() -> None:
    for kind in options.section_kinds():
        click.echo(f"## config {kind}\n\n| | option | default | applied on | |\n|---|---|---|---|---|")
        for option in _of(kind):
            default = "" if option.default is None else f"`{option.default}`"
            click.echo(f"| {_keyword(option)} | `{option.name}` | {default} | {_applied(option)} | {option.about} |")
        click.echo()


def _explained(option: Option) -> dict[str, object]:
    return {
        "section": option.section,
        "name": option.name,
        "list": option.is_list,
        "default": option.default,
        "applied_on": _applied(option),
        "about": option.about,
    }


def _of(kind: str) -> list[Option]:
    return [option for option in options.OPTIONS if option.section == kind]


def _keyword(option: Option) -> str:
    return "list" if option.is_list else "option"


def _applied(option: Option) -> str:
    return "reload" if option.live else "restart"


def _list_named(name: str, file: Path) -> Option:
    option = option_named(name)
    if not option.is_list:
        raise Wrong(
            f"'{name}' is no list: use `{place.command(f'config set {name} VALUE', file)}` and "
            f"`{place.command(f'config unset {name}', file)}`."
        )
    return option


def _values(document: Document, option: Option) -> list[str]:
    values = [entry.value for entry in document.entries(option.name)]
    return values or ([] if option.default is None else [option.default])


def _value(document: Document, option: Option) -> list[str] | str | None:
    values = _values(document, option)
    return values if option.is_list else values[-1] if values else None


def _hidden(option: Option, values: list[str], show: bool) -> list[str]:
    """Return the values, or of secrets only how many there are."""
    if option.name != "secret" or show or not values:
        return values
    return [f"{len(values)} hidden, --show shows them"]
