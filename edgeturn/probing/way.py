"""The ways from here to a server: a datagram socket, or a stream on which messages are framed (RFC 8656 §12.5).

    connect(Server(place, TLS, "turn.example.org")).send(message)

Rule 1: what is given and taken is one whole message, whatever carries it.
Rule 2: a way that can't be had is a NoWay with a sentence; TLS verifies name and certificate.
"""

import socket
import ssl
import time
from typing import Protocol

from edgeturn import seam
from edgeturn.command.way import first_message
from edgeturn.probing.server import NoWay, Server, Trust
from edgeturn.protocol.address import format_ip, ip_of
from edgeturn.protocol.listener import DTLS, TCP, UDP
from edgeturn.seam import address_of, native

_LARGEST = 65536
_PATIENCE = 5.0  # seconds until a connection and its handshake have to stand
_ALPN = ["stun.turn"]  # RFC 7443


class Way(Protocol):
    """A way that stands."""

    about: str  # what there is to say of it, "" for nothing
    local: bytes  # the port||ip of this end
    repeats: bool  # whether requests have to be sent again, since they may be lost

    def send(self, message: bytes) -> None:
        """Send a message; OSError where it can't be."""

    def receive(self, seconds: float) -> bytes | None:
        """Return the next message, None where none came in time; OSError where none can come any longer."""

    def close(self) -> None:
        """End it."""


def connect(server: Server) -> Way:
    """Return a way to a server; NoWay where there is none."""
    if server.transport == UDP:
        return _Datagrams(_socket(server, socket.SOCK_DGRAM))
    if server.transport == DTLS:
        from edgeturn.probing.dtls_way import DtlsWay

        return DtlsWay(_socket(server, socket.SOCK_DGRAM), server)
    sock = _socket(server, socket.SOCK_STREAM)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return _Stream(sock, "") if server.transport == TCP else _secured(sock, server)


def _socket(server: Server, kind: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET if len(server.place) == 6 else socket.AF_INET6, kind)
    sock.settimeout(_PATIENCE)
    try:
        sock.connect(native(server.place))
    except OSError as error:
        sock.close()
        said = "no answer" if isinstance(error, TimeoutError) else seam.reason(error)
        raise NoWay(f"can't connect: {said}") from None
    return sock


def _secured(sock: socket.socket, server: Server) -> "_Stream":
    try:
        wrapped = tls_context(server.trust).wrap_socket(
            sock, server_hostname=server.name or format_ip(ip_of(server.place))
        )
    except ssl.SSLCertVerificationError as error:
        sock.close()
        raise NoWay(f"its certificate isn't trusted: {error.verify_message.rstrip('.')}") from None
    except OSError as error:
        sock.close()
        said = "no answer" if isinstance(error, TimeoutError) else tls_reason(error)
        raise NoWay(f"no TLS handshake: {said}") from None
    protocol = wrapped.selected_alpn_protocol()
    return _Stream(wrapped, f"{wrapped.version()}, ALPN {protocol or 'not negotiated'}")


def tls_context(trust: Trust) -> ssl.SSLContext:
    """Return what decides which certificates are believed."""
    context = ssl.create_default_context()
    if trust.file is not None:
        try:
            context.load_verify_locations(cafile=trust.file)
        except (OSError, ssl.SSLError) as error:
            raise NoWay(f"the file {trust.file} can't be used as a certificate: {tls_reason(error)}") from None
    if trust.anything:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(_ALPN)
    return context


def tls_reason(error: OSError) -> str:
    """Return what the TLS library says, in words."""
    said = getattr(error, "reason", None) or error.strerror or str(error)
    return str(said).replace("_", " ").lower()


class _Datagrams:
    """UDP."""

    about, repeats = "", True

    def __init__(self, sock: socket.socket) -> None:
        self.local = address_of(sock.getsockname())
        self._socket = sock

    def send(self, message: bytes) -> None:
        self._socket.send(message)

    def receive(self, seconds: float) -> bytes | None:
        self._socket.settimeout(seconds)
        try:
            return self._socket.recv(_LARGEST)
        except OSError:
            return None

    def close(self) -> None:
        self._socket.close()


class _Stream:
    """TCP, or TLS over it."""

    repeats = False

    def __init__(self, sock: socket.socket, about: str) -> None:
        self.about = about
        self.local = address_of(sock.getsockname())
        self._socket = sock
        self._received = b""

    def send(self, message: bytes) -> None:
        self._socket.settimeout(_PATIENCE)
        self._socket.sendall(message + bytes(-len(message) & 3))

    def receive(self, seconds: float) -> bytes | None:
        ends = time.monotonic() + seconds
        while (message := self._next()) is None:
            left = ends - time.monotonic()
            if left <= 0:
                return None
            self._socket.settimeout(left)
            try:
                more = self._socket.recv(_LARGEST)
            except (TimeoutError, ssl.SSLWantReadError):
                return None
            if not more:
                raise ConnectionResetError(0, "the server closed the connection")
            self._received += more
        return message

    def _next(self) -> bytes | None:
        message, self._received = first_message(self._received)
        return message

    def close(self) -> None:
        self._socket.close()
