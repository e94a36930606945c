"""Send and Data indications, and ICMP errors on their way to the client (RFC 8656 §11).

Rule 1: nothing here is answered: what doesn't fit is dropped and counted.
Rule 2: a Data indication is written in front of the payload, in place.

    HEADROOM: | STUN header 20 | XOR-PEER-ADDRESS 12 or 24 | DATA header 4 | payload, padding
"""

from struct import pack_into

from edgeturn.protocol import stun
from edgeturn.protocol.address import IPV4_SIZE, ip_of
from edgeturn.protocol.limits import HEADROOM
from edgeturn.protocol.permission import has_permission
from edgeturn.protocol.pool import FAMILIES, Allocation, Relay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.protocol.turn import Datagram, Turn

_ICMP_TYPES = {FAMILIES[0]: (3, 11), FAMILIES[1]: (1, 2, 3)}  # §11.5
_TOO_BIG = {FAMILIES[0]: b"\x03\x04", FAMILIES[1]: b"\x02\x00"}  # type and code that come with an MTU (§18.13)
_LARGEST_DATA = 0xFFFF - HEADROOM  # what fits, padded, in front of the 16-bit length of a message


class Transactions:
    """Transaction ids of indications: random once and then counted, so that none is used twice."""

    def __init__(self, prefix: bytes) -> None:
        """Take 8 random bytes."""
        self._prefix = stun.COOKIE + prefix
        self._count = 0

    def next(self) -> bytes:
        """Return cookie and transaction id."""
        self._count = (self._count + 1) & 0xFFFFFFFF
        return self._prefix + self._count.to_bytes(4, "big")


def send(turn: "Turn", message: stun.Message, via: int, source: bytes, now: int) -> "Datagram | None":
    """Relay the data of a Send indication (§11.2)."""
    owner = turn.live_allocation(via, source, now)
    if message.method != stun.SEND or message.classic or message.unknown or owner is None:
        return turn.drop("indication")
    data = message.attributes.get(stun.DATA)
    peer = stun.decode_xor_address(message.peers[0], message.transaction) if message.peers else None
    if data is None or peer is None:
        return turn.drop("indication")
    relay = owner.relays[len(peer) > 2 + IPV4_SIZE]
    wire = peer[:2] + turn.wire(ip_of(peer))
    if relay is None or not has_permission(relay, ip_of(wire), now) or _is_closed(turn, peer):
        return turn.drop("permission")
    owner.up_credit -= len(data)
    if owner.up_credit < 0 and not turn.draw_up(owner, len(data), now):
        return None
    owner.up_packets += 1
    return relay.via + _sets_df(message, owner, relay), wire, data


def _is_closed(turn: "Turn", peer: bytes) -> bool:
    """Say whether policy forbids a peer that has a permission.

    The permission says that the IP address is allowed now; on our own addresses the port counts too.
    """
    return turn.peers.is_relay(ip_of(peer)) and turn.peers.denies_transport(peer, turn.relayed) is not None


def _sets_df(message: stun.Message, owner: Allocation, relay: Relay) -> bool:
    """Say whether the datagram leaves with DF: asked for, and IPv4 on both sides (§14; ignored elsewhere, §13)."""
    return (
        stun.DONT_FRAGMENT in message.attributes and len(owner.client) == 2 + IPV4_SIZE and relay.family == FAMILIES[0]
    )


def data(turn: "Turn", relay: Relay, packet: memoryview, size: int, source: bytes, now: int) -> "Datagram | None":
    """Turn a datagram of a peer without a channel into a Data indication, in place (§11.3)."""
    owner = relay.allocation
    if owner is None or relay.expires <= now or not has_permission(relay, ip_of(source), now):
        return turn.drop("permission")
    if size > _LARGEST_DATA:
        return turn.drop("size")
    owner.down_credit -= size
    if owner.down_credit < 0 and not turn.draw_down(owner, size, now):
        return None
    owner.down_packets += 1
    transaction = turn.transactions.next()
    peer = stun.encode_xor_address(turn.announced(source), transaction)
    padding = -size & 3
    start = HEADROOM - 4 - len(peer) - 4 - stun.HEADER_SIZE
    pack_into("!HH", packet, start, stun.DATA_METHOD | stun.INDICATION, 4 + len(peer) + 4 + size + padding)
    packet[start + 4 : start + stun.HEADER_SIZE] = transaction
    pack_into("!HH", packet, start + stun.HEADER_SIZE, stun.XOR_PEER_ADDRESS, len(peer))
    packet[start + stun.HEADER_SIZE + 4 : HEADROOM - 4] = peer
    pack_into("!HH", packet, HEADROOM - 4, stun.DATA, size)
    packet[HEADROOM + size : HEADROOM + size + padding] = bytes(padding)
    return owner.via, owner.client, packet[start : HEADROOM + size + padding]


def icmp(turn: "Turn", relay: Relay, peer: bytes, error: bytes, now: int) -> "Datagram | None":
    """Turn an ICMP error about a datagram to a peer into a Data indication (§11.5, §18.13).

    error: type, code, and 4 bytes of error data, the next hop's MTU where the type has one.
    """
    owner = relay.allocation
    if owner is None or relay.expires <= now or error[0] not in _ICMP_TYPES[relay.family]:
        return turn.drop("icmp")
    if not has_permission(relay, ip_of(peer), now):
        return turn.drop("permission")
    transaction = turn.transactions.next()
    attributes = [
        (stun.XOR_PEER_ADDRESS, stun.encode_xor_address(turn.announced(peer), transaction)),
        (stun.ICMP, bytes(2) + (error if error[:2] == _TOO_BIG[relay.family] else error[:2] + bytes(4))),
    ]
    datagram = stun.encode(stun.DATA_METHOD | stun.INDICATION, transaction, attributes)
    return owner.via, owner.client, datagram
