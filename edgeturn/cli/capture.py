"""`edgeturn capture`: write the relay's signalling to a file for Wireshark."""

import os
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click

from edgeturn.capture.live import Live
from edgeturn.capture.messages import DROPPED
from edgeturn.capture.record import Count, Record
from edgeturn.cli import place
from edgeturn.cli.failure import Failure, Wrong, reason
from edgeturn.cli.output import bytes_text, counted
from edgeturn.cli.plan import Size
from edgeturn.cli.stopping import stoppable
from edgeturn.cli.tap_options import watched

_SECONDS, _SIZE = 300, "10M"
_LEAST = 4096
_OUTPUT = "-"

_HELP = """Write the relay's signalling as pcapng, for Wireshark.

Each message is a packet of its own, with comments: who it is, what was answered, by which rule and why. Media isn't in
it, and no secret: what could be misused is zeros. Without FILE it goes to edgeturn-DATE-TIME.pcapng here; - is standard
output.

\b
Examples:
  edgeturn capture
  edgeturn capture call.pcapng --user alice --seconds 60
  ssh router edgeturn capture - | wireshark -k -i -

Ends after --seconds, before it is longer than --size, or with Ctrl-C.
"""


@click.command("capture", help=_HELP)
@click.argument("output", required=False, metavar="[FILE|-]")
@watched(_SECONDS)
@click.option(
    "--size",
    type=Size(),
    default=_SIZE,
    show_default=True,
    metavar="BYTES",
    help="End before it is longer, such as 500k.",
)
@place.with_file
def capture_command(
    output: str | None, user: str | None, client: str | None, seconds: int, size: int, file: Path
) -> None:
    """Write what the tap of a relay shows."""
    if size < _LEAST:
        raise Wrong(f"--size {size} is too little for a capture: give at least {_LEAST}.")
    settings = place.read(file)
    name = output or time.strftime("edgeturn-%Y%m%d-%H%M%S.pcapng")
    with Live(settings, client, user, seconds) as live, opened(name, named=output is not None) as stream:
        if sys.stderr.isatty():
            click.echo(f"Capturing for {seconds} s at most; Ctrl-C ends.", err=True)
        began = time.monotonic()
        with stoppable(reader=name == _OUTPUT):
            count, why = _record(live, stream, size)
    click.echo(_summary(count, round(time.monotonic() - began), name, why), err=name == _OUTPUT)


@contextmanager
def opened(name: str, named: bool) -> Iterator[BinaryIO]:
    """Open what is written to; a name that nobody has named is of a new file: no link of others leads elsewhere."""
    if name == _OUTPUT:
        if sys.stdout.isatty():
            raise Wrong("a capture isn't for a terminal: name a file, or pipe it: `… | wireshark -k -i -`.")
        yield sys.stdout.buffer
        return
    try:
        with open(name, "wb" if named else "xb", opener=_for_us_alone) as stream:
            yield stream
    except OSError as error:
        raise Failure(f"{name}: can't be written: {reason(error)}; name another file.") from None


def _for_us_alone(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)  # who talks with whom is in it


def _record(live: Live, stream: BinaryIO, size: int) -> tuple[Count, str]:
    """Write until it ends; return what was written, and why it ended where that is to be said."""

    def write(block: bytes) -> None:
        stream.write(block)
        stream.flush()

    record = None
    try:
        record = Record(write, str(live.answer["version"]), size)
        for document in live:
            if document == {"event": "ended", "reason": "relay"}:
                return record.count, "The relay ended, or was restarted."
            if not record.take(document):
                return record.count, "It ended because it has as many bytes as it may: see --size."
    except (KeyboardInterrupt, BrokenPipeError):
        pass
    return record.count if record else Count(), ""


def _summary(count: Count, seconds: int, name: str, why: str) -> str:
    messages, clients = counted(count.messages, "message"), counted(len(count.clients), "client")
    where = "" if name == _OUTPUT else f", {bytes_text(count.size)} in {name}"
    lines = [f"{messages} of {clients} in {seconds} s{where}."]
    if count.refusals:
        lines.append(", ".join(f"{times} {_refusal(what)}" for what, times in sorted(count.refusals.items())) + ".")
    if count.lost:
        lines.append(
            f"{counted(count.lost, 'line')} of the relay's are missing: too many at once; --client takes less."
        )
    if why:
        lines.append(why)
    lines.append(_opening(count, name) if count.messages else "Does anybody reach the relay? `edgeturn check` tells.")
    return "\n".join(line for line in lines if line)


def _opening(count: Count, name: str) -> str:
    """Return how Wireshark reads it."""
    options = " ".join(count.decode_as())
    if name != _OUTPUT:
        return f"Open it with `wireshark {options} {shlex.quote(name)}`.".replace("  ", " ")
    return f"Wireshark needs {options} to read these ports as STUN." if options else ""


def _refusal(what: str) -> str:
    return what if what == DROPPED else f"refused with {what}"
