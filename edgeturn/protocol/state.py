"""State: what the relay knows, and the few ways in which it changes.

Rule 1: handlers read and change it through these methods, so that tables, pools, quotas and observers always agree.
Rule 2: what has expired counts for nothing at once; tick only gives its record back to the pool.
Rule 3: a peer is kept under the address that it has on the wire; `announced` and `wire` are the two ways across.
"""

from edgeturn.protocol import discovery, mobility, redirect
from edgeturn.protocol.address import ip_of
from edgeturn.protocol.limits import CHANNEL_GUARD, Limits
from edgeturn.protocol.listener import UDP, Listener
from edgeturn.protocol.observer import Observer
from edgeturn.protocol.peers import Peers
from edgeturn.protocol.pool import FAMILIES, Allocation, Channel, PeerConnection, Pool, Relay
from edgeturn.protocol.stun import COOKIE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Datagram = tuple[int, bytes, bytes | memoryview]


class Transactions:
    """Transaction ids of indications: random once and then counted, so that none is used twice."""

    def __init__(self, prefix: bytes) -> None:
        """Take 8 random bytes."""
        self._prefix = COOKIE + prefix
        self._count = 0

    def next(self) -> bytes:
        """Return cookie and transaction id."""
        self._count = (self._count + 1) & 0xFFFFFFFF
        return self._prefix + self._count.to_bytes(4, "big")


class State:
    """Pools, tables and budgets."""

    def __init__(
        self,
        limits: Limits,
        families: "tuple[int, ...]",
        peers: Peers,
        random: "Callable[[int], bytes]",
        observer: Observer,
    ) -> None:
        """Take limits, relayed families, the peer policy, a source of random bytes and the observer."""
        self.limits = limits
        self.peers = peers
        self.random = random
        self.observer = observer
        self.pool = Pool(limits, families)
        self.relays = self.pool.relays
        self.rates = self.pool.rates
        self._begin()
        self.transactions = Transactions(random(8))
        self.tickets = mobility.Tickets(random(64))
        self.discovery = discovery.Discovery(False, {})
        self.alternates = redirect.Alternates([], b"", b"")

    def _begin(self) -> None:
        """Begin without clients."""
        self.listeners: dict[int, Listener] = {}
        self.clients: dict[int, dict[bytes, Allocation]] = {}
        self.arriving: dict[tuple[int, bytes], Allocation] = {}  # RFC 8016: 5-tuples that have asked for theirs
        self.relayed: dict[bytes, int] = {}  # live relayed addresses, as bound and as announced
        self.wire_ips: dict[bytes, bytes] = {}  # announced IP address -> bound one, where they differ
        self.draining = False
        self.sessions = self.due = 0
        self.dropped: dict[str, int] = {}

    def listen(self, via: int, transport: str = UDP, place: bytes = b"") -> None:
        """Note a listener: its number, its transport, the port||ip that clients send to."""
        self.listeners[via] = Listener(via, transport, place)
        self.clients[via] = {}

    def unlisten(self, via: int) -> None:
        """Forget a listener; the allocations of its clients end unless they can move: nothing could reach them."""
        for source in list(self.clients[via]) + [source for at, source in self.arriving if at == via]:
            self.closed(via, source)
        del self.clients[via], self.listeners[via]

    def closed(self, via: int, source: bytes) -> None:
        """Note that a client's stream was closed; that ends its allocation (RFC 8656 §3.1) unless it can move."""
        mobility.forget_source(self, via, source)
        owner = self.clients[via].get(source)
        if owner is not None and not mobility.leave(self, owner):
            self.end(owner)

    def opened(self, index: int, address: bytes, announced: bytes, paired: bool = False) -> None:
        """Note that the socket of a relay is open: the port||ip it is bound to, and the one that clients are told.

        paired: another relay was opened beside it, for EVEN-PORT with a reservation.
        """
        relay = self.pool.relays[index]
        if announced != address:
            self.wire_ips[ip_of(announced)] = ip_of(address)
        self.pool.open_relay(relay, address, announced, paired)

    def live_sessions(self) -> "list[Allocation]":
        """Return the allocations that there are."""
        return [owner for table in self.clients.values() for owner in table.values()]

    def knows(self, via: int, source: bytes) -> bool:
        """Say whether a 5-tuple has an allocation, or is where the client of one has arrived (RFC 8016)."""
        return source in self.clients[via] or (via, source) in self.arriving

    def live_allocation(self, via: int, source: bytes, now: int) -> "Allocation | None":
        """Return the allocation of a 5-tuple; what of it has expired is taken back first."""
        owner = self.clients[via].get(source) or self.arriving.get((via, source))
        if owner is None:
            return None
        for relay in list(owner.relays):
            if relay is not None and relay.expires <= now:
                self.release(relay)
        return owner if owner.expires else None

    def tick(self, now: int) -> int:
        """Reclaim what has expired; return when something expires next, 0 where nothing will."""
        self.due = 0
        for relay in self.pool.relays:
            if relay.expires:
                self._reclaim(relay, now)
        return self.due

    # Counting and looking up.

    def drop(self, reason: str, owner: "Allocation | None" = None) -> "Datagram | None":
        """Count a datagram that is dropped without an answer; owner: whose, where nothing else tells a tap of it."""
        self.dropped[reason] = self.dropped.get(reason, 0) + 1
        return None

    def draw_up(self, owner: Allocation, size: int, now: int) -> bool:
        """Draw credit for the direction to the peers; where there's none, take the packet back."""
        credit = self.rates.budgets.draw(self.rates.up(owner), -owner.up_credit, now)
        owner.up_drawn += credit
        owner.up_credit += credit or size
        if not credit:
            self.drop("bandwidth")
        return bool(credit)

    def draw_down(self, owner: Allocation, size: int, now: int) -> bool:
        """Draw credit for the direction to the client; where there's none, take the packet back."""
        credit = self.rates.budgets.draw(self.rates.down(owner), -owner.down_credit, now)
        owner.down_drawn += credit
        owner.down_credit += credit or size
        if not credit:
            self.drop("bandwidth")
        return bool(credit)

    def wire(self, ip: bytes) -> bytes:
        """Return the IP address that a peer has on the wire: for an announced one of ours, the bound one."""
        return self.wire_ips.get(ip, ip)

    def announced_place(self, place: bytes) -> bytes:
        """Return the port||ip by which clients know one that we are bound to."""
        for announced, ip in self.wire_ips.items():
            if ip == ip_of(place):
                return place[:2] + announced
        return place

    def wire_place(self, peer: bytes) -> bytes:
        """Return the port||ip that a peer has on the wire: where a NAT maps ports, a relayed one has another port."""
        index = self.relayed.get(peer)
        return peer[:2] + self.wire(ip_of(peer)) if index is None else self.relays[index].address

    def announced(self, source: bytes) -> bytes:
        """Return the port||ip by which clients know a peer: for a relayed one of ours, the announced one."""
        index = self.relayed.get(source)
        return source if index is None else self.pool.relays[index].announced

    def schedule(self, when: int) -> None:
        """See to it that tick is called by then."""
        if not self.due or when < self.due:
            self.due = when

    # Changing.

    def assign(self, relay: Relay, owner: Allocation, expires: int) -> None:
        """Give a relay to an allocation."""
        relay.allocation = owner
        relay.account = owner.account
        relay.token = b""
        relay.expires = expires
        owner.relays[FAMILIES.index(relay.family)] = relay
        owner.renew()
        self.relayed[relay.address] = self.relayed[relay.announced] = relay.index
        self.schedule(expires)

    def release(self, relay: Relay) -> None:
        """Take a relay back with its permissions and channels; the last one of an allocation ends it."""
        for bound in list(relay.channels.values()):
            self.unbind(bound)
        for ip in list(relay.permissions):
            self.revoke(relay, ip)
        for connection in list(relay.connections.values()):
            self.disconnect(connection)
        self._close_to_peers(relay)
        self.observer.freed(relay)
        self.relayed.pop(relay.address, None)
        self.relayed.pop(relay.announced, None)
        relay.expires = 0
        relay.tcp = False
        owner, relay.allocation = relay.allocation, None
        if owner is None:
            self.unreserve(relay)
        else:
            if owner.grown:
                self.pool.trim(relay.channels)
            owner.relays[FAMILIES.index(relay.family)] = None
            owner.renew()
            if owner.expires == 0:
                self._end(owner)
        relay.account = None

    def _close_to_peers(self, relay: Relay) -> None:
        """Unbind the channels of other clients to a relayed address that ends: its port may be anybody's afterwards."""
        for other in self.pool.relays:
            bound = other.channels.get(relay.address)
            if bound is not None:
                self.unbind(bound)

    def forget_announced(self, ips: "list[bytes]") -> None:
        """Forget what was announced for IP addresses other than these."""
        self.wire_ips = {announced: ip for announced, ip in self.wire_ips.items() if ip in ips}

    def unreserve(self, relay: Relay) -> None:
        """Give back the place and the quota that a reservation held."""
        assert relay.account is not None
        self.pool.reserved -= 1
        relay.account.allocations -= 1
        relay.token = b""

    def end(self, owner: Allocation) -> None:
        """End an allocation with all that it has."""
        for relay in list(owner.relays):
            if relay is not None:
                self.release(relay)

    def renew(self, bound: Channel) -> None:
        """Compute anew until when a channel carries data, and tell."""
        bound.renew()
        self.observer.bound(bound)

    def unbind(self, bound: Channel) -> None:
        """Forget a channel."""
        self.observer.unbound(bound)
        owner = bound.relay.allocation
        assert owner is not None
        del owner.channels[bound.number], bound.relay.channels[bound.wire]
        self.pool.give_channel(bound, owner)

    def revoke(self, relay: Relay, ip: bytes) -> None:
        """Forget a permission; the channels that leant on it stay bound without it."""
        for bound in relay.channels.values():
            if ip_of(bound.wire) == ip:
                bound.permitted_until = 0
                self.renew(bound)
        del relay.permissions[ip]

    def disconnect(self, connection: PeerConnection) -> None:
        """Forget a TCP connection with a peer, which is closed."""
        self.observer.disconnected(connection)
        del connection.relay.connections[connection.wire], self.pool.by_id[connection.id]
        self.pool.give_connection(connection)

    def reconsider_peers(self) -> None:
        """Forget the channels and permissions that the peer policy no longer allows."""
        for relay in self.pool.relays:
            if relay.allocation is not None:
                self._revoke_denied(relay)

    def _revoke_denied(self, relay: Relay) -> None:
        for bound in list(relay.channels.values()):
            if self.peers.denies_transport(bound.peer, self.relayed):
                self.unbind(bound)
        for ip in list(relay.permissions):
            if self.peers.denies(ip):
                self.revoke(relay, ip)
        for connection in list(relay.connections.values()):
            if self.peers.denies_transport(connection.peer, self.relayed):
                self.disconnect(connection)

    def forget_expired(self, relay: Relay, now: int) -> None:
        """Take back the channels, permissions and connections of a relay that nobody needs any longer."""
        for bound in list(relay.channels.values()):
            if not bound.is_kept(now):
                self.unbind(bound)
        for ip, expires in list(relay.permissions.items()):
            if expires <= now:
                self.revoke(relay, ip)
        for connection in list(relay.connections.values()):
            if connection.expires <= now:
                self.disconnect(connection)

    def _reclaim(self, relay: Relay, now: int) -> None:
        if relay.expires <= now:
            self.release(relay)
            return
        self.schedule(relay.expires)
        self.forget_expired(relay, now)
        for expires in relay.permissions.values():
            self.schedule(expires)
        for bound in relay.channels.values():  # others may want what is kept beyond its time
            self.schedule(bound.expires + CHANNEL_GUARD)
        for connection in relay.connections.values():
            self.schedule(connection.expires)

    def _end(self, owner: Allocation) -> None:
        assert owner.account is not None
        del self.clients[owner.via][owner.client]
        mobility.forget(self, owner)
        owner.account.allocations -= 1
        self.rates.give_back(owner)
        self.pool.give_allocation(owner)
