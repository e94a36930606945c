"""An open tap of a relay under test, read as any program would: one JSON line after the other."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from tests.blackbox.relay import DEADLINE, Relay

Line = dict[str, Any]


class Tap:
    """A tap; a context manager."""

    def __init__(self, relay: Relay, seconds: int = 60, **asked: object) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(DEADLINE)
        self.sock.connect(str(relay.settings["control"]))
        self.sock.sendall(json.dumps({"command": "tap", "seconds": seconds} | asked).encode() + b"\n")
        self.raw = b""
        self.answer = self.line()

    def __enter__(self) -> "Tap":
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def line(self) -> Line:
        """Return the next line; EOFError where the relay has closed."""
        while b"\n" not in self.raw:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError
            self.raw += data
        line, _, self.raw = self.raw.partition(b"\n")
        found: Line = json.loads(line)
        return found

    def until(self, wanted: Callable[[Line], bool]) -> list[Line]:
        """Return the lines up to one that is wanted."""
        found = [self.line()]
        while not wanted(found[-1]):
            found.append(self.line())
        return found

    def lines(self) -> Iterator[Line]:
        """Yield the lines up to the end."""
        with suppress(EOFError):
            while True:
                yield self.line()

    @contextmanager
    def gathered(self) -> Iterator[list[Line]]:
        """Read all the time; give the lines so far."""
        found: list[Line] = []

        def read() -> None:
            for line in self.lines():
                found.append(line)  # noqa: PERF402  # others look at it meanwhile

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield found
        finally:
            self.sock.shutdown(socket.SHUT_RDWR)
            reader.join()


def is_event(name: str) -> Callable[[Line], bool]:
    return lambda line: line["event"] == name


def answers(kind: int) -> Callable[[Line], bool]:
    """Say whether a line is a message of a type: method and class."""
    return lambda line: line.get("message", "")[:4] == f"{kind:04x}"
