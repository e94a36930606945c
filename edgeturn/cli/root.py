"""The command `edgeturn`: what there is, and loading only what is called.

A new command is a new row of TOP in edgeturn/command/table.py, and a file of its name, but for those of `live`.
"""

from importlib import import_module
from pathlib import Path

import click

from edgeturn import __version__
from edgeturn.cli import place
from edgeturn.cli.failure import EXIT_CODES, Failure, shown
from edgeturn.cli.stopping import STOPPED
from edgeturn.command.table import TOP

_FILES = dict.fromkeys(("status", "sessions", "kick", "drain", "reload"), "live")
COMMANDS = tuple((name, _FILES.get(name, name), about) for name, about in TOP)
_MODULES = {name: module for name, module, _ in COMMANDS}
_EPILOG = "\b\nExit codes:\n" + "".join(f"  {code}  {meaning}\n" for code, meaning in EXIT_CODES)


class Commands(click.Group):
    """A group whose commands are imported when they are called: `run` and completion answer at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return [name for name, _, _ in COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command of the table."""
        if cmd_name not in _MODULES:
            return None
        module = import_module(f"edgeturn.cli.{_MODULES[cmd_name]}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Call a command, and have click show what goes wrong."""
        try:
            return super().invoke(ctx)
        except Failure as failure:
            raise shown(failure) from None
        except KeyboardInterrupt:
            click.echo("\nStopped.", err=True)
            raise click.exceptions.Exit(STOPPED) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, _, about in COMMANDS])


@click.group(cls=Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(version)s")
@place.root_option
def edgeturn(config: Path | None) -> None:
    """Run and look after a STUN and TURN relay.

    \b
    Examples:
      edgeturn run                     start here: sets up, prints iceServers, relays
      edgeturn check                   prove that it works, as a client would
      edgeturn credentials --ttl 3600  a credential for one hour
      edgeturn config set max_allocations 256
      edgeturn sessions --json
    """
