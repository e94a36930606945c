"""A splice: a connection that isn't ours, handed through to a backend byte for byte, both ways.

Rule 1: it has no buffer of its own. Towards the backend the connection keeps what the backend's socket doesn't take,
        and isn't read from meanwhile; towards the client no more is read than its buffer has room for.
Rule 2: an end is passed on as an end, a reset as a reset; a backend that can't be reached is a reset.
Rule 3: all splices are made at start. They give way to TURN clients, and end by the bounds of all connections.

    client ──► rest ──► backend        Connection.pause() while the backend takes nothing
    client ◄── out  ◄── backend        no reading while `out` is full
"""

import socket

from edgeturn import seam
from edgeturn.relay.streams import sockets
from edgeturn.relay.streams.connection import Handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeturn.relay.loop import Loop
    from edgeturn.relay.streams.connection import Connection

_CONNECT_TIMEOUT = 10  # seconds; it is in the house
_BURST = 4  # reads of a backend before the others have their turn
_UNDER_WAY = (seam.EAGAIN, seam.EINPROGRESS)
_RESETS = ("reset", "broken")  # reasons that a connection says


class Splice(Handler):
    """One of the pool; without a connection it's free."""

    def __init__(self, loop: "Loop", stuck_timeout: int, release: "Callable[[Splice], None]") -> None:
        """Take the loop, after how many seconds a backend that takes nothing is given up, and who takes this back."""
        self._loop = loop
        self.stuck_timeout = stuck_timeout
        self._release = release
        self._buffer = memoryview(loop.buffer)
        self.connection: Connection | None = None

    def begin(self, connection: "Connection", backend: bytes, header: bytes) -> None:
        """Connect a connection to a backend, which is sent a header first; OSError where that fails at once."""
        sock = socket.socket(socket.AF_INET if len(backend) == 6 else socket.AF_INET6, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sockets.adjust(sock)
            sock.connect(seam.native(backend))
        except OSError as error:
            if error.args[0] not in _UNDER_WAY:
                sock.close()
                raise
        self.join(connection, sock, header, False)

    def join(self, connection: "Connection", sock: "seam.Socket", header: bytes, connected: bool) -> None:
        """Hand a connection through to a socket, that is connected or will be."""
        self.connection = connection
        self._sock = sock
        self._layer = seam.Plain(sock)
        self._header = header
        self._since = 0 if connected else max(self._loop.now, 1)  # when it began to let us wait, 0 where it doesn't
        self._connected = connected
        self._client_ended = self._backend_ended = self._told = self._is_full = False
        self._register()
        connection.hand_over(self)

    # What the connection says.

    def received(self, data: memoryview) -> int:
        """Give the client's bytes to the backend; return how many it took."""
        if not self._connected:
            return 0
        try:
            taken = self._layer.write(data)
        except OSError as error:
            self._broken(error)
            return 0
        if taken < len(data):
            self._since = max(self._loop.now, 1)
            self._register()
        return taken

    def ended(self) -> None:
        """Pass the client's end on; all that it sent before was taken."""
        self._client_ended = True
        self._tell_end()

    def writable(self) -> None:
        """Go on reading from the backend."""
        self._is_full = False
        self._register()

    def closed(self, reason: str) -> None:
        """End the backend's side too, by a reset where that was the client's."""
        self._loop.poller.unregister(self._sock)
        if [each for each in _RESETS if reason.startswith(each)]:
            sockets.refuse(self._sock)
        else:
            self._sock.close()
        self.connection = None
        self._release(self)

    def overdue(self, now: int) -> bool:
        """Say whether the backend has let us wait too long."""
        return self._since > 0 and now - self._since > (self.stuck_timeout if self._connected else _CONNECT_TIMEOUT)

    # What the backend does.

    def _register(self) -> None:
        reading = self._connected and not (self._backend_ended or self._is_full)
        self._loop.poller.register(self._sock, self._handler_of(self._sock), self._since > 0, reading)

    def _handler_of(self, sock: "seam.Socket") -> "Callable[[int], None]":
        def ready(events: int) -> None:
            if self.connection is not None and self._sock is sock:  # else it was closed in this turn of the loop
                self._ready(events)

        return ready

    def _ready(self, events: int) -> None:
        if events & seam.POLLERR or (events & seam.POLLHUP and not self._connected):
            self._close("the backend can't be reached" if not self._connected else "the backend reset it")
            return
        if self._since and not self._go_on():
            return
        if not (self._backend_ended or self._is_full):
            self._read()
        elif events & seam.POLLHUP:
            self._loop.poller.unregister(self._sock)  # it would wake us all the time

    def _go_on(self) -> bool:
        """Send what had to wait for the backend; say whether there's still a connection."""
        assert self.connection is not None
        self._since = 0
        if not self._connected:
            try:
                whole = self._layer.write(memoryview(self._header)) == len(self._header)
            except OSError:
                whole = False
            if not whole:
                self._close("the backend can't be reached")
                return False
            self._connected = True
        self._register()
        self.connection.pause(False)
        self._tell_end()
        return self.connection is not None

    def _read(self) -> None:
        """Give the backend's bytes to the client, as many as there's room for."""
        connection = self.connection
        assert connection is not None
        for _ in range(_BURST):
            room = min(connection.room(), len(self._buffer))
            if not room:
                self._is_full = True
                self._register()
                return
            try:
                size = self._layer.read(self._buffer[:room])
            except OSError as error:
                self._broken(error)
                return
            if not size:
                if size is not None:
                    self._end()
                return
            self.give(size)

    def give(self, size: int) -> None:
        """Pass on what was read into the buffer."""
        assert self.connection is not None
        self.connection.write(self._buffer[:size])

    def _end(self) -> None:
        """Pass the backend's end on."""
        assert self.connection is not None
        self._backend_ended = True
        self._register()
        if self._client_ended:
            self.connection.close_after("handed through to its end")
        else:
            self.connection.finish()

    def _tell_end(self) -> None:
        """Tell the backend that the client has ended, once the backend is there; both ends are the end."""
        connection = self.connection
        if connection is None or not self._client_ended or not self._connected or self._told:
            return
        self._told = True
        try:
            self._layer.finish()
        except OSError as error:
            self._broken(error)
            return
        if self._backend_ended:
            connection.close_after("handed through to its end")

    def _broken(self, error: OSError) -> None:
        self._close("backend broken: " + seam.reason(error))

    def _close(self, reason: str) -> None:
        assert self.connection is not None
        self.connection.close(reason, True)
