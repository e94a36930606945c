"""
The manual pages: one for each command, from what click knows of it, and edgeturn.conf(5) from the table of options.

    python -m tools.manual FOLDER

Rule 1: click-man writes the pages; what is added here are examples that keep their lines.
Rule 2: the date is SOURCE_DATE_EPOCH's, without it the last commit's, so that the same tree gives the same bytes.
"""

import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
from click_man.core import generate_man_page

from edgeturn import __version__
from edgeturn.cli import config_reference
from edgeturn.cli.root import edgeturn
from edgeturn.command.table import TOP
from tools.epoch import epoch

_EXAMPLES = re.compile(r"^\n((?:[A-Z][^\n]*:\n)(?:  [^\n]*\n)+)", re.MULTILINE)


def write(folder: Path) -> list[Path]:
    """Write every page into a folder; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    date = datetime.fromtimestamp(epoch(), UTC).strftime("%Y-%m-%d")
    pages = {f"{context.command_path.replace(' ', '-')}.1": _page(context, date) for context in _contexts()}
    pages["edgeturn.conf.5"] = _options(date)
    for name, text in pages.items():
        (folder / name).write_text(text)
    return [folder / name for name in pages]


def _contexts() -> Iterator[click.Context]:
    """Return a context for each command that is shown."""
    about = dict(TOP)
    root = click.Context(edgeturn, info_name="edgeturn")
    for name in edgeturn.list_commands(root):
        command = edgeturn.get_command(root, name)
        assert command is not None
        command.short_help = about[name]
        edgeturn.add_command(command)  # click-man lists what was added, and ours are loaded when they are called
    yield from _below(root)


def _below(context: click.Context) -> Iterator[click.Context]:
    yield context
    if isinstance(context.command, click.Group):
        for name, command in context.command.commands.items():
            if not command.hidden:
                yield from _below(click.Context(command, info_name=name, parent=context))


def _page(context: click.Context, date: str) -> str:
    text: str = generate_man_page(context, version=__version__, date=date)
    return _EXAMPLES.sub(lambda found: f".nf\n{_literal(found[1])}.fi\n", text.replace("\b\n", "\n")) + _exit_status(
        context.command.epilog
    )


def _exit_status(epilog: str | None) -> str:
    """Return the section for what `--help` says at its end, which click-man leaves out."""
    rows = [line.split(maxsplit=1) for line in (epilog or "").splitlines() if line.startswith("  ")]
    return "".join([".SH EXIT STATUS\n", *(f".TP\n{code}\n{_literal(what)}\n" for code, what in rows)]) if rows else ""


def _literal(text: str) -> str:
    return text.replace("\\", "\\e").replace("-", "\\-")


def _options(date: str) -> str:
    """Return edgeturn.conf(5)."""
    lines = [
        f'.TH "EDGETURN.CONF" "5" "{date}" "{__version__}" "edgeturn Manual"',
        ".SH NAME",
        "edgeturn.conf \\- configuration of the edgeturn relay",
        ".SH DESCRIPTION",
        "UCI syntax on every system: sections, and in them options with one value and lists with several. The file is",
        "/etc/config/edgeturn where there is an /etc/config, as on OpenWrt; else /etc/edgeturn/edgeturn.conf for root",
        "and ~/.config/edgeturn/edgeturn.conf for others.",
        ".SH OPTIONS",
        config_reference.roff() + ".SH SEE ALSO",
        ".BR edgeturn (1)",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for path in write(Path(sys.argv[1])):
        print(path)
