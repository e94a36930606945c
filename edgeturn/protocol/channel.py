"""ChannelBind (RFC 8656 §12.2).

Rule 1: one peer a channel, one channel a peer; both stay together for 5 minutes after the binding has expired.
Rule 2: binding again refreshes the binding and the permission; data refreshes neither.
Rule 3: of the channels that are shared, a user has at most half, or as many as one allocation may have.
"""

from edgeturn.protocol import stun
from edgeturn.protocol.address import ip_of
from edgeturn.protocol.limits import CHANNEL_FIRST, CHANNEL_LIFETIME, SURE_CHANNELS
from edgeturn.protocol.permission import decode_peer, forget_expired, install, refuse_denied, relay_towards
from edgeturn.protocol.pool import Allocation, Channel, Relay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.protocol.request import Request
    from edgeturn.protocol.state import State
    from edgeturn.protocol.stun import Attributes


def channel_bind(state: "State", request: "Request", now: int) -> "Attributes":
    """Bind or refresh the channel that a request asks for."""
    owner = request.allocation
    assert owner is not None
    number, peer = _read(state, request.message)
    relay = relay_towards(owner, ip_of(peer))
    if relay.tcp:
        raise stun.Reject(403, "channel of a TCP allocation")  # RFC 6062 §4
    wire = state.wire_place(peer)
    forget_expired(state, owner, now)
    bound = _find(owner, relay, number, wire)
    refuse_denied(state.peers.denies_transport(peer, state.relayed), peer_ip=ip_of(peer))
    if bound is None:
        _check_room(state, owner)
    install(state, owner, [(relay, ip_of(wire))], now)
    if bound is None:
        bound = _bind(state, owner, relay, number, peer, wire)
    bound.permitted_until = relay.permissions[ip_of(wire)]
    bound.expires = now + CHANNEL_LIFETIME
    state.renew(bound)
    return []


def _read(state: "State", message: stun.Message) -> "tuple[int, bytes]":
    """Return channel number and peer; Reject 400 where one is missing or out of range."""
    value = message.get(stun.CHANNEL_NUMBER, 4)
    if value is None or not message.peers:
        raise stun.Reject(400, "no CHANNEL-NUMBER or no XOR-PEER-ADDRESS")
    number = int.from_bytes(value[:2], "big")
    if not CHANNEL_FIRST <= number <= state.limits.last_channel():
        raise stun.Reject(400, f"channel number {number:#06x} is out of range")
    return number, decode_peer(message, message.peers[0])


def _find(owner: Allocation, relay: Relay, number: int, wire: bytes) -> "Channel | None":
    """Return the binding of exactly this number and peer; Reject 400 where one of them is bound otherwise."""
    by_number = owner.channels.get(number)
    by_peer = relay.channels.get(wire)
    if by_number is not by_peer:
        raise stun.Reject(400, "channel or peer is bound otherwise")
    return by_number


def _check_room(state: "State", owner: Allocation) -> None:
    """Reject 508 where an allocation may have no further channel."""
    held, limits = len(owner.channels), state.limits
    if held >= limits.max_channels:
        raise stun.Reject(508, "all channels of the allocation are in use")
    if held < SURE_CHANNELS:
        return
    assert owner.account is not None
    spare = limits.spare_channels(limits.max_allocations)
    share = max(spare // 2, limits.max_channels - SURE_CHANNELS)
    is_shared = spare < limits.max_allocations * (limits.max_channels - SURE_CHANNELS)
    if not state.pool.spare_channels or (is_shared and limits.user_quota and owner.account.spare_channels >= share):
        raise stun.Reject(508, "all channels that allocations share are in use, or the user's part of them")


def _bind(state: "State", owner: Allocation, relay: Relay, number: int, peer: bytes, wire: bytes) -> Channel:
    bound = state.pool.take_channel(owner)
    bound.number, bound.peer, bound.wire, bound.relay, bound.via = number, peer, wire, relay, relay.via
    owner.grown = owner.grown or len(owner.channels) >= state.pool.usual_channels
    try:
        owner.channels[number] = relay.channels[wire] = bound
    except MemoryError:  # beyond the usual number a table grows
        owner.channels.pop(number, None)
        relay.channels.pop(wire, None)
        state.pool.give_channel(bound, owner)
        raise
    return bound
