"""How the click tool prints: its option for JSON, text in lines; for the rest see edgeturn/command/output.py."""

import re
from collections.abc import Callable
from textwrap import TextWrapper
from typing import TypeVar

import click

from edgeturn.command.output import (
    bytes_text,
    counted,
    of_the_relay_before,
    pool_text,
    print_json,
    print_table,
    seconds_text,
)

__all__ = [
    "bytes_text",
    "counted",
    "json_option",
    "of_the_relay_before",
    "pool_text",
    "print_json",
    "print_table",
    "seconds_text",
    "wrapped",
]

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
