"""
The parts of the README that are made from tables, options and commands: `python -m tools.reference` writes them anew.

Rule: they stand between <!-- NAME: begin --> and <!-- NAME: end -->, and nothing else there is touched.
"""

from pathlib import Path

import click

from edgeturn.cli import explained
from edgeturn.cli.root import edgeturn
from edgeturn.command.table import TOP

README = Path(__file__).resolve().parents[1] / "README.md"


def commands() -> str:
    """Return a table of all commands, and of what is below them."""
    root = click.Context(edgeturn)
    lines = ["| command | |", "|---|---|"]
    for name, about in TOP:
        command = edgeturn.get_command(root, name)
        assert command is not None
        if not command.hidden:
            lines.append(f"| `{name}`{_below(command)} | {about} |")
    return "\n".join(lines) + "\n"


def _below(command: click.Command) -> str:
    if not isinstance(command, click.Group):
        return ""
    return " " + " · ".join(f"`{name}`" for name, each in command.commands.items() if not each.hidden)


PARTS = {"commands": commands, "options": explained.markdown}


def renewed(text: str) -> str:
    """Return a README with its made parts as the tables have them now."""
    for name, make in PARTS.items():
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        before, found, rest = text.partition(begin)
        behind = rest.partition(end)[2]
        assert found and end in rest, f"the README has no place for {name}"
        text = f"{before}{begin}\n{make()}\n{end}{behind}"
    return text


if __name__ == "__main__":
    README.write_text(renewed(README.read_text()))
