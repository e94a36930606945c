"""How the click tool prints: its option for JSON; for the rest see edgeturn/command/output.py and edgeturn/terminal."""

from collections.abc import Callable
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
from edgeturn.terminal.wrapping import wrapped

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
