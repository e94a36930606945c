"""Which configuration file is meant, and what stands in it.

`-c FILE` behind any command, or once behind `edgeturn`, or the default of the system.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from edgeturn.cli.failure import Failure, Wrong, reason
from edgeturn.command import place
from edgeturn.relay import uci
from edgeturn.relay.configuration import Configuration
from edgeturn.relay.uci import ConfigError

Function = TypeVar("Function", bound=Callable[..., object])

OPENWRT_FOLDER = Path(place.OPENWRT_FOLDER)
SYSTEM_FILE = Path(place.SYSTEM_FILE)

# Where sudo looks for programs: Debian's secure_path. What pipx and a checkout bring is elsewhere.
_ROOTS_FOLDERS = [
    Path(each) for each in ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
]

_HELP = "Configuration file.  [default: /etc/config/edgeturn where /etc/config is (OpenWrt), else /etc/edgeturn/edgeturn.conf for root or where it exists, else ~/.config/edgeturn/edgeturn.conf]"  # fmt: skip  # noqa: E501


def exists(file: Path) -> bool:
    """Say whether a file is there for us; what a folder hides is not."""
    return place.exists(str(file))


def default_file() -> Path:
    """Return the configuration file of this system and user."""
    return Path(place.default_file())


def _choose(context: click.Context, parameter: click.Parameter, value: Path | None) -> Path:
    return value or context.find_root().params.get("config") or default_file()


# Whether it can be read is seen when it is: no permission is a Failure, not a wrong usage.
_FILE = click.Path(dir_okay=False, readable=False, path_type=Path)

root_option = click.option("-c", "--config", type=_FILE, metavar="FILE", help=_HELP)

# Adds `-c` to a command, which gets a Path named `file`.
with_file: Callable[[Function], Function] = click.option(
    "-c", "--config", "file", type=_FILE, metavar="FILE", callback=_choose, help="Configuration file."
)


def read_text(file: Path) -> str:
    """Return the text of a configuration file; Failure where it may not be read, Wrong where it can't."""
    try:
        data = uci.read(str(file))
        if data is None:
            raise Wrong(f"{file}: is too large for a configuration.")
        return data.decode()  # its line ends stay what they are
    except FileNotFoundError:
        raise Wrong(f"{file}: there is no such file; `{command('init', file)}` makes it.") from None
    except PermissionError as error:
        raise Failure(f"{file}: can't be read: {reason(error)}; call this as its owner or as root.") from None
    except OSError as error:
        raise Wrong(f"{file}: can't be read: {reason(error)}.") from None
    except UnicodeDecodeError:
        anew = command("init", file)
        raise Wrong(f"{file}: is no text in UTF-8; move it away, and `{anew}` makes a new one.") from None


def read(file: Path) -> Configuration:
    """Return the checked configuration of a file."""
    return parse(read_text(file), file)


def parse(text: str, file: Path) -> Configuration:
    """Return the checked configuration that a text is, for a file."""
    try:
        return Configuration(text, str(file))
    except ConfigError as error:
        raise Wrong(f"{error}; `edgeturn config reference` explains every option.") from None


def command(name: str, file: Path | None, *words: str) -> str:
    """Return what to type to run a command on a file, or on none, for messages; words are what a shell might take."""
    return place.command(name, None if file is None or file == default_file() else str(file), *words)


def as_root(name: str, file: Path) -> str:
    """Return what to type to run a command as root, whose programs and default file are others than ours."""
    called = Path(sys.argv[0])
    known = called.name != "edgeturn" or any(exists(each / "edgeturn") for each in _ROOTS_FOLDERS)
    program = "edgeturn" if known else place.quoted(str(called.absolute()))
    default = OPENWRT_FOLDER / "edgeturn" if exists(OPENWRT_FOLDER) else SYSTEM_FILE
    rest = [] if file.absolute() == default else ["-c", place.quoted(str(file.absolute()))]
    return " ".join(["sudo", program, name, *rest])
