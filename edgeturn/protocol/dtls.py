"""DTLS as far as the relay reads it itself: enough to keep a stranger's datagram away from the library (RFC 6347).

    kind | version | epoch | sequence | length | fragment        a record
    1    | 2       | 2     | 6        | 2      |

    type | length | sequence | offset | fragment length | …      a fragment of kind HANDSHAKE in epoch 0
    1    | 3      | 2        | 3      | 3               |

Rule 1: whoever hasn't sent a cookie of ours back leaves nothing here (§4.2.1); it's an HMAC over source and time.
Rule 2: a datagram is whole records of version 1.x to the last byte, or it is nobody's.
"""

from edgeturn.protocol.digests import hmac_sha256
from edgeturn.seam import same

FIRST, LAST = 20, 63  # RFC 7983 §7: the first byte of a datagram of DTLS
HANDSHAKE, APPLICATION_DATA = 22, 23  # RFC 5246 §6.2.1
_LAST_KIND = APPLICATION_DATA

RECORD_HEADER_SIZE = 13
_MESSAGE_HEADER_SIZE = 12
_MAJOR_VERSION = 0xFE
_CLIENT_HELLO = 1
_LAST_HELLO = 1  # sequence number, of the one with the cookie; above it is an error that the library remembers
_RANDOM = RECORD_HEADER_SIZE + _MESSAGE_HEADER_SIZE + 2
_SESSION_ID = _RANDOM + 32

COOKIE_SIZE = 16
_COOKIE_PERIOD = 30  # seconds; a cookie is valid for one to two of them

# What a client without a certificate sends is shorter; the library would reserve what a message says it has, and keep
# for whoever comes next what it doesn't read of a larger datagram.
_MESSAGE_SIZE = 4096


class Hello:
    """What is looked at of a ClientHello: the random value that tells it from others, and the cookie, if only b""."""

    __slots__ = ("cookie", "random")

    def __init__(self, random: bytes, cookie: bytes) -> None:
        """Take both."""
        self.random = random
        self.cookie = cookie


def count_records(datagram: memoryview, size: int) -> int:
    """Return how many records a datagram has, 0 where it isn't whole records."""
    at = found = 0
    while at < size:
        if size - at < RECORD_HEADER_SIZE or not FIRST <= datagram[at] <= _LAST_KIND:
            return 0
        if datagram[at + 1] != _MAJOR_VERSION:
            return 0
        at = _next(datagram, at)
        found += 1
    return found if at == size else 0


def is_media(datagram: memoryview, size: int) -> bool:
    """Say whether a datagram is one record of application data, as nearly all are."""
    if size < RECORD_HEADER_SIZE or datagram[0] != APPLICATION_DATA or datagram[1] != _MAJOR_VERSION:
        return False
    return _next(datagram, 0) == size


def begins_anew(datagram: memoryview, size: int) -> bool:
    """Say whether a datagram may be a ClientHello: a handshake message in epoch 0 that is the first of its kind."""
    if size <= RECORD_HEADER_SIZE or datagram[0] != HANDSHAKE or datagram[3] or datagram[4]:
        return False
    return datagram[RECORD_HEADER_SIZE] == _CLIENT_HELLO


def read_hello(datagram: memoryview, size: int) -> "Hello | None":
    """Return the ClientHello that a datagram is, None where it isn't one, or isn't whole in its first record."""
    if size > _MESSAGE_SIZE or not begins_anew(datagram, size) or not count_records(datagram, size):
        return None
    end = _next(datagram, 0)
    length = end - RECORD_HEADER_SIZE - _MESSAGE_HEADER_SIZE
    message = datagram[RECORD_HEADER_SIZE:end]
    if length < 0 or not _number(message, 1) == _number(message, 9) == length or _number(message, 6):
        return None
    if message[4] or message[5] > _LAST_HELLO:
        return None
    at = _SESSION_ID + 1
    if end < at or datagram[_RANDOM - 2] != _MAJOR_VERSION:
        return None
    at += datagram[_SESSION_ID]
    if end <= at or end <= at + datagram[at]:
        return None
    return Hello(bytes(datagram[_RANDOM:_SESSION_ID]), bytes(datagram[at + 1 : at + 1 + datagram[at]]))


def is_modest(datagram: memoryview, size: int) -> bool:
    """Say whether no handshake message of some whole records claims to be larger than any need be."""
    at = 0
    while at < size:
        end = _next(datagram, at)
        is_plain = datagram[at] == HANDSHAKE and not (datagram[at + 3] or datagram[at + 4])
        if is_plain and not _messages_are_modest(datagram, at + RECORD_HEADER_SIZE, end):
            return False
        at = end
    return True


def _messages_are_modest(datagram: memoryview, at: int, end: int) -> bool:
    while at < end:
        if end - at < _MESSAGE_HEADER_SIZE or _number(datagram, at + 1) > _MESSAGE_SIZE:
            return False
        at += _MESSAGE_HEADER_SIZE + _number(datagram, at + 9)
    return at == end


def datagrams(records: bytes, most: int) -> "list[bytes]":
    """Return records gathered into datagrams of at most so many bytes, where a record isn't larger itself."""
    found: list[bytes] = []
    view, start, at = memoryview(records), 0, 0
    while at < len(records):
        end = _next(view, at)
        if end - start > most and at > start:
            found.append(records[start:at])
            start = at
        at = end
    if start < len(records):
        found.append(records[start:])
    return found


def _next(datagram: memoryview, at: int) -> int:
    """Return where the record behind the one at an offset begins."""
    return at + RECORD_HEADER_SIZE + (datagram[at + 11] << 8 | datagram[at + 12])


def _number(data: memoryview, at: int) -> int:
    return data[at] << 16 | data[at + 1] << 8 | data[at + 2]


class Cookies:
    """Mints cookies and judges them."""

    def __init__(self, secret: bytes) -> None:
        """Take a random secret of this process."""
        self._secret = secret

    def mint(self, source: bytes, now: int) -> bytes:
        """Return the cookie of the client at port||ip."""
        return self._of_period(source, now // _COOKIE_PERIOD)

    def is_ours(self, cookie: bytes, source: bytes, now: int) -> bool:
        """Say whether a cookie was minted for the client at port||ip not long ago."""
        period = now // _COOKIE_PERIOD
        ours = [self._of_period(source, each) for each in (period, period - 1)]
        return len(cookie) == COOKIE_SIZE and any(same(cookie, each) for each in ours)

    def _of_period(self, source: bytes, period: int) -> bytes:
        return hmac_sha256(self._secret, (period & 0xFFFFFFFF).to_bytes(4, "big") + source)[:COOKIE_SIZE]
