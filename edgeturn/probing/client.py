"""The TURN client of edgeturn/command/client.py, over every way that this tool knows."""

from edgeturn.command import client
from edgeturn.command.client import Received, Refused, Silent, Untrusted
from edgeturn.command.ice import Login
from edgeturn.probing.server import Server
from edgeturn.probing.way import Way, connect
from edgeturn.protocol import stun

__all__ = ["Client", "Received", "Refused", "Silent", "Untrusted"]


class Client(client.Client):
    """One 5-tuple to a server."""

    def __init__(self, server: Server | Way, login: Login | None = None, algorithm: int = 0) -> None:
        """Take the server or a way to it, how to prove oneself, and the password algorithm if not the best offered.

        NoWay where there's none.
        """
        way = connect(server) if isinstance(server, Server) else server
        super().__init__(_InMilliseconds(way), login, algorithm)
        self.about, self.local = way.about, way.local
        self.answer: stun.Message | None = None

    def ask(self, method: int, attributes: "stun.Attributes", peer: bytes = b"") -> stun.Message:
        """Ask once, and remember the success response."""
        self.answer = super().ask(method, attributes, peer)
        return self.answer

    def receive(self, seconds: float) -> Received | None:
        """Return the next data from a peer, None where none came in time."""
        return self.wait(int(seconds * 1000))


class _InMilliseconds:
    """A way of this tool as the client wants it."""

    def __init__(self, way: Way) -> None:
        self.repeats = way.repeats
        self.send = way.send
        self.close = way.close
        self._way = way

    def receive(self, milliseconds: int) -> bytes | None:
        return self._way.receive(milliseconds / 1000)
