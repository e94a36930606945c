"""The way to a server by DTLS, with pyOpenSSL; imported only where one is asked for."""

import socket
import sys
import time
from contextlib import suppress

from edgeturn import seam
from edgeturn.probing.server import NoWay, Server
from edgeturn.protocol.address import format_ip, ip_of, parse_ip
from edgeturn.protocol.certificate import Certificate
from edgeturn.seam import address_of

try:
    from OpenSSL import SSL, crypto
except ImportError:
    _command = f"{sys.executable} -m pip install pyopenssl"
    raise NoWay(f"the Python package pyopenssl is missing here: `{_command}` brings it") from None

_LARGEST = 65536
_MTU = 1200  # bytes of a datagram
_PATIENCE = 5.0  # seconds until the handshake has to be done
_LOOK_AGAIN = 0.25  # seconds after which a silent server may have to be asked again


class DtlsWay:
    """A session over a connected UDP socket."""

    repeats = True

    def __init__(self, sock: socket.socket, server: Server) -> None:
        """Shake hands; NoWay where that can't be done."""
        self.local = address_of(sock.getsockname())
        self._socket = sock
        self._connection = SSL.Connection(_context(server))
        self._connection.set_connect_state()
        self._connection.set_ciphertext_mtu(_MTU)
        try:
            self._shake(time.monotonic() + _PATIENCE)
            self._check_name(server)
        except (SSL.Error, OSError) as error:
            sock.close()
            raise NoWay(_reason(error)) from None
        self.about = f"{self._connection.get_protocol_version_name()} (DTLS)"

    def send(self, message: bytes) -> None:
        """Send a message."""
        self._connection.send(message)
        self._flush()

    def receive(self, seconds: float) -> bytes | None:
        """Return the next message, None where none came in time."""
        ends = time.monotonic() + seconds
        while True:
            with suppress(SSL.WantReadError):
                return self._connection.recv(_LARGEST)
            if not self._hear(ends):
                return None

    def close(self) -> None:
        """End the session."""
        with suppress(SSL.Error, OSError):
            self._connection.shutdown()
            self._flush()
        self._socket.close()

    def _shake(self, ends: float) -> None:
        while True:
            try:
                self._connection.do_handshake()
                self._flush()
                return
            except SSL.WantReadError:
                self._flush()
            if time.monotonic() > ends:
                raise TimeoutError
            if not self._hear(min(ends, time.monotonic() + _LOOK_AGAIN)):
                self._connection.DTLSv1_handle_timeout()

    def _check_name(self, server: Server) -> None:
        shown = self._connection.get_peer_certificate()
        if server.trust.anything or shown is None:
            return
        if not _is_for(Certificate(crypto.dump_certificate(crypto.FILETYPE_ASN1, shown)), server):
            self.close()
            raise NoWay(f"its certificate isn't trusted: it isn't for {server.name or format_ip(ip_of(server.place))}")

    def _hear(self, ends: float) -> bool:
        """Take a datagram before a time; say whether there was one."""
        left = ends - time.monotonic()
        if left <= 0:
            return False
        self._socket.settimeout(left)
        try:
            self._connection.bio_write(self._socket.recv(_LARGEST))
        except TimeoutError:
            return False
        return True

    def _flush(self) -> None:
        """Send the records that wait, each in a datagram of its own."""
        with suppress(SSL.WantReadError):
            data = self._connection.bio_read(_LARGEST)
            while data:
                size = 13 + int.from_bytes(data[11:13], "big")  # RFC 6347 §4.1, the header of a record
                self._socket.send(data[:size])
                data = data[size:]


def _context(server: Server) -> SSL.Context:
    context = SSL.Context(SSL.DTLS_CLIENT_METHOD)
    context.set_options(SSL.OP_NO_QUERY_MTU)
    if server.trust.anything:
        return context
    context.set_default_verify_paths()
    if server.trust.file is not None:
        context.load_verify_locations(str(server.trust.file))
    context.set_verify(SSL.VERIFY_PEER, lambda connection, shown, error, depth, good: bool(good))
    return context


def _is_for(certificate: Certificate, server: Server) -> bool:
    """Say whether a certificate is for a server; pyOpenSSL doesn't look at names."""
    if not server.name:
        return ip_of(server.place) in certificate.ips
    try:
        return parse_ip(server.name) in certificate.ips
    except ValueError:
        return certificate.covers(server.name.encode())


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no TLS handshake: no answer"
    if isinstance(error, OSError):
        return f"can't connect: {seam.reason(error)}"
    words = error.args[0] if error.args else ""
    said = ", ".join(each[2] for each in words) if isinstance(words, (list, tuple)) else str(words)
    if "certificate verify failed" in said:
        return "its certificate isn't trusted"
    return f"no TLS handshake: {said or 'broken off'}"
