"""DTLS 1.2 on MicroPython, by its module `tls`, which is mbedtls: from 1.26 on.

It has its own cookies, finds no application protocol (ALPN), says no good-bye, and sends a certificate in pieces only
once it got no answer to the whole of it.
"""

import io
import sys

from edgeturn.seam.shared import EMSGSIZE

if sys.implementation.version < (1, 26):
    raise ImportError("needs MicroPython 1.26 or newer, or CPython")
import tls

if not hasattr(tls, "PROTOCOL_DTLS_SERVER"):
    raise ImportError("needs a MicroPython that was built with DTLS, or CPython")

ALPN = GOOD_BYE = FRAGMENTS = OUR_COOKIES = False
_MESSAGE_SIZE = 4096  # what the mbedtls that comes with MicroPython takes at a time
_FINISHED = 2048
_HANDSHAKE = 22
_POLL = 3  # what a stream's ioctl is asked


class _Wire(io.IOBase):
    """What mbedtls reads from and writes to: one datagram, and the records to be sent."""

    def __init__(self, datagram: bytes) -> None:
        self.datagram = datagram
        self.records = b""

    def readinto(self, buffer):
        """Read the datagram; None where there's none."""
        size = min(len(self.datagram), len(buffer))
        buffer[:size] = self.datagram[:size]
        self.datagram = b""
        return size or None

    def write(self, buffer):
        """Keep records."""
        self.records += bytes(buffer)
        return len(buffer)

    def ioctl(self, request, argument):
        """Say that nobody needs to wait; there's nothing to close either."""
        return argument if request == _POLL else 0


class Door:
    """Answers ClientHellos, and keeps nothing of those that bring no cookie back."""

    def __init__(self, certificate: str, key: str) -> None:
        """Take the paths of a certificate and its key; OSError or ValueError where they can't be used."""
        self._context = tls.SSLContext(tls.PROTOCOL_DTLS_SERVER)
        self._context.load_cert_chain(_read(certificate), _read(key))

    def hear(self, datagram: memoryview, source: bytes, cookie: bytes) -> "tuple[Layer | None, bytes]":
        """Take a ClientHello of a source; return a layer that begins with it, else None and what to answer."""
        layer = Layer(self._context, bytes(datagram), source)
        try:
            layer.shake()
            return layer, b""
        except OSError:  # HELLO_VERIFY_REQUIRED, or what the alert says
            return None, layer.output()


class Layer:
    """One client's DTLS: datagrams in, what was in them out, and the other way round."""

    def __init__(self, context, datagram: bytes, source: bytes) -> None:
        self._wire = _Wire(datagram)
        self._object = context.wrap_socket(
            self._wire, server_side=True, do_handshake_on_connect=False, client_id=source
        )
        self._early = None  # what came in the same datagram as the end of the handshake
        self._done = False

    def feed(self, datagram: memoryview) -> None:
        """Take a datagram, of which everything is read before the next one comes."""
        self._wire.datagram = bytes(datagram)

    def shake(self) -> bool:
        """Go on with the handshake; say whether it's done. OSError where it failed."""
        while not self._done:
            self._early = self._object.recv(_FINISHED)
            self._done = self._early is not None or _is_finished(self._wire.records)
            if not self._wire.datagram:  # else the timer was due, and nothing was read
                break
        return self._done

    def read(self, buffer: memoryview, most: int) -> "int | None":
        """Read one message into a buffer; return its size, 0 at the end, None where there's none; OSError: it broke."""
        data, self._early = self._early, None
        if data is None:
            data = self._object.recv(most)
        if data is None:
            return None
        buffer[: len(data)] = data
        return len(data)

    def write(self, message: "bytes | memoryview") -> bytes:
        """Return the record of a message; OSError where there's none, because it's too large or it broke."""
        if len(message) > _MESSAGE_SIZE:
            raise OSError(EMSGSIZE)
        self._object.send(message)
        return self.output()

    def output(self) -> bytes:
        """Return the records that are to be sent besides."""
        records, self._wire.records = self._wire.records, b""
        return records

    def repeat(self) -> None:
        """Send what wasn't answered in time once more, where the time has come; OSError where that was in vain."""
        self.shake()

    def finish(self) -> None:
        """Give back what mbedtls has; it can't say good-bye from here."""
        self._object.close()


def _is_finished(records: bytes) -> bool:
    """Say whether an encrypted handshake message is among some records: a server's is the last of its handshake."""
    at = 0
    while at < len(records):
        if records[at] == _HANDSHAKE and (records[at + 3] or records[at + 4]):
            return True
        at += 13 + (records[at + 11] << 8 | records[at + 12])
    return False


def _read(file: str) -> bytes:
    with open(file, "rb") as stream:
        return stream.read()
