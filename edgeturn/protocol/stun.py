"""The STUN codec: one datagram to a Message, one list of attributes to a datagram.

Rule 1: what is not exactly a STUN message is Malformed: bits, length field, attribute lengths, FINGERPRINT
        (RFC 8489 §6.3); one without the cookie is classic (RFC 3489).
Rule 2: the first of duplicated attributes counts (§14); XOR-PEER-ADDRESS is kept every time (RFC 8656 §10.2).
Rule 3: behind MESSAGE-INTEGRITY only MESSAGE-INTEGRITY-SHA256 and FINGERPRINT are read, behind FINGERPRINT
        nothing may stand (§14.5-14.7).
Rule 4: an answer is built in a cleared buffer of its own.

     0                   1                   2                   3
    |0 0|   message type (14)       |   message length (16)         |
    |                    magic cookie 0x2112A442                    |
    |                  transaction id (96 bits)                     |
    |   attribute type (16)         |   length without padding (16) |  value, padded to 4 bytes ...
"""

from struct import pack_into, unpack_from

from edgeturn.protocol.address import IPV4, IPV4_SIZE, IPV6, IPV6_SIZE
from edgeturn.protocol.digests import hmac_sha1, hmac_sha256
from edgeturn.seam import crc32, same

TYPE_CHECKING = False
if TYPE_CHECKING:
    Attributes = list[tuple[int, bytes]]

HEADER_SIZE = 20
ATTRIBUTE_HEADER_SIZE = 4
COOKIE = b"\x21\x12\xa4\x42"

# Classes (§5), as they stand in the message type.
REQUEST = 0x0000
INDICATION = 0x0010
SUCCESS = 0x0100
ERROR = 0x0110
CLASS_MASK = 0x0110

# Methods: RFC 8489 §18.2, RFC 8656 §17.
BINDING = 0x001
ALLOCATE = 0x003
REFRESH = 0x004
SEND = 0x006
DATA_METHOD = 0x007
CREATE_PERMISSION = 0x008
CHANNEL_BIND = 0x009
CONNECT = 0x00A  # RFC 6062 §6.1
CONNECTION_BIND = 0x00B
CONNECTION_ATTEMPT = 0x00C

# Attributes: RFC 8489 §18.3, RFC 8656 §18; RFC 3489 §11.2, 5780 §7, 6062 §6.2, 7635 §6, 8016 §4.1.
MAPPED_ADDRESS = 0x0001
RESPONSE_ADDRESS = 0x0002
CHANGE_REQUEST = 0x0003
SOURCE_ADDRESS = 0x0004
CHANGED_ADDRESS = 0x0005
USERNAME = 0x0006
MESSAGE_INTEGRITY = 0x0008
ERROR_CODE = 0x0009
UNKNOWN_ATTRIBUTES = 0x000A
CHANNEL_NUMBER = 0x000C
LIFETIME = 0x000D
XOR_PEER_ADDRESS = 0x0012
DATA = 0x0013
REALM = 0x0014
NONCE = 0x0015
XOR_RELAYED_ADDRESS = 0x0016
REQUESTED_ADDRESS_FAMILY = 0x0017
EVEN_PORT = 0x0018
REQUESTED_TRANSPORT = 0x0019
DONT_FRAGMENT = 0x001A
ACCESS_TOKEN = 0x001B
MESSAGE_INTEGRITY_SHA256 = 0x001C
PASSWORD_ALGORITHM = 0x001D
USERHASH = 0x001E
XOR_MAPPED_ADDRESS = 0x0020
RESERVATION_TOKEN = 0x0022
PADDING = 0x0026
RESPONSE_PORT = 0x0027
CONNECTION_ID = 0x002A
ADDITIONAL_ADDRESS_FAMILY = 0x8000
ADDRESS_ERROR_CODE = 0x8001
PASSWORD_ALGORITHMS = 0x8002
ALTERNATE_DOMAIN = 0x8003
ICMP = 0x8004
SOFTWARE = 0x8022
ALTERNATE_SERVER = 0x8023
FINGERPRINT = 0x8028
RESPONSE_ORIGIN = 0x802B
OTHER_ADDRESS = 0x802C
THIRD_PARTY_AUTHORIZATION = 0x802E
MOBILITY_TICKET = 0x8030

COMPREHENSION_OPTIONAL = 0x8000

# What this server understands of the comprehension-required range; the rest is answered by 420 (§6.3.1).
KNOWN = (
    MAPPED_ADDRESS,
    USERNAME,
    MESSAGE_INTEGRITY,
    ERROR_CODE,
    UNKNOWN_ATTRIBUTES,
    CHANNEL_NUMBER,
    LIFETIME,
    XOR_PEER_ADDRESS,
    DATA,
    REALM,
    NONCE,
    XOR_RELAYED_ADDRESS,
    REQUESTED_ADDRESS_FAMILY,
    EVEN_PORT,
    REQUESTED_TRANSPORT,
    DONT_FRAGMENT,
    ACCESS_TOKEN,
    MESSAGE_INTEGRITY_SHA256,
    PASSWORD_ALGORITHM,
    USERHASH,
    XOR_MAPPED_ADDRESS,
    RESERVATION_TOKEN,
    CONNECTION_ID,
)

FINGERPRINT_MASK = 0x5354554E
_FINGERPRINT_SIZE = 8
_PORT_MASK = COOKIE[:2]
_MOST_UNKNOWN = 64  # that an answer lists, so that it never takes more than ANSWER_ROOM

# What is still read once an integrity or the fingerprint attribute was seen (§14.5-14.7).
_AFTER_INTEGRITY = (MESSAGE_INTEGRITY_SHA256, FINGERPRINT)
_AFTER_SHA256 = (FINGERPRINT,)

# The integrity attributes: type, size of the value, keyed hash. At most one row signs an answer.
INTEGRITY_SIZES = {MESSAGE_INTEGRITY: 20, MESSAGE_INTEGRITY_SHA256: 32}
INTEGRITY_HASHES = {MESSAGE_INTEGRITY: hmac_sha1, MESSAGE_INTEGRITY_SHA256: hmac_sha256}


class Malformed(Exception):
    """A datagram that is dropped without a word."""


class Reject(Exception):
    """A request that is answered by an error: the code, and further attributes as (type, value)."""

    def __init__(self, code: int, detail: str = "", attributes: "Attributes | None" = None, peer: bytes = b"") -> None:
        """Take the code, what the log says of it, the attributes that go with it, and a refused peer's IP address."""
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.attributes = attributes or []
        self.peer = peer


def unknown_attributes(kinds: "list[int]") -> Reject:
    """Return the refusal of a request with attributes that aren't understood (§6.3.1); of very many, with the first."""
    listed = b"".join([kind.to_bytes(2, "big") for kind in kinds[:_MOST_UNKNOWN]])
    return Reject(420, "unknown attributes", [(UNKNOWN_ATTRIBUTES, listed)])


class Message:
    """A parsed message; attribute values are bytes of their own, never views of a buffer that will be used again."""

    def __init__(self, data: bytes) -> None:
        """Parse a whole datagram; Malformed where it is no STUN message."""
        self.data = data
        self.kind = _check_header(data)
        self.method = self.kind & ~CLASS_MASK
        self.message_class = self.kind & CLASS_MASK
        self.classic = data[4:8] != COOKIE  # RFC 3489 had 16 bytes of transaction id and no cookie
        self.transaction = data[4:HEADER_SIZE]
        self.attributes: dict[int, bytes] = {}
        self.offsets: dict[int, int] = {}
        self.peers: list[bytes] = []
        self.unknown: list[int] = []
        self._read_attributes()
        if FINGERPRINT in self.offsets:
            self._check_fingerprint()

    def get(self, kind: int, size: int = -1) -> "bytes | None":
        """Return an attribute's value or None; Reject 400 where its size isn't the one given."""
        value = self.attributes.get(kind)
        if value is not None and size >= 0 and len(value) != size:
            raise Reject(400, "attribute of a wrong size")
        return value

    def integrity_holds(self, kind: int, key: bytes) -> bool:
        """Say whether an integrity attribute of the message was made with a key, in constant time (§14.5, §14.6)."""
        offset = self.offsets[kind]
        expected = _keyed_hash(kind, key, self.data[:offset])
        return same(expected, self.attributes[kind])

    def _read_attributes(self) -> None:
        data, end = self.data, len(self.data)
        offset = HEADER_SIZE
        readable: tuple[int, ...] | None = None
        while offset < end:
            if FINGERPRINT in self.offsets or offset + ATTRIBUTE_HEADER_SIZE > end:
                raise Malformed("attributes")
            kind, size = unpack_from("!HH", data, offset)
            value_at = offset + ATTRIBUTE_HEADER_SIZE
            if value_at + size > end:
                raise Malformed("attribute length")
            if readable is None or kind in readable:
                self._keep(kind, offset, data[value_at : value_at + size])
                readable = _readable_after(kind, readable)
            offset = value_at + (size + 3 & ~3)

    def _keep(self, kind: int, offset: int, value: bytes) -> None:
        if kind < COMPREHENSION_OPTIONAL and kind not in KNOWN:
            self.unknown.append(kind)
        if kind == XOR_PEER_ADDRESS:
            self.peers.append(value)
        if kind not in self.attributes:
            self.attributes[kind] = value
            self.offsets[kind] = offset

    def _check_fingerprint(self) -> None:
        value = self.attributes[FINGERPRINT]
        expected = crc32(self.data[: self.offsets[FINGERPRINT]]) ^ FINGERPRINT_MASK
        if len(value) != 4 or int.from_bytes(value, "big") != expected:
            raise Malformed("fingerprint")


def _check_header(data: bytes) -> int:
    if len(data) < HEADER_SIZE:
        raise Malformed("short")
    kind, length = unpack_from("!HH", data)
    if kind & 0xC000 or length & 3 or length != len(data) - HEADER_SIZE:
        raise Malformed("header")
    return int(kind)


def _readable_after(kind: int, before: "tuple[int, ...] | None") -> "tuple[int, ...] | None":
    if kind == MESSAGE_INTEGRITY:
        return _AFTER_INTEGRITY
    if kind == MESSAGE_INTEGRITY_SHA256:
        return _AFTER_SHA256
    return before


def _keyed_hash(kind: int, key: bytes, text: bytes) -> bytes:
    """Return the HMAC over a message up to an integrity attribute, its length field set as if that were the end."""
    size = INTEGRITY_SIZES[kind]
    length = len(text) - HEADER_SIZE + ATTRIBUTE_HEADER_SIZE + size
    return INTEGRITY_HASHES[kind](key, text[:2] + length.to_bytes(2, "big") + text[4:])


def encode(
    kind: int,
    transaction: bytes,
    attributes: "Attributes",
    integrity: int = 0,
    key: bytes = b"",
    fingerprint: bool = False,
) -> bytes:
    """Return a datagram.

    transaction: 16 bytes, cookie and transaction id.
    integrity: 0, MESSAGE_INTEGRITY or MESSAGE_INTEGRITY_SHA256, made with key.
    """
    message = _unsigned(kind, transaction, attributes)
    if integrity:
        message = _append(message, integrity, _keyed_hash(integrity, key, message))
    if fingerprint:
        checked = _with_length(message, len(message) - HEADER_SIZE + _FINGERPRINT_SIZE)
        value = (crc32(checked) ^ FINGERPRINT_MASK).to_bytes(4, "big")
        message = _append(message, FINGERPRINT, value)
    return message


def _unsigned(kind: int, transaction: bytes, attributes: "Attributes") -> bytes:
    size = HEADER_SIZE + sum([ATTRIBUTE_HEADER_SIZE + (len(value) + 3 & ~3) for _, value in attributes])
    data = bytearray(size)
    pack_into("!HH", data, 0, kind, size - HEADER_SIZE)
    data[4:HEADER_SIZE] = transaction
    offset = HEADER_SIZE
    for attribute, value in attributes:
        pack_into("!HH", data, offset, attribute, len(value))
        offset += ATTRIBUTE_HEADER_SIZE
        data[offset : offset + len(value)] = value
        offset += len(value) + 3 & ~3
    return bytes(data)


def _append(message: bytes, kind: int, value: bytes) -> bytes:
    length = len(message) - HEADER_SIZE + ATTRIBUTE_HEADER_SIZE + len(value)
    return _with_length(message, length) + kind.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value


def _with_length(message: bytes, length: int) -> bytes:
    return message[:2] + length.to_bytes(2, "big") + message[4:]


def xor_address(address: bytes, transaction: bytes) -> bytes:
    """Mask or unmask port||ip; the mask is the cookie, for IPv6 followed by the transaction id (§14.2)."""
    size = len(address)
    mask = _PORT_MASK + transaction[: size - 2]
    return (int.from_bytes(address, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")


def encode_address(address: bytes) -> bytes:
    """Return the value of MAPPED-ADDRESS for port||ip (§14.1)."""
    return bytes([0, IPV4 if len(address) == 2 + IPV4_SIZE else IPV6]) + address


def encode_xor_address(address: bytes, transaction: bytes) -> bytes:
    """Return the value of an XOR-…-ADDRESS attribute for port||ip (§14.2)."""
    return encode_address(xor_address(address, transaction))


def decode_xor_address(value: bytes, transaction: bytes) -> "bytes | None":
    """Return the port||ip of an XOR-…-ADDRESS attribute, None where family and size don't fit."""
    if len(value) < 4 or (value[1], len(value) - 4) not in ((IPV4, IPV4_SIZE), (IPV6, IPV6_SIZE)):
        return None
    return xor_address(value[2:], transaction)


def encode_error(code: int, leading: int = 0) -> bytes:
    """Return the value of ERROR-CODE, or with a family in front that of ADDRESS-ERROR-CODE (RFC 8656 §18.12).

    The reason phrase stays empty: it serves nobody and would make the answer to a stranger longer.
    """
    return bytes([leading, 0, code // 100, code % 100])
