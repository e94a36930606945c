"""TCP sockets to and from peers (RFC 6062): what the core wants to be connected, accepted, joined and closed.

Rule 1: one link for each record of the core's pool, with the same number; it has a socket while its record is in use.
Rule 2: until a client has bound it, nothing is read from a peer: what it sends waits in the kernel's buffer.
Rule 3: bytes that pass are charged to the allocation's rates; where they're used up both ends wait, nothing is dropped.
Rule 4: a relayed port is listened on while a TCP allocation has it; who has no permission is closed at once.
"""

from edgeturn import seam
from edgeturn.protocol.connection import carried, may_carry
from edgeturn.protocol.limits import CONNECT_TIMEOUT
from edgeturn.protocol.observer import Observer
from edgeturn.relay.sockets import tcp_socket
from edgeturn.relay.streams.sockets import adjust, refuse
from edgeturn.relay.streams.splice import Splice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.protocol.pool import PeerConnection, Relay
    from edgeturn.relay.log import Log
    from edgeturn.relay.loop import Handler, Loop
    from edgeturn.relay.streams.pool import Streams

_BACKLOG = 8
_BURST = 8  # connections that are accepted on one relayed address before others have their turn
_EISCONN = (106, 133)  # as elsewhere, and on MIPS


class Link(Splice):
    """The socket of one connection with a peer, and later the client's connection that it's joined with."""

    preferred = True  # only who was authenticated has one

    def __init__(self, peers: "PeerSockets") -> None:
        """Begin free."""
        super().__init__(peers.loop, 0, lambda _: self._left())
        self._turn = peers.loop.turn
        self.record: PeerConnection | None = None
        self.sock: seam.Socket | None = None
        self.dialled_at = 0  # 0 where it isn't dialling
        self.waits = False  # for the rates to have something left

    def hold(self, record: "PeerConnection", sock: "seam.Socket") -> None:
        """Keep a socket that is connected, until it's joined."""
        self.record, self.sock = record, sock
        self.dialled_at, self.waits = 0, False

    def dial(self, record: "PeerConnection") -> None:
        """Begin to connect to a peer; OSError where that fails at once."""
        sock = tcp_socket(record.relay.address, True)
        adjust(sock)
        self.hold(record, sock)
        self.dialled_at = max(self._loop.now, 1)
        self._loop.poller.register(sock, self._dialled_of(sock), True, False)
        try:
            sock.connect(seam.native(record.wire))
        except OSError:  # it has begun, or has failed, which is found out when the socket is ready
            pass

    def _dialled_of(self, sock: "seam.Socket") -> "Handler":
        def ready(events: int) -> None:
            if self.sock is sock and self.dialled_at:
                self._loop.poller.unregister(sock)
                self.answer(not events & seam.POLLERR and self._is_connected())

        return ready

    def _is_connected(self) -> bool:
        """Say whether the socket is connected: connecting again tells that, on both interpreters."""
        assert self.sock is not None and self.record is not None
        try:
            self.sock.connect(seam.native(self.record.wire))
            return True
        except OSError as error:
            return error.args[0] in _EISCONN

    def answer(self, reached: bool) -> None:
        """Have the Connect request answered."""
        self.dialled_at = 0
        if self.record is not None:
            answer = self._turn.connected(self.record, reached, self._loop.now)
            if answer is not None:
                self._loop.deliver(answer)

    def drop(self) -> None:
        """Close what there is: the core has forgotten the connection, or is about to."""
        sock, self.record, self.sock = self.sock, None, None
        self.dialled_at = 0
        if self.connection is not None:
            self.connection.close("its peer's connection has ended")  # which closes the socket
        elif sock is not None:
            self._loop.poller.unregister(sock)
            refuse(sock)

    def _left(self) -> None:
        """Tell the core that client or peer have ended it."""
        record, self.record, self.sock = self.record, None, None
        if record is not None:
            self._turn.disconnect(record)

    # Rates.

    def received(self, data: memoryview) -> int:
        """Give the client's bytes to the peer while its allocation has credit."""
        if not self._may_carry(True):
            return 0
        taken = super().received(data)
        self._count(True, taken)
        return taken

    def give(self, size: int) -> None:
        """Give the peer's bytes to the client, and count them."""
        self._count(False, size)
        super().give(size)

    def _read(self) -> None:
        if self._may_carry(False):
            super()._read()
        else:
            self._is_full = True
            self._register()

    def go_on(self) -> None:
        """Try again what had to wait for the rates."""
        self.waits = False
        if self.connection is not None:
            self.connection.pause(False)
            self.writable()

    def _may_carry(self, up: bool) -> bool:
        owner = self.record.relay.allocation if self.record else None
        if owner is None or may_carry(self._turn, owner, up, self._loop.now):
            return True
        self.waits = True
        return False

    def _count(self, up: bool, size: int) -> None:
        owner = self.record.relay.allocation if self.record else None
        if owner is not None and size:
            carried(owner, up, size, self._loop.now)


class PeerSockets(Observer):
    """All links, and the relayed ports that are listened on."""

    def __init__(self, loop: "Loop", streams: "Streams", log: "Log") -> None:
        """Make the links."""
        self.loop = loop
        self._streams = streams
        self._log = log
        self._links = [Link(self) for _ in loop.turn.pool.connections]
        self._listening: dict[int, seam.Socket] = {}  # by the relay's index
        self._deaf: list[int] = []  # of them, where accepting has failed

    def tick(self, now: int) -> None:
        """Give up what takes too long, and go on with what had to wait; call it once a second."""
        for link in self._links:
            if link.dialled_at and now - link.dialled_at >= CONNECT_TIMEOUT:
                link.answer(False)
            if link.waits:
                link.go_on()
        deaf, self._deaf = self._deaf, []
        for index in deaf:
            if index in self._listening:
                self._listen_on(index)

    def wants_tick(self) -> bool:
        """Say whether something waits for the next second."""
        return bool(self._deaf) or any(link.dialled_at or link.waits for link in self._links)

    def describe(self) -> "dict[str, object]":
        """Return what `status` says."""
        used = [link for link in self._links if link.record is not None]
        bound = [link for link in used if link.connection is not None]
        return {"max_tcp_peers": len(self._links), "tcp_peers": len(used), "tcp_peers_bound": len(bound)}

    # What the core tells.

    def allocated(self, relay: "Relay") -> None:
        """Listen for peers on a relayed address of TCP."""
        if not relay.tcp:
            return
        try:
            sock = tcp_socket(relay.address, True)
        except OSError as error:  # the address is gone, or files are; connecting from there fails as well
            self._log.write("warning", f"unlistened reason='{seam.reason(error)}'")
            return
        adjust(sock)
        sock.listen(_BACKLOG)
        self._listening[relay.index] = sock
        self._listen_on(relay.index)

    def freed(self, relay: "Relay") -> None:
        """Listen no longer; the connections have ended before."""
        sock = self._listening.pop(relay.index, None)
        if sock is not None:
            self.loop.poller.unregister(sock)
            sock.close()

    def connecting(self, connection: "PeerConnection") -> None:
        """Connect to a peer."""
        link = self._links[connection.slot]
        try:
            link.dial(connection)
        except OSError:
            link.record = connection
            self.loop.soon.append(lambda: self._fail(link, connection, connection.id))

    def joined(self, connection: "PeerConnection") -> None:
        """Join a client's connection with the peer's, once the request for it was answered."""
        link = self._links[connection.slot]
        near = self._streams.find(connection.via, connection.source)
        assert near is not None and link.sock is not None  # a request has just come by the one, and the other waits
        link.join(near, link.sock, b"", True)

    def disconnected(self, connection: "PeerConnection") -> None:
        """Close a connection."""
        self._links[connection.slot].drop()

    def _fail(self, link: Link, connection: "PeerConnection", number: bytes) -> None:
        if link.record is connection and connection.id == number:
            link.answer(False)

    # Peers that connect.

    def _listen_on(self, index: int) -> None:
        sock = self._listening[index]

        def ready(events: int) -> None:
            if self._listening.get(index) is sock:
                self._accept(index, sock)

        self.loop.poller.register(sock, ready)

    def _accept(self, index: int, listening: "seam.Socket") -> None:
        for _ in range(_BURST):
            try:
                sock, source = seam.accept(listening)
            except OSError as error:
                if error.args[0] not in (seam.EAGAIN, seam.ECONNABORTED):  # out of files or memory
                    self.loop.poller.unregister(listening)
                    self._deaf.append(index)
                return
            self._admit(index, sock, source)

    def _admit(self, index: int, sock: "seam.Socket", source: bytes) -> None:
        taken = self.loop.turn.accepted(index, source, self.loop.now)
        if taken is None:
            refuse(sock)
            return
        connection, told = taken
        self._links[connection.slot].hold(connection, sock)
        self.loop.deliver(told)
