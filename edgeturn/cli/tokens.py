"""`edgeturn tokens`: iceServers for applications, in the formats of hosted services, and the keys for it."""

import importlib.util
from pathlib import Path

import click

from edgeturn.cli import place
from edgeturn.cli.failure import Failure
from edgeturn.cli.output import json_option
from edgeturn.relay.options import TOKEN_FORMATS
from edgeturn.serving.packages import command_for

_HELP = """\
Hand out iceServers over HTTPS, in the formats of hosted services.

Applications written for Twilio, Xirsys, Cloudflare, draft-uberti REST or Matrix get credentials of this relay from
it: give them its address and a key. It needs the configuration file and no running relay, so any number of copies
may stand behind a balancer. SIGHUP reads the file again.

\b
Requests:
  POST /2010-04-01/Accounts/{SID}/Tokens.json                     Twilio
  PUT  /_turn/CHANNEL                                             Xirsys
  POST /v1/turn/keys/{ID}/credentials/generate-ice-servers        Cloudflare
  GET  /?service=turn&username=NAME&key=KEY                       REST
  GET  /_matrix/client/v3/voip/turnServer                         Matrix

\b
Examples:
  edgeturn tokens key add shop
  edgeturn tokens --listen 0.0.0.0:8479
  edgeturn tokens --plain --uri turn:turn.example.org:3478?transport=udp
"""


@click.group("tokens", invoke_without_command=True, help=_HELP)
@click.option(
    "--listen",
    metavar="ADDRESS[:PORT]",
    multiple=True,
    help="Where to listen.  [default: 127.0.0.1:8479]  May be repeated.",
)
@click.option(
    "--uri", "uris", metavar="URI", multiple=True, help="STUN or TURN URI to tell, instead of ice_uri. May be repeated."
)
@click.option("--plain", is_flag=True, help="No TLS: a proxy in front has it.")
@place.with_file
@click.pass_context
def tokens_command(
    context: click.Context, listen: tuple[str, ...], uris: tuple[str, ...], plain: bool, file: Path
) -> None:
    """Hand out iceServers over HTTPS, or do something about the keys for that."""
    if context.invoked_subcommand is not None:
        context.find_root().params["config"] = file  # `edgeturn tokens -c FILE key list`
        return
    if importlib.util.find_spec("aiohttp") is None:
        raise Failure(f"`edgeturn tokens` needs the Python package aiohttp: `{command_for('aiohttp')}`.")
    place.read(file)
    from edgeturn.tokens import process

    process.run(process.Wanted(str(file), listen, uris, plain))


@tokens_command.group()
def key() -> None:
    """Add, list and remove the keys of applications."""


@key.command()
@click.argument("name")
@click.option("--format", "formats", type=click.Choice(TOKEN_FORMATS), multiple=True, help="Good for this only.")
@click.option("--ttl", type=click.IntRange(1), help="Seconds that a credential lasts.  [default: 86400]")
@click.option("--min-ttl", type=click.IntRange(1), help="Seconds at least.  [default: 60]")
@click.option("--max-ttl", type=click.IntRange(1), help="Seconds at most.  [default: 86400]")
@click.option("--per-minute", type=click.IntRange(0), help="Credentials a minute; 0 is unlimited.  [default: 600]")
@click.option("--origin", "origins", metavar="URL", multiple=True, help="Web pages of this origin may use it.")
@click.option("--shared-quota", is_flag=True, help="Count all its credentials as one user for user_quota.")
@click.option("--id", "number", default="", help="Id to take instead of a random one, such as a Twilio account SID.")
@click.option("--token", default="", help="Key to take instead of a random one; - reads it from standard input.")
@place.with_file
@json_option
def add(
    name: str,
    formats: tuple[str, ...],
    origins: tuple[str, ...],
    shared_quota: bool,
    number: str,
    token: str,
    file: Path,
    as_json: bool,
    **numbers: int | None,
) -> None:
    """Add a key for an application and print it, this once."""
    from edgeturn.tokens import editing

    place.read_text(file)
    options = [(option, str(value)) for option, value in numbers.items() if value is not None]
    options += [("shared_quota", "1")] if shared_quota else []
    lists = [("format", each) for each in formats] + [("origin", each) for each in origins]
    editing.add(str(file), name, editing.Made(options, lists, number, token), as_json)


@key.command("list")
@place.with_file
@json_option
def show(file: Path, as_json: bool) -> None:
    """List the keys, never the secret part."""
    from edgeturn.tokens import editing

    place.read(file)
    editing.show(str(file), as_json)


@key.command()
@click.argument("name")
@place.with_file
def remove(name: str, file: Path) -> None:
    """Remove a key: it's refused from the next SIGHUP on."""
    from edgeturn.tokens import editing

    place.read(file)
    editing.remove(str(file), name)
