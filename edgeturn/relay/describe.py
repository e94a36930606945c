"""STUN messages as people read them: the debug log's one line of a request and of its answer.

A table of rows: attribute, its name in the RFCs, how its value is shown. No message holds a key or a password.
"""

from edgeturn.protocol import address, stun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

METHODS = {
    stun.BINDING: "Binding",
    stun.ALLOCATE: "Allocate",
    stun.REFRESH: "Refresh",
    stun.CREATE_PERMISSION: "CreatePermission",
    stun.CHANNEL_BIND: "ChannelBind",
    stun.CONNECT: "Connect",
    stun.CONNECTION_BIND: "ConnectionBind",
}
_CLASSES = {stun.REQUEST: "request", stun.SUCCESS: "success", stun.ERROR: "error"}


def printable(name: bytes) -> str:
    """Return a name that a stranger may have chosen as text without spaces and control characters, for one line."""
    shown = "".join([chr(byte) if 0x20 < byte < 0x7F else f"%{byte:02x}" for byte in name[:64]])
    return shown or "-"


def text(value: bytes, transaction: bytes) -> str:
    """Return text that a stranger may have chosen."""
    return printable(value)


def _hexadecimal(value: bytes, transaction: bytes) -> str:
    return "".join([f"{byte:02x}" for byte in value[:32]]) or "yes"


def _hidden(value: bytes, transaction: bytes) -> str:
    return f"{len(value)} bytes"  # whoever has it resumes somebody's session, or logs in


def _number(value: bytes, transaction: bytes) -> str:
    return str(int.from_bytes(value[:8], "big"))


def _first_byte(value: bytes, transaction: bytes) -> str:
    return str(value[0]) if value else "-"


def _channel(value: bytes, transaction: bytes) -> str:
    return "0x" + _hexadecimal(value[:2], transaction)


def error_code(value: bytes, transaction: bytes) -> str:
    """Return the number of ERROR-CODE (RFC 8489 §14.8)."""
    return str(value[2] * 100 + value[3]) if len(value) >= 4 else "-"


def plain_address(value: bytes, transaction: bytes) -> str:
    """Return an address that is written as it is (RFC 8489 §14.1)."""
    return address.format(value[2:]) if len(value) in (8, 20) else "malformed"


def xor_address(value: bytes, transaction: bytes) -> str:
    """Return an address that is XORed (RFC 8489 §14.2)."""
    decoded = stun.decode_xor_address(value, transaction)
    return "malformed" if decoded is None else address.format(decoded)


ATTRIBUTES: "dict[int, tuple[str, Callable[[bytes, bytes], str]]]" = {
    stun.MAPPED_ADDRESS: ("MAPPED-ADDRESS", plain_address),
    stun.USERNAME: ("USERNAME", text),
    stun.MESSAGE_INTEGRITY: ("MESSAGE-INTEGRITY", _hexadecimal),
    stun.ERROR_CODE: ("ERROR-CODE", error_code),
    stun.UNKNOWN_ATTRIBUTES: ("UNKNOWN-ATTRIBUTES", _hexadecimal),
    stun.CHANNEL_NUMBER: ("CHANNEL-NUMBER", _channel),
    stun.LIFETIME: ("LIFETIME", _number),
    stun.XOR_PEER_ADDRESS: ("XOR-PEER-ADDRESS", xor_address),
    stun.REALM: ("REALM", text),
    stun.NONCE: ("NONCE", text),
    stun.XOR_RELAYED_ADDRESS: ("XOR-RELAYED-ADDRESS", xor_address),
    stun.REQUESTED_ADDRESS_FAMILY: ("REQUESTED-ADDRESS-FAMILY", _first_byte),
    stun.EVEN_PORT: ("EVEN-PORT", _first_byte),
    stun.REQUESTED_TRANSPORT: ("REQUESTED-TRANSPORT", _first_byte),
    stun.DONT_FRAGMENT: ("DONT-FRAGMENT", _hexadecimal),
    stun.MESSAGE_INTEGRITY_SHA256: ("MESSAGE-INTEGRITY-SHA256", _hexadecimal),
    stun.PASSWORD_ALGORITHM: ("PASSWORD-ALGORITHM", _hexadecimal),
    stun.USERHASH: ("USERHASH", _hexadecimal),
    stun.XOR_MAPPED_ADDRESS: ("XOR-MAPPED-ADDRESS", xor_address),
    stun.RESERVATION_TOKEN: ("RESERVATION-TOKEN", _hexadecimal),
    stun.CONNECTION_ID: ("CONNECTION-ID", _hexadecimal),
    stun.ADDITIONAL_ADDRESS_FAMILY: ("ADDITIONAL-ADDRESS-FAMILY", _first_byte),
    stun.ADDRESS_ERROR_CODE: ("ADDRESS-ERROR-CODE", error_code),
    stun.PASSWORD_ALGORITHMS: ("PASSWORD-ALGORITHMS", _hexadecimal),
    stun.SOFTWARE: ("SOFTWARE", text),
    stun.ALTERNATE_SERVER: ("ALTERNATE-SERVER", plain_address),
    stun.ALTERNATE_DOMAIN: ("ALTERNATE-DOMAIN", text),
    stun.MOBILITY_TICKET: ("MOBILITY-TICKET", _hidden),
    stun.ACCESS_TOKEN: ("ACCESS-TOKEN", _hidden),
    stun.THIRD_PARTY_AUTHORIZATION: ("THIRD-PARTY-AUTHORIZATION", text),
    stun.FINGERPRINT: ("FINGERPRINT", _hexadecimal),
}


def describe(message: stun.Message) -> str:
    """Return method, class and attributes of a message in the order of the message."""
    words = [METHODS.get(message.method, f"{message.method:#05x}"), _CLASSES.get(message.message_class, "indication")]
    for kind in sorted(message.offsets, key=lambda kind: message.offsets[kind]):
        name, show = ATTRIBUTES.get(kind, (f"{kind:#06x}", _hexadecimal))
        words.append(f"{name}={show(message.attributes[kind], message.transaction)}")
    return " ".join(words)
