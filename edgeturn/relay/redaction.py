"""Messages without their secrets: zeros of the same length in place of what somebody could misuse, or is unknown here.

Rule 1: what isn't a whole STUN message is shown as far as it can be read, and as zeros from there on.
Rule 2: FINGERPRINT is made anew: it fits what is shown, and tells nothing of what isn't.
"""

from struct import pack_into, unpack_from

from edgeturn.protocol import stun
from edgeturn.relay.describe import ATTRIBUTES
from edgeturn.seam import crc32

SECRETS = (
    stun.MESSAGE_INTEGRITY,
    stun.MESSAGE_INTEGRITY_SHA256,
    stun.NONCE,
    stun.MOBILITY_TICKET,
    stun.ACCESS_TOKEN,
    stun.RESERVATION_TOKEN,
)
_PLAIN = (0x0003, 0x0027, 0x8004, 0x802B, 0x802C)  # of RFC 5780 and ICMP, which the log has no names for


def redacted(message: "bytes | bytearray | memoryview") -> bytearray:
    """Return a message, or whatever a client sent in place of one, without secrets."""
    data = bytearray(message)
    size = len(data)
    at = stun.HEADER_SIZE
    if size < at or data[0] & 0xC0 or unpack_from("!H", data, 2)[0] != size - at:
        at = min(4, size)
        size = at
    while at + 4 <= size:
        kind, length = unpack_from("!HH", data, at)
        end = at + 4 + (length + 3 & ~3)
        if end > size:
            break
        if kind in SECRETS or (kind not in ATTRIBUTES and kind not in _PLAIN):
            length = 0
        data[at + 4 + length : end] = bytes(end - at - 4 - length)
        if kind == stun.FINGERPRINT and length == 4:
            pack_into("!I", data, at + 4, crc32(data[:at]) ^ stun.FINGERPRINT_MASK)
        at = end
    data[at:] = bytes(len(data) - at)
    return data
