"""Every limit and every timer of the relay, in one place.

The constants are fixed by the RFCs; a Limits object holds what the configuration may set.
Times are seconds, sizes are bytes.
"""

PERMISSION_LIFETIME = 300  # RFC 8656 §9: MUST be 300
CHANNEL_LIFETIME = 600  # RFC 8656 §12
CHANNEL_GUARD = 300  # RFC 8656 §12: before a number or a peer is bound otherwise
RESERVATION_LIFETIME = 30  # RFC 8656 §7.2
CONNECT_TIMEOUT = 30  # RFC 6062 §5.2: at least, to reach a peer
BIND_TIMEOUT = 30  # RFC 6062 §5.2, §5.3: for the client to take up a connection

CHANNEL_FIRST = 0x4000  # RFC 8656 §12
CHANNEL_LAST = 0x4FFF
WIDE_CHANNEL_LAST = 0x7FFF  # RFC 5766 §11, for old clients

USERNAME_SIZE = 763  # RFC 8489 §14.3: what must still be read

# What stands in front of a peer's payload in its buffer, so that it becomes a message in place, without a copy:
# STUN header, XOR-PEER-ADDRESS of IPv6, attribute header of DATA.
HEADROOM = 20 + 24 + 4
CHANNEL_HEADER_SIZE = 4

# Of all channels. A call needs one or two, and goes on by indications where it gets none.
SURE_CHANNELS = 2  # that an allocation gets, whoever has how many
USUAL_CHANNELS = 4  # of an allocation on the average

ANSWER_ROOM = 1024  # bytes, more than any answer has

MOST_ALLOCATIONS = 8192  # what max_allocations may be set to
PREFIX_TABLE_SIZE = 2048  # counters of requests without valid credentials; two bytes each


class Limits:
    """What may be set: pool sizes, quotas, rates and lifetimes. 0 is unlimited where a rate is meant."""

    def __init__(self) -> None:
        """Begin with the defaults."""
        self.max_allocations = 64
        self.max_permissions = 16  # of an allocation
        self.max_channels = 16  # of an allocation, which shares them with others
        self.tcp_relay = False  # RFC 6062
        self.max_peer_connections = 8  # TCP connections with peers, of an allocation
        self.max_tcp_peers = 64  # the same, in all
        self.max_connections = 32  # over TCP and TLS
        self.max_spliced = 32  # of them handed to backends
        self.stream_buffer = 4096  # in each direction of a connection
        self.user_quota = 12  # allocations and reservations of a user
        self.peers_per_minute = 60  # new permissions of a user
        self.bandwidth = 0  # bytes a second, per allocation and direction
        self.user_bandwidth = 0
        self.total_bandwidth = 0
        self.unauthenticated_rate = 20  # requests a second and source prefix
        self.default_lifetime = 600  # RFC 8656 §6
        self.max_lifetime = 3600  # RFC 8656 §7.2
        self.nonce_lifetime = 3600  # RFC 8656 §5: at most an hour
        self.wide_channels = False
        self.mobility = True  # RFC 8016

    def lifetime(self, wanted: "int | None") -> int:
        """Return the lifetime that is granted for the one a client asks for (RFC 8656 §7.2)."""
        if wanted is None:
            return self.default_lifetime
        return max(self.default_lifetime, min(wanted, self.max_lifetime))

    def usual_channels(self) -> int:
        """Return for how many channels an allocation has memory of its own."""
        return min(self.max_channels, USUAL_CHANNELS)

    def spare_channels(self, allocations: int) -> int:
        """Return how many of the channels of so many allocations are for those that want more than they are sure of."""
        most = max(self.max_channels - SURE_CHANNELS, 0)
        return min(max(allocations * (USUAL_CHANNELS - SURE_CHANNELS), 2 * most), allocations * most)

    def all_channels(self, allocations: int) -> int:
        """Return how many channels there are for so many allocations; one of them may have as many as it wants."""
        return allocations * min(self.max_channels, SURE_CHANNELS) + self.spare_channels(allocations)

    def last_channel(self) -> int:
        """Return the highest channel number that may be bound."""
        return WIDE_CHANNEL_LAST if self.wide_channels else CHANNEL_LAST
