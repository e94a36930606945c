"""Writing pcapng: a section with comments, an interface a transport, a packet a message with comments of its own.

    block: type 4 | length 4 | body | options | length 4        option: code 2 | length 2 | value, padded to 4 bytes

Source: draft-ietf-opsawg-pcapng.
"""

from struct import pack

SECTION, INTERFACE, PACKET = 0x0A0D0D0A, 1, 6
COMMENT = 1
APPLICATION = 4  # shb_userappl
NAME, DESCRIPTION, RESOLUTION = 2, 3, 9  # if_name, if_description, if_tsresol
RAW_IP = 101  # LINKTYPE_RAW
_MICROSECONDS = b"\x06"
_BYTE_ORDER = 0x1A2B3C4D
_LONGEST = 65500  # bytes of an option's text

Options = list[tuple[int, bytes]]


def section(application: str, comment: str) -> bytes:
    """Return what a file begins with."""
    body = pack("<IHHq", _BYTE_ORDER, 1, 0, -1)
    return _block(SECTION, body, [(COMMENT, _text(comment)), (APPLICATION, _text(application))])


def interface(name: str, description: str, comment: str) -> bytes:
    """Return an interface of IP packets, with times in microseconds."""
    options = [(COMMENT, _text(comment)), (NAME, _text(name)), (DESCRIPTION, _text(description))]
    return _block(INTERFACE, pack("<HHI", RAW_IP, 0, 0), [*options, (RESOLUTION, _MICROSECONDS)])


def packet(number: int, microseconds: int, data: bytes, size: int, comments: list[str]) -> bytes:
    """Return a packet of an interface; microseconds: Unix time; size: what it had before it was cut."""
    fields = pack("<IIIII", number, microseconds >> 32, microseconds & 0xFFFFFFFF, len(data), size)
    return _block(PACKET, fields + _padded(data), [(COMMENT, _text(each)) for each in comments])


def _block(kind: int, body: bytes, options: Options) -> bytes:
    listed = b"".join(pack("<HH", code, len(value)) + _padded(value) for code, value in options)
    size = 12 + len(body) + len(listed) + (4 if options else 0)
    return pack("<II", kind, size) + body + listed + (bytes(4) if options else b"") + pack("<I", size)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _text(text: str) -> bytes:
    return text.encode()[:_LONGEST]
