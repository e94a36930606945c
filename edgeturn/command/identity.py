"""A new configuration: realm, one secret and one user, made once and kept; the rest is the default of the table."""

import os

from edgeturn import seam
from edgeturn.command import files
from edgeturn.command.failure import Wrong
from edgeturn.relay import options, uci
from edgeturn.relay.configuration import Configuration

_RANDOM_BYTES = 24  # 192 bits, 32 characters
_USER = "edgeturn"
_SOCKET_PATH_SIZE = 107  # struct sockaddr_un
_HEAD = """\
# Configuration of edgeturn. `edgeturn config reference` explains every option; what isn't here has its default.
# It holds secrets: keep its mode 0600.

config relay 'main'
	option realm {}
	# Shared secret of time-limited credentials: `edgeturn credentials` mints one, `edgeturn secret rotate` changes it.
	list   secret {}
"""
_TAIL = """
config user {}
	option password {}
"""


def random_word() -> str:
    """Return a secret or password of 192 random bits without characters that need quoting anywhere.

    None begins with a dash: on a command line that would be an option.
    """
    word = "-"
    while word.startswith("-"):
        word = seam.base64(seam.random_bytes(_RANDOM_BYTES)).decode().replace("+", "-").replace("/", "_")
    return word


def found_realm() -> str:
    """Return the domain of this machine, "edgeturn" where it has none."""
    try:
        with open("/proc/sys/kernel/hostname") as stream:
            name = stream.read().strip()
        return options.realm(name) if "." in name else "edgeturn"
    except (OSError, ValueError):
        return "edgeturn"


def control_path(file: str) -> "str | None":
    """Return where the control socket of a file's relay can be made by us; None for the default of the table."""
    if seam.user_id() == 0:
        return None
    folder = os.getenv("XDG_RUNTIME_DIR") or ""
    if not folder.startswith("/") or not _is_writable(folder):
        return absolute(file).rpartition("/")[0] + "/control.sock"
    return folder + "/edgeturn/control.sock"


def absolute(file: str) -> str:
    """Return a path that means the same from everywhere."""
    return file if file.startswith("/") else f"{os.getcwd()}/{file}"


def _is_writable(folder: str) -> bool:
    try:
        return not seam.CALLS or seam.call("access", folder, 2) == 0
    except OSError:
        return False


def text(realm: str, file: str, external: str = "", allowed: "tuple[str, ...]" = ()) -> str:
    """Return a new configuration for a file: its realm, the address to announce, prefixes that may be peers."""
    lines = [f"list   external_address {uci.quote(external)}"] if external else []
    lines += [f"list   allow_peer {uci.quote(prefix)}" for prefix in allowed]
    control = control_path(file)
    if control is not None and len(control.encode()) <= _SOCKET_PATH_SIZE:
        lines.append(f"option control {uci.quote(control)}")
    made = _HEAD.format(uci.quote(realm), uci.quote(random_word()))
    made += "".join([f"\t{line}\n" for line in lines])
    return made + _TAIL.format(uci.quote(_USER), uci.quote(random_word()))


def create(file: str, realm: str, external: str = "", allowed: "tuple[str, ...]" = ()) -> None:
    """Make the file of a new relay, mode 0600; Wrong, and nothing made, where it would be no correct configuration."""
    made = text(realm, file, external, allowed)
    try:
        Configuration(made, file)
    except uci.ConfigError as error:
        raise Wrong(f"{error.message}; {file} was not made.")
    files.create(file, made)
