"""The other half of edgeturn/web/answering.py, in the process that speaks HTTP."""

import asyncio
import json
import socket
from collections.abc import Callable
from typing import Any

from edgeturn.web.answering import LONGEST_LINE, LONGEST_REQUEST

_PATIENCE = 25  # seconds; a check takes up to 15


class Refused(Exception):
    """What the parent says can't be done, in one sentence."""


class Asking:
    """Asks the parent; `gone` ends when the parent has."""

    def __init__(self, sock: socket.socket) -> None:
        """Take the end of the socket pair."""
        self._sock = sock
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._last = 0
        self.told: Callable[[dict[str, Any]], None] = lambda document: None  # is called with what nobody has asked

    async def start(self) -> None:
        """Begin to listen to answers."""
        reader, self._writer = await asyncio.open_connection(sock=self._sock, limit=LONGEST_LINE)
        self.gone = asyncio.create_task(self._read(reader))

    async def call(self, method: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return an answer; Refused where it is none."""
        self._last += 1
        number, future = self._last, asyncio.get_running_loop().create_future()
        request = {"id": number, "method": method, "arguments": arguments or {}}
        line = json.dumps(request).encode() + b"\n"
        if len(line) > LONGEST_REQUEST:
            raise Refused("the arguments are too long.")
        self._waiting[number] = future
        try:
            self._writer.write(line)
            answer: dict[str, Any] = await asyncio.wait_for(future, _PATIENCE)
        except TimeoutError:
            raise Refused("that took too long; try again.") from None
        finally:
            del self._waiting[number]
        if "error" in answer:
            raise Refused(str(answer["error"]))
        return answer

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            answer = json.loads(line)
            if "id" not in answer:
                self.told(answer)
                continue
            future = self._waiting.get(answer["id"])
            if future and not future.done():
                future.set_result(answer["answer"])
