"""Asking a running relay, by its control socket."""

import json
import socket
from pathlib import Path

from edgeturn.cli import place
from edgeturn.cli.failure import Failure, reason
from edgeturn.relay.configuration import Configuration

_PATIENCE = 10.0  # seconds


class Unreachable(Failure):
    """No relay answers."""


class Refused(Failure):
    """The relay answers that it can't."""


def ask(settings: Configuration, command: str, **arguments: object) -> dict[str, object]:
    """Return the relay's answer; Failure where there's none, or where it is an error."""
    path = settings.text("control")
    gone = f"see whether the relay runs with this configuration (`{place.command('run', Path(settings.file))}`)"
    try:
        answer = json.loads(_exchange(path, json.dumps({"command": command, **arguments})))
    except FileNotFoundError:
        raise Unreachable(f"no relay is reached: there is no control socket {path}; {gone}.") from None
    except PermissionError:
        raise Unreachable(f"the control socket {path} isn't yours: call this as the relay's user or as root.") from None
    except OSError as error:
        raise Unreachable(f"no relay is reached at the control socket {path}: {reason(error)}; {gone}.") from None
    except ValueError:
        raise Unreachable(f"what answers at the control socket {path} is no relay; see option 'control'.") from None
    if not answer.pop("ok", False):
        raise Refused(f"{answer.get('error', 'the relay refused')}.")
    return dict(answer)


def is_served(settings: Configuration) -> dict[str, object] | None:
    """Return the status of the relay that runs with a configuration, None where none does."""
    try:
        return ask(settings, "status")
    except Failure:
        return None


def _exchange(path: str, request: str) -> bytes:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(_PATIENCE)
        sock.connect(path)
        sock.sendall(request.encode() + b"\n")
        received = bytearray()
        while piece := sock.recv(65536):
            received += piece
    return bytes(received)
