"""STUN messages as evidence: read leniently, for what is broken or was redacted tells something too.

Rule 1: what has the cookie and whose attributes fit is a message; integrity and FINGERPRINT aren't checked, since a
        capture of edgeturn has zeros in place of secrets.
Rule 2: text is cut and cleaned of what a terminal would obey.
"""

from dataclasses import dataclass, field

from edgeturn.capture.packets import place
from edgeturn.protocol import stun
from edgeturn.protocol.address import ip_of, port_of

REQUEST, INDICATION, SUCCESS, ERROR = stun.REQUEST, stun.INDICATION, stun.SUCCESS, stun.ERROR
METHODS = {
    stun.BINDING: "Binding",
    stun.ALLOCATE: "Allocate",
    stun.REFRESH: "Refresh",
    stun.SEND: "Send",
    stun.DATA_METHOD: "Data",
    stun.CREATE_PERMISSION: "CreatePermission",
    stun.CHANNEL_BIND: "ChannelBind",
    stun.CONNECT: "Connect",
    stun.CONNECTION_BIND: "ConnectionBind",
    stun.CONNECTION_ATTEMPT: "ConnectionAttempt",
}
PRIORITY, USE_CANDIDATE, ICE_CONTROLLED, ICE_CONTROLLING = 0x0024, 0x0025, 0x8029, 0x802A  # RFC 8445 §16.1
_LONGEST_TEXT = 256
_LONGEST_VALUE = 1024  # bytes of an attribute that are kept, but for DATA


@dataclass
class Message:
    """A message, taken apart."""

    method: str
    kind: int  # REQUEST, INDICATION, SUCCESS, ERROR
    transaction: bytes
    attributes: dict[int, bytes] = field(default_factory=dict)  # the first of each
    peers: tuple[str, ...] = ()

    @property
    def code(self) -> int:
        """Return 200 of a success, the code of an error, 0 of others."""
        if self.kind == SUCCESS:
            return 200
        value = self.attributes.get(stun.ERROR_CODE, b"")
        return (value[2] & 7) * 100 + value[3] if self.kind == ERROR and len(value) >= 4 else 0

    @property
    def reason(self) -> str:
        """Return the phrase that came with an error."""
        return clean(self.attributes.get(stun.ERROR_CODE, b"")[4:])

    @property
    def is_signed(self) -> bool:
        """Say whether a message has an integrity attribute."""
        return stun.MESSAGE_INTEGRITY in self.attributes or stun.MESSAGE_INTEGRITY_SHA256 in self.attributes

    @property
    def is_check(self) -> bool:
        """Say whether it's a connectivity check of ICE (RFC 8445 §7.2.2), not a question to a server."""
        if self.method != "Binding":
            return False
        user = self.attributes.get(stun.USERNAME, b"")
        return PRIORITY in self.attributes or (b":" in user and stun.REALM not in self.attributes)

    def text(self, kind: int) -> str:
        """Return an attribute as text."""
        return clean(self.attributes.get(kind, b""))

    def number(self, kind: int) -> int | None:
        """Return a 32-bit attribute."""
        value = self.attributes.get(kind, b"")
        return int.from_bytes(value, "big") if len(value) == 4 else None

    def place(self, kind: int) -> str:
        """Return the place in an XOR-…-ADDRESS attribute, "" where it isn't there."""
        return _place(self.attributes.get(kind, b""), self.transaction)


def read(data: bytes) -> Message | None:
    """Return the message in a datagram, None where it's no STUN message."""
    if len(data) < stun.HEADER_SIZE or data[0] & 0xC0 or data[4:8] != stun.COOKIE:
        return None
    kind = int.from_bytes(data[:2], "big")
    if int.from_bytes(data[2:4], "big") > len(data) - stun.HEADER_SIZE:
        return None
    method = kind & ~stun.CLASS_MASK
    name = METHODS.get(method, f"method {method:#05x}")
    message = Message(name, kind & stun.CLASS_MASK, data[4 : stun.HEADER_SIZE])
    peers = []
    for attribute, value in _attributes(data):
        message.attributes.setdefault(attribute, value if attribute == stun.DATA else value[:_LONGEST_VALUE])
        if attribute == stun.XOR_PEER_ADDRESS:
            peers.append(_place(value, message.transaction))
    message.peers = tuple(filter(None, peers))
    return message


def _attributes(data: bytes) -> list[tuple[int, bytes]]:
    found = []
    at, end = stun.HEADER_SIZE, stun.HEADER_SIZE + int.from_bytes(data[2:4], "big")
    while at + 4 <= end:
        kind, size = int.from_bytes(data[at : at + 2], "big"), int.from_bytes(data[at + 2 : at + 4], "big")
        if at + 4 + size > end:
            break
        found.append((kind, data[at + 4 : at + 4 + size]))
        at += 4 + (size + 3 & ~3)
    return found


def _place(value: bytes, transaction: bytes) -> str:
    found = stun.decode_xor_address(value, transaction)
    return place(ip_of(found), port_of(found)) if found else ""


def clean(data: bytes) -> str:
    """Return text that is safe to print."""
    text = data[:_LONGEST_TEXT].decode(errors="replace").rstrip("\0")
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
