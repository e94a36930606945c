"""The table of commands against click's own: whatever the small command has, the click tool has alike."""

import click
import pytest

from edgeturn.cli.root import COMMANDS as NAMES
from edgeturn.cli.root import edgeturn
from edgeturn.command import table
from edgeturn.command.failure import EXIT_CODES

ROWS = table.COMMANDS
PATHS = [row[0] for row in ROWS]


def clicked(path: str) -> click.Command:
    """Return click's command of some words."""
    found: click.Command | None = edgeturn
    for word in path.split():
        assert isinstance(found, click.Group)
        found = found.get_command(click.Context(edgeturn), word)
    assert found is not None, path
    return found


def options(command: click.Command) -> dict[str, click.Option]:
    return {each.opts[-1]: each for each in command.params if isinstance(each, click.Option)}


def kind_of(option: click.Option) -> str | tuple[object, ...]:
    """Return an option's kind as the table has it."""
    if option.is_flag:
        return table.FLAG
    if isinstance(option.type, click.IntRange):
        return (option.type.min, option.type.max)
    if isinstance(option.type, click.Choice):
        return tuple(option.type.choices)
    return (option.metavar or "TEXT") + "..." * option.multiple


def test_top_is_what_click_lists() -> None:
    assert [(name, about) for name, _, about in NAMES] == list(table.TOP)
    assert {path.split()[0] for path in PATHS} <= {name for name, _ in table.TOP}


@pytest.mark.parametrize("row", ROWS, ids=PATHS)
def test_a_row_is_as_click_has_it(row: tuple[str, str, str, tuple[str, ...], tuple[tuple[str, ...], ...]]) -> None:
    path, about, _, arguments, wanted = row
    command = clicked(path)
    if about:
        assert (command.help or "").split("\n\n")[0].replace("\n", " ") == about or command.short_help == about
    assert [
        each.make_metavar(click.Context(command)) for each in command.params if isinstance(each, click.Argument)
    ] == [*arguments]
    theirs = options(command)
    for short, name, kind, sentence in wanted:
        option = theirs[name]
        assert [*option.opts] == [each for each in (short, name) if each], name
        assert kind_of(option) == kind, name
        assert (option.help or "").partition("  [")[0] == sentence or (option.hidden and not sentence), name


def test_what_only_click_has_is_known() -> None:
    mine = {(row[0], option[1]) for row in ROWS for option in row[4]}
    theirs = {(path, name) for path in PATHS for name in options(clicked(path))}
    assert theirs - mine == {("check", "--ca"), ("check", "--insecure"), ("kernel attach", "--hook")}
    assert mine <= theirs


def test_the_exit_codes_are_the_same() -> None:
    assert all(f"  {code}  {meaning}" in str(edgeturn.epilog) for code, meaning in EXIT_CODES)
