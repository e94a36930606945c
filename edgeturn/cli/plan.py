"""`edgeturn plan`: what pools cost, and which pools fit; the numbers are those that the daemon prints at its start."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeturn.cli import place
from edgeturn.cli.output import json_option
from edgeturn.command.plan import compute
from edgeturn.protocol.limits import MOST_ALLOCATIONS
from edgeturn.relay import options

if TYPE_CHECKING:
    _Type = click.ParamType[int]
else:
    _Type = click.ParamType  # Debian 12 has click 8.1, where it isn't generic


class Size(_Type):
    """A number of bytes, with k, M or G behind it where it is large."""

    name = "size"

    def convert(self, value: str, parameter: click.Parameter | None, context: click.Context | None) -> int:
        try:
            return options.size(value)
        except ValueError as error:
            self.fail(f"{error}.", parameter, context)


_HELP = """Compute pool sizes from memory, or memory from pool sizes, for both interpreters.

A relay takes all memory of its pools at start. What isn't given is taken from the configuration file.

\b
Examples:
  edgeturn plan --memory 8M
  edgeturn plan --allocations 256 --channels 4
"""


@click.command("plan", help=_HELP)
@click.option("--memory", type=Size(), metavar="BYTES", help="What a relay may take, such as 8M: print pools that fit.")
@click.option("--allocations", type=click.IntRange(1, MOST_ALLOCATIONS), help="Print what so many allocations cost.")
@click.option("--permissions", type=click.IntRange(1, 256), help="Permissions of an allocation.")
@click.option("--channels", type=click.IntRange(1, 256), help="Channels of an allocation.")
@click.option("--families", type=click.IntRange(1, 2), default=2, show_default=True, help="1: only IPv4 or IPv6.")
@place.with_file
@json_option
def plan_command(
    memory: int | None,
    allocations: int | None,
    permissions: int | None,
    channels: int | None,
    families: int,
    file: Path,
    as_json: bool,
) -> None:
    """Print what is asked for."""
    if place.exists(file):
        place.read(file)
    compute(str(file), memory, allocations, (permissions, channels), families, as_json)
