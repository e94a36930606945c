"""What listings look like: a table for people, JSON with --json for programs."""

import json
import re
from collections.abc import Callable, Sequence
from textwrap import TextWrapper
from typing import TypeVar

import click

from edgeturn.protocol.limits import Limits

Function = TypeVar("Function", bound=Callable[..., object])

json_option: Callable[[Function], Function] = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON, for programs."
)


_WIDTH = 80
_COMMAND = re.compile("`[^`]*`")
_KEPT = "\0"  # a space at which no line ends


def wrapped(text: str, first: str = "", others: str = "") -> str:
    """Return text in lines of 80 letters, with indentations; a command in backticks stays whole, to be copied."""
    wrapper = TextWrapper(_WIDTH, first, others, break_long_words=False, break_on_hyphens=False)
    kept = _COMMAND.sub(lambda found: found[0].replace(" ", _KEPT), text)
    return wrapper.fill(kept).replace(_KEPT, " ")


def print_json(document: object) -> None:
    """Print a JSON document, readable for people too."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; its columns are as wide as they need to be."""
    cells = [list(header), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    for row in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def counted(count: int, noun: str) -> str:
    """Return a number of things as people say it."""
    return f"{count} {noun}{'s' * (count != 1)}"


def of_the_relay_before(orphans: int) -> str:
    """Return what is said behind a number of channels of those that a restart left in the kernel."""
    return f", and {orphans} of the relay before it" if orphans else ""


def pool_text(limits: Limits) -> str:
    """Return what an allocation has, as people say it."""
    return f"{counted(limits.max_permissions, 'permission')} and {counted(limits.max_channels, 'channel')}"


def bytes_text(count: int) -> str:
    """Return a number of bytes as people say it."""
    value = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1024 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "bytes" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError


def seconds_text(seconds: int) -> str:
    """Return a time as people say it, its two largest parts."""
    parts = [(seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    told = [f"{count} {unit}" for count, unit in parts if count]
    return " ".join(told[:2]) or "0 s"
