"""What a tap shows, made here: messages as the relay's own codec writes and redacts them, and events."""

from typing import Any

from edgeturn.protocol import address, stun
from edgeturn.relay.redaction import redacted

Document = dict[str, Any]

SERVER, SERVER6 = "198.51.100.1:3478", "[2001:db8::1]:3478"
CLIENT, CLIENT6 = "192.0.2.7:50001", "[2001:db8::7]:50001"
RELAYED = "198.51.100.1:60000"
NOON = 1_795_348_800_000_000  # microseconds
TRANSACTION = stun.COOKIE + b"transaction1"
KEY = b"0123456789abcdef"
NONCE = b"a nonce that is somebody's"

CHALLENGE = [(stun.ERROR_CODE, stun.encode_error(401)), (stun.REALM, b"example.org"), (stun.NONCE, NONCE)]
LOGIN = [(stun.USERNAME, b"alice"), (stun.REALM, b"example.org"), (stun.NONCE, NONCE)]
WANT_UDP = (stun.REQUESTED_TRANSPORT, b"\x11\0\0\0")


def place(kind: int, text: str) -> tuple[int, bytes]:
    """Return an attribute with an address."""
    return kind, stun.encode_xor_address(address.parse(text), TRANSACTION)


def encode(kind: int, rows: list[tuple[int, bytes]], signed: bool = False) -> bytes:
    """Return a message with a fingerprint."""
    return stun.encode(kind, TRANSACTION, rows, stun.MESSAGE_INTEGRITY if signed else 0, KEY if signed else b"", True)


def message(kind: int, rows: list[tuple[int, bytes]], signed: bool = False, **more: object) -> Document:
    """Return a message of a tap; by default of alice's first session, over UDP and IPv4."""
    is_answer = kind & stun.CLASS_MASK in (stun.SUCCESS, stun.ERROR)
    found: Document = {
        "event": "message",
        "at_us": NOON,
        "direction": "out" if is_answer else "in",
        "transport": "udp",
        "client": CLIENT,
        "server": SERVER,
        "message": redacted(encode(kind, rows, signed)).hex(),
        "user": "alice" if signed else None,
        "session": 1 if signed else None,
    } | more
    return found | {"at_ms": found["at_us"] // 1000}


def event(what: str, **more: object) -> Document:
    """Return an event of alice's first session."""
    known = {"at_us": NOON, "at_ms": NOON // 1000, "client": CLIENT, "user": "alice", "session": 1}
    return {"event": what, "relayed": RELAYED, "peer": "", "channel": 0, "lifetime": 0} | known | more


def login(**more: Any) -> list[Document]:
    """Return the messages and events of a login."""
    allocated = [place(stun.XOR_RELAYED_ADDRESS, RELAYED), place(stun.XOR_MAPPED_ADDRESS, CLIENT)]
    first: Document = {"user": None, "session": None} | more
    return [
        message(stun.ALLOCATE, [WANT_UDP], **first),
        message(stun.ALLOCATE | stun.ERROR, CHALLENGE, **first),
        message(stun.ALLOCATE, [WANT_UDP, *LOGIN], True, **more),
        event("allocated", lifetime=600, **{name: more[name] for name in ("client",) if name in more}),
        message(stun.ALLOCATE | stun.SUCCESS, [*allocated, (stun.LIFETIME, b"\0\0\2\x58")], True, **more),
    ]
