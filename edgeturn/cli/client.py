"""The TURN client of edgeturn/command/client.py, over every way that this tool knows."""

from edgeturn.cli.server import Server
from edgeturn.cli.way import Way, connect
from edgeturn.command import client
from edgeturn.command.client import Received, Refused, Silent, Untrusted
from edgeturn.command.ice import Login

__all__ = ["Client", "Received", "Refused", "Silent", "Untrusted"]


class Client(client.Client):
    """One 5-tuple to a server."""

    def __init__(self, server: Server, login: Login | None = None, algorithm: int = 0) -> None:
        """Take the server, how to prove oneself, and the password algorithm if not the best offered; NoWay."""
        way = connect(server)
        super().__init__(_InMilliseconds(way), login, algorithm)
        self.about = way.about

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
