"""A relay in this process, over loopback: a client with one channel to a peer, and real sockets for all of them."""

from struct import pack

from edgeturn import seam
from edgeturn.protocol import stun
from edgeturn.protocol.address import IPV4, format
from edgeturn.relay.loop import Loop
from edgeturn.relay.sockets import udp_socket
from tests.core.dialogue import Client, Server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.core.dialogue import Rows

CHANNEL = 0x4000
LOOPBACK = b"\0\0\x7f\0\0\1"  # port||ip, any port


def bound() -> "tuple[seam.Socket, bytes]":
    """Return a UDP socket on loopback and its port||ip."""
    sock = udp_socket(LOOPBACK[2:])
    sock.bind(seam.native(LOOPBACK))
    name = bytearray(16)
    seam.call("getsockname", sock.fileno(), name, bytearray(pack("I", len(name))))
    return sock, bytes(name[2:8])


class Relays:
    """One relay socket, as the loop wants it."""

    def __init__(self, sock: "seam.Socket") -> None:
        self.sockets: "list[seam.Socket]" = [sock]
        self.worn: "list[int]" = []
        self.is_behind = False

    def drain(self, index: int) -> None:
        """Do nothing: nobody knows the port."""


class Scene:
    """Client, relay and peer; what client and peer get is left in their sockets, which drop what is too much."""

    def __init__(self) -> None:
        self.client, client = bound()
        self.peer, peer = bound()
        listener, place = bound()
        relay, relayed = bound()
        server = Server((IPV4,), allow=("127.0.0.0/8",), max_allocations=1)
        turn = server.turn
        for via in server.listeners:
            turn.unlisten(via)
        self.loop = Loop(turn, Relays(relay))  # type: ignore[arg-type]
        server.listeners = [self.loop.add_listener(listener, place)]
        turn.opened(0, relayed, relayed)
        self.loop._relay_opened(0)
        self._bind(server.client(source=format(client)), format(peer))
        self.loop.now = server.now
        self.loop.start_relay(0)
        self.client.connect(seam.native(place))
        self.peer.connect(seam.native(relayed))

    def _bind(self, alice: Client, peer: str) -> None:
        assert alice.allocate().code == 0
        rows: "Rows" = [(stun.CHANNEL_NUMBER, pack("!HH", CHANNEL, 0)), (stun.XOR_PEER_ADDRESS, peer)]
        assert alice.request(stun.CHANNEL_BIND, rows).code == 0

    def turn_once(self, milliseconds: int = 1000) -> None:
        """Let the loop do once what it does all the time."""
        for handler, events in self.loop.poller.wait(milliseconds):
            handler(events)

    def relay(self, pairs: int, payload: bytes, burst: int = 1) -> None:
        """Let packets pass, from the client and from the peer in turn, so many of each at a time."""
        framed = pack("!HH", CHANNEL, len(payload)) + payload
        for _ in range(pairs // burst):
            for _ in range(burst):
                self.client.send(framed)
                self.peer.send(payload)
            for _ in range(burst):
                self.turn_once(0)
