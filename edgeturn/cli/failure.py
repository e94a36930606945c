"""How the click tool shows what goes wrong; what that is stands in edgeturn/command/failure.py."""

import click

from edgeturn.command.failure import DONE, EXIT_CODES, FAILED, FAULT, WRONG, Failure, Wrong
from edgeturn.seam import reason

__all__ = ["DONE", "EXIT_CODES", "FAILED", "FAULT", "WRONG", "Failure", "Wrong", "reason", "shown"]


class Shown(click.ClickException):
    """A Failure as click shows it."""

    exit_code = FAILED


class ShownWrong(Shown):
    """A Wrong as click shows it."""

    exit_code = WRONG


def shown(failure: Failure) -> Shown:
    """Return what click shows for a Failure."""
    return (ShownWrong if failure.exit_code == WRONG else Shown)(failure.message)
