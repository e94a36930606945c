"""One relay for all rows: with TLS under a name, and with every awkward value as a secret, a user and a password."""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeturn.command import place, secret, user
from edgeturn.relay.configuration import Configuration
from tests.blackbox import certificates
from tests.blackbox.relay import Relay
from tests.cli.conftest import call

__all__ = ["call"]

PLAIN = "plain-Word_1"
AWKWARD = (
    ("plain", PLAIN),
    ("spaces", "two  words"),
    ("double quotes", 'a"b"c'),
    ("apostrophe", "it's"),
    ("backslashes", "a\\b\\\\n\\u0041"),
    ("last backslash", "ends\\"),
    ("comment", "a #b //c --d"),
    ("semicolon", "a ;b;c"),
    ("dollar", "$HOME $$ $1"),
    ("braces", "${HOME}{a: [b]}#{x}"),
    ("brackets", "%(a)s $(id) `id` ]]>"),
    ("dollar and apostrophe", "it's $HOME"),
    ("other scripts", "ünïcödé→猫🎥"),
    ("unprintable", "a\u200bb\u2028c\ufeffd"),
    ("markup", "<a&b>&amp;'"),
    ("dashes", "--help"),
    ("url", "a@b,c/d?e%41+f"),
    ("number", "12345"),
    ("word", "yes"),
    ("tilde", "~ !x *y &z |"),
    ("three quotes", "a\"b'c`d"),
    ("around", "'in quotes'"),
)


class AwkwardRelay(Relay):
    """A relay whose secrets and users are the awkward values, as the tool writes them."""

    def configure(self, **settings: object) -> None:
        super().configure()
        with contextlib.redirect_stdout(io.StringIO()):
            for _, value in AWKWARD:
                secret.add_to(str(self.file), value)
                user.add_to(str(self.file), value, value)


@pytest.fixture(scope="session")
def relay(interpreter: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    folder = tmp_path_factory.mktemp("snippets")
    certificate = certificates.make(folder)
    settings = {"certificate": str(certificate.certificate), "key": str(certificate.key), "unauthenticated_rate": 0}
    with AwkwardRelay(interpreter, folder, settings) as running:  # type: ignore[arg-type]
        yield running


@pytest.fixture
def settings(relay: Relay) -> Configuration:
    return place.read(str(relay.file))


@pytest.fixture
def file(relay: Relay) -> Path:
    return relay.file
