"""A client over TCP or TLS: it holds the dialogues of `turn_client`, and floods through a channel.

Rule 1: one message is one TLS record, as real clients send them; a batch of them leaves in one system call.
Rule 2: nothing here waits for long: who floods asks again, who holds a dialogue has a deadline.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import time
from dataclasses import dataclass, field

from tools.bench.turn_client import Dialogue, Result, Silent

PATIENCE = 5.0
PIECE = 1 << 18
CHANNEL_HEADER, STUN_HEADER = 4, 20


@dataclass
class StreamClient:
    """A connected socket, with TLS over it where a context is given."""

    socket: socket.socket
    tls: ssl.SSLObject | None = None
    incoming: ssl.MemoryBIO = field(default_factory=ssl.MemoryBIO)
    outgoing: ssl.MemoryBIO = field(default_factory=ssl.MemoryBIO)
    unsent: bytes = b""
    received: bytearray = field(default_factory=bytearray)

    def close(self) -> None:
        self.socket.close()

    def handshake(self, context: ssl.SSLContext) -> None:
        """Put TLS over the connection."""
        self.tls = context.wrap_bio(self.incoming, self.outgoing)
        end = time.monotonic() + PATIENCE
        while True:
            try:
                self.tls.do_handshake()
                self.flush(end)
                return
            except ssl.SSLWantReadError:
                self.flush(end)
                self.wait(select.POLLIN, end)
                self.fill()

    def write(self, message: bytes, times: int = 1) -> None:
        """Add a message to what leaves with the next push, so many times."""
        if self.tls is None:
            self.unsent += message * times
            return
        for _ in range(times):
            self.tls.write(message)
        self.unsent += self.outgoing.read()

    def push(self) -> bool:
        """Send what there is, as far as it's taken; say whether all of it was."""
        with contextlib.suppress(BlockingIOError):
            self.unsent = self.unsent[self.socket.send(self.unsent) :] if self.unsent else b""
        return not self.unsent

    def fill(self) -> int:
        """Take what has arrived; return the bytes of messages among it."""
        try:
            data = self.socket.recv(PIECE)
        except BlockingIOError:
            return 0
        if not data:
            raise Silent("the relay closed the connection")
        if self.tls is None:
            self.received += data
            return len(data)
        self.incoming.write(data)
        before = len(self.received)
        try:
            while piece := self.tls.read(PIECE):
                self.received += piece
        except ssl.SSLWantReadError:
            pass
        return len(self.received) - before

    def messages(self) -> list[bytes]:
        """Return the messages that have arrived whole."""
        found, at = [], 0
        while len(self.received) - at >= CHANNEL_HEADER:
            length = int.from_bytes(self.received[at + 2 : at + 4], "big")
            header = CHANNEL_HEADER if self.received[at] & 0x40 else STUN_HEADER
            whole = header + length + (-length % 4)
            if len(self.received) - at < whole:
                break
            found.append(bytes(self.received[at : at + header + length]))
            at += whole
        del self.received[:at]
        return found

    def flush(self, end: float) -> None:
        self.unsent += self.outgoing.read()
        while not self.push():
            self.wait(select.POLLOUT, end)

    def wait(self, events: int, end: float) -> None:
        waiter = select.poll()
        waiter.register(self.socket, events)
        if not waiter.poll(max(end - time.monotonic(), 0) * 1000):
            raise Silent("the relay does not answer over a stream")

    def exchange(self, request: bytes) -> bytes:
        """Send a request and return its answer."""
        end = time.monotonic() + PATIENCE
        self.write(request)
        self.flush(end)
        while True:
            for message in self.messages():
                if message[8:20] == request[8:20]:
                    return message
            self.wait(select.POLLIN, end)
            self.fill()

    def converse(self, dialogue: Dialogue[Result]) -> Result:
        """Hold one dialogue to its end."""
        try:
            request = next(dialogue)
            while True:
                request = dialogue.send(self.exchange(request))
        except StopIteration as end:
            result: Result = end.value
            return result


def context() -> ssl.SSLContext:
    """Return a context that believes any certificate and resumes no session."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    made.options |= ssl.OP_NO_TICKET
    return made
