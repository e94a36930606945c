"""Mobility, RFC 8016: a client that comes from elsewhere resumes its allocation by a ticket.

    Allocate with an empty ticket            the answer has a ticket: this allocation may move
    Refresh with the ticket, from elsewhere  the client arrives: a new ticket, and the old 5-tuple still counts
    Send indication or ChannelData from there, or the old stream is closed: the allocation has moved

    | salt 1 | slot 2 | session 4 | generation 4 |, all three masked | MAC 16 |

Rule 1: a ticket is judged by its MAC alone before anything is looked up, and only in a request whose integrity held.
Rule 2: a ticket counts until the Refresh that it serves is answered; then it serves that Refresh's retransmissions
        only (§3.2.2). They are known by their transaction id.
Rule 3: account, quota and counters follow the allocation; permissions and channels don't change.
Rule 4: an allocation that lost its stream waits at the listener NOWHERE until it is resumed or expires.
"""

from edgeturn.protocol import stun
from edgeturn.protocol.digests import hmac_sha256
from edgeturn.protocol.limits import CHANNEL_FIRST
from edgeturn.protocol.listener import NOWHERE
from edgeturn.seam import same, unpack_pair

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.protocol.pool import Allocation
    from edgeturn.protocol.request import Request
    from edgeturn.protocol.state import State
    from edgeturn.protocol.stun import Attributes

_NAME_SIZE = 2 + 4 + 4
_MAC_AT = 1 + _NAME_SIZE
_MAC_SIZE = 16
TICKET_SIZE = _MAC_AT + _MAC_SIZE
_SEND_INDICATION = stun.SEND | stun.INDICATION


class Tickets:
    """Mints tickets and reads them; the same name always gives the same ticket."""

    def __init__(self, secret: bytes) -> None:
        """Take 64 random bytes of this process."""
        self._secret, self._mask_secret = secret[:32], secret[32:]

    def mint(self, slot: int, session: int, generation: int) -> bytes:
        """Return the ticket of a generation of an allocation, without a byte 0: coturn's client takes it for text."""
        name = slot.to_bytes(2, "big") + _number(session) + _number(generation)
        ticket = b""
        for salt in range(1, 256):  # nine in ten do at once
            mac = self._mac(bytes([salt]) + name)
            ticket = bytes([salt]) + self._mask(name, mac) + mac
            if ticket.find(b"\0") < 0:
                break
        return ticket

    def read(self, ticket: bytes) -> "tuple[int, int, int] | None":
        """Return slot, session and generation; None where the ticket isn't one of ours."""
        if len(ticket) != TICKET_SIZE:
            return None
        mac = ticket[_MAC_AT:]
        name = self._mask(ticket[1:_MAC_AT], mac)
        if not same(self._mac(ticket[:1] + name), mac):
            return None
        return int.from_bytes(name[:2], "big"), int.from_bytes(name[2:6], "big"), int.from_bytes(name[6:], "big")

    def _mac(self, text: bytes) -> bytes:
        return hmac_sha256(self._secret, text)[:_MAC_SIZE]

    def _mask(self, name: bytes, mac: bytes) -> bytes:
        """Mask or unmask a name: how many sessions there were is nobody's business."""
        mask = hmac_sha256(self._mask_secret, mac)[:_NAME_SIZE]
        return (int.from_bytes(name, "big") ^ int.from_bytes(mask, "big")).to_bytes(_NAME_SIZE, "big")


def _number(value: int) -> bytes:
    return (value & 0xFFFFFFFF).to_bytes(4, "big")


def is_wanted(state: "State", message: stun.Message) -> bool:
    """Say whether an Allocate request asks for a ticket; Reject where it may not (§3.1.2)."""
    ticket = message.attributes.get(stun.MOBILITY_TICKET)
    if ticket is None:
        return False
    if ticket:
        raise stun.Reject(400, "Allocate with a ticket that is not empty")
    if not state.limits.mobility:
        raise stun.Reject(405, "mobility is off")
    return True


def granted(state: "State", owner: "Allocation") -> "Attributes":
    """Return the attributes of a success response that say how the allocation may be resumed."""
    if not owner.generation:
        return []
    return [(stun.MOBILITY_TICKET, state.tickets.mint(owner.slot, owner.session, owner.generation))]


def find(state: "State", request: "Request", now: int) -> None:
    """Set a Refresh request's allocation to the one that its ticket names; Reject where that can't be (§3.2.2)."""
    if not state.limits.mobility:
        raise stun.Reject(405, "mobility is off")
    named = state.tickets.read(request.message.attributes[stun.MOBILITY_TICKET])
    if named is None:
        raise stun.Reject(400, "ticket that is not ours")
    owner = state.pool.allocations[named[0]]
    ended = not owner.expires or _number(owner.session) != _number(named[1])
    if ended or state.live_allocation(owner.via, owner.client, now) is None:
        raise stun.Reject(437, "allocation of the ticket has ended")
    if request.allocation not in (None, owner):
        raise stun.Reject(437, "5-tuple has another allocation")
    if not _is_repeated(request, owner, named[2]):
        if named[2] != owner.generation:
            raise stun.Reject(400, "ticket that was replaced")
        if request.allocation is owner:
            raise stun.Reject(400, "ticket from the same 5-tuple")
    request.allocation = owner


def move(state: "State", request: "Request", owner: "Allocation") -> "Attributes":
    """Let the client of a Refresh that brought a ticket arrive; return the attributes that say so."""
    ticket = request.message.attributes.get(stun.MOBILITY_TICKET)
    if ticket is None:
        return []
    if ticket == granted(state, owner)[0][1]:
        owner.generation += 1
        owner.moved_by = request.message.transaction
    here = (request.via, request.source)
    if here != (owner.via, owner.client) and here != owner.arriving:
        forget(state, owner)
        owner.arriving = here
        state.arriving[here] = owner
    if state.listeners[owner.via].transport == NOWHERE:
        _settle(state, owner)
    return granted(state, owner)


def arrive(state: "State", packet: memoryview, size: int, via: int, source: bytes) -> "Allocation | None":
    """Return the allocation that has moved to a 5-tuple, now that a client sends data from there (§3.2.2)."""
    owner = state.arriving.get((via, source))
    if owner is None or size < 4:
        return None
    kind, _ = unpack_pair(packet)
    if kind < CHANNEL_FIRST and kind != _SEND_INDICATION:
        return None
    _settle(state, owner)
    return owner


def leave(state: "State", owner: "Allocation") -> bool:
    """Say whether an allocation outlives its stream: where a client has arrived, or may yet (§3.2.2)."""
    if owner.arriving is not None:
        _settle(state, owner)
        return True
    vias = [via for via, listener in state.listeners.items() if listener.transport == NOWHERE]
    if not owner.generation or not vias or owner.via == vias[0]:
        return False
    other = state.clients[vias[0]].get(owner.client)
    if other is not None:  # from the same address over another listener
        state.end(other)
    _rekey(state, owner, vias[0], owner.client)
    return True


def forget(state: "State", owner: "Allocation") -> None:
    """Forget the 5-tuple at which a client was about to arrive."""
    if owner.arriving is not None:
        del state.arriving[owner.arriving]
        owner.arriving = None


def forget_source(state: "State", via: int, source: bytes) -> None:
    """Forget who was about to arrive at a 5-tuple that is no more."""
    owner = state.arriving.get((via, source))
    if owner is not None:
        forget(state, owner)


def _is_repeated(request: "Request", owner: "Allocation", generation: int) -> bool:
    """Say whether a Refresh is the one again that was answered last: a NAT may meanwhile map it otherwise."""
    last = generation + 1 == owner.generation and request.message.transaction == owner.moved_by
    return last and (request.allocation is owner or owner.arriving is not None)


def _settle(state: "State", owner: "Allocation") -> None:
    assert owner.arriving is not None
    (via, source), former = owner.arriving, owner.client
    forget(state, owner)
    _rekey(state, owner, via, source)
    state.observer.moved(owner, former)


def _rekey(state: "State", owner: "Allocation", via: int, source: bytes) -> None:
    """Give an allocation another 5-tuple; who carries its channels withdraws them from the old one first."""
    for bound in owner.channels.values():
        state.observer.unbound(bound)
    del state.clients[owner.via][owner.client]
    owner.via, owner.client = via, source
    state.clients[via][source] = owner
    for bound in owner.channels.values():
        state.observer.bound(bound)
