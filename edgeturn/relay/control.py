"""The control socket: a Unix socket, one JSON document a request, one an answer, each ended by a newline.

Rule 1: the file's mode is 0600; there is no other administrative surface.
Rule 2: connections are few and bounded in size; the oldest gives way, but for those of taps, of which there are fewer.
Rule 3: a request that is no request gets {"ok": false, "error": one sentence}.
Rule 4: behind the answer to a tap come lines until its time is over or either end closes.
"""

import json
import os
import socket

from edgeturn import seam

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeturn.relay.tap import Tap

    Command = Callable[[dict[str, object]], dict[str, object]]

_CONNECTIONS = 4
_REQUEST_SIZE = 262144  # a whole configuration fits
_PIECE = 4096
_SOCKET_MODE = 0o600
_TAPPED_SIZE = 32768  # of a tap's lines that nobody has read yet, besides what the kernel holds


class ControlError(Exception):
    """What a request asks that can't be done, in one sentence."""


class _Connection:
    def __init__(self, sock: "seam.Socket") -> None:
        self.sock = sock
        self.received = bytearray()
        self.answer = b""
        self.tap: "Tap | None" = None


class Control:
    """Serves the control socket in the loop."""

    def __init__(self, path: str, poller: "seam.Poller", commands: "dict[str, Command]") -> None:
        """Take path, poller, and what to call for each command."""
        self._path = path
        self._poller = poller
        self._commands = commands
        self._connections: list[_Connection] = []
        self._listener = listen(path)
        self._listens = False
        self.tick()

    def tick(self) -> None:
        """Accept again where that failed; call it once a second."""
        if not self._listens:
            self._listens = True
            self._poller.register(self._listener, self._accept)
        for connection in list(self._connections):
            tap = connection.tap
            if tap is not None:
                tap.tell_lost()
                if tap.expires <= seam.clock():
                    self._end(connection, tap)

    def close(self) -> None:
        """Close everything and remove the socket's file."""
        for connection in list(self._connections):
            self._drop(connection)
        self._poller.unregister(self._listener)
        self._listener.close()
        try:
            os.remove(self._path)
        except OSError:  # after dropping privileges the folder may no longer be ours; the next start replaces the file
            pass

    def _accept(self, events: int) -> None:
        try:
            sock = self._listener.accept()[0]
        except OSError as error:
            if error.args[0] not in (seam.EAGAIN, seam.ECONNABORTED):  # out of files or memory, and ready all the time
                self._listens = False
                self._poller.unregister(self._listener)
            return
        sock.setblocking(False)
        if len(self._connections) >= _CONNECTIONS:
            self._drop(next(each for each in self._connections if each.tap is None))
        connection = _Connection(sock)
        self._connections.append(connection)
        self._register(connection, False)

    def _ready(self, connection: _Connection) -> None:
        if connection not in self._connections:  # another one's arrival ended it in this very turn of the loop
            return
        try:
            if connection.tap and _says_more(connection.sock):
                self._drop(connection)
            elif connection.answer:
                self._write(connection)
            elif not connection.tap:
                self._read(connection)
        except OSError as error:
            if error.args[0] != seam.EAGAIN:
                self._drop(connection)
        except MemoryError:  # what couldn't be read stays ready for ever
            self._drop(connection)
            raise

    def _read(self, connection: _Connection) -> None:
        data = connection.sock.recv(_PIECE)
        connection.received += data
        if connection.received.endswith(b"\n"):
            answer = self._execute(bytes(connection.received))
            tap: "Tap | None" = answer.pop("tap", None)  # type: ignore[assignment]
            connection.answer = json.dumps(answer).encode() + b"\n"
            self._register(connection, True)
            if tap is not None:
                connection.tap = tap
                tap.begin(lambda line: self._append(connection, line))
            self._write(connection)
        elif not data or len(connection.received) > _REQUEST_SIZE:
            self._drop(connection)

    def _write(self, connection: _Connection) -> None:
        sent = connection.sock.send(connection.answer[:_REQUEST_SIZE])
        connection.answer = connection.answer[sent:]
        if connection.answer:
            return
        if connection.tap:
            self._register(connection, False)
        else:
            self._drop(connection)

    def _append(self, connection: _Connection, line: bytes) -> bool:
        """Take a line of a tap, if there's room."""
        if len(connection.answer) + len(line) > _TAPPED_SIZE:
            return False
        if not connection.answer:
            self._register(connection, True)
        connection.answer += line
        return True

    def _register(self, connection: _Connection, writing: bool) -> None:
        self._poller.register(connection.sock, lambda events: self._ready(connection), writing)

    def _end(self, connection: _Connection, tap: "Tap") -> None:
        """End a tap; what it has shown already may still be read."""
        tap.close()
        connection.tap = None
        if not connection.answer:
            self._drop(connection)

    def _execute(self, request: bytes) -> "dict[str, object]":
        try:
            document = json.loads(request.decode())
            name = document["command"] if isinstance(document, dict) else ""
            command = self._commands.get(name)
        except (ValueError, KeyError, TypeError, RuntimeError, MemoryError):  # the last two: nested without end
            return {"ok": False, "error": "the request is no JSON object with a 'command'"}
        if command is None:
            return {"ok": False, "error": "no such command; there are " + ", ".join(sorted(self._commands))}
        try:
            answer = command(document)
        except ControlError as error:
            return {"ok": False, "error": error.args[0]}
        except Exception as error:  # whoever asks gets an answer
            seam.print_trace(error)
            return {"ok": False, "error": "that failed, and the log of the relay says where"}
        answer["ok"] = True
        return answer

    def _drop(self, connection: _Connection) -> None:
        self._connections.remove(connection)
        if connection.tap is not None:
            connection.tap.close()
        self._poller.unregister(connection.sock)
        connection.sock.close()


def _says_more(sock: "seam.Socket") -> bool:
    """Say whether a reader has closed its end, or says something that nobody asked for."""
    try:
        sock.recv(_PIECE)
    except OSError as error:
        if error.args[0] == seam.EAGAIN:
            return False
        raise
    return True


def listen(path: str) -> "seam.Socket":
    """Return a listening Unix socket; OSError where it can't be had. What a dead relay left behind is replaced."""
    _make_folder(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    if is_served(path):
        raise OSError(seam.EADDRINUSE, "another relay uses this control socket")
    try:
        os.remove(path)
    except OSError:
        pass
    sock.bind(seam.unix_name(path))
    seam.set_mode(path, _SOCKET_MODE)
    sock.listen(_CONNECTIONS)
    sock.setblocking(False)
    return sock


def _make_folder(path: str) -> None:
    folder = path.rpartition("/")[0]
    try:
        os.mkdir(folder)
        seam.set_mode(folder, 0o755)
    except OSError:
        pass  # it's there already, or bind will say what is wrong


def is_served(path: str) -> bool:
    """Say whether a relay that lives answers on a Unix socket."""
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        probe.connect(seam.unix_name(path))
        return True
    except OSError:
        return False
    finally:
        probe.close()
