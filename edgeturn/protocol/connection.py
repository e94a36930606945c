"""TCP allocations (RFC 6062): Connect, ConnectionBind, ConnectionAttempt.

    Connect                      CONNECTING ── the peer was reached, the answer has a CONNECTION-ID ──┐
    a peer connects              the client is told by a ConnectionAttempt with a CONNECTION-ID ──── WAITING
    ConnectionBind with that id, on another connection of the same user ──────────────────────────── BOUND

Rule 1: sockets are somebody else's: observers are told `connecting`, `joined` and `disconnected`.
Rule 2: a Connect is answered when its connection stands or has failed, and not before.
Rule 3: a connection counts from its request on, in the bound of its allocation and in the pool of all, of which a user
        has at most half.
Rule 4: an id is a secret of its user: unguessable, and of no use to others.
"""

from edgeturn.protocol import stun
from edgeturn.protocol.address import ip_of
from edgeturn.protocol.limits import BIND_TIMEOUT, CONNECT_TIMEOUT
from edgeturn.protocol.permission import decode_peer, has_permission, refuse_denied, relay_towards
from edgeturn.protocol.pool import BOUND, CONNECTING, NEVER, WAITING, Allocation, PeerConnection, Relay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.protocol.request import Request
    from edgeturn.protocol.state import Datagram, State
    from edgeturn.protocol.stun import Attributes

_ID_SIZE = 4
_GRACE = 5  # seconds: who connects gives up by itself, this is for what it forgot
_NOT_FOR_TCP = (stun.EVEN_PORT, stun.RESERVATION_TOKEN, stun.DONT_FRAGMENT)  # §5.1


def check_allocate(state: "State", request: "Request") -> None:
    """Reject an Allocate request for an address of TCP where there can be none (§5.1)."""
    if not state.limits.tcp_relay:
        raise stun.Reject(442, "tcp_relay is off")
    if not state.listeners[request.via].stream:
        raise stun.Reject(400, "TCP allocation over datagrams")
    if any(kind in request.message.attributes for kind in _NOT_FOR_TCP):
        raise stun.Reject(400, "EVEN-PORT, RESERVATION-TOKEN or DONT-FRAGMENT of a TCP allocation")


def connect(state: "State", request: "Request", now: int) -> None:
    """Begin to connect to a peer; the answer comes later, from connected()."""
    owner = request.allocation
    assert owner is not None
    if not request.message.peers:
        raise stun.Reject(400, "no XOR-PEER-ADDRESS")
    peer = decode_peer(request.message, request.message.peers[0])
    relay = relay_towards(owner, ip_of(peer))
    if not relay.tcp:
        raise stun.Reject(403, "Connect of a UDP allocation")
    state.forget_expired(relay, now)
    wire = state.wire_place(peer)
    if wire in relay.connections:
        raise stun.Reject(446, "there is a connection with that peer")
    refuse_denied(state.peers.denies_transport(peer, state.relayed), peer_ip=ip_of(peer))
    if wire == relay.address:
        raise stun.Reject(403, "its own relayed address", peer=ip_of(peer))
    connection = _take(state, owner, relay, peer, wire, now)
    connection.request = request
    connection.stage = CONNECTING
    connection.expires = now + CONNECT_TIMEOUT + _GRACE
    state.schedule(connection.expires)
    state.observer.connecting(connection)


def connected(state: "State", connection: PeerConnection, reached: bool, now: int) -> "Attributes":
    """Return the attributes of a Connect's success response; Reject 447 where the peer wasn't reached (§5.2)."""
    if not reached:
        state.disconnect(connection)
        raise stun.Reject(447, "peer not reached")
    _wait(state, connection, now)
    return [(stun.CONNECTION_ID, connection.id)]


def accepted(state: "State", relay: Relay, source: bytes, now: int) -> "tuple[PeerConnection, Datagram] | None":
    """Take a peer's connection to a relayed address and tell its client; None where it's to be closed (§5.3)."""
    owner = relay.allocation
    if owner is None or relay.expires <= now or not has_permission(relay, ip_of(source), now):
        state.drop("permission")
        return None
    state.forget_expired(relay, now)
    peer = state.announced(source)
    connection = None
    if source not in relay.connections and not _is_denied(state, peer) and _has_room(state, owner):
        connection = state.pool.take_connection()
    if connection is None:
        state.drop("connection")
        return None
    _enter(state, connection, relay, peer, source)
    connection.incoming = True
    _wait(state, connection, now)
    return connection, _attempt(state, owner, connection)


def connection_bind(state: "State", request: "Request", now: int) -> "Attributes":
    """Join the connection that a request came on with one that waits (§5.4)."""
    if not state.listeners[request.via].stream or request.allocation is not None:
        raise stun.Reject(400, "ConnectionBind not on a connection of its own")
    found = state.pool.by_id.get(request.message.get(stun.CONNECTION_ID, _ID_SIZE) or b"")
    if found is None or found.stage != WAITING or found.expires <= now or not _is_of(found, request):
        raise stun.Reject(400, "no such connection waits")
    found.stage = BOUND
    found.expires = NEVER
    found.via, found.source = request.via, request.source
    state.observer.joined(found)
    return []


def may_carry(state: "State", owner: Allocation, up: bool, now: int) -> bool:
    """Say whether bytes may pass: what passed before has to be drawn from the rates first, as far as they have it."""
    cells = state.rates.up(owner) if up else state.rates.down(owner)
    while (owner.up_credit if up else owner.down_credit) < 0:
        drawn = state.rates.budgets.draw(cells, 1, now)
        if not drawn:
            return False
        if up:
            owner.up_credit += drawn
            owner.up_drawn += drawn
        else:
            owner.down_credit += drawn
            owner.down_drawn += drawn
    return True


def carried(owner: Allocation, up: bool, size: int, now: int) -> None:
    """Count bytes that have passed."""
    owner.used_at = now
    if up:
        owner.up_credit -= size
        owner.up_packets += 1
    else:
        owner.down_credit -= size
        owner.down_packets += 1


def _take(state: "State", owner: Allocation, relay: Relay, peer: bytes, wire: bytes, now: int) -> PeerConnection:
    """Return a connection of the pool; Reject 486 or 508 where there's none for this allocation or user."""
    assert owner.account is not None
    if len(owner.connections()) >= state.limits.max_peer_connections:
        raise stun.Reject(486, "all connections of the allocation are in use")
    if _has_share(state, owner):
        raise stun.Reject(486, "half of all connections with peers are the user's")
    if not state.pool.accounts.peers.take(owner.account.slot, 1, now):
        raise stun.Reject(508, "too many new peers in a minute")
    connection = state.pool.take_connection()
    if connection is None:
        raise stun.Reject(508, "all connections with peers are in use")
    _enter(state, connection, relay, peer, wire)
    return connection


def _enter(state: "State", connection: PeerConnection, relay: Relay, peer: bytes, wire: bytes) -> None:
    while not connection.id or connection.id in state.pool.by_id:
        connection.id = state.random(_ID_SIZE)
    connection.relay, connection.peer, connection.wire = relay, peer, wire
    state.pool.by_id[connection.id] = connection
    relay.connections[wire] = connection


def _wait(state: "State", connection: PeerConnection, now: int) -> None:
    connection.request = None
    connection.stage = WAITING
    connection.expires = now + BIND_TIMEOUT
    state.schedule(connection.expires)


def _is_denied(state: "State", peer: bytes) -> bool:
    """Say whether policy forbids a peer; its permission says so of the IP address only, and only of what was."""
    return state.peers.denies_transport(peer, state.relayed) is not None


def _has_share(state: "State", owner: Allocation) -> bool:
    """Say whether a user has half of the pool, and so all of it that users with a quota may have."""
    if not state.limits.user_quota:
        return False
    live = [each for each in state.pool.by_id.values() if each.relay.account is owner.account]
    return 2 * len(live) >= len(state.pool.connections)


def _has_room(state: "State", owner: Allocation) -> bool:
    """Say whether a peer may come; half of the places are for those whom the client itself connects to."""
    if _has_share(state, owner):
        return False
    live = owner.connections()
    most = state.limits.max_peer_connections
    return len(live) < most and 2 * len([each for each in live if each.incoming]) < max(most, 2)


def _is_of(connection: PeerConnection, request: "Request") -> bool:
    owner = connection.relay.allocation
    assert owner is not None and owner.identity is not None and request.identity is not None
    return owner.identity.user == request.identity.user


def _attempt(state: "State", owner: Allocation, connection: PeerConnection) -> "Datagram":
    transaction = state.transactions.next()
    attributes = [
        (stun.XOR_PEER_ADDRESS, stun.encode_xor_address(connection.peer, transaction)),
        (stun.CONNECTION_ID, connection.id),
    ]
    return owner.via, owner.client, stun.encode(stun.CONNECTION_ATTEMPT | stun.INDICATION, transaction, attributes)
