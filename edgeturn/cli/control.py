"""Asking a running relay by its control socket; how that is done stands in edgeturn/command/control.py."""

from typing import Any

from edgeturn.command import control
from edgeturn.command.control import Refused, Unreachable
from edgeturn.relay.configuration import Configuration

__all__ = ["Refused", "Unreachable", "ask", "is_served"]


def ask(settings: Configuration, command: str, **arguments: object) -> dict[str, Any]:
    """Return the relay's answer; Failure where there's none, or where it is an error."""
    return control.ask(settings, command, **arguments)


def is_served(settings: Configuration) -> dict[str, Any] | None:
    """Return the status of the relay that runs with a configuration, None where none does."""
    return control.is_served(settings)
