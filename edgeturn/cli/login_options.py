"""What `check` and `probe` are told of a login and of certificates, by the same options.

Rule 1: --secret mints a credential; --user and --password go together.
Rule 2: for the relay of a configuration file, that file has a login, and its certificate is trusted.
"""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click

from edgeturn.cli import addresses, place
from edgeturn.cli.failure import Wrong
from edgeturn.command import ice
from edgeturn.command.ice import Login
from edgeturn.probing.server import Server, Trust

Function = TypeVar("Function", bound=Callable[..., object])

_OPTIONS = (
    click.option("-u", "--user", help="Username, for a URI."),
    click.option("-p", "--password", help="Password of that user."),
    click.option("-s", "--secret", help="Instead of both: the shared secret of time-limited credentials."),
    click.option(
        "--ca",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Trust certificates signed by those of this file, too.",
    ),
    click.option("--insecure", is_flag=True, help="Trust any certificate."),
)


@dataclass(frozen=True)
class Asked:
    """What the options say: a login, or None, and which certificates are believed."""

    login: Login | None
    trust: Trust

    def needed(self, uri: str) -> Login:
        """Return the login; Wrong where there's none for the server of a URI."""
        if self.login is None:
            raise Wrong(f"{uri} needs a login: --user and --password, or --secret.")
        return self.login

    def of_file(self, file: Path) -> tuple[list[Server], Login]:
        """Return the relay of a configuration as clients reach it, and a login that it admits."""
        settings = place.read(file)
        login = self.login or ice.login(settings, "check", ice.SHORT_LIFETIME)
        if login is None:
            raise Wrong(f"{file} has no secret and no user with a password; give --user and --password.")
        own, trust = settings.text("certificate"), self.trust
        if own and not trust.file and os.access(own, os.R_OK):  # what clients think of it is judged by `check`
            trust = Trust(Path(own), trust.anything)
        return addresses.servers(settings, trust), login


def with_login(function: Function) -> Callable[..., object]:
    """Add the options to a command, which gets an Asked named `asked`."""

    @functools.wraps(function)
    def called(
        user: str | None, password: str | None, secret: str | None, ca: Path | None, insecure: bool, **others: object
    ) -> object:
        return function(asked=Asked(_given(user, password, secret), Trust(ca, insecure)), **others)

    decorated: Callable[..., object] = called
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def _given(user: str | None, password: str | None, secret: str | None) -> Login | None:
    if secret:
        return ice.mint(secret, user or "check", ice.SHORT_LIFETIME)
    if (user is None) != (password is None):
        raise Wrong("--user and --password go together.")
    return Login(user, password) if user is not None and password is not None else None
