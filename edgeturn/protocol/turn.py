"""Turn: a datagram in, at most one datagram out.

    client(packet, size, via, source, now)   what a client sent to a listener
    peer(packet, size, index, source, now)   what a peer sent to a relayed transport address
    icmp(index, peer, error, now)            what the network said of a datagram that was sent to a peer
    accepted(index, source, now)             a TCP connection of a peer; connected(…): what became of one to a peer
    tick(now)                                reclaims what has expired, returns when there is more to do

Rule 1: the answer is None or (via, destination, data): the socket's number, port||ip, the datagram.
        Relay i leaves by 2i, by 2i + 1 with DF set; listeners have the numbers behind.
Rule 2: no socket, clock, file or random source: `now` is whole seconds of any clock that never goes back.
Rule 3: a packet buffer has HEADROOM in front of a peer's payload and at least 4 bytes behind it;
        what is returned may be a view of it.
Rule 4: observers are told of every change of state and can't fail it.
"""

from edgeturn.protocol import (
    allocation,
    channel,
    connection,
    discovery,
    indication,
    mobility,
    permission,
    redirect,
    stun,
)
from edgeturn.protocol.authentication import Authenticator
from edgeturn.protocol.budget import Strangers
from edgeturn.protocol.credentials import Credentials
from edgeturn.protocol.limits import CHANNEL_FIRST, CHANNEL_HEADER_SIZE, HEADROOM, Limits
from edgeturn.protocol.nonce import Nonces
from edgeturn.protocol.observer import Observer
from edgeturn.protocol.peers import Peers
from edgeturn.protocol.pool import CONNECTING, PeerConnection
from edgeturn.protocol.request import Request
from edgeturn.protocol.state import State
from edgeturn.seam import datagram, pack_pair, unpack_pair

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeturn.protocol.state import Datagram
    from edgeturn.protocol.stun import Attributes

    Methods = dict[int, tuple[Callable[..., Attributes | None], bool]]

# method -> (handler, whether the 5-tuple must have an allocation)
METHODS = {
    stun.ALLOCATE: (allocation.allocate, False),
    stun.REFRESH: (allocation.refresh, True),
    stun.CREATE_PERMISSION: (permission.create_permission, True),
    stun.CHANNEL_BIND: (channel.channel_bind, True),
}
TCP_METHODS = {  # where TCP is relayed
    stun.CONNECT: (connection.connect, True),
    stun.CONNECTION_BIND: (connection.connection_bind, False),
}

_CHANNEL_START = HEADROOM - CHANNEL_HEADER_SIZE


class Turn(State):
    """The server: reads datagrams, lets the handlers decide over its state, and writes datagrams."""

    def __init__(
        self,
        limits: Limits,
        families: "tuple[int, ...]",
        credentials: Credentials,
        peers: Peers,
        random: "Callable[[int], bytes]",
        observer: Observer,
    ) -> None:
        """Take limits, relayed families, credentials, the peer policy, a source of random bytes and the observer."""
        super().__init__(limits, families, peers, random, observer)
        self.authenticator = Authenticator(credentials, Nonces(random(32), limits.nonce_lifetime))
        self.strangers = Strangers(limits.unauthenticated_rate, random(8))
        self._methods: Methods = dict(METHODS)
        if limits.tcp_relay:
            self._methods.update(TCP_METHODS)

    # What the loop calls for every datagram.

    def client(self, packet: memoryview, size: int, via: int, source: bytes, now: int) -> "Datagram | None":
        """Take a datagram of a client at port||ip from a listener; return the datagram to send."""
        known = self.clients[via].get(source)
        if known is None and self.arriving:
            known = mobility.arrive(self, packet, size, via, source)
        if known is None:
            return self.message(packet, size, via, source, now)
        number, length = unpack_pair(packet)
        bound = known.channels.get(number)
        if bound is None or bound.carries_until <= now or length > size - CHANNEL_HEADER_SIZE:
            if number < CHANNEL_FIRST or size < CHANNEL_HEADER_SIZE:  # the first byte tells STUN apart (RFC 7983)
                return self.message(packet, size, via, source, now)
            return self.drop("channel", known)
        known.up_credit -= length
        if known.up_credit < 0 and not self.draw_up(known, length, now):
            return None
        known.up_packets += 1
        known.used_at = now
        return datagram(bound.via, bound.wire, packet, CHANNEL_HEADER_SIZE, CHANNEL_HEADER_SIZE + length)

    def peer(self, packet: memoryview, size: int, index: int, source: bytes, now: int) -> "Datagram | None":
        """Take a datagram of a peer at port||ip, its payload at HEADROOM; return the datagram to send."""
        relay = self.relays[index]
        bound, owner = relay.channels.get(source), relay.allocation
        if bound is None or owner is None or bound.carries_until <= now:
            return self.data_indication(relay, packet, size, source, now)
        owner.down_credit -= size
        if owner.down_credit < 0 and not self.draw_down(owner, size, now):
            return None
        owner.down_packets += 1
        owner.used_at = now
        pack_pair(packet, _CHANNEL_START, bound.number, size)
        return datagram(owner.via, owner.client, packet, _CHANNEL_START, HEADROOM + size)

    def icmp(self, index: int, peer: bytes, error: bytes, now: int) -> "Datagram | None":
        """Take an ICMP error about a datagram to a peer: type, code, 4 bytes of error data; return what to send."""
        return indication.icmp(self, self.pool.relays[index], peer, error, now)

    def accepted(self, index: int, source: bytes, now: int) -> "tuple[PeerConnection, Datagram] | None":
        """Take a peer's TCP connection to a relayed address; return its record and what to send; None: to be closed."""
        return connection.accepted(self, self.pool.relays[index], source, now)

    def connected(self, pending: PeerConnection, reached: bool, now: int) -> "Datagram | None":
        """Take whether a peer was reached by TCP; return the answer to the Connect request (RFC 6062 §5.2)."""
        request = pending.request
        if pending.stage != CONNECTING or request is None:
            return None
        try:
            return self._answer(request, stun.SUCCESS, connection.connected(self, pending, reached, now))
        except stun.Reject as reject:
            return self._reject(request, reject)

    def use(self, limits: Limits, credentials: Credentials, peers: Peers) -> None:
        """Take other limits, credentials and peers; sessions go on, without what is no longer allowed."""
        self.limits = limits
        self.peers = peers
        self.authenticator.use(credentials)
        self.authenticator.nonces.lifetime = limits.nonce_lifetime
        self.strangers.set_rate(limits.unauthenticated_rate)
        self.pool.accounts.use(limits)
        self.rates.set_total(limits.total_bandwidth)
        for owner in self.live_sessions():
            self.rates.set_allocation(owner.slot, limits.bandwidth)
            owner.forget_credit()
        self.reconsider_peers()

    # What a tap takes the place of while somebody watches: so it costs nothing while nobody does.

    data_indication = indication.data

    def message(self, packet: memoryview, size: int, via: int, source: bytes, now: int) -> "Datagram | None":
        """Take what a client sent and no channel carries; return the datagram to send."""
        usual = indication.read_usual(packet, size)
        if usual is not None:
            return indication.relay_data(self, usual[0], usual[1], via, source, now, False)
        try:
            message = stun.Message(bytes(packet[:size]))
        except stun.Malformed as malformed:
            return self.drop(malformed.args[0])
        if message.message_class == stun.INDICATION:
            return indication.send(self, message, via, source, now)
        if message.message_class != stun.REQUEST:
            return self.drop("response")
        request = Request(message, via, source)
        if message.method == stun.BINDING:
            return self._binding(request, now)
        if message.method not in self._methods or message.classic:
            return self.drop("method")
        return self._request(request, now)

    def _binding(self, request: Request, now: int) -> "Datagram | None":
        """Answer a Binding request (RFC 8489 §12), also of a client that knows RFC 3489 only."""
        if not self.strangers.charge(request.source, now):
            return self.drop("over budget")
        try:
            via, destination, attributes = discovery.binding(self, request)
        except stun.Reject as reject:
            return self._reject(request, reject)
        return via, destination, self._answer(request, stun.SUCCESS, attributes)[2]

    def _request(self, request: Request, now: int) -> "Datagram | None":
        """Authenticate a request, let its handler decide, and sign the answer (RFC 8656 §5)."""
        handler, needs_allocation = self._methods[request.message.method]
        request.allocation = self.live_allocation(request.via, request.source, now)
        if request.allocation is None and not self._admits(request, now):
            return self.drop("over budget")
        try:
            self._identify(request, now)
        except stun.Reject as reject:
            proven = reject.code == 438  # only the nonce was too old
            if not proven and not self.strangers.charge(request.source, now):
                return self.drop("over budget")
            return self._reject(request, reject)
        try:
            self._check(request, needs_allocation, now)
            attributes = handler(self, request, now)
            return None if attributes is None else self._answer(request, stun.SUCCESS, attributes)
        except stun.Reject as reject:
            return self._reject(request, redirect.instead(self, request, reject, now))

    def _admits(self, request: Request, now: int) -> bool:
        """Say whether a request without an allocation is worth the work; who was challenged can't be locked out."""
        if self.strangers.admits(request.source, now):
            return True
        return self.authenticator.has_valid_nonce(request.message, request.source, now)

    def _identify(self, request: Request, now: int) -> None:
        known = request.allocation.identity if request.allocation else None
        request.identity = self.authenticator.identify(request.message, request.source, now, known)

    def _check(self, request: Request, needs_allocation: bool, now: int) -> None:
        """Do the checks that all methods share: unknown attributes, 5-tuple, user (RFC 8489 §6.3.1, RFC 8656 §5)."""
        if request.message.unknown:
            raise stun.unknown_attributes(request.message.unknown)
        if not needs_allocation:
            return
        if request.message.method == stun.REFRESH and stun.MOBILITY_TICKET in request.message.attributes:
            mobility.find(self, request, now)
        if request.allocation is None:
            raise stun.Reject(437, "no allocation")
        owner, identity = request.allocation.identity, request.identity
        assert owner is not None and identity is not None
        if owner.user != identity.user and not (owner.ends and identity.ends):  # shared keys are exchanged, RFC 7635
            raise stun.Reject(441, "allocation of another user")
        if identity.ends:  # a newer token comes with another key
            request.allocation.identity = identity

    def _reject(self, request: Request, reject: stun.Reject) -> "Datagram":
        self.observer.refused(request, reject)
        error = (stun.ERROR_CODE, stun.encode_error(reject.code))
        return self._answer(request, stun.ERROR, [error] + reject.attributes)

    def _answer(self, request: Request, answer_class: int, attributes: "Attributes") -> "Datagram":
        message, identity = request.message, request.identity
        data = stun.encode(
            message.method | answer_class,
            message.transaction,
            attributes,
            identity.integrity if identity else 0,
            identity.key if identity else b"",
            stun.FINGERPRINT in message.attributes,
        )
        self.observer.answered(request, data)
        return request.via, request.source, data
