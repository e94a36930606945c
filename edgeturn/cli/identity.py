"""A new configuration: realm, one secret and one user, made once and kept; the rest is the default of the table."""

import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from edgeturn.cli import files
from edgeturn.cli.failure import Wrong
from edgeturn.relay import options, uci
from edgeturn.relay.configuration import Configuration

_RANDOM_BYTES = 24  # 192 bits, 32 characters
_USER = "edgeturn"
_SOCKET_PATH_SIZE = 107  # struct sockaddr_un
_TEMPLATE = """\
# Configuration of edgeturn. `edgeturn config reference` explains every option; what isn't here has its default.
# It holds secrets: keep its mode 0600.

config relay 'main'
	option realm {realm}
	# Shared secret of time-limited credentials: `edgeturn credentials` mints one, `edgeturn secret rotate` changes it.
	list   secret {secret}
{more}
config user {user}
	option password {password}
"""


@dataclass(frozen=True)
class Answers:
    """What a person may want otherwise: the realm, the address to announce, prefixes that may be peers."""

    realm: str
    external: str = ""
    allowed: tuple[str, ...] = ()


def random_word() -> str:
    """Return a secret or password of 192 random bits without characters that need quoting anywhere."""
    return secrets.token_urlsafe(_RANDOM_BYTES)


def found_realm() -> str:
    """Return the domain of this machine, "edgeturn" where it has none."""
    name = socket.gethostname()
    try:
        return options.realm(name) if "." in name else "edgeturn"
    except ValueError:
        return "edgeturn"


def control_path(file: Path) -> Path | None:
    """Return where the control socket of a file's relay can be made by us; None for the default of the table."""
    if os.geteuid() == 0:
        return None
    folder = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    if not folder.is_absolute() or not os.access(folder, os.W_OK):
        return file.absolute().parent / "control.sock"
    return folder / "edgeturn" / "control.sock"


def text(answers: Answers, file: Path) -> str:
    """Return a new configuration for a file."""
    lines = [f"list   external_address {uci.quote(answers.external)}"] if answers.external else []
    lines += [f"list   allow_peer {uci.quote(prefix)}" for prefix in answers.allowed]
    control = control_path(file)
    if control is not None and len(os.fsencode(control)) <= _SOCKET_PATH_SIZE:
        lines.append(f"option control {uci.quote(str(control))}")
    return _TEMPLATE.format(
        realm=uci.quote(answers.realm),
        secret=uci.quote(random_word()),
        user=uci.quote(_USER),
        password=uci.quote(random_word()),
        more="".join(f"\t{line}\n" for line in lines),
    )


def create(file: Path, answers: Answers) -> None:
    """Make the file of a new relay, mode 0600; Wrong, and nothing made, where it would be no correct configuration."""
    made = text(answers, file)
    try:
        Configuration(made, str(file))
    except uci.ConfigError as error:
        raise Wrong(f"{error.message}; {file} was not made.") from None
    files.create(file, made)
