"""`edgeturn top`: watch sessions, rates and refusals live; what it draws stands in edgeturn/terminal."""

import os
import shutil
import sys
from pathlib import Path

import click

from edgeturn.cli import place
from edgeturn.cli.failure import Wrong
from edgeturn.cli.output import json_option, print_json
from edgeturn.terminal import document, screen, watch
from edgeturn.terminal.glyphs import ASCII, Glyphs, glyphs
from edgeturn.terminal.history import History

_ROOMY = 200  # columns, where it goes to a file or a program


@click.command("top")
@place.with_file
@click.option(
    "--interval",
    type=click.FloatRange(0.2, 3600),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="How long between two looks.",
)
@click.option("--once", is_flag=True, help="Print one frame as text, after one interval.")
@click.option("--ascii", "is_plain", is_flag=True, help="Draw with ASCII letters only.")
@json_option
def top_command(file: Path, interval: float, once: bool, is_plain: bool, as_json: bool) -> None:
    """Watch sessions, rates and refusals live; ? shows the keys.

    NO_COLOR=1 takes the colours away. With --json, or --once, it prints what it sees once and ends.

    \b
    Examples:
      edgeturn top
      edgeturn top --once
      ssh -t root@192.168.1.1 edgeturn top
    """
    settings = place.read(file)
    letters = ASCII if is_plain else glyphs(sys.stdout.encoding, os.environ)
    if once or as_json:
        _print(watch.seen_once(settings, interval), letters, f"rates over {interval:g} s", as_json)
    elif screen.is_terminal():
        watch.watch(settings, interval, letters)
    else:
        way = place.command("top --once", file)
        raise Wrong(f"this is no terminal that can be drawn on: `{way}` prints one frame, `ssh -t` gives a terminal.")


def _print(seen: History, letters: Glyphs, pace: str, as_json: bool) -> None:
    if as_json:
        print_json(document.document(seen.picture) if seen.picture else None)
    else:
        watch.print_once(seen, letters, pace, shutil.get_terminal_size((_ROOMY, 0)).columns)
