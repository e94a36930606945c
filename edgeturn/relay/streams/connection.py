"""A connection: bytes of a stream in, whole messages to the core, and what it answers out; a record of a fixed pool.

Rule 1: what is read goes through the loop's buffer; what is unfinished is kept in `rest`, and never more than that.
Rule 2: what is sent is gathered in `out` until all that was ready has been read, and leaves in one write; over TLS one
        message is one record, for clients that read no more than one message of a record.
Rule 3: where `out` is full, media is dropped and counted. Answers have a reserve; who takes none isn't read from.
Rule 4: the stage is what takes the bytes that were read, and returns how many: opening, serving, or a Handler's.
Rule 5: whatever ends it, close() is the only end: the allocation, the pool and the handler hear of it once.

    opening ──serve()──────────► serving: STUN and ChannelData
       │└────hand_over(handler)► raw bytes, both ways
       └─────start_tls()───────► opening again, inside of TLS
"""

from edgeturn import seam
from edgeturn.protocol.framing import message_size, padded
from edgeturn.protocol.limits import ANSWER_ROOM
from edgeturn.protocol.listener import TCP, TLS
from edgeturn.protocol.stun import DATA_METHOD, INDICATION, Malformed
from edgeturn.relay.streams.sockets import refuse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from edgeturn.relay.streams.place import Place
    from edgeturn.relay.streams.pool import Streams

_BURST = 4  # reads of one connection before the others have their turn
_STRANGERS_SIZE = 1024  # bytes that are read at a time of who has no allocation: each of its requests costs a hash
_CHANNEL = 0x40  # first byte of ChannelData
_DATA_INDICATION = DATA_METHOD | INDICATION
_PADDING = bytes(3)
_NOTHING = seam.Plain(None)
_RECORD = 4096  # raw bytes a record; MicroPython's own mbedtls takes no more at a time


class Handler:
    """Takes the raw bytes of a connection that was handed over."""

    preferred = False  # whether it stays where others give way, because the client has proven who it is

    def received(self, data: memoryview) -> int:
        """Take bytes that were read, as long as the call lasts; return how many.

        What isn't taken is kept, and no more is read until `pause(False)`.
        """
        return len(data)

    def ended(self) -> None:
        """The other side sends no more; it may still receive."""

    def writable(self) -> None:
        """There's room again, after write() took less than it was given."""

    def closed(self, reason: str) -> None:
        """The connection is gone."""


class Connection:
    """One place of the pool; without a socket it's free."""

    def __init__(self, streams: "Streams", capacity: int) -> None:
        """Make its buffers, each for a message of so many bytes."""
        self.streams = streams
        self.loop = streams.loop
        self.turn = streams.loop.turn
        self.rest = memoryview(seam.room(capacity))
        self.out = memoryview(seam.room(capacity + ANSWER_ROOM))
        self._late, self._soon = self._flush_late, self._carry_on  # bound once
        self._opening, self._serving, self._raw = self._open, self._serve, self._pass_on
        self.begin(None, b"", None, 0)

    def begin(self, sock: "seam.Socket | None", source: bytes, place: "Place | None", now: int) -> None:
        """Begin with an accepted socket, of which nothing has been read."""
        self.sock, self.source, self.prefix, self.number = sock, source, b"", 0
        self.place: Any = place
        self.layer: Any = seam.Plain(sock) if sock else _NOTHING
        self.native: object = None
        self.transport, self.via = TCP, -1
        self.handler: Handler | None = None
        self.take = self._opening
        self.opened_at = self.active_at = self.stranger_at = now
        self.stuck_at = self.partial_at = 0
        self.kept = self.start = self.end = self.skipped = 0
        self.introduced = self.proven = self.handshaking = False  # introduced: nothing stands before its first message
        self.queued = self.coming = self.writing = False  # in `late`; in `soon`; waits for room in the kernel
        self.halted = self.held = self.ended = self.refused = False
        self.finishing = False
        self.leaving = ""  # the reason for which it's closed, once all is sent

    # For the stages.

    def serve(self) -> None:
        """Serve a TURN client from now on, by the way of the transport that was found."""
        self.native = seam.native(self.source)
        self.via = self.place.join(self)
        self.take = self._serving

    def start_tls(self) -> None:
        """Begin a handshake with what was read until now, where the pool admits it."""
        reason = "TLS inside of TLS" if self.transport is TLS else self.streams.admit_handshake(self)
        if reason:
            self.close(reason)
            return
        self.transport, self.handshaking = TLS, True
        try:
            self.layer = self.streams.tls.Layer(self.streams.context, self.sock)
        except (OSError, MemoryError):
            self.close("no memory for TLS")
            return
        self.take = self._encrypted

    def hand_over(self, handler: Handler) -> None:
        """Give everything behind the last message to a handler.

        Called while a message is being handled, its answer goes out first if the handler writes nothing before it.
        """
        self.handler, self.proven = handler, True
        self.take = self._raw

    def set_source(self, source: bytes) -> None:
        """Take another port||ip for the client's, before the first message."""
        self.source = source
        self.streams.count_prefix(self)

    @property
    def preferred(self) -> bool:
        """Whether who is there has proven who it is: it has an allocation, or a handler that says so."""
        if self.handler is not None:
            return self.handler.preferred
        return self.via >= 0 and self.turn.knows(self.via, self.source)

    # Reading.

    def register(self) -> None:
        """Wait for what can be done now."""
        reading = not (self.halted or self.held or self.ended)
        self.loop.poller.register(self.sock, self._handler_of(self.sock), self.writing, reading)

    def _handler_of(self, sock: "seam.Socket | None") -> "Callable[[int], None]":
        def ready(events: int) -> None:
            if self.sock is sock:  # else it was closed in this turn of the loop, and is another's maybe
                self._ready(events)

        return ready

    def _ready(self, events: int) -> None:
        if events & seam.POLLERR:
            self.close("reset")
            return
        if self.writing:
            self.flush()
        if self.sock is None or self.coming:  # what was kept is given on first: without it there may be no room to read
            return
        if not (self.halted or self.held or self.ended):
            self._read()
        elif events & seam.POLLHUP and not self.writing:
            self.loop.poller.unregister(self.sock)  # it would wake us all the time; what is unread stays in the kernel

    def _read(self) -> None:
        if self.handshaking and not self.streams.may_shake():
            return
        known = self.preferred
        most = len(self.rest) if known else _STRANGERS_SIZE
        for _ in range(_BURST if known else 1):
            if not self._read_once(most) or self.halted or self.held or self.ended:
                return
        if self.layer.holds():
            self._come_back()

    def _read_once(self, most: int) -> bool:
        """Read so many bytes and give them to the stage; say whether there may be more."""
        buffer, kept = self.streams.buffer, self.kept
        buffer[:kept] = self.rest[:kept]
        try:
            size = self.layer.read(buffer[kept : min(kept + most, len(self.rest))])
        except OSError as error:
            self.close("broken: " + seam.reason(error))
            return False
        if self.handshaking and not self.layer.handshaking:
            self._handshake_done()
        if self.layer.full:
            self._queue()
        if not size:
            if size is not None:
                self._end()
            return False
        self.active_at = self.loop.now
        self._feed(kept + size)
        return self.sock is not None

    def _feed(self, size: int) -> None:
        """Give what is in the buffer to the stage, and to the next one if it changes; keep what is left."""
        buffer, at, self.kept = self.streams.buffer, 0, 0
        while at < size:
            stage = self.take
            used = stage(buffer[at:size])
            if self.sock is None:
                return
            at += used
            if self.halted or self.held or (not used and self.take is stage):
                break
        self.kept = left = size - at
        if left:
            self.rest[:left] = buffer[at:size]
        elif self.partial_at:
            self.partial_at = 0
        if left == len(self.rest) and not (self.halted or self.held):
            self.close("too much before anything was understood")

    def _come_back(self) -> None:
        if not self.coming:
            self.coming = True
            self.loop.soon.append(self._soon)

    def _carry_on(self) -> None:
        """Go on with what is here already."""
        self.coming = False
        if self.sock is None or self.halted or self.held:
            return
        kept = self.kept
        if kept:
            self.streams.buffer[:kept] = self.rest[:kept]
            self._feed(kept)
        if self.sock is not None and not (self.halted or self.held or self.ended):
            self._read()

    def _end(self) -> None:
        """The other side sends no more: answer what it asked, and close."""
        self.ended = True
        self.register()
        if self.handler is not None:
            self.handler.ended()
        else:
            self.close_after("closed by the client")

    # The stages.

    def _open(self, data: memoryview) -> int:
        return self.streams.door.decide(data, self)

    def _encrypted(self, data: memoryview) -> int:
        """Give the first bytes, which were read before TLS was known, to TLS; what it decrypts begins anew."""
        self.layer.feed(data)
        self.take = self._opening
        self._come_back()
        return len(data)

    def _serve(self, data: memoryview) -> int:
        """Hand each whole message to the core."""
        at, end = self._skip(len(data)), len(data)
        while at < end and self.take is self._serving and self.sock is not None:
            if self._must_wait():
                return at
            try:
                size = message_size(data, at, end)
            except Malformed:
                self._give_up()
                return end
            whole = padded(size)
            if whole > len(self.rest):
                self.turn.drop("size")
                self.skipped = whole
                at += self._skip(end - at)
            elif not size or at + whole > end:
                self.partial_at = self.partial_at or self.loop.now
                return at
            else:
                at += whole
                self._message(data[at - whole : at], size)
        return at

    def _message(self, message: memoryview, size: int) -> None:
        self.partial_at = 0
        answer = self.turn.client(message, size, self.via, self.source, self.loop.now)
        self.proven = True
        if answer is not None:
            self.loop.deliver(answer)

    def _must_wait(self) -> bool:
        """Say whether an answer would have no room; then no more is read until it has."""
        if len(self.out) - self.end >= ANSWER_ROOM or self._make_room(ANSWER_ROOM):
            return False
        self.halted = True
        self.register()
        return True

    def _give_up(self) -> None:
        """Read no more of what can't be understood; what was asked before is still answered."""
        self.ended = True
        self.register()
        self.close_after("framing")

    def _skip(self, available: int) -> int:
        """Return how many bytes belong to a message that was too large."""
        skipped = min(self.skipped, available)
        self.skipped -= skipped
        return skipped

    def _pass_on(self, data: memoryview) -> int:
        assert self.handler is not None
        taken = self.handler.received(data)
        if taken < len(data) and not self.held:
            self.pause(True)
        return taken

    # Writing.

    def send(self, message: "bytes | memoryview") -> None:
        """Send a message, padded; media is dropped where there's no room."""
        size = len(message)
        whole = padded(size)
        media = message[0] >= _CHANNEL or message[0] << 8 | message[1] == _DATA_INDICATION
        room = whole + ANSWER_ROOM if media else whole
        if self.end + room > len(self.out) and not self._make_room(room):
            if media:
                self.turn.drop("stream full")
            else:
                self.close("doesn't take its answers")
            return
        end = self.end
        self.out[end : end + size] = message
        if size != whole:
            self.out[end + size : end + whole] = _PADDING[: whole - size]
        self.end = end + whole
        self._queue()

    def room(self) -> int:
        """Return how much write() takes whole now; where that's nothing, the handler hears when there's room."""
        left = 0 if self.sock is None or self.finishing else len(self.out) - (self.end - self.start)
        self.refused = self.refused or not left
        return left

    def write(self, data: "bytes | memoryview") -> int:
        """Send raw bytes; return how many were taken. The handler hears when there's room for the others."""
        size = len(data)
        if self.sock is None or self.finishing:
            return 0
        if self.end + size > len(self.out):
            self._make_room(size)
            size = min(size, len(self.out) - self.end)
            self.refused = self.refused or size < len(data)
        self.out[self.end : self.end + size] = data[:size]
        self.end += size
        self._queue()
        return size

    def _queue(self) -> None:
        if not self.queued:
            self.queued = True
            self.loop.late.append(self._late)

    def _flush_late(self) -> None:
        self.queued = False
        if self.sock is not None:
            self.flush()

    def flush(self) -> None:
        """Send as much as the kernel takes; wait for room for the rest."""
        before = self.end - self.start
        try:
            done = self._drain()
        except OSError as error:
            self.close("broken: " + seam.reason(error))
            return
        now = self.loop.now
        if done:
            self.stuck_at = 0
        elif self.end - self.start < before or not self.stuck_at:
            self.stuck_at = now
        if before:
            self.active_at = now
        if self.writing is done:
            self.writing = not done
            self.register()
        self._flushed(done)

    def _flushed(self, done: bool) -> None:
        """Do what waited for room, or for the end."""
        if done and self.leaving:
            self.close(self.leaving)
            return
        if done and self.finishing:
            self.finishing = False
            self._finish()
        if 2 * (self.end - self.start) > len(self.out):
            return
        if self.halted:
            self.halted = False
            self.register()
            self._come_back()
        if self.refused and self.handler is not None:
            self.refused = False
            self.handler.writable()

    def _drain(self) -> bool:
        """Give what waits to the layer; say whether nothing is left."""
        layer = self.layer
        while layer.push():
            if self.start == self.end:
                self.start = self.end = 0
                return True
            while self.start < self.end:
                taken = layer.write(self.out[self.start : self._piece_end()])
                self.start += taken
                if not taken:
                    return False
        return False

    def _piece_end(self) -> int:
        """Return where what is written at once ends."""
        if not self.layer.records:
            return self.end
        if self.handler is None:
            return min(self.start + padded(message_size(self.out, self.start, self.end)), self.end)
        return min(self.start + _RECORD, self.end)

    def _make_room(self, size: int) -> bool:
        """Send what waits, at once, and close the gap in front of what is left; say whether so much fits now."""
        try:
            self._drain()
        except OSError:  # the next flush finds out and closes, when nobody is in the middle of something
            pass
        if self.start:
            left = self.end - self.start
            self.out[:left] = self.out[self.start : self.end]
            self.start, self.end = 0, left
        self._queue()
        return self.end + size <= len(self.out)

    # Pausing and ending.

    def pause(self, on: bool) -> None:
        """Read no more, or go on reading, beginning with what was kept."""
        if self.held is on or self.sock is None:
            return
        self.held = on
        self.register()
        if not on:
            self._come_back()

    def finish(self) -> None:
        """Tell the other side that no more comes, once all is sent; it may go on sending."""
        self.finishing = True
        self._queue()

    def close_after(self, reason: str) -> None:
        """Close once all is sent."""
        self.leaving = reason
        self._queue()

    def close(self, reason: str, reset: bool = False) -> None:
        """End it: with what was asked of it, and what it has."""
        sock = self.sock
        if sock is None:
            return
        self.sock = None
        self.loop.poller.unregister(sock)
        if reset:
            refuse(sock)
        else:
            self._close_layer()
        self.layer = _NOTHING  # what TLS knows of it takes memory, and would be kept until the place is another's
        handler, self.handler = self.handler, None
        self._leave_turn()
        self.streams.closed(self, reason)
        if handler is not None:
            handler.closed(reason)

    def _close_layer(self) -> None:
        try:
            self.layer.close()
        except OSError:
            pass

    def _finish(self) -> None:
        try:
            self.layer.finish()
        except OSError:
            self.close("reset")

    def _leave_turn(self) -> None:
        """Serve no longer; what the client has by this connection ends."""
        via, self.via = self.via, -1
        if via >= 0:
            self.place.leave(self, via)
            self.turn.closed(via, self.source)

    def _handshake_done(self) -> None:
        self.handshaking = False
        self.streams.handshake_ended()
