"""Binding (RFC 8489 §12), and how clients learn by it what NAT they are behind (RFC 5780, RFC 3489).

    place     A1:P1  A1:P2    the four UDP sockets of discovery; `others` has for each of them the one
              A2:P1  A2:P2    whose address and port both differ

Rule 1: a response goes to the address that the request came from: RESPONSE-ADDRESS of RFC 3489 stays unknown (420),
        and RESPONSE-PORT changes the port only.
Rule 2: PADDING is answered as far as the response grows no larger than the request; RFC 5780 §7.6 wants an MTU.
Rule 3: without discovery, and over anything but UDP, these attributes are unknown; CHANGE-REQUEST is too where there's
        no second address (RFC 5780 §6.1).
"""

from edgeturn.protocol import stun
from edgeturn.protocol.address import ip_of
from edgeturn.protocol.listener import UDP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.protocol.request import Request
    from edgeturn.protocol.state import State
    from edgeturn.protocol.stun import Attributes

_CHANGE_IP, _CHANGE_PORT = 0x04, 0x02  # RFC 5780 §7.2, flags in the last byte
_UNDERSTOOD = (stun.CHANGE_REQUEST, stun.RESPONSE_PORT, stun.PADDING)
_FINGERPRINT_SIZE = 8


class Discovery:
    """Whether behaviour discovery is served, and by which sockets."""

    def __init__(self, is_on: bool, others: "dict[bytes, bytes]") -> None:
        """Take whether it's served, and for each place, port||ip, the one of which both differ."""
        self.is_on = is_on
        self.others = others


def binding(state: "State", request: "Request") -> "tuple[int, bytes, Attributes]":
    """Return by which listener, where to and with what a Binding request is answered; Reject where it isn't."""
    message = request.message
    place = state.listeners[request.via].place
    if not state.discovery.is_on or not place:
        _check_unknown(message, ())
        return request.via, request.source, [_mapped(request)]
    if state.listeners[request.via].transport != UDP:
        _check_unknown(message, ())
        return request.via, request.source, _told(state, request, place, b"")
    other = state.discovery.others.get(place, b"")
    _check_unknown(message, _UNDERSTOOD if other else _UNDERSTOOD[1:])
    sent_from = _changed(message, place, other)
    attributes = _told(state, request, sent_from, other)
    if stun.PADDING in message.attributes:
        attributes = _padded(message, attributes)
    return _via(state, request, sent_from), _destination(request), attributes


def _check_unknown(message: stun.Message, understood: "tuple[int, ...]") -> None:
    unknown = [kind for kind in message.unknown if kind not in understood]
    if unknown:
        raise stun.unknown_attributes(unknown)


def _mapped(request: "Request") -> "tuple[int, bytes]":
    if request.message.classic:
        return stun.MAPPED_ADDRESS, stun.encode_address(request.source)
    return stun.XOR_MAPPED_ADDRESS, stun.encode_xor_address(request.source, request.message.transaction)


def _told(state: "State", request: "Request", sent_from: bytes, other: bytes) -> "Attributes":
    """Return the attributes of a response (RFC 5780 §6.1; RFC 3489 §8.1, under the old names)."""
    origin = stun.encode_address(state.announced_place(sent_from))
    classic = request.message.classic
    attributes = [_mapped(request)]
    if not classic:
        attributes.append((stun.MAPPED_ADDRESS, stun.encode_address(request.source)))
    attributes.append((stun.SOURCE_ADDRESS if classic else stun.RESPONSE_ORIGIN, origin))
    if other:
        value = stun.encode_address(state.announced_place(other))
        attributes.append((stun.CHANGED_ADDRESS if classic else stun.OTHER_ADDRESS, value))
    return attributes


def _changed(message: stun.Message, place: bytes, other: bytes) -> bytes:
    """Return the port||ip that a response is sent from (RFC 5780 §6.1, table 1)."""
    value = message.get(stun.CHANGE_REQUEST, 4)
    flags = value[3] if value else 0
    port = other[:2] if flags & _CHANGE_PORT else place[:2]
    return port + ip_of(other if flags & _CHANGE_IP else place)


def _via(state: "State", request: "Request", sent_from: bytes) -> int:
    """Return the UDP listener at a place; Reject where its socket isn't open."""
    if sent_from == state.listeners[request.via].place:
        return request.via
    for via, listener in state.listeners.items():
        if listener.place == sent_from and listener.transport == UDP:
            return via
    raise stun.unknown_attributes([stun.CHANGE_REQUEST])


def _destination(request: "Request") -> bytes:
    """Return where a response is sent to (RFC 5780 §7.5); the port may come with its padding or without."""
    port = request.message.attributes.get(stun.RESPONSE_PORT)
    if port is None:
        return request.source
    if len(port) not in (2, 4) or port[:2] == b"\0\0" or stun.PADDING in request.message.attributes:
        raise stun.Reject(400, "RESPONSE-PORT of a wrong size or beside PADDING")
    return port[:2] + ip_of(request.source)


def _padded(message: stun.Message, attributes: "Attributes") -> "Attributes":
    """Return attributes with PADDING, so long that the response is as long as the request at most."""
    size = stun.HEADER_SIZE + sum([4 + (len(value) + 3 & ~3) for _, value in attributes]) + 4
    if stun.FINGERPRINT in message.attributes:
        size += _FINGERPRINT_SIZE
    room = min(len(message.data) - size, len(message.attributes[stun.PADDING]) + 3 & ~3)
    return attributes + [(stun.PADDING, bytes(room))] if room >= 0 else attributes
