"""A place: one listening TCP socket with its two ways into the core, TCP and TLS, and who is connected by which.

Rule 1: a 5-tuple is a way and a source, so a client's second connection from the same port ends the first, which the
        client doesn't know any longer.
"""

from edgeturn import seam
from edgeturn.protocol.listener import TCP, TLS
from edgeturn.relay.streams import sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeturn.relay.loop import Loop
    from edgeturn.relay.streams.connection import Connection

    Send = Callable[[bytes | memoryview, object], None]


class Place:
    """A listening socket."""

    def __init__(self, loop: "Loop", place: bytes, accept: "Callable[[Place], None]") -> None:
        """Listen on a port||ip; OSError where that can't be. accept(place) is called where somebody connects."""
        self.place = place
        self.sock = sockets.listener(place)
        self.listens = False
        self._loop = loop
        self._accept = accept
        self._connections: dict[int, dict[object, Connection]] = {}
        self.ways = {transport: self._open_way(transport) for transport in (TCP, TLS)}
        self.listen(True)

    def listen(self, on: bool) -> None:
        """Accept, or leave who comes in the kernel's queue."""
        if on is not self.listens:
            self.listens = on
            if on:
                self._loop.poller.register(self.sock, lambda events: self._accept(self))
            else:
                self._loop.poller.unregister(self.sock)

    def join(self, connection: "Connection") -> int:
        """Make a connection known by its source, alone; return the number of its way."""
        via = self.ways[connection.transport]
        earlier = self._connections[via].get(connection.native)
        if earlier is not None:
            earlier.close("connected anew")
        self._connections[via][connection.native] = connection
        return via

    def find(self, via: int, native: object) -> "Connection | None":
        """Return the connection of one of the ways from a native address."""
        return self._connections.get(via, {}).get(native)

    def leave(self, connection: "Connection", via: int) -> None:
        """Forget a connection."""
        self._connections[via].pop(connection.native, None)

    def close(self) -> None:
        """Close the socket and the ways; the connections are closed already."""
        self.listen(False)
        self.sock.close()
        for via in self.ways.values():
            self._loop.close_way(via)

    def _open_way(self, transport: str) -> int:
        known: dict[object, Connection] = {}
        via = self._loop.open_way(transport, self.place, _sender(known))
        self._connections[via] = known
        return via


def _sender(known: "dict[object, Connection]") -> "Send":
    """Return what sends a message to one of some connections."""

    def send(data: "bytes | memoryview", native: object) -> None:
        connection = known.get(native)
        if connection is None:
            raise OSError(seam.EAGAIN)
        connection.send(data)

    return send
