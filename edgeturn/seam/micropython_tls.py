"""TLS on MicroPython, by its module `tls`, which is mbedtls: each record is a write of its own."""

import io

import tls

from edgeturn.protocol.certificate import BadCertificate, blocks
from edgeturn.seam.micropython import Plain, read_stream

ALPN = False  # MicroPython 1.25 can't negotiate an application protocol; clients go on without
LIBRARY = tls.MBEDTLS_VERSION
_RECORD = 4096  # what the mbedtls that comes with MicroPython takes at a time
_POLL = 3  # what a stream's ioctl is asked


def context(certificate: str, key: str, protocols: "tuple[str, ...]"):
    """Return what handshakes need, of a certificate's file with its chain and a key's file.

    OSError where one can't be read, ValueError where what is in them isn't a certificate and its key.
    """
    made = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    chain, secret = _read(certificate), _read(key)
    try:
        made.load_cert_chain(chain, secret)
    except ValueError:
        _load_der(made, chain, secret)
    return made


def _load_der(made, chain: bytes, secret: bytes) -> None:
    """Load for an mbedtls without PEM, as MicroPython brings it: without issuers, for DER has room for one only."""
    try:
        keys = [block.der for block in blocks(secret) if block.is_key()]
        made.load_cert_chain(blocks(chain)[0].der, keys[0])
    except (BadCertificate, IndexError, ValueError):
        raise ValueError("one of the files isn't a certificate or a key that this mbedtls reads")


def _read(file: str) -> bytes:
    with open(file, "rb") as stream:
        return stream.read()


class _Wire(io.IOBase):
    """What mbedtls reads from and writes to: the socket, and before that what was read from it already."""

    def __init__(self, sock) -> None:
        self.sock = sock
        self.first = b""
        self.is_dry = False  # whether the last read found nothing

    def readinto(self, buffer):
        """Read; None where there's nothing now."""
        if not self.first:
            size = read_stream(self.sock, buffer)
            self.is_dry = not size
            return size
        size = min(len(self.first), len(buffer))
        buffer[:size] = self.first[:size]
        self.first = self.first[size:]
        return size

    def write(self, buffer):
        """Write; None where there's no room now."""
        return Plain.write(self, buffer) or None

    def ioctl(self, request, argument):
        """Say that nobody needs to wait, for the socket itself is polled; there's nothing to close either."""
        return argument if request == _POLL else 0


class Layer:
    """TLS between a socket and those who read and write; the methods are those of Plain."""

    records = True
    full = False  # a whole handshake has room in the kernel's buffer

    def __init__(self, context, sock) -> None:
        self.sock = sock
        self.handshaking = True  # until the first message, for nothing says when the handshake itself is done
        self._wire = _Wire(sock)
        self._object = context.wrap_socket(self._wire, server_side=True, do_handshake_on_connect=False)
        self._begun = 0  # bytes of a record that mbedtls has made, and wants to be given again until it's sent
        self._ended = False  # whether nothing more comes
        self._filled = False  # whether the last read took all that it could, so that more may be there

    def feed(self, data: memoryview) -> None:
        """Take bytes that were read from the socket already."""
        self._wire.first = self._wire.first + bytes(data)

    def read(self, view: memoryview) -> "int | None":
        """Read into a buffer; return how much, 0 at the end, None where there's nothing now; OSError where it broke."""
        if self._ended:
            return 0
        self._wire.is_dry = False
        size = self._object.readinto(view)
        self._filled = size == len(view)
        # It reads until its buffer is full or the wire is dry; if neither is so, the other side has said goodbye.
        self._ended = size is not None and not self._filled and not self._wire.is_dry
        if size:
            self.handshaking = False
        return size

    def holds(self) -> bool:
        """Say whether something may be read although the socket isn't ready."""
        return self._filled or self._ended or len(self._wire.first) > 0

    def write(self, view: memoryview) -> int:
        """Take something to send as one record; return how much."""
        size = self._begun or min(len(view), _RECORD)
        written = self._object.write(view[:size])
        self._begun = size if written is None else 0
        return written or 0

    def push(self) -> bool:
        """Send what was taken and is still here; say whether nothing is left."""
        return True

    def finish(self) -> None:
        """Tell the other side that nothing more comes."""
        Plain.finish(self)

    def close(self) -> None:
        """Close the socket."""
        self._object.close()
        self.sock.close()
