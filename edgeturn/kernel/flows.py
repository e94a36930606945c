"""The layout that the kernel's program and the relay share: flow.h in Python, for both interpreters.

Rule 1: an address is IPv6, IPv4 as ::ffff:a.b.c.d, and stands in network order; all else in the machine's own.
Rule 2: what isn't said here of a field is said in flow.h; a test compares both.
"""

from struct import pack, unpack, unpack_from

from edgeturn.protocol.address import IPV4_SIZE, ip_of

KEY_SIZE = 40
FLOW_SIZE = 64
COUNTER_SIZE = 64
BUDGET_SIZE = 24
TALLY_SIZE = 16
HOOK_SIZE = 16
SCRATCH_SIZE = 2048  # bytes of a payload that the program can move
PORTS_SIZE = 8  # bytes of one entry of the bitmap of ports, 64 ports each

HOOKS = 64
PROBE = 0x88B5
SECOND = 1000000000  # nanoseconds; the kernel's clock counts them

TC, XDP = 1, 2
ATTACHED, PROVEN, GIVEN_UP = 0, 1, 2

# In the order of flow.h: name, and what a person reads of it.
OUTCOMES = (
    ("seen", "probes"),
    ("carried", "carried in the kernel"),
    ("bandwidth", "dropped: a rate is used up"),
    ("no_flow", "STUN, or nothing is bound"),
    ("expired", "binding or permission has expired"),
    ("length", "padded, or a length that isn't the datagram's"),
    ("segments", "several packets in one (GRO or GSO)"),
    ("fragment", "fragment"),
    ("options", "IPv4 options or IPv6 extension headers"),
    ("hops", "TTL or hop limit used up"),
    ("mtu", "too large for the way out"),
    ("forwarding", "forwarding is switched off"),
    ("route", "no route"),
    ("neighbour", "address of the next hop isn't known yet"),
    ("checksum", "UDP checksum missing, or left to a device"),
    ("device", "the way out takes no packets from this hook"),
)

_KEY = "16s16s2s2s2s2s"
_FLOW = _KEY + "QIIII"  # the key's size is a multiple of 8: no gap
_HOOK = "IBBBBII"
_NO_CHANNEL = b"\0\0"
_INSIDE = b"\0\1"
_IPV4_PREFIX = bytes(10) + b"\xff\xff"


def _wide(address: bytes) -> bytes:
    """Return the IP address of port||ip in 16 bytes."""
    ip = ip_of(address)
    return _IPV4_PREFIX + ip if len(ip) == IPV4_SIZE else ip


def _narrow(ip: bytes, port: bytes) -> bytes:
    """Return port||ip of an IP address in 16 bytes."""
    return port + (ip[12:] if ip[:12] == _IPV4_PREFIX else ip)


def key(local: bytes, remote: bytes, channel: int) -> bytes:
    """Return the key of the flow from remote to local, both port||ip; channel 0 where a peer sends."""
    return pack(_KEY, _wide(local), _wide(remote), local[:2], remote[:2], channel.to_bytes(2, "big"), _NO_CHANNEL)


def read_key(data: bytes) -> "tuple[bytes, bytes, int]":
    """Return local and remote port||ip and the channel of a key."""
    local, remote, local_port, remote_port, channel, _ = unpack(_KEY, data)
    return _narrow(local, local_port), _narrow(remote, remote_port), int.from_bytes(channel, "big")


class Flow:
    """What a flow's packets become: from source to destination, with a channel or with none (0).

    expires: seconds of CLOCK_MONOTONIC; counter: place of its counter; budgets: three places, 0 where unlimited.
    inside: the peer is a relayed address of this relay, so that no packet from outside is its.
    """

    def __init__(
        self,
        source: bytes,
        destination: bytes,
        channel: int,
        expires: int,
        counter: int,
        budgets: "tuple[int, int, int]" = (0, 0, 0),
        inside: bool = False,
    ) -> None:
        """Take port||ip of both ends and the rest."""
        self.source = source
        self.destination = destination
        self.channel = channel
        self.expires = expires
        self.counter = counter
        self.budgets = budgets
        self.inside = inside

    def pack(self) -> bytes:
        """Return the map's value."""
        source, destination = self.source, self.destination
        addresses = (_wide(source), _wide(destination), source[:2], destination[:2])
        channel = self.channel.to_bytes(2, "big")
        expires = self.expires * SECOND
        inside = _INSIDE if self.inside else _NO_CHANNEL
        return pack(_FLOW, *addresses, channel, inside, expires, self.counter, *self.budgets)


def read_flow(data: bytes) -> Flow:
    """Return the flow of a map's value."""
    source, destination, source_port, destination_port, channel, inside, expires, counter, one, two, three = unpack(
        _FLOW, data
    )
    return Flow(
        _narrow(source, source_port),
        _narrow(destination, destination_port),
        int.from_bytes(channel, "big"),
        expires // SECOND,
        counter,
        (one, two, three),
        inside != _NO_CHANNEL,
    )


def read_counter(data: bytes) -> "tuple[int, int, int]":
    """Return packets, bytes and the time of the last one in nanoseconds, summed up over CPUs."""
    packets = size = last = 0
    for at in range(0, len(data), COUNTER_SIZE):
        more, more_bytes, at_last = unpack_from("QQQ", data, at)
        packets += more
        size += more_bytes
        last = max(last, at_last)
    return packets, size, last


def read_tally(data: bytes) -> "tuple[int, int]":
    """Return packets and bytes, summed up over CPUs."""
    packets = size = 0
    for at in range(0, len(data), TALLY_SIZE):
        more, more_bytes = unpack_from("QQ", data, at)
        packets += more
        size += more_bytes
    return packets, size


class Hook:
    """A place that a program is attached to."""

    def __init__(
        self,
        interface: int,
        kind: int,
        state: int = ATTACHED,
        reason: int = 0,
        changed: int = 0,
        program: int = 0,
        previous: int = 0,
    ) -> None:
        """Take the fields of flow.h."""
        self.interface = interface
        self.kind = kind
        self.state = state
        self.reason = reason
        self.changed = changed
        self.program = program
        self.previous = previous

    def pack(self) -> bytes:
        """Return the map's value."""
        return pack(
            _HOOK, self.interface, self.kind, self.state, self.reason, self.changed, self.program, self.previous
        )


def read_hook(data: bytes) -> Hook:
    """Return the hook of a map's value."""
    return Hook(*unpack(_HOOK, data))


# Why a hook was given up, in the order of the numbers in `reason`: name, and what a person reads. Append only.
HOOK_REASONS = (
    ("none", ""),
    ("kernel", "the kernel has no clsact or no cls_bpf"),
    ("places", "filters of others have all the places"),
    ("hidden", "no probe arrived, another's filter comes first"),
    ("silent", "no probe arrived"),
    ("native", "the driver has no native XDP"),
    ("refused", "the driver refuses the program"),
    ("taken", "another's XDP program is there"),
    ("program", "the kernel refuses the program"),
    ("carrier", "no carrier, so nothing can prove it"),
    ("unanswered", "no neighbour's answer was seen"),
)
