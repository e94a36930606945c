"""`edgeturn rpcd`: what the router's web interface asks; all of it is in edgeturn/command/rpcd.py."""

from pathlib import Path

import click

from edgeturn.cli import place
from edgeturn.cli.failure import Wrong
from edgeturn.command import failure, rpcd


@click.command("rpcd")
@click.argument("word", metavar="list|call")
@click.argument("method", required=False, metavar="[METHOD]")
@place.with_file
def rpcd_command(word: str, method: str | None, file: Path) -> None:
    """Answer what the router's web interface asks."""
    try:
        rpcd.serve(str(file), word, method)
    except failure.Failure as error:
        raise Wrong(error.message) from None
