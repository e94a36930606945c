"""The opening: what the first bytes of a connection say about who is to have it (RFC 7983 §7).

Rule 1: nothing is taken that isn't understood; what is still unclear stays in the connection until more comes.
Rule 2: whoever `proxy_from` lists begins with a PROXY header, and nobody else does: without one it is closed.
Rule 3: a TURN client is never turned away for a backend's sake: what may be one is ours.

    first bytes                                                  who has it
    0x00 to 0x03, 0x40 to 0x7F but for the next row              STUN and ChannelData: the relay
    GET, HEAD, POST and other methods of HTTP                    http_backend
    0x16, TLS, where there's no https_backend                    the relay
    0x16, where there's no certificate                           https_backend
    0x16, ALPN has stun.turn, stun.nat-discovery or webrtc       the relay (RFC 7443, RFC 8833)
    0x16, ALPN has others only: h2, http/1.1, acme-tls/1         https_backend
    0x16, no ALPN, no name or one of `tls_names`                 the relay: Chromium sends none with turns:
    0x16, no ALPN, another name                                  https_backend
    anything else                                                closed

So a program that speaks HTTPS without ALPN (wget, openssl s_client) reaches the backend only by a name that isn't in
`tls_names`; browsers and curl always send ALPN. Without any `tls_names`, TLS without ALPN is the relay's.
"""

from edgeturn.protocol import address, client_hello, proxy_header
from edgeturn.protocol.listener import TLS
from edgeturn.protocol.stun import Malformed
from edgeturn.relay.streams.splice import Splice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.relay.configuration import Configuration
    from edgeturn.relay.loop import Loop
    from edgeturn.relay.streams.connection import Connection

_STUN_END, _CHANNEL_FIRST, _CHANNEL_END = 0x04, 0x40, 0x80
_METHODS = (b"GET ", b"HEAD ", b"POST ", b"PUT ", b"OPTIONS ", b"DELETE ", b"PATCH ", b"CONNECT ", b"TRACE ", b"PRI * ")
_OURS = (b"stun.turn", b"stun.nat-discovery", b"webrtc", b"c-webrtc")

# Who is to have a connection.
UNCLEAR, RELAY, RELAY_TLS, HTTPS, HTTP, NOBODY = "unclear", "relay", "relay, by TLS", "https", "http", "nobody"


class Rules:
    """What the table above depends on."""

    def __init__(self, https: bool, http: bool, names: "list[bytes]") -> None:
        """Take which backends there are, and the relay's own names in lower case; *.example.org is any one label."""
        self.https = https
        self.http = http
        self.names = names

    def choose(self, first: memoryview, certificate: bool) -> str:
        """Return who is to have a connection; Malformed where its TLS is none."""
        kind = first[0]
        if kind == client_hello.HANDSHAKE:
            return self._choose_tls(first, certificate) if self.https else RELAY_TLS
        if kind < _STUN_END:
            return RELAY
        if _CHANNEL_FIRST <= kind < _CHANNEL_END:
            return self._choose_text(bytes(first[:8]))
        return NOBODY

    def _choose_text(self, front: bytes) -> str:
        for method in _METHODS:
            if front[: len(method)] == method:
                return HTTP if self.http else NOBODY
            if method[: len(front)] == front:
                return UNCLEAR
        return RELAY

    def _choose_tls(self, first: memoryview, certificate: bool) -> str:
        if not certificate:
            return HTTPS
        hello = client_hello.read(first)
        if hello is None:
            return UNCLEAR
        if hello.protocols:
            return RELAY_TLS if [each for each in hello.protocols if each in _OURS] else HTTPS
        return RELAY_TLS if self._is_ours(hello.name) else HTTPS

    def _is_ours(self, name: bytes) -> bool:
        if not name or not self.names:
            return True
        any_label = b"*" + name[name.find(b".") :] if b"." in name else name
        return name in self.names or any_label in self.names


class Door:
    """Looks at each connection's first bytes and gives it to whom it belongs."""

    def __init__(self, loop: "Loop", settings: "Configuration") -> None:
        """Make the splices, at most half as many as there are connections."""
        most = min(settings.number("max_spliced"), settings.number("max_connections") // 2)
        self._splices = [Splice(loop, 0, self._release) for _ in range(most)]
        self._free = list(self._splices)
        self._certified: list[bytes] = []
        self.use(settings)

    def use(self, settings: "Configuration") -> None:
        """Take another configuration for the connections that come from now on."""
        for splice in self._splices:
            splice.stuck_timeout = settings.number("stuck_timeout")
        self._backends = {HTTPS: settings.values["https_backend"], HTTP: settings.values["http_backend"]}
        self._with_header = settings.values["backend_proxy_protocol"] is True
        self._proxies = _prefixes(settings.items("proxy_from"))
        self._allowed = _prefixes(settings.items("backend_from"))
        self._written = [str(name).encode() for name in settings.items("tls_names")]
        self.use_names(self._certified)

    def use_names(self, names: "list[bytes]") -> None:
        """Take the names of the certificate, for where none are written."""
        self._certified = names
        https, http = self._backends[HTTPS] is not None, self._backends[HTTP] is not None
        self._rules = Rules(https, http, [name.lower() for name in self._written or names])

    def decide(self, first: memoryview, connection: "Connection") -> int:
        """Give a connection its next stage by its first bytes; return how many of them are used up by that.

        Where none of serve(), start_tls(), hand_over() and close() was called, more bytes are waited for.
        """
        try:
            used = 0 if connection.introduced else self._introduce(first, connection)
            if connection.introduced and used < len(first):
                self._pass_on(first[used:], connection)
            return used
        except Malformed as malformed:
            connection.close(f"malformed: {malformed.args[0]}")
        return 0

    def tick(self, now: int) -> None:
        """End what a backend lets wait too long; call it once a second."""
        for splice in self._splices:
            if splice.connection is not None and splice.overdue(now):
                splice.connection.close("the backend is too slow", True)

    def describe(self) -> "dict[str, object]":
        """Return what `status` says."""
        return {"max_spliced": len(self._splices), "spliced": len(self._splices) - len(self._free)}

    def _introduce(self, first: memoryview, connection: "Connection") -> int:
        """Read the PROXY header of a proxy; return its size."""
        if not _is_in(connection.source, self._proxies):
            connection.introduced = True
            return 0
        header = proxy_header.read(first)
        if header is None:
            return 0
        if header.source:
            connection.set_source(header.source)
        connection.introduced = connection.sock is not None  # else it gave way to its like
        return header.size

    def _pass_on(self, first: memoryview, connection: "Connection") -> None:
        if connection.transport == TLS:  # what it says inside of our own TLS
            choice = Rules(False, False, []).choose(first, False)
            choice = NOBODY if choice == RELAY_TLS else choice
        else:
            choice = self._rules.choose(first, connection.streams.context is not None)
        if choice == RELAY:
            connection.serve()
        elif choice == RELAY_TLS:
            connection.start_tls()
        elif choice == NOBODY:
            connection.close("neither STUN nor TLS")
        elif choice != UNCLEAR:
            self._splice(choice, connection)

    def _splice(self, choice: str, connection: "Connection") -> None:
        if self._allowed and not _is_in(connection.source, self._allowed):
            connection.close(f"{choice} from outside of backend_from", True)
            return
        backend = self._backends[choice]
        assert isinstance(backend, bytes)
        place = connection.place.place if connection.place is not None else backend
        header = proxy_header.encode(connection.source, place) if self._with_header else b""
        if backend in connection.streams.places():
            connection.close("the backend is this relay itself", True)
            return
        self._make_room(connection.prefix)
        if not self._free:
            connection.close("too many for the backend", True)
            return
        splice = self._free.pop()
        try:
            splice.begin(connection, backend, header)
        except OSError:
            self._free.append(splice)
            connection.close("the backend can't be reached", True)

    def _make_room(self, prefix: bytes) -> None:
        """Let who was silent for longest give way: of a source prefix that has half of all, else of anybody."""
        taken = [splice.connection for splice in self._splices if splice.connection is not None]
        own = [each for each in taken if each.prefix == prefix]
        crowded = own if 2 * len(own) >= len(self._splices) else [] if self._free else taken
        if crowded:
            min(crowded, key=lambda one: one.active_at).close("gave way to another")

    def _release(self, splice: Splice) -> None:
        self._free.append(splice)


def _prefixes(texts: "list[object]") -> "list[tuple[bytes, int]]":
    return [address.parse_prefix(str(text)) for text in texts]


def _is_in(source: bytes, prefixes: "list[tuple[bytes, int]]") -> bool:
    ip = address.ip_of(source)
    for first, length in prefixes:
        if len(first) == len(ip) and address.network(ip, length) == int.from_bytes(first, "big"):
            return True
    return False
