"""Asking a running relay by its control socket."""

import json
import socket

from edgeturn import seam
from edgeturn.command import place
from edgeturn.command.failure import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.relay.configuration import Configuration

_PATIENCE = 10  # seconds
_PIECE = 4096
_MOST = 1 << 26  # bytes: thousands of sessions with all of their peers
_ENOENT, _EPERM, _EACCES = 2, 1, 13


class Unreachable(Failure):
    """No relay answers."""


class Refused(Failure):
    """The relay answers that it can't."""


def ask(settings: "Configuration", command: str, **arguments: object) -> "dict[str, object]":
    """Return the relay's answer; Failure where there's none, or where it is an error."""
    path = settings.text("control")
    arguments["command"] = command
    try:
        answer = json.loads(_exchange(path, json.dumps(arguments)))
    except OSError as error:
        raise Unreachable(unreached(error, path, settings.file))
    except ValueError:
        raise Unreachable(f"what answers at the control socket {path} is no relay; see option 'control'.")
    if not answer.pop("ok", False):
        raise Refused(f"{answer.get('error', 'the relay refused')}.")
    return dict(answer)


def is_served(settings: "Configuration") -> "dict[str, object] | None":
    """Return the status of the relay that runs with a configuration, None where none does."""
    try:
        return ask(settings, "status")
    except Failure:
        return None


def unreached(error: OSError, path: str, file: str) -> str:
    """Return why no relay is reached, and what to do."""
    gone = f"see whether the relay runs with this configuration (`{place.service('start', file)}`)"
    if error.args[0] == _ENOENT:
        return f"no relay is reached: there is no control socket {path}; {gone}."
    if error.args[0] in (_EPERM, _EACCES):
        return f"the control socket {path} isn't yours: call this as the relay's user or as root."
    return f"no relay is reached at the control socket {path}: {seam.reason(error)}; {gone}."


def _exchange(path: str, request: str) -> str:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(_PATIENCE)
        sock.connect(seam.unix_name(path))
        left = memoryview(request.encode() + b"\n")
        while left:
            left = left[sock.send(left) :]
        return _received(sock)
    finally:
        sock.close()


def _received(sock: "seam.Socket") -> str:
    """Return all that comes; ValueError where that is more than any relay says."""
    pieces: list[bytes] = []
    size = 0
    while size <= _MOST:
        piece = sock.recv(_PIECE)
        if not piece:
            return b"".join(pieces).decode()
        pieces.append(piece)
        size += len(piece)
    raise ValueError("no end")
