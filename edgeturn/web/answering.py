"""The parent's half of the conversation between the two processes: it answers what the other may ask.

Rule 1: there is nothing to ask but the methods of edgeturn/command/rpcd.py, which check their arguments themselves,
        and all sessions, of which rpcd could pass only some.
Rule 2: a request is one line, {"id", "method", "arguments"}, and so is an answer, {"id", "answer"}; both are bounded.
        What is told unasked is a line as well, {"tokens"}: another configuration to mint by.
Rule 3: what takes long holds up nothing else, and two changes of the file never meet.
Rule 4: so many requests are taken at a time; who asks more, or takes no answers, isn't read until there's room.
"""

import contextlib
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from edgeturn.command import control, place, rpcd
from edgeturn.command.failure import Failure

LONGEST_LINE = 1 << 23
LONGEST_REQUEST = 65536
EVERY_SESSION = "every_session"
_THREADS = 4
_MOST = 64  # requests that aren't answered yet
_LOOKING = ("status", "sessions", "users", "secrets", "kernel", "check", "credentials", "snippet", "secret_show")


class Answering:
    """Answers one process until it's gone; `thread` ends with it."""

    def __init__(self, file: str, sock: socket.socket) -> None:
        """Take the configuration file and our end of the socket pair."""
        self._file = file
        self._sock = sock
        self._room = threading.Semaphore(_MOST)
        self._changing = threading.Lock()
        self._writing = threading.Lock()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def tell(self, document: dict[str, Any]) -> None:
        """Tell the process something that it hasn't asked."""
        self._send(document)

    def _serve(self) -> None:
        with ThreadPoolExecutor(_THREADS) as pool, self._sock, self._sock.makefile("rb") as lines:
            try:
                while (line := lines.readline(LONGEST_REQUEST)).endswith(b"\n"):
                    self._room.acquire()
                    pool.submit(self._take, line)
            except OSError:
                return  # it was killed

    def _take(self, line: bytes) -> None:
        try:
            self._answer(line)
        finally:
            self._room.release()

    def _answer(self, line: bytes) -> None:
        try:
            request = json.loads(line)
            answer = {"id": request["id"], "answer": self._answered(request)}
        except (ValueError, KeyError, TypeError):
            return  # a process that speaks so isn't ours any more
        self._send(answer)

    def _send(self, document: dict[str, Any]) -> None:
        with self._writing, contextlib.suppress(OSError):  # it's gone
            self._sock.sendall(json.dumps(document).encode() + b"\n")

    def _answered(self, request: dict[str, Any]) -> dict[str, Any]:
        method, arguments = str(request["method"]), json.dumps(request["arguments"]).encode()
        if method == EVERY_SESSION:
            return _every_session(self._file)
        if method in _LOOKING:
            return rpcd.answer(self._file, method, arguments)
        with self._changing:
            return rpcd.answer(self._file, method, arguments)


def _every_session(file: str) -> dict[str, Any]:
    try:
        return control.ask(place.read(file), "sessions")
    except Failure as failure:
        return {"error": failure.message}
