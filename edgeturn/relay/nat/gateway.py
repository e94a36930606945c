"""Asking the gateway by PCP or NAT-PMP: one datagram there, one back.

Rule 1: the socket is connected to the gateway, so the kernel lets nobody else answer.
Rule 2: each answer is for whoever asked last; what doesn't fit the question is passed over there.
"""

import socket

from edgeturn import seam
from edgeturn.protocol.address import join
from edgeturn.protocol.mapping import nat_pmp, pcp
from edgeturn.protocol.mapping.gateway import announced_epoch
from edgeturn.relay import sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeturn.protocol.mapping.gateway import Answer, Wish

    Answered = Callable[[Answer | None], None]

_ANNOUNCED_AT = join(b"\xe0\x00\x00\x01", 5350)  # RFC 6886 §3.2.1, RFC 6887 §14.1
_LARGEST = 1100


class Datagrams:
    """PCP or NAT-PMP, by their codecs."""

    def __init__(self, name: str, poller: "seam.Poller", own: bytes, gateway: bytes, answered: "Answered") -> None:
        """Take `pcp` or `nat-pmp`, our address, the gateway's, and what takes an answer, None for `nobody is there`."""
        self.name = name
        self.asks_address = name == "nat-pmp"  # PCP says the external address with each mapping
        self._codec = nat_pmp if self.asks_address else pcp
        self._own = own
        self._poller = poller
        self._answered = answered
        self._socket: seam.Socket = sockets.udp_socket(own)
        try:
            self._socket.bind(seam.native(join(own, 0)))
            self._socket.connect(seam.native(join(gateway, pcp.PORT)))
        except OSError:
            self._socket.close()
            raise
        poller.register(self._socket, self._ready)

    def ask_address(self) -> None:
        """Ask for the external address."""
        self._send(nat_pmp.encode_address())

    def ask(self, wish: "Wish", lifetime: int) -> None:
        """Ask for a mapping, or with a lifetime of 0 for its end."""
        self._send(self._codec.encode_map(self._own, wish, lifetime))

    def look(self, wish: "Wish") -> bool:
        """Say whether a mapping has to be asked for by itself to know that the gateway still has it."""
        return False

    def close(self) -> None:
        """Ask no more."""
        self._poller.unregister(self._socket)
        self._socket.close()

    def _send(self, data: bytes) -> None:
        try:
            self._socket.send(data)
        except OSError:  # the network is away, or tells of an earlier datagram; it's sent again
            pass

    def _ready(self, events: int) -> None:
        try:
            data = self._socket.recv(_LARGEST + 1)
        except OSError as error:
            if error.args[0] != seam.EAGAIN:
                self._answered(None)  # an ICMP error: nobody listens there
            return
        answer = self._codec.decode(data)
        if answer is not None:
            self._answered(answer)


class Announcements:
    """Hears by multicast that a gateway has begun anew or has another external address."""

    def __init__(self, poller: "seam.Poller", gateway: bytes, heard: "Callable[[int], None]") -> None:
        """Take the gateway and what to call with its count of seconds; where nothing can be heard, nothing is."""
        self._poller = poller
        self._gateway = gateway
        self._heard = heard
        self._socket: "seam.Socket | None" = None
        try:
            self._socket = sockets.udp_socket(gateway)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind(seam.native(_ANNOUNCED_AT))
        except OSError:  # another program has the port, or files are out
            if self._socket is not None:
                self._socket.close()
            self._socket = None
            return
        poller.register(self._socket, self._ready)

    def close(self) -> None:
        """Hear no more."""
        if self._socket is not None:
            self._poller.unregister(self._socket)
            self._socket.close()

    def _ready(self, events: int) -> None:
        assert self._socket is not None
        try:
            data, source = self._socket.recvfrom(_LARGEST)
        except OSError:
            return
        if seam.address_of(source)[2:] == self._gateway:
            self._heard(announced_epoch(data))
