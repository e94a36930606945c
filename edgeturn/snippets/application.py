"""An application, and what it's told of a relay.

A row: its names, where its configuration stands, what makes it take effect, which credentials it takes in which order,
how a comment begins there ("" for none), and the function that writes it.
"""

from collections.abc import Callable
from dataclasses import dataclass

SECRET = "secret"  # it mints credentials of its own
USER = "user"  # a user with a lasting password
MINTED = "minted"  # a credential that ends
STUN = "stun"  # none

DAY, YEAR = 86400, 365 * 86400


class Unfit(Exception):
    """Something that a file can't hold: what it is, as a noun."""


@dataclass(frozen=True)
class Reached:
    """Where clients reach a relay: the host for applications that take one, and every URI for those that take lists."""

    host: str  # without brackets
    port: int  # of UDP, and of TCP where there is TCP
    has_tcp: bool
    tls_port: int  # 0 where TLS isn't served under a name
    stun: tuple[str, ...]
    turn: tuple[str, ...]

    @property
    def place(self) -> str:
        """Return host and port as URIs have them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def tls_place(self) -> str:
        """Return host and port of TLS as URIs have them."""
        return f"[{self.host}]:{self.tls_port}" if ":" in self.host else f"{self.host}:{self.tls_port}"

    @property
    def transports(self) -> tuple[str, ...]:
        """Return what there is without TLS."""
        return ("udp", "tcp") if self.has_tcp else ("udp",)


@dataclass(frozen=True)
class Credential:
    """What an application proves itself by: a secret, or a username with its password; what isn't there is ""."""

    style: str
    secret: str = ""
    username: str = ""
    password: str = ""
    expires: int = 0  # Unix time, 0 for never
    lifetime: int = DAY  # seconds of what the application mints


Writer = Callable[[Reached, Credential], list[str]]


@dataclass(frozen=True)
class Application:
    """A row of the table."""

    name: str
    title: str
    where: str
    apply: str
    styles: tuple[str, ...]
    comment: str
    write: Writer
    aliases: tuple[str, ...] = ()
    refuses: str = ""  # a regular expression: what of a secret, a user or a password would be read as something else
    minted_for: int = YEAR  # seconds
    notes: tuple[tuple[str, str], ...] = ()  # the style that it's about, "" for any, and a sentence
    uses_tls: bool = True
    is_one_user: bool = False  # the name in what it mints is the same for everybody
