"""What a TLS ClientHello asks for: the server's name (SNI, RFC 6066 §3) and the application protocols (ALPN, RFC 7301).

Rule 1: it's read before any TLS is spoken, so that who it isn't for can be handed to another server, from the first
        byte on; nothing is answered, nothing is kept.
Rule 2: a ClientHello may be split over segments and over records (RFC 8446 §5.1); as long as it isn't whole, that is
        said. How much of it may be kept is the business of whoever keeps it.
Rule 3: what is no ClientHello is Malformed, and so is one whose lengths don't fit: nobody could serve it.

     record      22, version (2), length (2), then a part of the handshake message
     message     1, length (3), version (2), random (32), session id <1>, ciphers <2>, compression <1>, extensions <2>
     extension   type (2), value <2>;    <n>: a length of n bytes stands in front
"""

from edgeturn.protocol.stun import Malformed

HANDSHAKE = 22  # RFC 8446 §5.1, the first byte of each record of a handshake
RECORD_HEADER_SIZE = 5
MOST_IN_RECORD = 1 << 14

_CLIENT_HELLO = 1
_MESSAGE_HEADER_SIZE = 4
_BEFORE_SESSION = 2 + 32  # version and random
_SERVER_NAME, _ALPN = 0, 16
_HOST_NAME = 0
_MALFORMED = "TLS"


class ClientHello:
    """What a client asks for: name in lower case, b"" for none; protocols as they stand, in the client's order."""

    def __init__(self, name: bytes, protocols: "list[bytes]") -> None:
        """Take both."""
        self.name = name
        self.protocols = protocols


def read(data: "bytes | memoryview") -> "ClientHello | None":
    """Return the ClientHello at the front of a stream, None where more bytes are needed; Malformed where it's none."""
    message = _handshake(data)
    if message is None:
        return None
    rest = _Reader(message, _MESSAGE_HEADER_SIZE + _BEFORE_SESSION, len(message))
    for size in (1, 2, 1):
        rest.vector(size)
    if rest.at == rest.end:  # before TLS 1.2 there needn't be any extensions
        return ClientHello(b"", [])
    extensions = rest.vector(2)
    rest.expect_end()
    return _read_extensions(extensions)


def _handshake(data: "bytes | memoryview") -> "bytes | None":
    """Return the first handshake message of a stream, put together from its records; None where it isn't whole."""
    message, at = b"", 0
    while True:
        record, at = _record(data, at)
        if record is None:
            return None
        message += bytes(record)
        if message[0] != _CLIENT_HELLO:
            raise Malformed(_MALFORMED)
        if len(message) >= _MESSAGE_HEADER_SIZE:
            size = _MESSAGE_HEADER_SIZE + int.from_bytes(message[1:_MESSAGE_HEADER_SIZE], "big")
            if len(message) > size:  # nothing may follow until the server has answered
                raise Malformed(_MALFORMED)
            if len(message) == size:
                return message


def _record(data: "bytes | memoryview", at: int) -> "tuple[bytes | memoryview | None, int]":
    """Return what a record at an offset holds, None where it isn't whole, and the offset behind it."""
    front = data[at : at + RECORD_HEADER_SIZE]
    if (len(front) > 0 and front[0] != HANDSHAKE) or (len(front) > 1 and front[1] != 3):
        raise Malformed(_MALFORMED)
    if len(front) < RECORD_HEADER_SIZE:
        return None, at
    size = front[3] << 8 | front[4]
    if not 0 < size <= MOST_IN_RECORD:
        raise Malformed(_MALFORMED)
    start = at + RECORD_HEADER_SIZE
    return (data[start : start + size] if start + size <= len(data) else None), start + size


class _Reader:
    """Reads numbers and vectors one behind the other, up to an end; Malformed where one goes beyond."""

    def __init__(self, data: bytes, at: int, end: int) -> None:
        self.data = data
        self.at = at
        self.end = end

    def number(self, size: int) -> int:
        """Return the next number."""
        self.at += size
        if self.at > self.end:
            raise Malformed(_MALFORMED)
        return int.from_bytes(self.data[self.at - size : self.at], "big")

    def vector(self, size: int) -> "_Reader":
        """Return a reader of the next vector, whose length is a number of that size; go behind it."""
        length = self.number(size)
        start, self.at = self.at, self.at + length
        if self.at > self.end:
            raise Malformed(_MALFORMED)
        return _Reader(self.data, start, self.at)

    def rest(self) -> bytes:
        """Return what is left."""
        return self.data[self.at : self.end]

    def expect_end(self) -> None:
        """Refuse what is left over."""
        if self.at != self.end:
            raise Malformed(_MALFORMED)


def _read_extensions(extensions: _Reader) -> ClientHello:
    """Return what the extensions say; of one that stands there twice the first counts, a server will refuse it."""
    name: bytes | None = None
    protocols: "list[bytes] | None" = None
    while extensions.at < extensions.end:
        kind = extensions.number(2)
        value = extensions.vector(2)
        if kind == _SERVER_NAME and name is None:
            name = _read_name(value)
        elif kind == _ALPN and protocols is None:
            protocols = _read_protocols(value)
    return ClientHello(name or b"", protocols or [])


def _read_name(value: _Reader) -> bytes:
    """Return the host name of a server_name extension, b"" for none."""
    names = value.vector(2)
    value.expect_end()
    found = b""
    while names.at < names.end:
        kind = names.number(1)
        name = names.vector(2).rest()
        if kind == _HOST_NAME and not found:
            found = name.lower()
    return found


def _read_protocols(value: _Reader) -> "list[bytes]":
    """Return the protocols of an ALPN extension."""
    entries = value.vector(2)
    value.expect_end()
    found: list[bytes] = []
    while entries.at < entries.end:
        found.append(entries.vector(1).rest())
    return found
