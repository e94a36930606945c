"""The loop: waits for sockets, hands each datagram to the core, sends what the core returns.

Rule 1: a socket that is ready is read once; under load until it is empty, which costs an exception to find out, but at
        most BURST times, so that nobody delays the others for long.
Rule 2: OSError ends here; a datagram that can't be sent is dropped and counted.
Rule 3: the clock is read once a wake-up.
Rule 4: what is sent over streams is gathered, and written once all that was ready has been read: `late` is for that.
"""

from edgeturn import seam
from edgeturn.protocol.limits import HEADROOM
from edgeturn.protocol.listener import UDP
from edgeturn.protocol.turn import Turn
from edgeturn.relay import sockets
from edgeturn.relay.relays import RelaySockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from edgeturn.protocol.state import Datagram
    from edgeturn.relay.tls.dtls import Dtls

    Handler = Callable[[int], None]
    Take = Callable[[memoryview, int, int, bytes, int], Datagram | None]

BURST = 64
_FILLED = 8  # wake-ups in a row with all that was asked for, before more is read at once
LONGEST_WAIT = 10  # seconds; media that the kernel carries wakes nobody, and the peer policy has to be followed
_TRACES = 10  # of defects; more would fill the log
_RETRY = 5  # seconds until a relay without a port is tried again


class Loop:
    """Sockets around a Turn."""

    def __init__(self, turn: Turn, relays: RelaySockets) -> None:
        """Take the core and its relay sockets, which aren't open yet."""
        self.turn = turn
        self.relays = relays
        self.now = seam.clock()
        self.poller = seam.Poller()
        self.running = True
        self.failures = 0
        self._unsent = 0
        self.before_wait: "Callable[[], int]" = lambda: LONGEST_WAIT  # returns in how many seconds it's wanted again
        self.late: "list[Callable[[], object]]" = []  # called once, after all that was ready
        self.dtls: "Dtls | None" = None  # whoever takes that on the sockets of the UDP listeners
        self.soon: "list[Callable[[], object]]" = []  # called once, in the next turn, which then doesn't wait
        self.buffer = seam.room(HEADROOM + seam.DATAGRAM_SIZE + 4)  # of what is being read; nothing stays in it
        self._packet = memoryview(self.buffer)
        self._addresses = seam.Table(seam.address_of)
        self._natives = seam.Table(seam.native)
        self._send: "list[Callable[..., object]]" = [self._send_nothing] * (2 * len(relays.sockets))
        relays.on_open = self._relay_opened

    def add_listener(self, sock: "seam.Socket", place: bytes) -> int:
        """Serve clients on a UDP socket that is bound to port||ip; return the listener's number."""
        via = self.open_way(UDP, place, seam.sender(sock))
        take = self.turn.client if self.dtls is None else self.dtls.listen(sock, place)
        self.poller.register(sock, self._reader(sock, 0, take, via))
        return via

    def remove_listener(self, via: int, sock: "seam.Socket") -> None:
        """Serve clients on a UDP socket no longer, and close it."""
        if self.dtls is not None:
            self.dtls.unlisten(self.turn.listeners[via].place)
        self.poller.unregister(sock)
        self.close_way(via)
        sock.close()

    def open_way(self, transport: str, place: bytes, send: "Callable[..., object]") -> int:
        """Make a listener of which somebody else reads; return its number.

        send(data, native address) takes each answer; OSError where it can't.
        """
        first = 2 * len(self.relays.sockets)
        via = min(set(range(first, len(self._send) + 1)) - set(self.turn.listeners))
        self._send[via : via + 1] = [send]
        self.turn.listen(via, transport, place)
        return via

    def close_way(self, via: int) -> None:
        """Forget a listener; its number is another's later."""
        self.turn.unlisten(via)
        self._send[via] = self._send_nothing

    def start_relay(self, index: int) -> None:
        """Serve the peers of a relay that was just given to a client."""
        self.relays.drain(index)
        sock = self.relays.sockets[index]
        assert sock is not None
        self.poller.register(sock, self._relay(sock, index))

    def stop_relay(self, index: int) -> None:
        """Serve the peers of a relay no longer; its port is changed before the next wait."""
        sock = self.relays.sockets[index]
        if sock is not None:
            self.poller.unregister(sock)
        self.relays.worn.append(index)

    def run(self) -> None:
        """Serve until `running` is cleared."""
        while self.running:
            if self.relays.worn or self.turn.pool.pair_taken:
                self.relays.renew()
            longest = self._do_due()  # a finished drain clears `running` there
            ready = self.poller.wait(self._timeout(longest) if self.running and not self.soon and not self.late else 0)
            self.now = seam.clock()
            for handler, events in ready:
                try:
                    handler(events)
                except Exception as error:  # whatever goes wrong there costs one datagram and not the relay
                    self._failed(error)
            if self.soon or self.late:
                self._call_postponed()
            if self.turn.due and self.now >= self.turn.due:
                self._reclaim()

    def _do_due(self) -> int:
        """Do what is due by time; return in how many seconds there's more. What goes wrong is tried again in one."""
        try:
            return self.before_wait()
        except Exception as error:
            self._failed(error)
            return 1

    def _reclaim(self) -> None:
        try:
            self.turn.tick(self.now)
        except Exception as error:
            self._failed(error)
            self.turn.due = self.now + 1

    def _call_postponed(self) -> None:
        soon, self.soon = self.soon, []
        self._call(soon)
        late, self.late = self.late, []
        self._call(late)

    def _call(self, actions: "list[Callable[[], object]]") -> None:
        for action in actions:
            try:
                action()
            except Exception as error:
                self._failed(error)

    def _failed(self, error: Exception) -> None:
        """Count what escaped a handler: a heap of fixed size that is crowded, or a defect of ours."""
        if isinstance(error, MemoryError):
            self._unsent += 1
            seam.settle()
            return
        self.failures += 1
        if self.failures <= _TRACES:
            seam.print_trace(error)

    @property
    def unsent(self) -> int:
        """How many datagrams could not be sent."""
        self._unsent += seam.flush()
        return self._unsent

    def close(self) -> None:
        """Close the relay sockets."""
        for index in range(len(self.relays.sockets)):
            self.relays.close(index)

    def _timeout(self, longest: int) -> int:
        """Return how long to wait, in milliseconds; longest: in seconds, where nothing comes before."""
        if self.relays.is_behind:
            return 0
        seconds = min(_RETRY, longest) if self.relays.worn else longest
        if self.turn.due:
            seconds = min(seconds, max(self.turn.due - self.now, 0))
        return 1000 * seconds

    def _reader(self, sock: "seam.Socket", offset: int, take: "Take", number: int) -> "Handler":
        """Return what reads a socket and hands each datagram to `take`; its names are locals, for it runs for each."""
        receive = seam.receiver(sock, self.buffer, offset)
        packet, addresses, natives, send = self._packet, self._addresses, self._natives, self._send
        burst, filled = 1, 0

        def ready(events: int) -> None:
            nonlocal burst, filled
            now = self.now
            for done in range(burst):
                try:
                    size, source = receive()
                except OSError:
                    burst, filled = done or 1, 0
                    return
                answer = take(packet, size, number, addresses[source], now)
                if answer is not None:
                    try:
                        send[answer[0]](answer[2], natives[answer[1]])
                    except OSError:
                        self.deliver(answer)
            filled += 1
            burst = min(2 * burst, BURST) if filled >= _FILLED else burst

        return ready

    def _relay(self, sock: "seam.Socket", index: int) -> "Handler":
        """Return what reads a relay socket, and before that the ICMP errors about what it sent."""
        read = self._reader(sock, HEADROOM, self.turn.peer, index)

        def ready(events: int) -> None:
            if events & seam.POLLERR:
                self._read_errors(sock, index)
            read(events)

        return ready

    def _read_errors(self, sock: "seam.Socket", index: int) -> None:
        """Pass on the ICMP errors of a relay socket (RFC 8656 §11.5)."""
        for _ in range(BURST):
            error = seam.read_error(sock)
            if error is None:
                return
            destination, kind, code, information = error
            if kind == seam.NOT_ICMP:
                continue
            report = bytes([kind, code]) + information.to_bytes(4, "big")
            answer = self.turn.icmp(index, seam.address_of(destination), report, self.now)
            if answer is not None:
                self.deliver(answer)

    def deliver(self, answer: "Datagram") -> None:
        """Send, if need be twice: with IP_RECVERR a send may report the error of an earlier one instead of sending."""
        via, destination, data = answer
        for _ in range(2):
            try:
                if via & 1 and via < 2 * len(self.relays.sockets):
                    self._send_unfragmented(via // 2, data, self._natives[destination])
                else:
                    self._send[via](data, self._natives[destination])
                return
            except OSError:
                pass
        self._unsent += 1

    def _relay_opened(self, index: int) -> None:
        sock = self.relays.sockets[index]
        assert sock is not None
        self._send[2 * index] = seam.sender(sock)

    def _send_unfragmented(self, index: int, data: "bytes | memoryview", destination: "Any") -> None:
        """Send a datagram with DF, which is rare: so no relay has memory for a sender of its own."""
        sock = self.relays.sockets[index]
        assert sock is not None
        self._unsent += seam.flush()  # what was sent before goes before, and without DF
        sockets.set_dont_fragment(sock, True)
        try:
            sock.sendto(data, destination)
        finally:
            sockets.set_dont_fragment(sock, False)

    def _send_nothing(self, data: object, destination: object) -> None:
        raise OSError(seam.EAGAIN)
