"""ALTERNATE-SERVER (RFC 8489 §10): who can't be served here is told where else to ask.

Rule 1: only an Allocate that would be refused by 508 is redirected: while draining, and where a pool is full. Whoever
        has an allocation is served here to its end.
Rule 2: first comes an alternate of the client's family, then one of the other family; they take turns.
Rule 3: no loop, whatever the alternates answer: we never name a place of our own, and in five minutes, which is how
        long clients have to remember redirections (§10), a user at an address is redirected at most REDIRECTIONS
        times; then it's 508. They are counted in a table of fixed size; who shares a counter is refused sooner.
"""

from edgeturn.protocol import stun
from edgeturn.protocol.address import ip_of
from edgeturn.protocol.digests import hmac_sha256
from edgeturn.protocol.listener import DTLS, TLS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.protocol.request import Request
    from edgeturn.protocol.state import State

REDIRECTIONS = 12  # a browser asks once for each of its addresses and each transport
WINDOW = 300  # seconds, RFC 8489 §10
_COUNTERS = 2048


class Alternates:
    """The servers that clients are sent to."""

    def __init__(self, places: "list[bytes]", domain: bytes, secret: bytes) -> None:
        """Take their port||ip, the name in their certificate or b"", and random bytes that place counters."""
        self._places = places
        self._domain = domain
        self._secret = secret
        self._turns = self._window = 0
        self._counts = bytearray(_COUNTERS if places else 0)

    def choose(self, source: bytes, own: "list[bytes]") -> "list[bytes]":
        """Return a place for the client at port||ip, and one of the other family; none where none fits."""
        self._turns += 1
        chosen: list[bytes] = []
        others = [each for each in self._places if each not in own]
        for same_family in (True, False):
            fitting = [each for each in others if (len(each) == len(source)) == same_family]
            if not fitting and same_family:
                return []  # the first one has to be of the client's family
            if fitting:
                chosen.append(fitting[self._turns % len(fitting)])
        return chosen

    def domain(self, transport: str) -> "stun.Attributes":
        """Return the attributes that name the alternates' certificate, which matters over TLS only."""
        if not self._domain or transport not in (TLS, DTLS):
            return []
        return [(stun.ALTERNATE_DOMAIN, self._domain)]

    def admits(self, account: bytes, source: bytes, now: int) -> bool:
        """Count a redirection of a user at port||ip; say whether that is one more that may be."""
        if not self._counts:
            return False
        if now // WINDOW != self._window:
            self._window = now // WINDOW
            self._counts[:] = bytes(_COUNTERS)
        at = int.from_bytes(hmac_sha256(self._secret, ip_of(source) + account)[:4], "big") % _COUNTERS
        if self._counts[at] >= REDIRECTIONS:
            return False
        self._counts[at] += 1
        return True


def instead(state: "State", request: "Request", reject: stun.Reject, now: int) -> stun.Reject:
    """Return what a request is refused by: a redirection where a fresh Allocate finds no room."""
    if reject.code != 508 or request.message.method != stun.ALLOCATE or request.identity is None:
        return reject
    if stun.RESERVATION_TOKEN in request.message.attributes:
        return reject  # what is reserved is here or nowhere
    places = state.alternates.choose(request.source, _own(state))
    if not places or not state.alternates.admits(request.identity.account, request.source, now):
        return reject
    attributes = [(stun.ALTERNATE_SERVER, stun.encode_address(place)) for place in places]
    attributes += state.alternates.domain(state.listeners[request.via].transport)
    return stun.Reject(300, reject.detail, attributes)


def _own(state: "State") -> "list[bytes]":
    """Return the places at which clients reach us, by our own addresses and by those that a NAT in front has."""
    places = [listener.place for listener in state.listeners.values() if listener.place]
    return places + [state.announced_place(place) for place in places]
