"""CreatePermission (RFC 8656 §9, §10.2), and the permission that a channel brings with it.

Rule 1: all peers of a request or none: everything is checked before anything is installed.
Rule 2: an address must be well-formed (400), of a family that the allocation has (443), and allowed by policy (403).
Rule 3: a permission is known by the IP address on the wire; ports don't matter.
"""

from edgeturn.protocol import stun
from edgeturn.protocol.address import family, ip_of
from edgeturn.protocol.limits import PERMISSION_LIFETIME
from edgeturn.protocol.pool import FAMILIES, Allocation, Relay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.protocol.request import Request
    from edgeturn.protocol.state import State
    from edgeturn.protocol.stun import Attributes


def create_permission(state: "State", request: "Request", now: int) -> "Attributes":
    """Install or refresh the permissions that a request asks for."""
    owner = request.allocation
    assert owner is not None
    places = [(relay_towards(owner, ip), ip) for ip in _peer_ips(request.message, state.limits.max_permissions)]
    for _, ip in places:
        refuse_denied(state.peers.denies(ip), peer_ip=ip)
    install(state, owner, [(relay, state.wire(ip)) for relay, ip in places], now)
    return []


def _peer_ips(message: stun.Message, most: int) -> "list[bytes]":
    """Return each peer's IP address once; Reject 508 for too many, before there is work for each of them."""
    ips: list[bytes] = []
    for value in message.peers:
        ip = ip_of(decode_peer(message, value))
        if ip not in ips:
            ips.append(ip)
        if len(ips) > most:
            raise stun.Reject(508, "more peers than an allocation may have permissions")
    if not ips:
        raise stun.Reject(400, "no XOR-PEER-ADDRESS")
    return ips


def decode_peer(message: stun.Message, value: bytes) -> bytes:
    """Return port||ip of an XOR-PEER-ADDRESS; Reject 400 where it is none."""
    peer = stun.decode_xor_address(value, message.transaction)
    if peer is None:
        raise stun.Reject(400, "XOR-PEER-ADDRESS that is no address")
    return peer


def relay_towards(owner: Allocation, peer_ip: bytes) -> Relay:
    """Return the relayed address with a peer's family; Reject 443 where the allocation has none."""
    relay = owner.relays[FAMILIES.index(family(peer_ip))]
    if relay is None:
        raise stun.Reject(443, "no relayed address of the peer's family")
    return relay


def refuse_denied(rule: "str | None", peer_ip: bytes) -> None:
    """Reject 403 where a rule denies the peer."""
    if rule is not None:
        raise stun.Reject(403, rule, peer=peer_ip)


def install(state: "State", owner: Allocation, places: "list[tuple[Relay, bytes]]", now: int) -> None:
    """Install or refresh permissions for IP addresses on the wire; Reject 508 where they don't all fit."""
    forget_expired(state, owner, now)
    new = {(relay.index, ip) for relay, ip in places if ip not in relay.permissions}
    assert owner.account is not None
    if owner.count_permissions() + len(new) > state.limits.max_permissions:
        raise stun.Reject(508, "all permissions of the allocation are in use")
    if new and not state.pool.accounts.peers.take(owner.account.slot, len(new), now):
        raise stun.Reject(508, "too many new peers in a minute")
    for relay, ip in places:
        _install_one(state, relay, ip, now)


def _install_one(state: "State", relay: Relay, ip: bytes, now: int) -> None:
    relay.permissions[ip] = expires = now + PERMISSION_LIFETIME
    state.schedule(expires)
    state.observer.permitted(relay, ip)
    for bound in relay.channels.values():
        if ip_of(bound.wire) == ip:
            bound.permitted_until = expires
            state.renew(bound)


def forget_expired(state: "State", owner: Allocation, now: int) -> None:
    """Make room: take back what has expired and was not yet reclaimed."""
    for relay in owner.relays:
        if relay is not None:
            state.forget_expired(relay, now)


def has_permission(relay: Relay, ip: bytes, now: int) -> bool:
    """Say whether an IP address on the wire may exchange data with a relayed address (RFC 8656 §9)."""
    return relay.permissions.get(ip, 0) > now
