"""Allocate and Refresh (RFC 8656 §7.2, §8.2).

Rule 1: the checks stand in the RFC's order; the first that fails is the answer.
Rule 2: a retransmission is known by its transaction id and gets the same answer from the state (§7.2, last note).
Rule 3: what is granted is there: a relay in the pool has an open socket.
Rule 4: a reservation holds a relay, a place in the pool and one of its user's quota.
"""

from edgeturn.protocol import anycast, connection, mobility, stun
from edgeturn.protocol.address import IPV4, IPV6, ip_of, join, port_of
from edgeturn.protocol.limits import RESERVATION_LIFETIME
from edgeturn.protocol.pool import FAMILIES, Account, Allocation, Relay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.protocol.request import Request
    from edgeturn.protocol.state import State
    from edgeturn.protocol.stun import Attributes

SOFTWARE = (stun.SOFTWARE, b"edgeturn")
_UDP, _TCP = 17, 6
_RESERVE_NEXT = 0x80  # EVEN-PORT, the R bit (§18.7)
_TOKEN_SIZE = 8


class _Wish:
    """What an Allocate request asks for, checked as far as the request alone allows."""

    def __init__(self, message: stun.Message) -> None:
        transport = message.get(stun.REQUESTED_TRANSPORT, 4)
        if transport is None:
            raise stun.Reject(400, "no REQUESTED-TRANSPORT")
        if transport[0] not in (_UDP, _TCP):
            raise stun.Reject(442, "transport protocol " + str(transport[0]))
        self.tcp = transport[0] == _TCP
        self.mobile = False
        self.token = message.get(stun.RESERVATION_TOKEN, _TOKEN_SIZE)
        even_port = message.get(stun.EVEN_PORT, 1)
        self.even = even_port is not None
        self.reserve = even_port is not None and bool(even_port[0] & _RESERVE_NEXT)
        family = message.get(stun.REQUESTED_ADDRESS_FAMILY, 4)
        self.family = IPV4 if family is None else family[0]
        additional = message.get(stun.ADDITIONAL_ADDRESS_FAMILY, 4)
        self.dual = additional is not None
        self.lifetime = _lifetime(message)
        self._check_combinations(family, additional)

    def _check_combinations(self, family: "bytes | None", additional: "bytes | None") -> None:
        if self.token is not None and (self.even or family is not None or self.dual):
            raise stun.Reject(400, "RESERVATION-TOKEN beside a wish for another address")
        if family is not None and self.dual:
            raise stun.Reject(400, "REQUESTED-ADDRESS-FAMILY beside ADDITIONAL-ADDRESS-FAMILY")
        if self.reserve and self.dual:
            raise stun.Reject(400, "EVEN-PORT with a reservation beside ADDITIONAL-ADDRESS-FAMILY")
        if additional is not None and additional[0] != IPV6:
            raise stun.Reject(400, "ADDITIONAL-ADDRESS-FAMILY that is not IPv6")


def allocate(state: "State", request: "Request", now: int) -> "Attributes":
    """Create an allocation; return the attributes of the success response."""
    if request.allocation is not None:
        return _repeat(state, request, now)
    if state.peers.is_tunnelled(ip_of(request.source)):
        raise stun.Reject(403, "client behind a 6to4 or Teredo tunnel")
    anycast.redirect(state, request)
    wish = _wish(state, request)
    relays, missing = _choose(state, wish, now)
    account = _admit(state, request, wish, relays[0], now)
    owner = _create(state, request, account, now)
    owner.missing = missing
    owner.generation = int(wish.mobile)
    neighbour = state.pool.neighbour(relays[0], 1) if wish.reserve else None
    expires = now + _longest(state, request, wish.lifetime, now)
    for relay in relays:
        _hand_over(state, relay, owner, expires)
    if wish.reserve:
        owner.token = _reserve(state, neighbour, account, now)
    for relay in relays:
        relay.tcp = wish.tcp
        state.observer.allocated(relay)
    return _granted(state, request, owner, now)


def refresh(state: "State", request: "Request", now: int) -> "Attributes":
    """Set anew the time that an allocation has, or end it; return the attributes of the success response."""
    owner = request.allocation
    assert owner is not None
    family = request.message.get(stun.REQUESTED_ADDRESS_FAMILY, 4)
    relays = [relay for relay in owner.relays if relay and (family is None or relay.family == family[0])]
    if not relays:
        raise stun.Reject(443, "no relayed address of that family")
    wanted = _lifetime(request.message)
    lifetime = 0 if wanted == 0 else _longest(state, request, wanted, now)
    for relay in relays:
        if lifetime:
            _extend(state, relay, now + lifetime)
        else:
            state.release(relay)
    moved = mobility.move(state, request, owner) if lifetime else []
    return [(stun.LIFETIME, lifetime.to_bytes(4, "big"))] + moved + [SOFTWARE]


def _wish(state: "State", request: "Request") -> _Wish:
    """Return what a request asks for, checked against what there is to be had."""
    wish = _Wish(request.message)
    if wish.tcp:
        connection.check_allocate(state, request)
    wish.mobile = mobility.is_wanted(state, request.message) and not wish.tcp
    return wish


def _repeat(state: "State", request: "Request", now: int) -> "Attributes":
    """Answer a retransmission as before, and anything else on the same 5-tuple by 437."""
    owner = request.allocation
    assert owner is not None and owner.identity is not None and request.identity is not None
    if owner.transaction != request.message.transaction or owner.identity.user != request.identity.user:
        raise stun.Reject(437, "5-tuple has an allocation")
    return _granted(state, request, owner, now)


def _granted(state: "State", request: "Request", owner: Allocation, now: int) -> "Attributes":
    transaction = request.message.transaction
    relays = [relay for relay in owner.relays if relay]
    attributes = [(stun.XOR_RELAYED_ADDRESS, stun.encode_xor_address(relay.announced, transaction)) for relay in relays]
    attributes.append((stun.XOR_MAPPED_ADDRESS, stun.encode_xor_address(request.source, transaction)))
    attributes.append((stun.LIFETIME, (owner.expires - now).to_bytes(4, "big")))
    if owner.token:
        attributes.append((stun.RESERVATION_TOKEN, owner.token))
    family, code = owner.missing
    if code:
        attributes.append((stun.ADDRESS_ERROR_CODE, stun.encode_error(code, family)))
    return attributes + mobility.granted(state, owner) + [SOFTWARE]


def _choose(state: "State", wish: _Wish, now: int) -> "tuple[list[Relay], tuple[int, int]]":
    """Return the relays that fulfil a wish, and family and code of the half of a dual one that can't be had."""
    if wish.token is not None:
        return [_reserved(state, wish.token, now)], (0, 0)
    relays = []
    missing = (0, 0)
    for family in FAMILIES if wish.dual else (wish.family,):
        relay, code = _find(state, wish, family)
        if relay is not None:
            relays.append(relay)
        elif not missing[1] or code == 508:
            missing = (family, code)
    if not relays:
        raise stun.Reject(missing[1], "no relayed address to be had")
    return relays, missing


def _find(state: "State", wish: _Wish, family: int) -> "tuple[Relay | None, int]":
    """Return a free relay of a family, or None with the error code that says why."""
    if family not in state.pool.served:
        return None, 440
    free = _shuffled(state, state.pool.free_relays(family))
    addresses = {relay.announced for relay in free} if wish.reserve else set()
    spare = None
    for relay in free:
        if wish.even and port_of(relay.announced) & 1:
            continue
        if wish.reserve and join(ip_of(relay.announced), port_of(relay.announced) + 1) not in addresses:
            continue
        if wish.reserve or not relay.paired:
            return relay, 0
        spare = spare or relay
    return spare, 508


def _shuffled(state: "State", free: "list[Relay]") -> "list[Relay]":
    """Return the free relays from a random one on: who has one port must not guess the next client's (RFC 6056)."""
    start = int.from_bytes(state.random(2), "big") % max(len(free), 1)
    return free[start:] + free[:start]


def _reserved(state: "State", token: bytes, now: int) -> Relay:
    for relay in state.pool.relays:
        if relay.token == token and relay.expires > now:
            return relay
    raise stun.Reject(508, "reservation unknown or expired")


def _admit(state: "State", request: "Request", wish: _Wish, relay: Relay, now: int) -> Account:
    """Check quota and pool (§7.2, tenth point); return the user's account.

    relay: the first that was chosen; a reserved one brings the places that it holds.
    """
    assert request.identity is not None
    if state.draining:
        raise stun.Reject(508, "draining")
    needed = 2 if wish.reserve else 1
    if state.pool.free_slots() + (wish.token is not None) < needed:
        raise stun.Reject(508, "all allocations are in use")
    account = state.pool.accounts.open(request.identity.account, now)
    if account is None:
        raise stun.Reject(508, "all accounts are in use")
    held = 1 if relay.account is account else 0
    if state.limits.user_quota and account.allocations + needed - held > state.limits.user_quota:
        raise stun.Reject(486, "user quota reached")
    return account


def _create(state: "State", request: "Request", account: Account, now: int) -> Allocation:
    owner = state.pool.take_allocation()
    owner.via, owner.client = request.via, request.source
    owner.identity, owner.account = request.identity, account
    owner.transaction = request.message.transaction
    owner.created = owner.used_at = now
    state.sessions += 1
    owner.session = state.sessions
    state.rates.open_allocation(owner.slot, state.limits.bandwidth)
    state.clients[owner.via][owner.client] = owner
    account.allocations += 1
    return owner


def _hand_over(state: "State", relay: Relay, owner: Allocation, expires: int) -> None:
    if relay.token:  # reserved: its place and its quota go over to the new allocation's
        state.unreserve(relay)
    else:
        state.pool.take_relay(relay)
    state.assign(relay, owner, expires)


def _reserve(state: "State", relay: "Relay | None", account: Account, now: int) -> bytes:
    """Hold a relay for whoever brings the token that is returned (§7.2)."""
    assert relay is not None
    state.pool.take_relay(relay)
    state.pool.reserved += 1
    account.allocations += 1
    relay.account = account
    relay.token = state.random(_TOKEN_SIZE)
    relay.expires = now + RESERVATION_LIFETIME
    state.schedule(relay.expires)
    return relay.token


def _extend(state: "State", relay: Relay, expires: int) -> None:
    assert relay.allocation is not None
    relay.expires = expires
    relay.allocation.renew()
    state.schedule(expires)
    for bound in relay.channels.values():
        state.renew(bound)


def _longest(state: "State", request: "Request", wanted: "int | None", now: int) -> int:
    """Return the lifetime that is granted for the one asked for: no longer than a token's (RFC 7635 §7)."""
    lifetime = state.limits.lifetime(wanted)
    ends = request.identity.ends if request.identity else 0
    return min(lifetime, ends - now) if ends else lifetime


def _lifetime(message: stun.Message) -> "int | None":
    value = message.get(stun.LIFETIME, 4)
    return None if value is None else int.from_bytes(value, "big")
