"""Which address a STUN server sees: asked from a socket on the relay address, again every few minutes.

Rule 1: an answer counts by its transaction, from whom it was asked of; silence changes nothing.
Rule 2: a name is looked up by one DNS question at a time, which nobody waits for.
Rule 3: the servers are asked in the order of the configuration until one answers.
"""

from edgeturn import seam
from edgeturn.protocol import stun
from edgeturn.protocol.address import IPV4_SIZE, ip_of, join, parse_ip, port_of
from edgeturn.protocol.mapping import dns
from edgeturn.protocol.mapping.judgement import is_host
from edgeturn.relay import sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Server = tuple[str, bytes]  # a name with port||b"", or "" with port||ip

_AGAIN = 120  # seconds until a server is asked anew
_RETRY = 30  # seconds, where none answered
_WAITS = (2, 2, 4)  # seconds until a question is asked again, and at last given up; the clock's begin anywhere
_LARGEST = 1500
_DRAWS = 8  # of a port
_FIRST_PORT, _PORTS = 32768, 28232
_RESOLVERS = "/etc/resolv.conf"
_MOST_RESOLVERS = 3


class Reflection:
    """What STUN servers see of one address of ours."""

    def __init__(self, poller: "seam.Poller", own: bytes, servers: "list[Server]") -> None:
        """Take the poller, our address, and the servers."""
        self.seen = b""
        self.ports_kept = True
        self.is_settled = not servers  # whether each server was asked at least once, or one has answered
        self.changed: "Callable[[], None]" = lambda: None
        self._poller = poller
        self._own = own
        self._servers = [each for each in servers if each[0] or len(each[1]) == 2 + len(own)]
        self._left: "list[Server]" = []
        self._begin_at = 0
        self._socket: "seam.Socket | None" = None
        self._take: "Callable[[bytes], bool]" = lambda data: False
        self._question = b""
        self._towards: "list[bytes]" = []
        self._port = self._tried = self._again_at = self._resolved_port = 0

    def again(self) -> None:
        """Ask anew, soon."""
        self._begin_at = 0

    def close(self) -> None:
        """Ask no more."""
        self._servers = []
        self._end_question()

    def wanted_in(self) -> int:
        """Return in how many seconds the next tick is due at the latest."""
        return 1 if self._socket is not None else 10

    def tick(self, now: int) -> None:
        """Do what is due by time."""
        if self._socket is not None:
            if now >= self._again_at:
                self._try_again()
        elif self._servers and now >= self._begin_at:
            self._left = list(self._servers)
            self._ask_next()

    # Questions.

    def _ask_next(self) -> None:
        """Ask the next server; where none is left, rest."""
        self._end_question()
        if not self._left:
            self._rest(_RETRY)
            return
        name, place = self._left.pop(0)
        if name:
            self._resolved_port = port_of(place)
            number = int.from_bytes(seam.random_bytes(2), "big")
            self._begin(dns.encode(number, name, len(self._own)), _resolvers(), self._resolved)
        else:
            self._bind(place)

    def _bind(self, place: bytes) -> None:
        """Ask a STUN server (RFC 8489 §12)."""
        transaction = stun.COOKIE + seam.random_bytes(12)
        question = stun.encode(stun.BINDING | stun.REQUEST, transaction, [], fingerprint=True)
        self._begin(question, [place], self._reflected)

    def _begin(self, question: bytes, towards: "list[bytes]", take: "Callable[[bytes], bool]") -> None:
        """Send a question from a new port, to the first of some places, each time to the next one."""
        self._question, self._towards, self._take, self._tried = question, towards, take, 0
        own = self._own if take == self._reflected else b""
        for _ in range(_DRAWS):
            self._port = _FIRST_PORT + int.from_bytes(seam.random_bytes(4), "big") % _PORTS
            self._socket = _bound_to(join(own or bytes(4), self._port))
            if self._socket is not None:
                self._poller.register(self._socket, self._ready)
                self._try_again()
                return
        self._rest(_RETRY)

    def _try_again(self) -> None:
        if self._tried == len(_WAITS) or not self._towards:
            self._ask_next()
            return
        place = self._towards[self._tried % len(self._towards)]
        self._again_at = seam.clock() + _WAITS[self._tried]
        self._tried += 1
        assert self._socket is not None
        try:
            self._socket.sendto(self._question, seam.native(place))
        except OSError:  # no route now
            pass

    def _rest(self, seconds: int) -> None:
        self._begin_at = seam.clock() + seconds
        if not self.is_settled:
            self.is_settled = True
            self.changed()

    def _end_question(self) -> None:
        sock, self._socket = self._socket, None
        if sock is not None:
            self._poller.unregister(sock)
            sock.close()

    # Answers.

    def _ready(self, events: int) -> None:
        if self._socket is None:
            return
        try:
            data, source = self._socket.recvfrom(_LARGEST)
        except OSError:  # an ICMP error, or nothing
            return
        if seam.address_of(source) in self._towards:
            self._take(data)

    def _resolved(self, data: bytes) -> bool:
        """Take the addresses of a name, and ask the first of them."""
        found = dns.decode(data, self._question, len(self._own))
        if found is None:
            return False
        self._end_question()
        if found:
            self._bind(join(found[0], self._resolved_port))
        else:
            self._ask_next()
        return True

    def _reflected(self, data: bytes) -> bool:
        """Take what the server sees."""
        try:
            message = stun.Message(data)
        except stun.Malformed:
            return False
        if message.transaction != self._question[4:20] or message.kind != stun.BINDING | stun.SUCCESS:
            return False
        seen = stun.decode_xor_address(message.attributes.get(stun.XOR_MAPPED_ADDRESS, b""), message.transaction)
        if seen is None or len(seen) != 2 + len(self._own) or not (len(self._own) > IPV4_SIZE or is_host(ip_of(seen))):
            return False
        self._end_question()
        kept = port_of(seen) == self._port
        is_news = not self.is_settled or (self.seen, self.ports_kept) != (ip_of(seen), kept)
        self.seen, self.ports_kept, self.is_settled = ip_of(seen), kept, True
        self._begin_at = seam.clock() + _AGAIN
        if is_news:
            self.changed()
        return True


def _bound_to(place: bytes) -> "seam.Socket | None":
    """Return a UDP socket that is bound to port||ip; None: it's taken, our address is away, or files are out."""
    try:
        sock = sockets.udp_socket(ip_of(place))
    except OSError:
        return None
    try:
        sock.bind(seam.native(place))
    except OSError:
        sock.close()
        return None
    return sock


def _resolvers() -> "list[bytes]":
    """Return the IPv4 name servers of this machine."""
    found: list[bytes] = []
    try:
        with open(_RESOLVERS) as stream:
            for line in stream:
                words = line.split()
                if len(words) > 1 and words[0] == "nameserver" and ":" not in words[1]:
                    found.append(join(parse_ip(words[1]), dns.PORT))
    except (OSError, ValueError):
        pass
    return found[:_MOST_RESOLVERS]
