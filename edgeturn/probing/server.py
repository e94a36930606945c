"""A server as clients reach it: where, by which transport, under which name, and what they believe."""

from dataclasses import dataclass, field
from pathlib import Path

from edgeturn.protocol.listener import UDP


class NoWay(Exception):
    """Why a connection couldn't be made."""


@dataclass(frozen=True)
class Trust:
    """Which certificates are believed: those of the system, those of a file besides, or any."""

    file: Path | None = None
    anything: bool = False


@dataclass(frozen=True)
class Server:
    """A server at port||ip by one transport; name is what its certificate has to be for, "" for its IP address."""

    place: bytes
    transport: str = UDP
    name: str = ""
    trust: Trust = field(default_factory=Trust)
