"""Discovery by anycast (RFC 8155 §6): who asks at a well-known address is told the address to use (300).

Rule 1: at an anycast address nothing is allocated: its packets may come to another server from one day to the next.
Rule 2: of our listeners by the same transport the one is named whose address is nearest to the client's: on a router
        that is the address on the client's side.
"""

from edgeturn.protocol import stun
from edgeturn.protocol.address import ip_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.protocol.request import Request
    from edgeturn.protocol.state import State

# 192.0.0.10 and 2001:1::2; the IANA special-purpose address registries name them for this.
ADDRESSES = (b"\xc0\x00\x00\x0a", b"\x20\x01\x00\x01" + bytes(11) + b"\x02")


def redirect(state: "State", request: "Request") -> None:
    """Reject 300 with the address to use, where a request came to an anycast address."""
    listener = state.listeners[request.via]
    if ip_of(listener.place) not in ADDRESSES:
        return
    places = [
        other.place
        for other in state.listeners.values()
        if other.transport == listener.transport
        and len(other.place) == len(listener.place)
        and ip_of(other.place) not in ADDRESSES
    ]
    if not places:
        raise stun.Reject(508, "asked at the anycast address, and there is no other")
    nearest = max(places, key=lambda place: _common_bits(ip_of(place), ip_of(request.source)))
    raise stun.Reject(300, "asked at the anycast address", [(stun.ALTERNATE_SERVER, stun.encode_address(nearest))])


def _common_bits(left: bytes, right: bytes) -> int:
    """Return how many bits two IP addresses of one family have in common from the front."""
    if len(left) != len(right):
        return 0
    different = int.from_bytes(left, "big") ^ int.from_bytes(right, "big")
    bits = 8 * len(left)
    while different:
        different >>= 1
        bits -= 1
    return bits
