"""What a tap shows, as people read it: method, answer, the attributes that matter, and why.

A table of rows: attribute, its label, how its value is shown. What every message has, or what is redacted, has no row.
A mapped address is left out where it is the client's own as the relay sees it, and a user whose session is known.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edgeturn.protocol import stun
from edgeturn.relay.describe import METHODS, error_code, plain_address, text, xor_address

_METHODS = METHODS | {stun.SEND: "Send", stun.DATA_METHOD: "Data", stun.CONNECTION_ATTEMPT: "ConnectionAttempt"}
OK, DROPPED = "ok", "dropped"
_CHALLENGE, _STALE = 401, 438
_PROTOCOLS = {6: "tcp", 17: "udp"}
_FAMILIES = {1: "IPv4", 2: "IPv6"}

# Why nothing answered, by the relay's own word for it.
_SILENCE = {
    "header": "no STUN message",
    "short": "no STUN message: too short",
    "attributes": "malformed: an attribute is cut off",
    "attribute length": "malformed: an attribute is longer than the message",
    "fingerprint": "malformed: its FINGERPRINT is wrong",
    "response": "a response, which nobody asked for",
    "method": "a method that this relay doesn't have",
    "over budget": "too many without a login from there (unauthenticated_rate)",
    "indication": "an indication without an allocation, or without peer and data",
    "permission": "no permission: never asked, refused, or lapsed",
    "channel": "on a channel that isn't bound now",
    "bandwidth": "the bandwidth of the user, the allocation or the relay is used up",
    "size": "longer than a message may be",
    "icmp": "an ICMP error that isn't passed on",
    "draining": "the relay is draining",
}
# What codes say that come without a word of the relay (Reject.detail).
_WORDLESS = {
    _CHALLENGE: "challenge, as in every login",
    _STALE: "nonce too old, a new one is with it",
}


@dataclass(frozen=True)
class Words:
    """A message in words; outcome: "" of a request or indication, OK, DROPPED, or the error code."""

    method: str
    outcome: str
    details: tuple[str, ...] = ()
    why: str = ""

    @property
    def is_refusal(self) -> bool:
        """Say whether an answer is an error that isn't part of every login."""
        return self.outcome not in ("", OK) and not self.is_challenge

    @property
    def is_challenge(self) -> bool:
        """Say whether an answer is one that every login may get."""
        return self.outcome in (str(_CHALLENGE), str(_STALE)) and self.why in _WORDLESS.values()


def words(document: dict[str, Any]) -> Words:
    """Return a tap's message in words."""
    data = bytes.fromhex(document["message"])
    dropped = str(document.get("dropped", ""))
    why = _SILENCE.get(dropped, dropped)
    try:
        message = stun.Message(data)
    except stun.Malformed:
        return Words(f"{len(data)} bytes", DROPPED if dropped else "", (), why)
    method = _METHODS.get(message.method, f"method {message.method:#05x}")
    details = tuple(each for each in _details(message) if not _is_known(document, each))
    return Words(method, DROPPED if dropped else outcome(message), details, why or _why(document, message))


def silence(reason: str) -> str:
    """Return why something was dropped, as people say it."""
    return _SILENCE.get(reason, reason)


def outcome(message: stun.Message) -> str:
    """Return "" of what is no answer, OK, or the error code."""
    if message.message_class == stun.SUCCESS:
        return OK
    value = message.attributes.get(stun.ERROR_CODE, b"")
    if message.message_class != stun.ERROR or len(value) < 4:
        return ""
    return str(value[2] * 100 + value[3])


def _why(document: dict[str, Any], message: stun.Message) -> str:
    why = str(document.get("why", ""))
    code = outcome(message)
    return why or (_WORDLESS.get(int(code), "") if code.isdigit() else "")


def _is_known(document: dict[str, Any], detail: str) -> bool:
    """Say whether a detail says no more than the rest of the line, or the login before it."""
    is_later = document["session"] and document["message"][:4] != f"{stun.ALLOCATE:04x}"
    return detail == f"mapped {document['client']}" or bool(is_later and detail.startswith("user "))


def _details(message: stun.Message) -> tuple[str, ...]:
    found: list[str] = []
    for kind, label, show in _ROWS:
        values = message.peers if kind == stun.XOR_PEER_ADDRESS else [message.attributes.get(kind)]
        for value in values:
            found += [] if value is None else [label + show(value, message.transaction)]
    return tuple(found)


def _seconds(value: bytes, transaction: bytes) -> str:
    return f"{int.from_bytes(value[:4], 'big')} s"


def _channel(value: bytes, transaction: bytes) -> str:
    return "0x" + value[:2].hex()


def _bytes(value: bytes, transaction: bytes) -> str:
    return f"{len(value)} bytes"


def _hexadecimal(value: bytes, transaction: bytes) -> str:
    return value[:16].hex()


def _nothing(value: bytes, transaction: bytes) -> str:
    return ""


def _named(names: dict[int, str]) -> Callable[[bytes, bytes], str]:
    return lambda value, transaction: names.get(value[0], str(value[0])) if value else "-"


_ROWS: tuple[tuple[int, str, Callable[[bytes, bytes], str]], ...] = (
    (stun.XOR_RELAYED_ADDRESS, "relayed ", xor_address),
    (stun.XOR_MAPPED_ADDRESS, "mapped ", xor_address),
    (stun.MAPPED_ADDRESS, "mapped ", plain_address),
    (stun.CHANNEL_NUMBER, "", _channel),
    (stun.XOR_PEER_ADDRESS, "peer ", xor_address),
    (stun.DATA, "", _bytes),
    (stun.ICMP, "ICMP ", _hexadecimal),
    (stun.LIFETIME, "", _seconds),
    (stun.REQUESTED_TRANSPORT, "for ", _named(_PROTOCOLS)),
    (stun.REQUESTED_ADDRESS_FAMILY, "", _named(_FAMILIES)),
    (stun.ADDITIONAL_ADDRESS_FAMILY, "and ", _named(_FAMILIES)),
    (stun.ADDRESS_ERROR_CODE, "the other family: ", error_code),
    (stun.ALTERNATE_SERVER, "go to ", plain_address),
    (stun.ALTERNATE_DOMAIN, "of ", text),
    (stun.CONNECTION_ID, "connection ", _hexadecimal),
    (stun.MOBILITY_TICKET, "mobile", _nothing),
    (stun.EVEN_PORT, "even port", _nothing),
    (stun.DONT_FRAGMENT, "don't fragment", _nothing),
    (stun.CHANGE_REQUEST, "change ", _hexadecimal),
    (stun.RESPONSE_PORT, "to port ", lambda value, _: str(int.from_bytes(value[:2], "big"))),
    (stun.UNKNOWN_ATTRIBUTES, "unknown ", _hexadecimal),
    (stun.SOFTWARE, "software ", text),
    (stun.USERNAME, "user ", text),
)
