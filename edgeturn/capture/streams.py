"""TCP connections of a capture: whole STUN messages and ChannelData out of segments, and how each connection went.

Rule 1: good enough for STUN: segments that overtook others are put in order, what comes twice counts once, a hole that
        nothing fills ends the reading of that direction.
Rule 2: a connection is one of STUN or of TLS by the first bytes of the one who opened it; others aren't read.
Rule 3: connections and what waits in them are bounded; the oldest gives way.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from edgeturn.capture.connection import Connection
from edgeturn.capture.packets import ACK, FIN, RESET, SYN, Packet

STUN, TLS, OTHER = "stun", "tls", "other"
_MOST_CONNECTIONS = 4096
_MOST_WAITING = 64  # segments before a hole
_MOST_BUFFERED = 1 << 17
_TELLING = 8  # bytes that tell STUN from TLS
_HALF = 1 << 31
_WRAP = 1 << 32
_COOKIE = b"\x21\x12\xa4\x42"


@dataclass
class _Direction:
    """One way of a connection."""

    expected: int | None = None
    waiting: dict[int, bytes] = field(default_factory=dict)
    buffer: bytearray = field(default_factory=bytearray)
    broken: bool = False

    def take(self, sequence: int, data: bytes) -> None:
        """Add a segment to what came in order."""
        if self.expected is None:
            self.expected = sequence
        self.waiting[sequence] = data
        while (found := self._next()) is not None:
            ahead = (self.expected - found) % _WRAP
            piece = self.waiting.pop(found)[ahead:]
            self.buffer += piece
            self.expected = (self.expected + len(piece)) % _WRAP
        self.broken = self.broken or len(self.waiting) > _MOST_WAITING or len(self.buffer) > _MOST_BUFFERED

    def _next(self) -> int | None:
        """Return a segment that begins at or before what is expected."""
        expected = self.expected or 0
        return next((each for each in self.waiting if (expected - each) % _WRAP < _HALF), None)

    def messages(self) -> Iterator[bytes]:
        """Yield the messages that are whole (RFC 8656 §12.5: ChannelData is padded over TCP)."""
        while len(self.buffer) >= 4 and not self.broken:
            size = int.from_bytes(self.buffer[2:4], "big") + (4 if self.buffer[0] & 0xC0 else 20)
            padded = size + 3 & ~3
            if self.buffer[0] & 0x80:
                self.broken = True
            if self.broken or len(self.buffer) < padded:
                return
            yield bytes(self.buffer[:size])
            del self.buffer[:padded]


@dataclass
class _Stream:
    """A connection and both its ways."""

    connection: Connection
    up: _Direction = field(default_factory=_Direction)
    down: _Direction = field(default_factory=_Direction)


class Streams:
    """All connections of a capture."""

    def __init__(self) -> None:
        """Begin with none."""
        self._streams: OrderedDict[frozenset[str], _Stream] = OrderedDict()
        self._ended: list[Connection] = []

    def take(self, packet: Packet) -> list[bytes]:
        """Take a segment; return the messages that it completes."""
        key = frozenset((packet.source, packet.destination))
        stream = self._streams.get(key)
        if packet.flags & SYN and not packet.flags & ACK:
            stream = self._opening(key, stream, packet)
        elif stream is None:
            stream = self._found_open(key, packet)
        self._note(stream.connection, packet)
        return self._read(stream, packet)

    def connections(self) -> list[Connection]:
        """Return the connections with STUN or TLS in them, or with nothing at all."""
        every = self._ended + [stream.connection for stream in self._streams.values()]
        return [connection for connection in every if connection.kind != OTHER]

    def _opening(self, key: frozenset[str], stream: _Stream | None, packet: Packet) -> _Stream:
        if stream is not None:
            before = stream.connection
            if before.client == packet.source and not before.opened and not before.ended:
                before.tries += packet.at > before.at
                return stream
            self._ended.append(before)
        return self._add(key, _Stream(Connection(packet.at, packet.source, packet.destination)))

    def _found_open(self, key: frozenset[str], packet: Packet) -> _Stream:
        """Return a connection whose opening wasn't captured; servers have the lower port."""
        ends = packet.source, packet.destination
        down = int(ends[0].rpartition(":")[2]) < int(ends[1].rpartition(":")[2])
        client, server = ends[::-1] if down else ends
        return self._add(key, _Stream(Connection(packet.at, client, server, opened=True)))

    def _add(self, key: frozenset[str], stream: _Stream) -> _Stream:
        self._streams[key] = stream
        self._streams.move_to_end(key)
        if len(self._streams) > _MOST_CONNECTIONS:
            self._ended.append(self._streams.popitem(last=False)[1].connection)
            del self._ended[:-_MOST_CONNECTIONS]
        return stream

    def _note(self, connection: Connection, packet: Packet) -> None:
        """Keep how far the connection came."""
        upward = packet.source == connection.client
        if packet.flags & SYN and packet.flags & ACK:
            connection.opened = True
        if packet.payload and not upward and connection.kind:
            connection.answered = True
        if packet.flags & (RESET | FIN) and not connection.ended:
            reset = "reset" if connection.opened else "refused"
            connection.ended = reset if packet.flags & RESET else "closed"
            connection.ended_by = "client" if upward else "server"
            connection.ended_at = packet.at

    def _read(self, stream: _Stream, packet: Packet) -> list[bytes]:
        way = stream.up if packet.source == stream.connection.client else stream.down
        if packet.flags & SYN:
            way.expected = (packet.sequence + 1) % _WRAP
        connection = stream.connection
        if not packet.payload or connection.kind in (TLS, OTHER) or way.broken:
            return []
        way.take(packet.sequence, packet.payload)
        if not connection.kind and len(stream.up.buffer) >= _TELLING:
            connection.kind = _kind(bytes(stream.up.buffer[:_TELLING]))
        return list(way.messages()) if connection.kind == STUN else []


def _kind(data: bytes) -> str:
    if data[4:8] == _COOKIE and data[0] < 4:
        return STUN
    return TLS if data[:2] == b"\x16\x03" else OTHER
