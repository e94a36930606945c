"""The records of the relay's state, made once at start and reused; a pool never grows.

    Allocation ── client's 5-tuple, identity, counters
      ├─ relays[0], relays[1]    Relay: one relayed transport address of IPv4, one of IPv6
      │    ├─ permissions        ip -> when the permission expires (RFC 8656 §9)
      │    ├─ channels           peer's port||ip -> Channel
      │    └─ connections        peer's port||ip -> PeerConnection
      └─ channels                number -> Channel
    Account ── what quotas and rates of one user are counted in

Rule 1: a record holds plain fields of fixed size; a Relay and a Channel are free when `expires` is 0.
Rule 2: every use compares `expires > now`; reclaiming comes later and changes nothing that anybody sees.
Rule 3: a peer is known by the address it has on the wire; where that is a relayed address of ours behind a
        one-to-one NAT, clients see the announced one.
Rule 4: permissions have room for as many as each allocation may have, for without one there is no call. Channels are
        shared: an allocation is sure of a few, and more are there for who asks first.
"""

from edgeturn.protocol.address import IPV4, IPV6, ip_of, join, port_of
from edgeturn.protocol.budget import Budgets
from edgeturn.protocol.limits import CHANNEL_GUARD, SURE_CHANNELS, Limits
from edgeturn.protocol.rates import Rates

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from edgeturn.protocol.authentication import Identity
    from edgeturn.protocol.request import Request

FAMILIES = (IPV4, IPV6)


class Channel:
    """A channel bound to a peer (RFC 8656 §12).

    permitted_until: when the permission of its peer expires, 0 where there's none.
    carries_until: while that is in the future, channel, permission and relayed address are all valid.
    place: of what the kernel counts for it, 0 where the kernel doesn't carry it; written_until: what was written there.
    """

    __slots__ = (
        "carries_until",
        "expires",
        "number",
        "peer",
        "permitted_until",
        "place",
        "relay",
        "via",
        "wire",
        "written_until",
    )

    def __init__(self) -> None:
        """Begin free."""
        self.number = 0
        self.peer = b""  # as the client named it
        self.wire = b""  # as it is sent to
        self.relay: Relay = _NO_RELAY
        self.via = 0  # the relay's, for the sake of speed
        self.place = 0
        self.written_until = 0
        self.permitted_until = 0
        self.expires = 0
        self.carries_until = 0

    def renew(self) -> None:
        """Compute anew until when the channel carries data."""
        self.carries_until = min(self.expires, self.permitted_until, self.relay.expires)

    def is_kept(self, now: int) -> bool:
        """Say whether number and peer still belong together (RFC 8656 §12: 5 minutes longer than the binding)."""
        return self.expires + CHANNEL_GUARD > now


class Relay:
    """One relayed transport address: a socket that is open from the start, and who uses it now."""

    __slots__ = (
        "account",
        "address",
        "allocation",
        "announced",
        "channels",
        "connections",
        "expires",
        "family",
        "index",
        "offered",
        "paired",
        "permissions",
        "tcp",
        "token",
        "via",
    )

    def __init__(self, index: int, family: int) -> None:
        """Begin free."""
        self.index = index
        self.via = 2 * index  # the number under which datagrams leave by its socket; the next one sets DF
        self.family = family
        self.address = b""  # port||ip it is bound to; b"" while its socket is not open
        self.announced = b""  # port||ip that clients are told
        self.paired = False  # whether its port was opened together with a neighbour's, and that one is free too
        self.offered = False  # whether it stands among the free ones: one that waits there may be moved to another port
        self.allocation: Allocation | None = None
        self.expires = 0
        self.token = b""  # of a reservation, while nobody has taken it up
        self.account: Account | None = None
        self.permissions: dict[bytes, int] = {}
        self.channels: dict[bytes, Channel] = {}
        self.tcp = False  # whether it is an address of TCP, while it is in use (RFC 6062)
        self.connections: dict[bytes, PeerConnection] = {}


CONNECTING, WAITING, BOUND = 1, 2, 3  # what a PeerConnection is doing
NEVER = 0x3FFFFFFF


class PeerConnection:
    """A TCP connection between a relayed transport address and a peer (RFC 6062).

    CONNECTING: to the peer, for `request`, which is answered when that is done; WAITING: for the client to bind it;
    BOUND: to the client's connection from port||ip `source` at listener `via`, until one of the three ends.
    """

    __slots__ = ("expires", "id", "incoming", "peer", "relay", "request", "slot", "source", "stage", "via", "wire")

    def __init__(self, slot: int) -> None:
        """Begin free."""
        self.slot = slot
        self.relay: Relay = _NO_RELAY
        self.clear()

    def clear(self) -> None:
        """Forget peer and client."""
        self.id = b""  # CONNECTION-ID
        self.peer = b""  # as the client names it
        self.wire = b""  # as it is connected to
        self.relay = _NO_RELAY
        self.incoming = False
        self.stage = 0
        self.expires = 0
        self.request: Request | None = None
        self.via = 0
        self.source = b""


class Allocation:
    """An allocation (RFC 8656 §6): the client's 5-tuple and what it may do.

    kernel_packets, kernel_bytes: how much of what its packets and bytes count was carried by the kernel.
    """

    __slots__ = (
        "account",
        "arriving",
        "channels",
        "client",
        "created",
        "down_credit",
        "down_drawn",
        "down_packets",
        "expires",
        "generation",
        "grown",
        "identity",
        "kernel_bytes",
        "kernel_packets",
        "missing",
        "moved_by",
        "relays",
        "session",
        "slot",
        "token",
        "transaction",
        "up_credit",
        "up_drawn",
        "up_packets",
        "used_at",
        "via",
    )

    def __init__(self, slot: int) -> None:
        """Begin free."""
        self.slot = slot
        self.channels: dict[int, Channel] = {}
        self.relays: list[Relay | None] = [None, None]
        self.clear()

    def clear(self) -> None:
        """Forget the client; the relays were given back before."""
        self.via = 0
        self.client = b""
        self.expires = 0  # when the last of its relayed addresses ends
        self.identity: Identity | None = None
        self.account: Account | None = None
        self.transaction = b""
        self.token = b""
        self.grown = False  # whether its tables of channels may have taken more memory than their own
        self.missing = (0, 0)  # family and error code of the address that a dual allocation didn't get
        self.created = self.used_at = 0
        self.session = 0
        self.generation = 0  # of its ticket; 0 where it may not move (RFC 8016)
        self.arriving: tuple[int, bytes] | None = None  # listener and port||ip from where it is being resumed
        self.moved_by = b""  # transaction of the Refresh that asked for that
        self.up_packets = self.down_packets = 0
        self.kernel_packets = self.kernel_bytes = 0
        self.up_drawn = self.down_drawn = 0
        self.up_credit = self.down_credit = 0

    def renew(self) -> None:
        """Compute anew when the last of the relayed addresses ends."""
        self.expires = max([relay.expires for relay in self.relays if relay] or [0])

    def up_bytes(self) -> int:
        """Return the bytes relayed from client to peers."""
        return self.up_drawn - self.up_credit

    def down_bytes(self) -> int:
        """Return the bytes relayed from peers to the client."""
        return self.down_drawn - self.down_credit

    def add_carried(self, up: "tuple[int, int, int]", down: "tuple[int, int, int]") -> None:
        """Count what the kernel carried: packets, bytes and the second of the last one, in both directions."""
        self.up_packets += up[0]
        self.up_drawn += up[1]
        self.down_packets += down[0]
        self.down_drawn += down[1]
        self.kernel_packets += up[0] + down[0]
        self.kernel_bytes += up[1] + down[1]
        self.used_at = max(self.used_at, up[2], down[2])

    def forget_credit(self) -> None:
        """Give back what was drawn and not used, so that other rates count at once."""
        self.up_drawn, self.down_drawn = self.up_bytes(), self.down_bytes()
        self.up_credit = self.down_credit = 0

    def count_permissions(self) -> int:
        """Return how many permissions there are, of both families."""
        return sum([len(relay.permissions) for relay in self.relays if relay])

    def connections(self) -> "list[PeerConnection]":
        """Return the TCP connections with peers, of both families."""
        return [each for relay in self.relays if relay for each in relay.connections.values()]


class Account:
    """What one user has in use; its rates are shared by all of its allocations."""

    __slots__ = ("allocations", "name", "slot", "spare_channels", "wanted_at")

    def __init__(self, slot: int) -> None:
        """Begin free."""
        self.slot = slot
        self.name = b""
        self.allocations = 0
        self.spare_channels = 0  # that its allocations have beyond those that they are sure of
        self.wanted_at = 0  # when an allocation was last asked for


def reserve(table: "dict[bytes, int] | dict[bytes, Channel] | dict[int, Channel]", size: int) -> None:
    """Let a table take its memory now: filled once and emptied one by one, it keeps its room on MicroPython."""
    try:
        for number in range(size):
            table[number] = None  # type: ignore[index, assignment]
    finally:  # what stays would be taken for a channel
        for number in range(size):
            table.pop(number, None)  # type: ignore[call-overload]


_NO_RELAY = Relay(0, IPV4)


class Free:
    """Records that are free. Taking and giving takes no memory: a list that grows and shrinks does on MicroPython."""

    def __init__(self, rows: "list[Any]") -> None:
        """Begin with all of them."""
        self._rows = rows
        self.count = len(rows)

    def take(self) -> "Any":
        """Return one; there has to be one."""
        self.count -= 1
        return self._rows[self.count]

    def give(self, row: "Any") -> None:
        """Take one back."""
        self._rows[self.count] = row
        self.count += 1

    def rows(self) -> "list[Any]":
        """Return all."""
        return self._rows[: self.count]


class Accounts:
    """The accounts of users with allocations, and of those who had some a moment ago."""

    def __init__(self, size: int, limits: Limits, rates: Rates) -> None:
        """Make so many accounts."""
        self._rates = rates
        self.peers = Budgets(size, 60)  # new ones in a minute, by slot
        self._free = Free([Account(slot) for slot in range(size)])
        self._used: dict[bytes, Account] = {}
        self._limits = limits

    def open(self, name: bytes, now: int) -> "Account | None":
        """Return the account of a name, a new one if need be; None where the pool is full."""
        account = self._used.get(name)
        if account is None and (self._free.count or self._forget_one()):
            account = self._free.take()
            account.name = name
            account.allocations = 0
            self._used[name] = account
            self._rates.open_account(account.slot, self._limits.user_bandwidth)
            self.peers.reset(account.slot, self._limits.peers_per_minute)
        if account is not None:
            account.wanted_at = now
        return account

    def use(self, limits: Limits) -> None:
        """Take other rates, at once and for all."""
        self._limits = limits
        for account in self._used.values():
            self._rates.set_account(account.slot, limits.user_bandwidth)
            self.peers.set_rate(account.slot, limits.peers_per_minute)

    def _forget_one(self) -> bool:
        """Free the account without allocations that was wanted longest ago: windows of the others are still needed."""
        idle = [account for account in self._used.values() if not account.allocations]
        if not idle:
            return False
        oldest = min(idle, key=lambda account: account.wanted_at)
        del self._used[oldest.name]
        self._free.give(oldest)
        return True


class Pool:
    """All records, the free ones in stacks."""

    def __init__(self, limits: Limits, families: "tuple[int, ...]") -> None:
        """Make the records for limits and the address families that are relayed."""
        size = limits.max_allocations
        self.families = families
        self.allocations = [Allocation(slot) for slot in range(size)]
        self.relays = [
            Relay(place * size + index, family) for place, family in enumerate(families) for index in range(size)
        ]
        self.rates = Rates(limits, 2 * size)
        self.accounts = Accounts(2 * size, limits, self.rates)
        self._free_allocations = Free(list(self.allocations))
        self.usual_channels = limits.usual_channels()
        self._free_channels = Free([Channel() for _ in range(limits.all_channels(size))])
        self.spare_channels = limits.spare_channels(size)  # that nobody has, and nobody is sure of
        self._reserve(limits)
        self.connections = [PeerConnection(slot) for slot in range(limits.max_tcp_peers if limits.tcp_relay else 0)]
        self._free_connections = Free(list(self.connections))
        self.by_id: dict[bytes, PeerConnection] = {}  # CONNECTION-ID -> connection
        self._free_relays: dict[int, list[Relay]] = {family: [] for family in FAMILIES}
        self.reserved = 0
        self.pair_taken = False  # set here, cleared by who opens sockets
        self.served = families  # those that there's an address of
        self.away: set[bytes] = set()  # IP addresses of free relays that the machine hasn't got now

    def _reserve(self, limits: Limits) -> None:
        for allocation in self.allocations:
            reserve(allocation.channels, self.usual_channels)
        for relay in self.relays:
            reserve(relay.permissions, limits.max_permissions)
            reserve(relay.channels, self.usual_channels)

    def trim(self, table: "dict[bytes, Channel] | dict[int, Channel]") -> None:
        """Give back what an empty table of channels took beyond the memory of its own."""
        table.clear()
        try:
            reserve(table, self.usual_channels)
        except MemoryError:
            pass  # it takes it when it's used

    def free_slots(self) -> int:
        """Return how many allocations may still be made; a reservation holds the place of one."""
        return self._free_allocations.count - self.reserved

    def free_relays(self, family: int) -> "list[Relay]":
        """Return the open and unused relays of a family whose address is there."""
        free = self._free_relays[family]
        return [relay for relay in free if ip_of(relay.address) not in self.away] if self.away else free

    def take_allocation(self) -> Allocation:
        """Return a free allocation; there is one where free_slots() said so."""
        allocation: Allocation = self._free_allocations.take()
        return allocation

    def give_allocation(self, allocation: Allocation) -> None:
        """Take an allocation back."""
        if allocation.grown:
            self.trim(allocation.channels)
        allocation.clear()
        self._free_allocations.give(allocation)

    def take_relay(self, relay: Relay) -> Relay:
        """Take one certain relay out of the free ones; a pair that is broken is none."""
        self._free_relays[relay.family].remove(relay)
        if relay.paired:
            buddy = self.neighbour(relay, -1 if relay.announced[1] & 1 else 1)
            if buddy is not None:
                buddy.paired = False
            self.pair_taken = True
        relay.offered = relay.paired = False
        return relay

    def withdraw(self, relay: Relay) -> None:
        """Offer a free relay no longer, because it's about to be opened elsewhere."""
        self._free_relays[relay.family].remove(relay)
        relay.offered = relay.paired = False

    def neighbour(self, relay: Relay, distance: int) -> "Relay | None":
        """Return the free relay whose announced port on the same IP address is so far from another's."""
        wanted = join(ip_of(relay.announced), port_of(relay.announced) + distance)
        for other in self._free_relays[relay.family]:
            if other.announced == wanted:
                return other
        return None

    def open_relay(self, relay: Relay, address: bytes, announced: bytes, paired: bool) -> None:
        """Note that a relay's socket is open, and offer the relay."""
        relay.address = address
        relay.announced = announced
        relay.paired = paired
        if not relay.offered:
            relay.offered = True
            self._free_relays[relay.family].append(relay)

    def take_channel(self, owner: Allocation) -> Channel:
        """Return a free channel for an allocation, for which there is a sure or a spare one."""
        channel: Channel = self._free_channels.take()
        if len(owner.channels) >= SURE_CHANNELS:
            self._spare(owner, -1)
        return channel

    def give_channel(self, channel: Channel, owner: Allocation) -> None:
        """Take a channel back that an allocation has no more."""
        if len(owner.channels) >= SURE_CHANNELS:
            self._spare(owner, 1)
        channel.expires = channel.permitted_until = channel.carries_until = 0
        channel.relay = _NO_RELAY
        self._free_channels.give(channel)

    def _spare(self, owner: Allocation, channels: int) -> None:
        assert owner.account is not None
        self.spare_channels += channels
        owner.account.spare_channels -= channels

    def take_connection(self) -> "PeerConnection | None":
        """Return a free TCP connection, None where all are in use."""
        return self._free_connections.take() if self._free_connections.count else None

    def give_connection(self, connection: PeerConnection) -> None:
        """Take a TCP connection back."""
        connection.clear()
        self._free_connections.give(connection)
