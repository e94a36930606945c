"""`edgeturn diagnose`: say why a call doesn't connect, from what people have; thin over edgeturn/diagnose."""

import sys
from pathlib import Path

import click

from edgeturn.cli import control, place
from edgeturn.cli.failure import Failure, Wrong, reason
from edgeturn.cli.output import json_option, print_json
from edgeturn.cli.stopping import stoppable
from edgeturn.diagnose import conclusion, glossary, report
from edgeturn.diagnose.evidence import Evidence, OwnRelay, Side
from edgeturn.diagnose.reading import MOST_BYTES, read

_LIST = "\0list"
_HELP = """Say why a call doesn't connect, or why it breaks.

FILE is what you have, of one side or of both: a dump of chrome://webrtc-internals, the text of about:webrtc, an SDP
offer or answer, ICE candidates, a pcap or pcapng capture; - is standard input. What it is, is seen by its content.

\b
Examples:
  edgeturn diagnose webrtc_internals_dump.txt
  edgeturn diagnose alice.json bob.json      both sides tell more
  edgeturn diagnose call.pcapng
  edgeturn diagnose --live --client 192.168.1.20   the relay on this machine
  edgeturn diagnose --explain symmetric-nat  what a word means
"""


@click.command("diagnose", help=_HELP)
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option("--live", is_flag=True, help="Watch the running relay instead of reading files.")
@click.option("--client", metavar="ADDRESS", help="With --live: only this client.")
@click.option(
    "--seconds", type=click.IntRange(1, 3600), default=60, show_default=True, help="With --live: how long to watch."
)
@click.option(
    "--explain", metavar="[TERM]", is_flag=False, flag_value=_LIST, help="Explain a term; without TERM, list them."
)
@place.with_file
@json_option
def diagnose_command(
    files: tuple[str, ...], live: bool, client: str | None, seconds: int, explain: str | None, file: Path, as_json: bool
) -> None:
    """Explain, or read and conclude."""
    if explain is not None:
        _explain(None if explain == _LIST else explain, as_json)
        return
    if live == bool(files):
        raise Wrong("name one or more files, - for standard input, or --live; see `edgeturn diagnose --help`.")
    if client and not live:
        raise Wrong("--client belongs to --live; of a file all clients are read.")
    evidence = _watched(file, client, seconds) if live else Evidence(_read(files), _relay(file))
    findings = conclusion.conclude(evidence)
    if as_json:
        print_json(report.as_json(evidence, findings))
        return
    for line in report.as_text(evidence, findings):
        click.echo(line)


def _read(files: tuple[str, ...]) -> list[Side]:
    contents: dict[bytes, str] = {}
    sides: list[Side] = []
    for name in files:
        content = _content(name)
        if content in contents:
            same = "is given twice" if contents[content] == name else f"is the same as {contents[content]}"
            raise Wrong(f"{name}: {same}; the second file is the other side's.")
        contents[content] = name
        sides += read(_title(name, files), content)
    return sides


def _title(name: str, files: tuple[str, ...]) -> str:
    """Return what a file is called in the report: without its folder, where that is clear."""
    if name == "-":
        return "standard input"
    short = Path(name).name
    return short if [Path(each).name for each in files].count(short) == 1 else name


def _content(name: str) -> bytes:
    try:
        if name == "-":
            return sys.stdin.buffer.read(MOST_BYTES + 1)
        with open(name, "rb") as stream:
            return stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise Failure(f"{name}: can't be read: {reason(error)}.") from None


def _relay(file: Path) -> OwnRelay | None:
    """Return what the relay of this machine says, None where there is none or it may not be asked."""
    try:
        settings = place.read(file)
        status = control.ask(settings, "status")
        sessions = control.ask(settings, "sessions").get("sessions", [])
    except Failure:
        return None
    return OwnRelay(status, sessions)


def _watched(file: Path, client: str | None, seconds: int) -> Evidence:
    from edgeturn.diagnose.reading import live

    def begun() -> None:
        click.echo(f"watching for {seconds} s; try the call now …", err=True)

    with stoppable():
        return live.gather(place.read(file), client, seconds, begun)


def _explain(term: str | None, as_json: bool) -> None:
    entries = glossary.entries() if term is None else [glossary.find(term)]
    if as_json:
        print_json([glossary.as_json(entry) for entry in entries])
        return
    for line in glossary.overview() if term is None else glossary.as_text(entries[0]):
        click.echo(line)
