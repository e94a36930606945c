"""DTLS 1.2 on CPython, by pyOpenSSL over memory: no socket and no clock but the library's own for retransmissions.

Imported only where the configuration asks for DTLS: the library takes 14 MB of resident memory.
"""

import errno

try:
    from OpenSSL import SSL
except ImportError as error:
    raise ImportError(f"needs the Python package pyopenssl ({error}): pip install pyopenssl") from None

ALPN = True  # whether the application protocol can be negotiated (RFC 7443)
GOOD_BYE = True  # whether a client is told that its session ends
FRAGMENTS = True  # whether a handshake's large messages are sent in pieces
OUR_COOKIES = True  # whether the caller's cookies are used, and not the library's own
_DTLS_1_2 = 0xFEFD
_HANDSHAKE_MTU = 1200  # bytes of a datagram in a handshake; what goes through every path that IPv6 does
_OVERHEAD = 256  # of a record over what is in it, at most
_EVERYTHING = 65536
_PROTOCOLS = (b"stun.turn", b"stun.nat-discovery")  # RFC 7443
_CIPHERS = b"ECDH+AESGCM:ECDH+CHACHA20:ECDH+AES:!aNULL:!eNULL:!aDSS:!SHA1:!AESCCM"  # RFC 9325 §4.2, forward secret


class Door:
    """Answers ClientHellos, and keeps nothing of those that bring no cookie back."""

    def __init__(self, certificate: str, key: str) -> None:
        """Take the paths of PEM files; OSError or ValueError with a reason where they can't be used."""
        for path in (certificate, key):
            with open(path, "rb"):
                pass
        self._cookie = b""
        self._context = context = SSL.Context(SSL.DTLS_SERVER_METHOD)
        context.set_min_proto_version(_DTLS_1_2)
        context.set_options(SSL.OP_NO_QUERY_MTU | SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION)
        context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # 68 kB a session instead of 81
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_cipher_list(_CIPHERS)
        context.set_alpn_select_callback(_select_protocol)
        context.set_cookie_generate_callback(lambda spare: self._cookie)
        context.set_cookie_verify_callback(lambda spare, cookie: cookie == self._cookie)
        try:
            context.use_certificate_chain_file(certificate)
            context.use_privatekey_file(key)
            context.check_privatekey()
        except SSL.Error as error:
            raise ValueError(_reason(error))
        self._spare = self._make_spare()

    def hear(self, datagram: memoryview, source: bytes, cookie: bytes) -> "tuple[Layer | None, bytes]":
        """Take a ClientHello of a source; return a layer that begins with it, else None and what to answer.

        cookie: the one that the hello has to have, or that the answer asks for.
        """
        self._cookie = cookie
        spare = self._spare
        try:
            spare.bio_write(datagram)
            spare.DTLSv1_listen()
        except SSL.Error:
            return None, _output(spare)
        self._spare = self._make_spare()
        return Layer(spare), b""

    def _make_spare(self):
        spare = SSL.Connection(self._context)
        spare.set_accept_state()
        spare.set_ciphertext_mtu(_HANDSHAKE_MTU)
        return spare


class Layer:
    """One client's DTLS: datagrams in, what was in them out, and the other way round."""

    def __init__(self, connection: "SSL.Connection") -> None:
        self._connection = connection
        self.feed = connection.bio_write

    def shake(self) -> bool:
        """Go on with the handshake; say whether it's done. OSError where it failed."""
        try:
            self._connection.do_handshake()
            return True
        except SSL.WantReadError:
            return False
        except SSL.Error as error:
            raise OSError(errno.EPROTO, _reason(error))

    def read(self, buffer: memoryview, most: int) -> "int | None":
        """Read one message into a buffer; return its size, 0 at the end, None where there's none; OSError: it broke."""
        try:
            return self._connection.recv_into(buffer, most)
        except SSL.WantReadError:
            return None
        except SSL.ZeroReturnError:
            return 0
        except SSL.Error as error:
            raise OSError(errno.EPROTO, _reason(error))

    def write(self, message: "bytes | memoryview") -> bytes:
        """Return the record of a message; OSError where there's none, because it's too large or it broke."""
        try:
            self._connection.send(message)
            return self._connection.bio_read(len(message) + _OVERHEAD)
        except SSL.Error as error:
            raise OSError(errno.EMSGSIZE, _reason(error))

    def output(self) -> bytes:
        """Return the records that are to be sent besides."""
        return _output(self._connection)

    def repeat(self) -> None:
        """Send what wasn't answered in time once more, where the time has come; OSError where that was in vain."""
        try:
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error as error:
            raise OSError(errno.ETIMEDOUT, _reason(error))

    def finish(self) -> None:
        """Say good-bye, where a handshake was done."""
        try:
            self._connection.shutdown()
        except SSL.Error:
            pass


def _output(connection) -> bytes:
    try:
        return connection.bio_read(_EVERYTHING)
    except SSL.WantReadError:
        return b""


def _select_protocol(connection, offered):
    for each in offered:
        if each in _PROTOCOLS:
            return each
    return SSL.NO_OVERLAPPING_PROTOCOLS


def _reason(error: Exception) -> str:
    """Return what the library says, in one line."""
    words = error.args[0] if error.args else ""
    if isinstance(words, (list, tuple)):
        return ", ".join([each[2] for each in words]) or "broken"
    return str(error.args[-1])
