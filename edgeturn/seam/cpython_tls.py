"""TLS on CPython: records are made in memory, so that those of one turn of the loop leave in one write."""

import socket
import ssl

ALPN = True  # whether the application protocol can be negotiated (RFC 7443)
LIBRARY = ssl.OPENSSL_VERSION


def context(certificate: str, key: str, protocols: "tuple[str, ...]") -> ssl.SSLContext:
    """Return what handshakes need, of a certificate's file with its chain and a key's file.

    OSError where one can't be read, ValueError where what is in them isn't a certificate and its key.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # whose defaults are without compression
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    made.num_tickets = 0  # connections last; a session to resume would be remembered for nothing
    for file in (certificate, key):
        with open(file, "rb"):  # the library's own error doesn't say which of them
            pass
    try:
        made.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        raise ValueError(_REASONS.get(error.reason or "", (error.reason or str(error)).lower().replace("_", " ")))
    made.set_alpn_protocols(list(protocols))
    return made


def _no_password() -> str:
    raise ValueError("the key is encrypted; the relay starts without anybody who could type its password")


_REASONS = {
    "KEY_VALUES_MISMATCH": "the key doesn't belong to the certificate",
    "NO_START_LINE": "there's no PEM text in one of the files",
    "PEM_LIB": "one of the files isn't a certificate or a key in PEM",
}
_MOST_OWED = 16384  # bytes of alerts and key updates that wait behind what the socket doesn't take


class Layer:
    """TLS between a socket and those who read and write; the methods are those of Plain."""

    records = True

    def __init__(self, context: ssl.SSLContext, sock: socket.socket) -> None:
        self.sock = sock
        self.handshaking = True
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._unsent = memoryview(b"")
        self._ended = False  # nothing more can be decrypted

    def feed(self, data: memoryview) -> None:
        """Take bytes that were read from the socket already."""
        self._incoming.write(data)

    def read(self, view: memoryview) -> "int | None":
        """Read into a buffer; return how much, 0 at the end, None where there's nothing now; OSError where it broke."""
        while True:
            if self.holds():
                size = self._decrypt(view)
                if self._outgoing.pending > _MOST_OWED:  # who asks without end to renegotiate, and reads no alert
                    raise OSError("doesn't take what TLS answers")
                if size or self._ended:
                    return size
            try:
                size = self.sock.recv_into(view)  # of encrypted bytes, which are out of there before others are put in
            except BlockingIOError:
                return None
            if not size:
                return 0
            self._incoming.write(view[:size])

    def holds(self) -> bool:
        """Say whether something may be read although the socket isn't ready."""
        return self._incoming.pending > 0 or self._ended or (not self.handshaking and self._object.pending() > 0)

    def _decrypt(self, view: memoryview) -> int:
        """Read as many records as are here and have room; return how much that was."""
        size = 0
        try:
            if self.handshaking:
                self._object.do_handshake()
                self.handshaking = False
            while not self._ended and size < len(view) and (self._incoming.pending or self._object.pending()):
                more = self._object.read(len(view) - size, view[size:])
                size += more
                self._ended = not more  # the other side said so
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            if not size:
                raise
            self._ended = True  # what came before it counts
        finally:
            if self._outgoing.pending:
                self.push()
        return size

    def write(self, view: memoryview) -> int:
        """Take something to send as one record; return how much."""
        return self._object.write(view)

    @property
    def full(self) -> bool:
        """Say whether more has to be sent than the socket took."""
        return bool(self._unsent)

    def push(self) -> bool:
        """Send what was taken and is still here; say whether nothing is left."""
        while True:
            if not self._unsent:
                if not self._outgoing.pending:
                    return True
                self._unsent = memoryview(self._outgoing.read())
            try:
                sent = self.sock.send(self._unsent)
            except BlockingIOError:
                return False
            self._unsent = self._unsent[sent:]

    def finish(self) -> None:
        """Tell the other side that nothing more comes."""
        try:
            self._object.unwrap()
        except ssl.SSLWantReadError:
            pass
        self.push()
        self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the socket.

        Nothing is said before it: OpenSSL forgets a session that ends so at once, while a TLS 1.2 client without
        tickets could fill its cache with 20000 sessions that end properly, and that can't be switched off from here.
        """
        self.sock.close()
