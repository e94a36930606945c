"""Which configuration file is meant, and what stands in it.

`-c FILE` behind any command, or once behind `edgeturn`, or the default of the system.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from edgeturn.cli.failure import Wrong
from edgeturn.relay import configuration
from edgeturn.relay.configuration import Configuration

Function = TypeVar("Function", bound=Callable[..., object])

OPENWRT_RELEASE = Path("/etc/openwrt_release")
OPENWRT_FILE = Path("/etc/config/edgeturn")
SYSTEM_FILE = Path("/etc/edgeturn/edgeturn.conf")
_HELP = "Configuration file.  [default: /etc/config/edgeturn on OpenWrt, else /etc/edgeturn/edgeturn.conf for root or where it exists, else ~/.config/edgeturn/edgeturn.conf]"  # fmt: skip  # noqa: E501


def default_file() -> Path:
    """Return the configuration file of this system and user."""
    if OPENWRT_RELEASE.exists():
        return OPENWRT_FILE
    if os.geteuid() == 0 or SYSTEM_FILE.exists():
        return SYSTEM_FILE
    return Path.home() / ".config" / "edgeturn" / "edgeturn.conf"


def configuration_option(short_help: str = "Configuration file.") -> Callable[[Function], Function]:
    """Return what adds `-c` to a command; the command gets a Path named `file`."""
    return click.option(
        "-c",
        "--config",
        "file",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        callback=_choose,
        help=short_help,
    )


def _choose(context: click.Context, parameter: click.Parameter, value: Path | None) -> Path:
    return value or context.find_root().params.get("config") or default_file()


root_option = click.option(
    "-c", "--config", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help=_HELP
)
with_file = configuration_option()


def read_text(file: Path) -> str:
    """Return the text of a configuration file."""
    if not file.exists():
        raise Wrong(f"{file}: there is no such file; `{command('init', file)}` makes it.")
    try:
        return configuration.read_text(str(file))
    except configuration.ConfigError as error:
        raise Wrong(f"{error}.") from None
    except UnicodeDecodeError:
        raise Wrong(f"{file}: is no text in UTF-8.") from None


def read(file: Path) -> Configuration:
    """Return the checked configuration of a file."""
    return parse(read_text(file), file)


def parse(text: str, file: Path) -> Configuration:
    """Return the checked configuration that a text is, for a file."""
    try:
        return Configuration(text, str(file))
    except configuration.ConfigError as error:
        raise Wrong(str(error)) from None


def command(name: str, file: Path) -> str:
    """Return what to type to run a command on a file, for messages."""
    place = "" if file == default_file() else f" -c {_quoted(str(file))}"
    return f"edgeturn {name}{place}"


def _quoted(text: str) -> str:
    plain = all(character.isalnum() or character in "/._-+~" for character in text)
    return text if plain else "'" + text.replace("'", "'\\''") + "'"
