"""Which configuration file is meant, what stands in it, and the command to type for it.

`-c FILE` behind any command, or once behind `edgeturn`, or the default of the system.
"""

import os
import sys

from edgeturn import seam
from edgeturn.command.failure import Failure, Wrong
from edgeturn.relay import uci
from edgeturn.relay.configuration import Configuration
from edgeturn.relay.uci import ConfigError

OPENWRT_FOLDER = "/etc/config"
OPENWRT_SERVICE = "/etc/init.d/edgeturn"
SYSTEM_FILE = "/etc/edgeturn/edgeturn.conf"
_ENOENT, _EPERM, _EACCES = 2, 1, 13


def exists(file: str) -> bool:
    """Say whether a file is there for us; what a folder hides is not."""
    try:
        os.stat(file)
    except OSError:
        return False
    return True


def default_file() -> str:
    """Return the configuration file of this system and user."""
    if exists(OPENWRT_FOLDER):
        return OPENWRT_FOLDER + "/edgeturn"
    if seam.user_id() == 0 or exists(SYSTEM_FILE):
        return SYSTEM_FILE
    return f"{os.getenv('HOME') or ''}/.config/edgeturn/edgeturn.conf"


def read_text(file: str) -> str:
    """Return the text of a configuration file, its line ends as they are; Failure, or Wrong, where it can't be read."""
    try:
        data = uci.read(file)
        if data is None:
            raise Wrong(f"{file}: is too large for a configuration.")
        return data.decode()
    except OSError as error:
        number, said = error.args[0], seam.reason(error)
    except ValueError:
        raise Wrong(f"{file}: is no text in UTF-8.")
    if number == _ENOENT:
        raise Wrong(f"{file}: there is no such file; `{command('run', file)}` makes it.")
    if number in (_EPERM, _EACCES):
        raise Failure(f"{file}: can't be read: {said}; call this as its owner or as root.")
    raise Wrong(f"{file}: can't be read: {said}.")


def read(file: str) -> Configuration:
    """Return the checked configuration of a file."""
    return parse(read_text(file), file)


def parse(text: str, file: str) -> Configuration:
    """Return the checked configuration that a text is, for a file."""
    try:
        return Configuration(text, file)
    except ConfigError as error:
        raise Wrong(f"{error}.")


def command(name: str, file: "str | None", *words: str) -> str:
    """Return what to type to run a command on a file, or on none, for messages; words are what a shell might take."""
    place = [] if file is None or file == default_file() else ["-c", quoted(file)]
    return " ".join([_program(), name] + [quoted(word) for word in words] + place)


def service(action: str, file: str) -> str:
    """Return what to type to start, or to reload, the relay of a file: OpenWrt's service runs it on a copy."""
    if file == OPENWRT_FOLDER + "/edgeturn" and exists(OPENWRT_SERVICE):
        return f"service edgeturn {action}"
    return command("run" if action == "start" else action, file)


def _program() -> str:
    """Return how this tool is called: by its name where the shell finds it, else by the path it was called by."""
    called = sys.argv[0]
    if called.split("/")[-1] != "edgeturn":
        return "edgeturn"
    folders = (os.getenv("PATH") or "").split(":")
    return "edgeturn" if any(exists(f"{each}/edgeturn") for each in folders if each) else quoted(called)


def quoted(text: str) -> str:
    """Return a word as a shell takes it."""
    plain = text and all(each.isalpha() or each.isdigit() or each in "/._-+~:=@" for each in text)
    return text if plain else "'" + text.replace("'", "'\\''") + "'"


def is_same(one: str, other: str) -> bool:
    """Say whether two paths name one file; those of files that aren't there are compared as they are written."""
    try:
        return os.stat(one)[:3] == os.stat(other)[:3]
    except OSError:
        return one == other
