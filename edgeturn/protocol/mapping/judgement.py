"""What stands in front of a relay address, judged from what is known: the address itself, what the gateway says of its
own outside, and what a STUN server sees.

    none         nothing: the address is a public one                 announced as it is
    one-to-one   one NAT, which is taken to keep ports                 what the STUN server sees
    port-mapped  one NAT, which maps ports for us                      the gateway's external address
    double       a second NAT behind the gateway, by all appearances   what the STUN server sees
    cgnat        the provider's NAT (RFC 6598)                         what the STUN server sees
    unknown      a NAT, and nobody says anything of its outside        the address itself

Rule 1: an address that only a network of its own knows is private here; all others are taken for public.
Rule 2: each problem is a sentence that says what can be done.
"""

from edgeturn.protocol.address import IPV4_SIZE, format_ip

NONE, ONE_TO_ONE, PORT_MAPPED, DOUBLE, CGNAT, UNKNOWN = (
    "none",
    "one-to-one",
    "port-mapped",
    "double",
    "cgnat",
    "unknown",
)
SAYS_ITSELF = "own address"
_INSTEAD = "use IPv6, ask the provider for a public IPv4 address, or run a relay elsewhere"


def is_shared(ip: bytes) -> bool:
    """Say whether an address is of 100.64.0.0/10, which providers put between their NAT and ours (RFC 6598)."""
    return len(ip) == IPV4_SIZE and ip[0] == 100 and ip[1] & 0xC0 == 64


def is_private(ip: bytes) -> bool:
    """Say whether an address is none that the internet knows: RFC 1918, RFC 6598, link-local, unique local, 0/8."""
    if len(ip) == IPV4_SIZE:
        first, second = ip[0], ip[1]
        rows = (first in (0, 10), first == 172 and second & 0xF0 == 16, first == 192 and second == 168)
        return any(rows) or (first == 169 and second == 254) or is_shared(ip)
    return ip[0] & 0xFE == 0xFC or (ip[0] == 0xFE and ip[1] & 0x80 == 0x80)


def is_host(ip: bytes) -> bool:
    """Say whether an IPv4 address may be a NAT's outside one, whatever a gateway says: a host's, and no loopback."""
    return len(ip) == IPV4_SIZE and 0 < ip[0] < 224 and ip[0] != 127


def is_loopback(ip: bytes) -> bool:
    """Say whether an address never leaves this machine."""
    return ip[0] == 127 if len(ip) == IPV4_SIZE else ip == bytes(15) + b"\x01"


class Evidence:
    """What is known of one relay address; b"" is what nobody has said."""

    def __init__(self, own: bytes) -> None:
        """Take the relay address."""
        self.own = own
        self.seen = b""  # by the STUN server
        self.ports_kept = True  # whether that saw the port which was sent from
        self.gateway = b""  # the gateway's address, as we reach it
        self.outside = b""  # the gateway's external address
        self.protocol = ""  # by which the gateway maps ports
        self.refuses = False  # whether it speaks that and maps none

    def needs_gateway(self) -> bool:
        """Say whether there's a NAT that a gateway could map ports of."""
        return is_private(self.own) and len(self.own) == IPV4_SIZE


class Judgement:
    """The address that is announced, how it's known, what stands in front, what is wrong with that."""

    def __init__(self, nat: str, announced: bytes, by: str, problems: "list[str]") -> None:
        """Take all of it."""
        self.nat = nat
        self.announced = announced
        self.by = by
        self.problems = problems

    def is_like(self, other: "Judgement | None") -> bool:
        """Say whether another judgement is the same."""
        return other is not None and vars_of(self) == vars_of(other)


def vars_of(judgement: Judgement) -> "tuple[str, bytes, str, list[str]]":
    """Return what makes a judgement."""
    return judgement.nat, judgement.announced, judgement.by, judgement.problems


def judge(known: Evidence) -> Judgement:
    """Judge what stands in front of a relay address."""
    if is_loopback(known.own):
        return Judgement(NONE, known.own, SAYS_ITSELF, [])
    if known.outside:
        return _judge_mapped(known)
    if known.refuses:
        announced, by = (known.seen, "stun") if known.seen else (known.own, SAYS_ITSELF)
        return Judgement(DOUBLE, announced, by, [_refusing(known)])
    if known.seen:
        return _judge_seen(known)
    if is_shared(known.own):
        return Judgement(CGNAT, known.own, SAYS_ITSELF, [_behind_provider(known.own)])
    if is_private(known.own):
        return Judgement(UNKNOWN, known.own, SAYS_ITSELF, [_unknown(known)])
    return Judgement(NONE, known.own, SAYS_ITSELF, [])


def _judge_mapped(known: Evidence) -> Judgement:
    """Judge where a gateway maps ports."""
    outside, seen = known.outside, known.seen
    public = not is_private(outside)
    if public and seen in (b"", outside):
        return Judgement(PORT_MAPPED, outside, known.protocol, [])
    announced, by = (seen, "stun") if seen else (outside, known.protocol)
    if is_shared(outside):
        return Judgement(CGNAT, announced, by, [_behind_provider(outside)])
    return Judgement(DOUBLE, announced, by, [_twice(known)])


def _judge_seen(known: Evidence) -> Judgement:
    """Judge where only the STUN server says something."""
    if known.seen == known.own:
        return Judgement(NONE, known.own, "stun", [])
    if is_shared(known.own):
        return Judgement(CGNAT, known.seen, "stun", [_behind_provider(known.own)])
    return Judgement(ONE_TO_ONE, known.seen, "stun", [] if known.ports_kept else [_other_ports(known)])


def _behind_provider(outside: bytes) -> str:
    return (
        f"The provider's NAT (CGNAT) stands in front: the address towards it is {format_ip(outside)}."
        f" Nobody outside reaches the relay over IPv4: {_INSTEAD}."
    )


def _twice(known: Evidence) -> str:
    seen = f", and a STUN server sees {format_ip(known.seen)}" if known.seen else ""
    return (
        f"A second NAT stands behind {format_ip(known.gateway)}: that one's own address is {format_ip(known.outside)}"
        f"{seen}. Forward all ports on the outer router to {format_ip(known.outside)}, or make it a bridge;"
        f" else {_INSTEAD}."
    )


def _refusing(known: Evidence) -> str:
    return (
        f"The router {format_ip(known.gateway)} maps no port by {known.protocol}: it has none left, or its own address"
        " isn't a public one because a second NAT (CGNAT) stands behind it. Nobody outside reaches relayed addresses:"
        f" {_INSTEAD}."
    )


def _other_ports(known: Evidence) -> str:
    return (
        "The NAT in front changes ports, so nobody outside reaches relayed addresses. Forward relay_ports and the"
        f" listening ports to {format_ip(known.own)} unchanged, or switch on UPnP, NAT-PMP or PCP on the router."
    )


def _unknown(known: Evidence) -> str:
    return (
        f"The external address of {format_ip(known.own)} isn't known: no STUN server answers, and no router maps"
        " ports. Set external_address, name a stun_server, or switch on UPnP, NAT-PMP or PCP on the router."
    )
