"""What is known of a call, from whatever somebody has: the readers fill it in, the cases conclude from it.

Rule 1: what a source doesn't say is "", 0, None or an empty list; a case that needs it doesn't apply.
Rule 2: times are seconds of the source's own clock, and only differences mean something.
Rule 3: addresses are text as people write them, so that a browser's NAME.local fits; a place is ADDRESS:PORT or
        [v6]:PORT.
"""

from dataclasses import dataclass, field

from edgeturn.capture.connection import Connection

HOST, SRFLX, PRFLX, RELAY = "host", "srflx", "prflx", "relay"
NO_ANSWER = 0  # the code of an exchange that nobody answered
SUCCESS = 200


@dataclass(frozen=True)
class Candidate:
    """One ICE candidate (RFC 8839 §5.1)."""

    kind: str  # HOST, SRFLX, PRFLX, RELAY
    transport: str  # udp, tcp
    address: str  # an address, NAME.local, or "" where it's hidden
    port: int = 0
    related: str = ""  # raddr:rport
    server: str = ""  # the URI that it was gathered from
    relay_transport: str = ""  # udp, tcp, tls, dtls: how the relay was reached
    priority: int = 0
    component: int = 1
    at: float = 0.0

    @property
    def is_hidden(self) -> bool:
        """Say whether mDNS hides the address (draft-ietf-mmusic-mdns-ice-candidates)."""
        return self.address.endswith(".local")

    @property
    def family(self) -> int:
        """Return 4 or 6, 0 where the address is hidden or absent."""
        if not self.address or self.is_hidden:
            return 0
        return 6 if ":" in self.address else 4


@dataclass(frozen=True)
class Pair:
    """A candidate pair and its connectivity checks."""

    local: Candidate | None
    remote: Candidate | None
    state: str  # waiting, in-progress, failed, succeeded, frozen
    nominated: bool = False
    checks_sent: int = 0
    checks_answered: int = 0
    checks_received: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    counted: bool = True  # whether the source counts checks
    conflicts: int = 0  # checks of either end that were answered by 487: both have the same role

    @property
    def was_tried(self) -> bool:
        """Say whether checks were sent over it, or the source calls it failed without counting any."""
        return bool(self.checks_sent) or (not self.counted and self.state in ("failed", "in-progress", "succeeded"))

    @property
    def was_answered(self) -> bool:
        """Say whether a check was answered, be it by a conflict of roles."""
        return bool(self.checks_answered or self.conflicts) or (not self.counted and self.state == "succeeded")


@dataclass(frozen=True)
class Exchange:
    """A request to a STUN or TURN server with its answer; or, of a Send or Data indication, that it was."""

    at: float
    method: str  # Binding, Allocate, Refresh, CreatePermission, ChannelBind, Send, Data
    code: int  # SUCCESS, an error code, or NO_ANSWER
    client: str = ""  # places
    server: str = ""
    transport: str = "udp"  # udp, tcp, tls, dtls
    reason: str = ""  # what came with an error, or what the relay itself says of why
    signed: bool = False  # with MESSAGE-INTEGRITY
    username: str = ""
    realm: str = ""
    peers: tuple[str, ...] = ()
    channel: int = 0
    lifetime: int | None = None  # seconds, of the answer where there is one
    mapped: str = ""
    relayed: str = ""
    tries: int = 1  # how often the request was sent


@dataclass(frozen=True)
class IceError:
    """What a browser says of a server that gave no candidate (icecandidateerror)."""

    server: str
    code: int  # a STUN error code, 701 where the server can't be reached
    text: str
    at: float = 0.0


@dataclass(frozen=True)
class Event:
    """A change that a source tells: an ICE or connection state, or one of the relay: allocated, freed, bound …"""

    at: float
    what: str  # of a browser: ice, connection, gathering, signaling, dtls, remote-candidate, candidate-refused
    value: str = ""


@dataclass(frozen=True)
class IceServer:
    """A server as an application named it."""

    uri: str
    username: str = ""
    has_credential: bool = False


@dataclass(frozen=True)
class Description:
    """An offer or an answer (RFC 8829), as far as connecting depends on it."""

    local: bool  # whether this side made it
    kind: str = ""  # offer, answer, pranswer, rollback; "" where the source doesn't tell
    setup: str = ""  # active, passive, actpass: who begins DTLS (RFC 8842)
    ice_lite: bool = False
    trickle: bool = False
    end_of_candidates: bool = False
    candidates: int = 0
    media: tuple[str, ...] = ()  # audio, video, application
    disabled: tuple[str, ...] = ()  # media that were refused, by port 0
    fragment: str = ""  # ice-ufrag
    fingerprint: str = ""
    at: float = 0.0


@dataclass
class Flow:
    """Packets and bytes of one way, relayed or on a nominated pair; None where nobody counted."""

    sent_packets: int | None = None
    sent_bytes: int | None = None
    received_packets: int | None = None
    received_bytes: int | None = None
    largest: int = 0  # bytes of the largest packet that was seen
    sent_largest: int = 0
    received_largest: int = 0


@dataclass
class PeerFlow:
    """What a client and one peer sent each other through the relay, by indications or by one channel."""

    peer: str  # "" where a channel's binding wasn't seen
    channel: int = 0  # 0: by Send and Data
    client: str = ""
    server: str = ""
    sent: int = 0  # messages, client to peer
    received: int = 0
    sent_first: float = 0.0
    sent_last: float = 0.0
    received_first: float = 0.0
    received_last: float = 0.0
    sent_largest: int = 0  # bytes of payload
    received_largest: int = 0
    left_relay: int = 0  # packets that were seen between relay and peer, 0 where the capture wasn't made there
    reached_relay: int = 0


@dataclass(frozen=True)
class IcmpError:
    """What a machine on the way says of a packet that it didn't deliver."""

    at: float
    what: str  # port-unreachable, host-unreachable, network-unreachable, prohibited, too-big, time-exceeded
    source: str  # places of the packet
    destination: str
    said_by: str = ""  # an address
    mtu: int = 0  # of too-big


@dataclass
class Pieces:
    """Fragmented packets between two addresses, one way."""

    source: str
    destination: str
    first: int = 0
    later: int = 0


@dataclass
class Side:
    """One end of a call, as one source shows it."""

    name: str  # for people: the file and what it is
    source: str  # webrtc-internals, about:webrtc, sdp, candidates, capture, live
    servers: list[IceServer] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)
    remote_candidates: list[Candidate] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    errors: list[IceError] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    media: Flow = field(default_factory=Flow)
    policy: str = ""  # all, relay
    controlling: bool | None = None
    gathered_all: bool | None = None  # end-of-candidates; None where the source can't tell
    descriptions: list[Description] = field(default_factory=list)
    peer_flows: list[PeerFlow] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)
    icmp: list[IcmpError] = field(default_factory=list)
    pieces: list[Pieces] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # what of the source wasn't understood, with its line

    @property
    def label(self) -> str:
        """Return the name without what kind of source it is."""
        return self.name.rpartition(" (")[0] or self.name


@dataclass
class OwnRelay:
    """What the relay on this machine says, where there is one and it may be asked."""

    status: dict[str, object]  # of the control socket
    sessions: list[dict[str, object]] = field(default_factory=list)
    settings: dict[str, object] = field(default_factory=dict)


@dataclass
class Evidence:
    """All that is known."""

    sides: list[Side] = field(default_factory=list)
    relay: OwnRelay | None = None
    clock: float | None = None  # Unix time at which it was gathered, to judge credentials by; None where unknown
