"""`edgeturn trace`: print the relay's signalling as it happens."""

import json
import shutil
import sys
from contextlib import suppress
from pathlib import Path

import click

from edgeturn.capture import trace
from edgeturn.capture.live import LONGEST, Live
from edgeturn.cli import place
from edgeturn.cli.failure import Failure
from edgeturn.cli.output import json_option
from edgeturn.cli.stopping import stoppable
from edgeturn.cli.tap_options import watched

_HELP = """Print the relay's signalling as it happens, one line a message.

→ is what a client sends, ← what it is answered, · what happens besides. Media isn't shown, and no secret.

\b
Examples:
  edgeturn trace
  edgeturn trace --user alice --seconds 60
  edgeturn trace --client 192.0.2.7 --json

Ends after --seconds, or with Ctrl-C.
"""


@click.command("trace", help=_HELP)
@watched(LONGEST)
@place.with_file
@json_option
def trace_command(user: str | None, client: str | None, seconds: int, file: Path, as_json: bool) -> None:
    """Print what the tap of a relay shows."""
    with Live(place.read(file), client, user, seconds) as live:
        if not as_json and sys.stdout.isatty():
            click.echo(f"Watching for {seconds} s; Ctrl-C ends.", err=True)
        with suppress(KeyboardInterrupt, BrokenPipeError), stoppable(reader=True):
            for document in live:
                if document == {"event": "ended", "reason": "relay"}:
                    raise Failure("the relay ended, or was restarted: call this again to go on.")
                _print(document, as_json)


def _print(document: trace.Document, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(document))
        return
    shown = trace.line(document)
    if shown is not None:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
        click.echo(trace.laid_out(shown, width, lambda text, colour: click.style(text, fg=colour)))
