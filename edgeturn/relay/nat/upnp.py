"""Asking the gateway by UPnP-IGD: a search by multicast, then one HTTP exchange after the other, nothing waits for it.

Rule 1: only the gateway is spoken to: a description or a service elsewhere is passed over.
Rule 2: an answer has a largest size; the time for it is for who asks to bound.
Rule 3: a step that fails is told as `nobody is there`; the next question begins with the search again if need be.
"""

import socket

from edgeturn import seam
from edgeturn.protocol.address import IPV4_SIZE, join
from edgeturn.protocol.mapping import upnp
from edgeturn.protocol.mapping.gateway import BUSY, GRANTED, Answer
from edgeturn.relay import sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeturn.protocol.mapping.gateway import Wish
    from edgeturn.protocol.mapping.upnp import Place
    from edgeturn.relay.nat.gateway import Answered

_PIECE = 4096
_TRIES = 4  # other external ports, where one is taken


class _Exchange:
    """One HTTP request and its response."""

    def __init__(self, poller: "seam.Poller", own: bytes, place: bytes, request: bytes) -> None:
        """Take our address, that of the server as port||ip, and the whole request; OSError where it can't begin."""
        self.done: "Callable[[bytes], None]" = lambda response: None
        self._poller = poller
        self._unsent = request
        self._response = b""
        self._socket: "seam.Socket | None" = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            self._socket.setblocking(False)
            self._socket.bind(seam.native(join(own, 0)))
            self._socket.connect(seam.native(place))
        except OSError as error:
            if error.args[0] != seam.EINPROGRESS:
                self._socket.close()
                raise
        poller.register(self._socket, self._ready, True)

    def close(self) -> None:
        """End it."""
        sock, self._socket = self._socket, None
        if sock is not None:
            self._poller.unregister(sock)
            sock.close()

    def _ready(self, events: int) -> None:
        if self._socket is None:
            return
        try:
            ended = self._send() if self._unsent else self._receive()
        except OSError as error:
            if error.args[0] == seam.EAGAIN:
                return
            ended = True
        if ended:
            self.close()
            self.done(self._response)

    def _send(self) -> bool:
        assert self._socket is not None
        sent = self._socket.send(self._unsent)
        self._unsent = self._unsent[sent:]
        if not self._unsent:
            self._poller.register(self._socket, self._ready)
        return False

    def _receive(self) -> bool:
        """Read a piece; say whether there's nothing to follow."""
        assert self._socket is not None
        piece = self._socket.recv(_PIECE)
        self._response += piece
        return not piece or len(self._response) >= upnp.LARGEST or upnp.is_whole(self._response)


class Services:
    """UPnP-IGD of one gateway."""

    def __init__(self, poller: "seam.Poller", own: bytes, gateway: bytes, answered: "Answered") -> None:
        """Take our address, the gateway's, and what takes an answer, None for `nobody is there`."""
        self.name = "upnp"
        self.asks_address = True
        self._poller = poller
        self._own = own
        self._gateway = gateway
        self._answered = answered
        self._services: "list[tuple[bytes, Place]]" = []
        self._searching = True
        self._permanent = False  # whether the gateway takes mappings for ever only
        self._tries = 0
        self._exchange: _Exchange | None = None
        self._socket: seam.Socket = sockets.udp_socket(own)
        try:
            self._socket.bind(seam.native(join(own, 0)))
        except OSError:
            self._socket.close()
            raise
        poller.register(self._socket, self._found)

    def ask_address(self) -> None:
        """Ask for the external address; where the service isn't known yet, look for it first."""
        if self._services:
            self._call(upnp.encode_address(self._gateway, self._services[0]), self._address)
            return
        self._searching = True
        for data in upnp.searches():
            for place in (upnp.MULTICAST, join(self._gateway, upnp.SSDP_PORT)):
                try:
                    self._socket.sendto(data, seam.native(place))
                except OSError:  # no route for multicast
                    pass

    def ask(self, wish: "Wish", lifetime: int) -> None:
        """Ask for a mapping, or with a lifetime of 0 for its end."""
        if not self._services:
            self.ask_address()
            return
        service = self._services[0]
        if not lifetime:
            self._call(upnp.encode_unmap(self._gateway, service, wish), lambda answer: self._ended(wish, answer))
            return
        seconds = 0 if self._permanent else lifetime
        request = upnp.encode_map(self._gateway, service, self._own, wish, seconds)
        self._call(request, lambda answer: self._mapped(wish, lifetime, answer))

    def look(self, wish: "Wish") -> bool:
        """Ask whether the gateway still has a mapping: it has no count of seconds that would tell."""
        if self._services:
            request = upnp.encode_look(self._gateway, self._services[0], wish)
            self._call(request, lambda answer: self._looked(wish, answer))
        return bool(self._services)

    def close(self) -> None:
        """Ask no more."""
        if self._exchange is not None:
            self._exchange.close()
        self._poller.unregister(self._socket)
        self._socket.close()

    # Finding the service.

    def _found(self, events: int) -> None:
        """Take an answer to the search; the first from the gateway that has a description there counts."""
        try:
            data, source = self._socket.recvfrom(_PIECE)
        except OSError:
            return
        if not self._searching or seam.address_of(source)[2:] != self._gateway:
            return
        place = upnp.location(data, self._gateway)
        if place is not None:
            self._searching = False
            self._begin(place, upnp.encode_get(self._gateway, place), lambda response: self._described(place, response))

    def _described(self, place: "Place", response: bytes) -> None:
        parts = upnp.split(response)
        if parts is not None and parts[0] == 200:
            self._services = upnp.services(parts[1], place, self._gateway)
        if self._services:
            self.ask_address()
        else:
            self._searching = True

    # Calls.

    def _begin(self, place: "Place", request: bytes, done: "Callable[[bytes], None]") -> None:
        if self._exchange is not None:
            self._exchange.close()
        try:
            self._exchange = _Exchange(self._poller, self._own, join(self._gateway, place[0]), request)
            self._exchange.done = done
        except OSError:
            self._lost()

    def _call(self, request: bytes, take: "Callable[[Answer], None]") -> None:
        def done(response: bytes) -> None:
            answer = upnp.decode(response)
            if answer is None:
                self._lost()
            else:
                take(answer)

        self._begin(self._services[0][1], request, done)

    def _lost(self) -> None:
        """Forget where the service was: after a restart the gateway may have it elsewhere."""
        self._services = []
        self._answered(None)

    def _address(self, answer: Answer) -> None:
        """Take the external address; a service without one may stand beside another that has one."""
        if len(answer.ip) != IPV4_SIZE or not any(answer.ip):
            if len(self._services) > 1:
                self._services.pop(0)
                self.ask_address()
                return
            if answer.meaning == GRANTED:
                answer.meaning = BUSY
        self._answered(answer)

    def _mapped(self, wish: "Wish", lifetime: int, answer: Answer) -> None:
        """Take the answer to AddPortMapping; what can be tried otherwise is."""
        if answer.code == upnp.ONLY_PERMANENT and not self._permanent:
            self._permanent = True
            self.ask(wish, lifetime)
            return
        if answer.code == upnp.CONFLICT and self._tries < _TRIES:
            self._tries += 1
            wish.external = 1024 + int.from_bytes(seam.random_bytes(2), "big") % 64512
            self.ask(wish, lifetime)
            return
        self._tries = 0
        self._about(wish, answer, lifetime)

    def _ended(self, wish: "Wish", answer: Answer) -> None:
        if answer.code == upnp.NO_SUCH_ENTRY:
            answer.meaning = GRANTED
        self._about(wish, answer, 0)

    def _looked(self, wish: "Wish", answer: Answer) -> None:
        answer.is_lost = answer.code == upnp.NO_SUCH_ENTRY
        answer.meaning = GRANTED
        self._answered(answer)

    def _about(self, wish: "Wish", answer: Answer, lifetime: int) -> None:
        answer.protocol, answer.port, answer.external = wish.protocol, wish.port, wish.external
        answer.lifetime = lifetime
        self._answered(answer)
