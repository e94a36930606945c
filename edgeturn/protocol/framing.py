"""Framing: where the messages of a stream end (RFC 8489 §6.2.2, RFC 8656 §12.5).

Rule 1: a STUN message says its length; so does ChannelData, which over a stream is padded to a multiple of four bytes.
Rule 2: what is neither is Malformed, and so is the whole stream, for nothing says where its next message begins.

    STUN          |0 0| type (14) |  length, a multiple of 4  | cookie … | length bytes
    ChannelData   |0 1| number    |  length without padding   | length bytes | 0 to 3 bytes of padding
"""

from edgeturn.protocol.limits import CHANNEL_HEADER_SIZE
from edgeturn.protocol.stun import COOKIE, HEADER_SIZE, Malformed

_LENGTH_END = 4  # of type or number and length, with which both kinds begin
_COOKIE_END = 8
_CHANNEL, _NEITHER = 0x40, 0x80  # first bytes, RFC 7983


def message_size(data: "memoryview | bytes", at: int, end: int) -> int:
    """Return the size of the message that begins at an offset, without padding; 0 where too little of it is there.

    Malformed where no message begins so. What stands behind `end` isn't read.
    """
    if at < end and data[at] >= _NEITHER:
        raise Malformed("framing")
    if end - at < _LENGTH_END:
        return 0
    length = data[at + 2] << 8 | data[at + 3]
    if data[at] >= _CHANNEL:
        return CHANNEL_HEADER_SIZE + length
    if length & 3:
        raise Malformed("framing")
    seen = min(end, at + _COOKIE_END)
    if data[at + _LENGTH_END : seen] != COOKIE[: seen - at - _LENGTH_END]:
        raise Malformed("framing")
    return HEADER_SIZE + length


def padded(size: int) -> int:
    """Return how many bytes of the stream a message of a size takes."""
    return size + 3 & ~3
