"""A naive model of the TURN state: dicts with expiry times, lists without limits, everything looked up anew each time.

Rule 1: it answers what a request's code is, and whether and how data passes; nothing is packed, pooled or cached.
Rule 2: where the relay may choose (a free address), the model says among which.
"""

from dataclasses import dataclass, field

from edgeturn.protocol.address import family, format_ip, ip_of, parse

PERMISSION, CHANNEL, GUARD, RESERVATION, MINUTE = 300, 600, 300, 30, 60
Key = tuple[int, str]  # family, IP address


def key_of(peer: str) -> Key:
    """Return family and IP address of a transport address."""
    ip = ip_of(parse(peer))
    return family(ip), format_ip(ip)


def port_of(place: str) -> int:
    return int(place.rpartition(":")[2])


def next_port(place: str) -> str:
    before, colon, port = place.rpartition(":")
    return f"{before}{colon}{int(port) + 1}"


@dataclass
class Channel:
    """A binding, kept for GUARD seconds after it has expired."""

    peer: str
    expires: int


@dataclass
class Session:
    """What a client has: relayed addresses by family, permissions, channels by number."""

    user: str
    transaction: bytes
    relays: dict[int, tuple[str, int]] = field(default_factory=dict)
    permissions: dict[Key, int] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)

    def forget(self, family: int) -> None:
        """Forget a relayed address with all that leant on it."""
        del self.relays[family]
        self.permissions = {key: expires for key, expires in self.permissions.items() if key[0] != family}
        self.channels = {number: each for number, each in self.channels.items() if key_of(each.peer)[0] != family}


@dataclass
class Reservation:
    """A relayed address that waits for whoever has the token."""

    place: str
    user: str
    expires: int


@dataclass
class Wish:
    """What an Allocate asks for."""

    families: tuple[int, ...] = (1,)
    even: bool = False
    reserve: bool = False
    token: bytes = b""


@dataclass
class Bounds:
    """The limits that matter here."""

    allocations: int
    permissions: int
    channels: int
    quota: int
    peers_per_minute: int
    default_lifetime: int = 600
    max_lifetime: int = 3600

    def lifetime(self, wanted: int | None) -> int:
        return max(self.default_lifetime, min(self.default_lifetime if wanted is None else wanted, self.max_lifetime))


class Model:
    """All clients of a relay, by their transport address."""

    def __init__(self, bounds: Bounds, places: dict[int, list[str]], now: int) -> None:
        """Take the limits, the relayed addresses that there are, by family, and the time."""
        self.bounds = bounds
        self.places = places
        self.now = now
        self.denied: set[str] = set()
        self.sessions: dict[str, Session] = {}
        self.reservations: dict[bytes, Reservation] = {}
        self.new_peers: dict[tuple[str, int], int] = {}

    # Time.

    def wait(self, seconds: int) -> None:
        """Let time pass, and forget what has expired."""
        self.now += seconds
        for session in self.sessions.values():
            for number in [number for number, (_, expires) in session.relays.items() if expires <= self.now]:
                session.forget(number)
            session.permissions = {key: end for key, end in session.permissions.items() if end > self.now}
            session.channels = {
                number: each for number, each in session.channels.items() if each.expires + GUARD > self.now
            }
        self.sessions = {source: session for source, session in self.sessions.items() if session.relays}
        self.reservations = {token: each for token, each in self.reservations.items() if each.expires > self.now}
        self.close_to_peers()

    def close_to_peers(self) -> None:
        """Forget the channels to relayed addresses that have ended."""
        live = self.live()
        gone = {place for places in self.places.values() for place in places if place not in live}
        for session in self.sessions.values():
            session.channels = {number: each for number, each in session.channels.items() if each.peer not in gone}

    def ends(self) -> list[int]:
        """Return when relayed addresses, permissions and reservations expire, and have to be reclaimed."""
        ends = [each.expires for each in self.reservations.values()]
        for session in self.sessions.values():
            ends += [*session.permissions.values(), *(expires for _, expires in session.relays.values())]
        return ends

    def edges(self) -> list[int]:
        """Return every moment at which something will be different."""
        bound = [each.expires for session in self.sessions.values() for each in session.channels.values()]
        minute = (self.now // MINUTE + 1) * MINUTE
        return sorted({*self.ends(), *bound, *(end + GUARD for end in bound), minute})

    # What is there.

    def live(self) -> dict[str, Session]:
        """Return the owner of each relayed address in use."""
        return {place: each for each in self.sessions.values() for place, _ in each.relays.values()}

    def free(self, family: int) -> list[str]:
        taken = {*self.live(), *(each.place for each in self.reservations.values())}
        return [place for place in self.places.get(family, []) if place not in taken]

    def held_by(self, user: str) -> int:
        """Return what a user's quota is filled by."""
        sessions = [each for each in self.sessions.values() if each.user == user]
        return len(sessions) + len([each for each in self.reservations.values() if each.user == user])

    def refuses(self, source: str, user: str) -> int:
        """Return the code for a request that needs an allocation of its user, 0 where there's one."""
        session = self.sessions.get(source)
        if session is None:
            return 437
        return 0 if session.user == user else 441

    # Allocate and Refresh.

    def candidates(self, wish: Wish, family: int) -> list[str]:
        """Return the relayed addresses of a family that fulfil a wish."""
        free = self.free(family)
        fitting = [place for place in free if not wish.even or port_of(place) % 2 == 0]
        return [place for place in fitting if not wish.reserve or next_port(place) in free]

    def allocate(self, source: str, user: str, wish: Wish, transaction: bytes) -> int:
        """Return the code of an Allocate; 0 may also be the answer to a retransmission."""
        session = self.sessions.get(source)
        if session is not None:
            return 0 if (session.transaction, session.user) == (transaction, user) else 437
        reservation = self.reservations.get(wish.token)
        if wish.token and reservation is None:
            return 508
        if not wish.token and not any(self.candidates(wish, family) for family in wish.families):
            return 508 if any(family in self.places for family in wish.families) else 440
        needed = 1 + wish.reserve
        used = len(self.sessions) + len(self.reservations)
        if self.bounds.allocations - used + bool(wish.token) < needed:
            return 508
        held = reservation is not None and reservation.user == user
        return 486 if self.held_by(user) + needed - held > self.bounds.quota else 0

    def allocated(self, source: str, session: Session, token: bytes, places: list[str], reserved: bytes) -> None:
        """Note what the relay has chosen: the addresses, and the token of the next one."""
        self.sessions[source] = session
        if token:
            del self.reservations[token]
        if reserved:
            end = self.now + RESERVATION
            self.reservations[reserved] = Reservation(next_port(places[0]), session.user, end)

    def refresh(self, source: str, user: str, wanted: int | None, family: int | None) -> int:
        """Refresh or end; return the code."""
        if code := self.refuses(source, user):
            return code
        session = self.sessions[source]
        families = [each for each in session.relays if family in (None, each)]
        if not families:
            return 443
        for each in families:
            if wanted == 0:
                session.forget(each)
            else:
                session.relays[each] = session.relays[each][0], self.now + self.bounds.lifetime(wanted)
        if not session.relays:
            del self.sessions[source]
        self.close_to_peers()
        return 0

    # Permissions and channels.

    def permit(self, source: str, user: str, peers: list[str]) -> int:
        """Install permissions; return the code."""
        if code := self.refuses(source, user):
            return code
        session = self.sessions[source]
        keys = [key_of(peer) for peer in peers]
        if any(key[0] not in session.relays for key in keys):
            return 443
        if any(key[1] in self.denied for key in keys):
            return 403
        return self.install(session, keys)

    def install(self, session: Session, keys: list[Key]) -> int:
        new = {key for key in keys if key not in session.permissions}
        if len(session.permissions) + len(new) > self.bounds.permissions:
            return 508
        minute = (session.user, self.now // MINUTE)
        if self.new_peers.get(minute, 0) + len(new) > self.bounds.peers_per_minute:
            return 508
        self.new_peers[minute] = self.new_peers.get(minute, 0) + len(new)
        for key in keys:
            session.permissions[key] = self.now + PERMISSION
        return 0

    def bind(self, source: str, user: str, number: int, peer: str) -> int:
        """Bind a channel; return the code."""
        if code := self.refuses(source, user):
            return code
        session = self.sessions[source]
        if key_of(peer)[0] not in session.relays:
            return 443
        bound = session.channels.get(number)
        by_peer = [other for other, each in session.channels.items() if each.peer == peer]
        if by_peer != ([number] if bound else []) or (bound and bound.peer != peer):
            return 400
        if self.is_closed(peer):
            return 403
        if bound is None and len(session.channels) >= self.bounds.channels:
            return 508
        if code := self.install(session, [key_of(peer)]):
            return code
        session.channels[number] = Channel(peer, self.now + CHANNEL)
        return 0

    def is_closed(self, peer: str) -> bool:
        """Say whether policy denies a peer: by name, or as a port of ours that is nobody's."""
        relay_ips = {key_of(place) for places in self.places.values() for place in places}
        return key_of(peer)[1] in self.denied or (key_of(peer) in relay_ips and peer not in self.live())

    def deny(self, ips: set[str]) -> None:
        """Take another policy; what it denies is forgotten at once."""
        self.denied = ips
        for session in self.sessions.values():
            session.channels = {n: each for n, each in session.channels.items() if not self.is_closed(each.peer)}
            session.permissions = {key: end for key, end in session.permissions.items() if key[1] not in ips}

    # Data.

    def sends(self, source: str, peer: str) -> str | None:
        """Return the relayed address from which a Send indication's data leaves, None where it doesn't."""
        session = self.sessions.get(source)
        if session is None or key_of(peer) not in session.permissions or self.is_closed(peer):
            return None
        return session.relays[key_of(peer)[0]][0]

    def carries(self, session: Session, bound: Channel | None) -> bool:
        return bound is not None and bound.expires > self.now and key_of(bound.peer) in session.permissions

    def channel(self, source: str, number: int) -> tuple[str, str] | None:
        """Return relayed address and peer of ChannelData, None where it isn't relayed."""
        session = self.sessions.get(source)
        bound = session.channels.get(number) if session else None
        if session is None or bound is None or not self.carries(session, bound):
            return None
        return session.relays[key_of(bound.peer)[0]][0], bound.peer

    def receives(self, place: str, peer: str) -> int | None:
        """Return the channel by which a peer's data reaches the client; 0: Data indication, None: not at all."""
        session = self.live()[place]
        for number, bound in session.channels.items():
            if bound.peer == peer and self.carries(session, bound):
                return number
        return 0 if key_of(peer) in session.permissions else None
