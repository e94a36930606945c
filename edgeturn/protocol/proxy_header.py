"""The PROXY protocol, versions 1 and 2: who a connection comes from, told by a proxy in front of us, or by us.

Rule 1: it's at the very front of a connection and is read once; whether it's expected there is decided by who connects,
        never by what the bytes look like: else any client could give itself another's address.
Rule 2: UNKNOWN, LOCAL, AF_UNSPEC and AF_UNIX tell no address: the connection's own stays.
Rule 3: what isn't exactly such a header is Malformed; so is one that is longer than MOST_SIZE.

     version 1   PROXY TCP4 192.0.2.7 192.0.2.1 56324 443 CR LF          at most 107 bytes
     version 2   signature (12), version 2 and command (1), family and transport (1), length (2),
                 source IP, destination IP, source port, destination port, then type-length-values

Source: https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt
"""

from edgeturn.protocol import address
from edgeturn.protocol.stun import Malformed

MOST_SIZE = 1024  # HAProxy sends up to 536 bytes, the rest is for certificates' names
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"

_TEXT = b"PROXY "
_TEXT_SIZE = 107
_HEADER_SIZE = 16
_TLV_HEADER_SIZE = 3
_MAPPED = bytes(10) + b"\xff\xff"
_LOCAL, _PROXY = 0x20, 0x21  # version 2 and the command
_TCP4, _TCP6 = 0x11, 0x21
_IP_SIZES = {0x1: 4, 0x2: 16}  # by the family, the upper half of its byte
_MOST_FAMILY = 3  # unspecified, IPv4, IPv6, UNIX
_MOST_TRANSPORT = 2  # unspecified, stream, datagram
_NAMES = {"TCP4": 4, "TCP6": 16}


class Header:
    """What a header said: its size, and the client's port||ip, b"" where it told none."""

    def __init__(self, size: int, source: bytes) -> None:
        """Take both."""
        self.size = size
        self.source = source


def read(data: "bytes | memoryview") -> "Header | None":
    """Return the header at the front of a stream, None where more bytes are needed; Malformed where there's none."""
    front = bytes(data[: len(SIGNATURE)])
    if front[:1] == _TEXT[:1]:
        return _read_text(bytes(data[:_TEXT_SIZE]))
    if front != SIGNATURE[: len(front)]:
        raise Malformed("PROXY header")
    if len(data) < _HEADER_SIZE:
        return None
    size = _HEADER_SIZE + (data[14] << 8 | data[15])
    if size > MOST_SIZE:
        raise Malformed("PROXY header")
    return _read_binary(bytes(data[:size])) if len(data) >= size else None


def encode(source: bytes, destination: bytes) -> bytes:
    """Return a header of version 2 for a connection from and to port||ip; where the families differ, both as IPv6."""
    family = _TCP4
    if len(source) + len(destination) > 2 * (address.IPV4_SIZE + address.PORT_SIZE):
        family = _TCP6
    ends = (_ip(source, family), _ip(destination, family), source[:2], destination[:2])
    body = b"".join(ends)
    return SIGNATURE + bytes([_PROXY, family]) + len(body).to_bytes(2, "big") + body


def _ip(place: bytes, family: int) -> bytes:
    ip = address.ip_of(place)
    return _MAPPED + ip if family == _TCP6 and len(ip) == address.IPV4_SIZE else ip


def _read_text(data: bytes) -> "Header | None":
    if data[: len(_TEXT)] != _TEXT[: len(data)]:
        raise Malformed("PROXY header")
    end = data.find(b"\r\n")
    if end < 0:
        if len(data) == _TEXT_SIZE:
            raise Malformed("PROXY header")
        return None
    words = [word.decode() for word in data[:end].split(b" ")] if _is_ascii(data[:end]) else []
    if words[1:2] == ["UNKNOWN"]:  # and whatever follows
        return Header(end + 2, b"")
    return Header(end + 2, _read_words(words))


def _is_ascii(data: bytes) -> bool:
    return all(byte < 0x80 for byte in data)


def _read_words(words: "list[str]") -> bytes:
    """Return the source that the words of version 1 tell."""
    if len(words) != 6 or words[1] not in _NAMES:
        raise Malformed("PROXY header")
    try:
        source, destination = address.parse_ip(words[2]), address.parse_ip(words[3])
        port, _ = address.parse_port(words[4]), address.parse_port(words[5])
    except ValueError:
        raise Malformed("PROXY header")
    if len(source) != _NAMES[words[1]] or len(destination) != _NAMES[words[1]]:
        raise Malformed("PROXY header")
    return address.join(_unmapped(source), port)


def _read_binary(data: bytes) -> Header:
    command, family, transport = data[12], data[13] >> 4, data[13] & 0xF
    if command not in (_LOCAL, _PROXY) or family > _MOST_FAMILY or transport > _MOST_TRANSPORT:
        raise Malformed("PROXY header")
    if command == _LOCAL:  # whatever else it says is to be ignored
        return Header(len(data), b"")
    size = _IP_SIZES.get(family, 0)
    if not size or not transport:
        return Header(len(data), b"")
    _check_values(data, _HEADER_SIZE + 2 * (size + address.PORT_SIZE))
    port_at = _HEADER_SIZE + 2 * size
    port = int.from_bytes(data[port_at : port_at + 2], "big")
    return Header(len(data), address.join(_unmapped(data[_HEADER_SIZE : _HEADER_SIZE + size]), port))


def _check_values(data: bytes, at: int) -> None:
    """Refuse type-length-values that don't end where the header does."""
    while at + _TLV_HEADER_SIZE <= len(data):
        at += _TLV_HEADER_SIZE + (data[at + 1] << 8 | data[at + 2])
    if at != len(data):
        raise Malformed("PROXY header")


def _unmapped(ip: bytes) -> bytes:
    """Return the IPv4 address that a proxy with sockets for both families writes as ::ffff:a.b.c.d."""
    return ip[len(_MAPPED) :] if ip[: len(_MAPPED)] == _MAPPED and len(ip) == address.IPV6_SIZE else ip
