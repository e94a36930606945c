"""`edgeturn config`: show, change and check the configuration; the reference is the table itself."""

from pathlib import Path

import click
from click.shell_completion import CompletionItem

from edgeturn.cli import config_reference, place
from edgeturn.cli.change import option_named
from edgeturn.cli.output import json_option, print_json
from edgeturn.command import config
from edgeturn.relay import options


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
    config.print_all(str(file), show, as_json)


@config_command.command()
@_name
@place.with_file
@json_option
def get(name: str, file: Path, as_json: bool) -> None:
    """Print an option's value, a list's values one a line."""
    option = option_named(name)
    place.read_text(file)
    config.print_one(str(file), option, as_json)


@config_command.command("set")
@_name
@click.argument("values", nargs=-1, required=True, metavar="VALUE...")
@place.with_file
def set_value(name: str, values: tuple[str, ...], file: Path) -> None:
    """Give an option a value, or a list these values instead of those that it has."""
    option = option_named(name)
    place.read_text(file)
    config.set_in(str(file), option, list(values))


@config_command.command()
@_name
@place.with_file
def unset(name: str, file: Path) -> None:
    """Remove an option or a whole list, so that its default counts."""
    option = option_named(name)
    place.read_text(file)
    config.unset_in(str(file), option)


@config_command.command()
@_name
@click.argument("value")
@place.with_file
def add(name: str, value: str, file: Path) -> None:
    """Add a value to a list."""
    option = option_named(name)
    place.read_text(file)
    config.add_to(str(file), option, value)


@config_command.command()
@_name
@click.argument("value")
@place.with_file
def remove(name: str, value: str, file: Path) -> None:
    """Remove a value from a list."""
    option = option_named(name)
    place.read_text(file)
    config.remove_from(str(file), option, value)


@config_command.command()
@place.with_file
def check(file: Path) -> None:
    """Say whether the file is correct, and what may be a mistake nevertheless."""
    place.read(file)
    config.check_file(str(file))


@config_command.command()
@click.option("--format", "form", type=click.Choice(list(config_reference.FORMS)), default="text", show_default=True)
@json_option
def reference(form: str, as_json: bool) -> None:
    """Explain every option: where it stands, its default, when a change takes effect, what it is for."""
    if as_json:
        print_json(config_reference.rows())
    else:
        click.echo(config_reference.FORMS[form](), nl=False)
