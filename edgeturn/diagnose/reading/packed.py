"""Text as browsers save it: newer ones pack their dumps with gzip.

Rule 1: what a packed document becomes is bounded, too.
"""

import zlib

from edgeturn.diagnose.unreadable import Unreadable

MOST_TEXT = 128 << 20
_GZIP = b"\x1f\x8b"


def unpacked(name: str, data: bytes, most: int = MOST_TEXT) -> bytes:
    """Return data that may have been packed; Unreadable where it's broken or too much."""
    if not data.startswith(_GZIP):
        return data
    reader = zlib.decompressobj(wbits=31)
    try:
        plain = reader.decompress(data, most)
    except zlib.error:
        raise Unreadable(f"{name}: is packed by gzip, and broken; save it again.") from None
    if reader.unconsumed_tail:
        raise Unreadable(f"{name}: unpacks to more than {most >> 20} MB.")
    return plain
