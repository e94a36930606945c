"""What of a relay's signalling is watched, and for how long: options of `capture` and `trace`."""

from collections.abc import Callable
from typing import TypeVar

import click

from edgeturn.capture.live import LONGEST

Function = TypeVar("Function", bound=Callable[..., object])


def watched(seconds: int) -> Callable[[Function], Function]:
    """Return what adds --user, --client and --seconds, with a default, to a command."""
    options = (
        click.option("--user", metavar="NAME", help="Only this user: as it logs in, or behind a credential's time."),
        click.option("--client", metavar="ADDRESS[:PORT]", help="Only clients at this address."),
        click.option(
            "--seconds",
            type=click.IntRange(1, LONGEST),
            default=seconds,
            show_default=True,
            metavar="N",
            help="End after so long.",
        ),
    )

    def add(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return add
