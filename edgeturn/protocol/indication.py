"""Send and Data indications, and ICMP errors on their way to the client (RFC 8656 §11).

Rule 1: nothing here is answered: what doesn't fit is dropped and counted.
Rule 2: a Data indication is written in front of the payload, in place.

    HEADROOM: | STUN header 20 | XOR-PEER-ADDRESS 12 or 24 | DATA header 4 | payload, padding
"""

from struct import pack_into, unpack_from

from edgeturn.protocol import stun
from edgeturn.protocol.address import IPV4_SIZE, ip_of
from edgeturn.protocol.limits import HEADROOM
from edgeturn.protocol.permission import has_permission
from edgeturn.protocol.pool import FAMILIES, Allocation, Relay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.protocol.state import Datagram, State

_SEND_INDICATION = stun.SEND | stun.INDICATION
_COOKIE = int.from_bytes(stun.COOKIE, "big")
_SHORTEST_SEND = stun.HEADER_SIZE + 12 + 3  # header, an IPv4 address, less than the next attribute's header
_ADDRESS_SIZES = (8, 20)  # an attribute's, of IPv4 and of IPv6
_ICMP_TYPES = {FAMILIES[0]: (3, 11), FAMILIES[1]: (1, 2, 3)}  # §11.5
_TOO_BIG = {FAMILIES[0]: b"\x03\x04", FAMILIES[1]: b"\x02\x00"}  # type and code that come with an MTU (§18.13)
_LARGEST_DATA = 0xFFFF - HEADROOM  # what fits, padded, in front of the 16-bit length of a message


def send(state: "State", message: stun.Message, via: int, source: bytes, now: int) -> "Datagram | None":
    """Relay the data of a Send indication (§11.2)."""
    data = message.attributes.get(stun.DATA)
    if message.method != stun.SEND or message.classic or message.unknown or not message.peers or data is None:
        return state.drop("indication")
    peer = stun.decode_xor_address(message.peers[0], message.transaction)
    if peer is None:
        return state.drop("indication")
    return relay_data(state, peer, data, via, source, now, stun.DONT_FRAGMENT in message.attributes)


def read_usual(packet: memoryview, size: int) -> "tuple[bytes, memoryview] | None":
    """Return peer and data of a Send indication of the usual form: XOR-PEER-ADDRESS, DATA and nothing else.

    Some browsers send all of their media so, and reading it without a Message takes a third of the time.
    """
    if size <= _SHORTEST_SEND:
        return None
    kind, length, cookie = unpack_from("!HHI", packet)
    if kind != _SEND_INDICATION or cookie != _COOKIE or length != size - stun.HEADER_SIZE:
        return None
    peer_kind, peer_size = unpack_from("!HH", packet, stun.HEADER_SIZE)
    data_at = stun.HEADER_SIZE + 4 + peer_size + 4
    if peer_kind != stun.XOR_PEER_ADDRESS or peer_size not in _ADDRESS_SIZES or data_at > size:
        return None
    data_kind, data_size = unpack_from("!HH", packet, data_at - 4)
    if data_kind != stun.DATA or data_at + (data_size + 3 & ~3) != size:
        return None
    peer = stun.decode_xor_address(bytes(packet[stun.HEADER_SIZE + 4 : data_at - 4]), bytes(packet[4:20]))
    return None if peer is None else (peer, packet[data_at : data_at + data_size])


def relay_data(
    state: "State", peer: bytes, data: "bytes | memoryview", via: int, source: bytes, now: int, df: bool
) -> "Datagram | None":
    """Relay data to a peer that has a permission."""
    owner = state.live_allocation(via, source, now)
    if owner is None:
        return state.drop("indication")
    relay = owner.relays[len(peer) > 2 + IPV4_SIZE]
    wire = state.wire_place(peer)
    if relay is None or relay.tcp or not has_permission(relay, ip_of(wire), now) or _is_closed(state, peer):
        return state.drop("permission")
    owner.up_credit -= len(data)
    if owner.up_credit < 0 and not state.draw_up(owner, len(data), now):
        return None
    owner.up_packets += 1
    owner.used_at = now
    return relay.via + (df and _honours_df(owner, relay)), wire, data


def _is_closed(state: "State", peer: bytes) -> bool:
    """Say whether policy forbids a peer that has a permission.

    The permission says that the IP address is allowed now; on our own addresses the port counts too.
    """
    return state.peers.is_relay(ip_of(peer)) and state.peers.denies_transport(peer, state.relayed) is not None


def _honours_df(owner: Allocation, relay: Relay) -> bool:
    """Say whether DONT-FRAGMENT counts: between IPv4 and IPv4 (§14); it's ignored elsewhere (§13)."""
    return len(owner.client) == 2 + IPV4_SIZE and relay.family == FAMILIES[0]


def data(state: "State", relay: Relay, packet: memoryview, size: int, source: bytes, now: int) -> "Datagram | None":
    """Turn a datagram of a peer without a channel into a Data indication, in place (§11.3)."""
    owner = relay.allocation
    if owner is None or relay.tcp or relay.expires <= now or not has_permission(relay, ip_of(source), now):
        return state.drop("permission")
    if size > _LARGEST_DATA:
        return state.drop("size")
    owner.down_credit -= size
    if owner.down_credit < 0 and not state.draw_down(owner, size, now):
        return None
    owner.down_packets += 1
    owner.used_at = now
    transaction = state.transactions.next()
    peer = stun.encode_xor_address(state.announced(source), transaction)
    padding = -size & 3
    start = HEADROOM - 4 - len(peer) - 4 - stun.HEADER_SIZE
    pack_into("!HH", packet, start, stun.DATA_METHOD | stun.INDICATION, 4 + len(peer) + 4 + size + padding)
    packet[start + 4 : start + stun.HEADER_SIZE] = transaction
    pack_into("!HH", packet, start + stun.HEADER_SIZE, stun.XOR_PEER_ADDRESS, len(peer))
    packet[start + stun.HEADER_SIZE + 4 : HEADROOM - 4] = peer
    pack_into("!HH", packet, HEADROOM - 4, stun.DATA, size)
    packet[HEADROOM + size : HEADROOM + size + padding] = bytes(padding)
    return owner.via, owner.client, packet[start : HEADROOM + size + padding]


def icmp(state: "State", relay: Relay, peer: bytes, error: bytes, now: int) -> "Datagram | None":
    """Turn an ICMP error about a datagram to a peer into a Data indication (§11.5, §18.13).

    error: type, code, and 4 bytes of error data, the next hop's MTU where the type has one.
    """
    owner = relay.allocation
    if owner is None or relay.expires <= now or error[0] not in _ICMP_TYPES[relay.family]:
        return state.drop("icmp")
    if not has_permission(relay, ip_of(peer), now):
        return state.drop("permission")
    transaction = state.transactions.next()
    attributes = [
        (stun.XOR_PEER_ADDRESS, stun.encode_xor_address(state.announced(peer), transaction)),
        (stun.ICMP, bytes(2) + (error if error[:2] == _TOO_BIG[relay.family] else error[:2] + bytes(4))),
    ]
    datagram = stun.encode(stun.DATA_METHOD | stun.INDICATION, transaction, attributes)
    return owner.via, owner.client, datagram
