"""
What of the README is made from tables, options, commands and snippets: `python -m tools.reference` writes it anew.

Rule: they stand between <!-- NAME: begin --> and <!-- NAME: end -->, and nothing else there is touched.
"""

from pathlib import Path

import click

from edgeturn.cli import config_reference
from edgeturn.cli.root import edgeturn
from edgeturn.command.table import TOP
from edgeturn.snippets.table import APPLICATIONS

README = Path(__file__).resolve().parents[1] / "README.md"


def commands() -> str:
    """Return a table of all commands, and of what is below them."""
    root = click.Context(edgeturn)
    lines = ["| command | what for |", "|---|---|"]
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


def options() -> str:
    """Return the tables of options, with headings that fit below a section of the README."""
    return config_reference.markdown().replace("### ", "#### ")


def snippets() -> str:
    """Return a table of the applications that there is a snippet for."""
    rows = [f"| `{each.name}` | {each.title} | {each.where} |" for each in APPLICATIONS]
    return "\n".join(["| APP | application | where it goes |", "|---|---|---|", *rows]) + "\n"


PARTS = {"commands": commands, "options": options, "snippets": snippets}


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
