"""What clients and servers said to each other, message by message, whether it comes from a capture or from a tap.

Rule 1: who asks TURN is the client, whom it asks the server; one client place, server and transport is a way.
Rule 2: a question and its answer are known by the transaction; the same question again is one more try.
Rule 3: what can't be told (channels whose binding wasn't seen, an answer without a question) is kept as far as it goes.
Rule 4: everything is bounded: a hostile file gives less, never more memory.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from edgeturn.diagnose.evidence import Exchange, PeerFlow
from edgeturn.diagnose.reading import messages
from edgeturn.diagnose.reading.messages import ERROR, INDICATION, REQUEST, Message
from edgeturn.protocol import stun

MOST_EXCHANGES = 20_000
MOST_WAYS = 2_000
MOST_FLOWS = 5_000
_MOST_PENDING = 20_000
_ROLE_CONFLICT = 487
_TURN = ("Allocate", "Refresh", "CreatePermission", "ChannelBind", "Connect", "ConnectionBind")
_FIRST_CHANNEL, _LAST_CHANNEL = 0x40, 0x7F  # the first byte of ChannelData, with RFC 5766's range


@dataclass
class Asked:
    """A question while its answer may still come; the fields are those of Exchange."""

    at: float
    message: Message
    tries: int = 1
    last: float = 0.0
    answer: Message | None = None
    reasons: list[str] = field(default_factory=list)

    def exchange(self, way: "Way") -> Exchange:
        """Return it as evidence."""
        asked, answer = self.message, self.answer
        lifetime = answer.number(stun.LIFETIME) if answer else None
        return Exchange(
            self.at,
            asked.method,
            answer.code if answer else 0,
            client=way.client,
            server=way.server,
            transport=way.transport,
            reason="; ".join(self.reasons) or (answer.reason if answer else ""),
            signed=asked.is_signed,
            username=asked.text(stun.USERNAME),
            realm=asked.text(stun.REALM) or (answer.text(stun.REALM) if answer else ""),
            peers=asked.peers,
            channel=int.from_bytes(asked.attributes.get(stun.CHANNEL_NUMBER, b"")[:2], "big"),
            lifetime=asked.number(stun.LIFETIME) if lifetime is None else lifetime,
            mapped=answer.place(stun.XOR_MAPPED_ADDRESS) if answer else "",
            relayed=answer.place(stun.XOR_RELAYED_ADDRESS) if answer else "",
            tries=self.tries,
        )


@dataclass
class Checks:
    """Connectivity checks between two ends, and what else they sent each other; the keys are the ends."""

    sent: dict[str, int] = field(default_factory=dict)
    answered: dict[str, int] = field(default_factory=dict)  # checks of that end that were answered
    conflicts: int = 0  # checks of either that were answered by 487 (RFC 8445 §7.3.1.1)
    packets: dict[str, int] = field(default_factory=dict)  # of media, sent by that end
    size: dict[str, int] = field(default_factory=dict)
    largest: dict[str, int] = field(default_factory=dict)
    nominated: bool = False

    def carried(self, end: str, size: int) -> None:
        """Count a packet that isn't STUN."""
        self.packets[end] = self.packets.get(end, 0) + 1
        self.size[end] = self.size.get(end, 0) + size
        self.largest[end] = max(self.largest.get(end, 0), size)


@dataclass
class Way:
    """A client place, a server and a transport."""

    client: str
    server: str
    transport: str
    asked: list[Asked] = field(default_factory=list)
    username: str = ""
    relayed: list[str] = field(default_factory=list)
    channels: dict[int, str] = field(default_factory=dict)
    flows: dict[tuple[str, int], PeerFlow] = field(default_factory=dict)
    checks: dict[str, Checks] = field(default_factory=dict)  # by peer


class Dialogue:
    """Everything that was said, in the order of time."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.ways: OrderedDict[tuple[str, str, str], Way] = OrderedDict()
        self.direct: dict[frozenset[str], tuple[str, str, Checks]] = {}  # the first sender, the other, what they sent
        self.relayed: dict[str, Way] = {}
        self.controlling: dict[str, bool] = {}  # by place
        self.near: set[str] = set()  # addresses whose packets have come over no router, as far as a capture tells
        self.far: set[str] = set()  # and those whose packets have
        self.is_cut = False
        self._exchanges = self._flows = 0
        self._pending: OrderedDict[tuple[str, ...], Asked] = OrderedDict()
        self._checks: OrderedDict[tuple[str, str], tuple[Checks, str]] = OrderedDict()
        self._indicated: dict[tuple[int, str, str], Asked] = {}

    def take(
        self, at: float, transport: str, source: str, destination: str, data: bytes, comments: tuple[str, ...] = ()
    ) -> None:
        """Take a datagram, or a message out of a stream."""
        message = messages.read(data)
        if message is None:
            self._data(at, transport, source, destination, data)
        elif message.is_check or (message.kind not in (REQUEST, INDICATION) and self._is_check_answer(message)):
            self._direct_check(source, destination, message)
        elif message.kind == REQUEST:
            self._question(at, self._way(source, destination, transport), message, comments)
        elif message.kind == INDICATION:
            self._indication(at, source, destination, transport, message, comments)
        else:
            self._answer(at, self._way(destination, source, transport), message, comments)
        self._between(source, destination)

    # Questions and answers.

    def _way(self, client: str, server: str, transport: str) -> Way:
        key = client, server, transport
        way = self.ways.get(key)
        if way is None:
            way = Way(client, server, transport)
            if len(self.ways) < MOST_WAYS:
                self.ways[key] = way
            self.is_cut = self.is_cut or len(self.ways) == MOST_WAYS
        return way

    def _question(self, at: float, way: Way, message: Message, comments: tuple[str, ...]) -> None:
        key = way.client, way.server, message.transaction.hex()
        asked = self._pending.get(key)
        if asked is None:
            asked = Asked(at, message)
            self._keep(way, asked)
            self._pending[key] = asked
            if len(self._pending) > _MOST_PENDING:
                self._pending.popitem(last=False)
        else:
            asked.tries += 1
        asked.last = at
        asked.reasons += comments
        if message.is_signed:
            way.username = message.text(stun.USERNAME) or way.username

    def _keep(self, way: Way, asked: Asked) -> None:
        self._exchanges += 1
        if self._exchanges <= MOST_EXCHANGES:
            way.asked.append(asked)
        else:
            self.is_cut = True

    def _answer(self, at: float, way: Way, message: Message, comments: tuple[str, ...]) -> None:
        key = way.client, way.server, message.transaction.hex()
        asked = self._pending.get(key)
        if asked is None:
            if message.kind != ERROR or message.method not in _TURN:
                return
            asked = Asked(at, Message(message.method, REQUEST, message.transaction))  # the question wasn't captured
            self._keep(way, asked)
            self._pending[key] = asked
        if asked.answer is None:
            asked.answer = message
        asked.reasons += comments
        if message.code == 200 and not self.is_cut:
            self._granted(way, asked)

    def _granted(self, way: Way, asked: Asked) -> None:
        """Take from a success what later messages are understood by."""
        exchange = asked.exchange(way)
        if exchange.relayed and exchange.relayed not in way.relayed:
            way.relayed.append(exchange.relayed)
            self.relayed[exchange.relayed] = way
        if exchange.channel and exchange.peers:
            way.channels[exchange.channel] = exchange.peers[0]

    # What is relayed.

    def _indication(
        self, at: float, source: str, destination: str, transport: str, message: Message, comments: tuple[str, ...]
    ) -> None:
        if message.method not in ("Send", "Data"):
            return
        sent = message.method == "Send"
        way = self._way(source, destination, transport) if sent else self._way(destination, source, transport)
        payload = message.attributes.pop(stun.DATA, b"")  # not to be kept with the message
        for peer in message.peers[:1]:
            self._indicate(at, way, message, peer, comments)
            self._relay(at, way, self._flow(way, peer), sent, payload, peer)

    def _indicate(self, at: float, way: Way, message: Message, peer: str, comments: tuple[str, ...]) -> None:
        """Keep the first indication to or from a peer, and how many there were."""
        key = id(way), message.method, peer
        asked = self._indicated.get(key)
        if asked is None:
            asked = Asked(at, message)
            self._keep(way, asked)
            if len(self._indicated) < _MOST_PENDING:
                self._indicated[key] = asked
        else:
            asked.tries += 1
        asked.reasons += [each for each in comments if each not in asked.reasons]

    def _data(self, at: float, transport: str, source: str, destination: str, data: bytes) -> None:
        """Take ChannelData, or what goes between peers."""
        up = self.ways.get((source, destination, transport))
        down = self.ways.get((destination, source, transport))
        way = up or down
        if way is not None and len(data) >= 4 and _FIRST_CHANNEL <= data[0] <= _LAST_CHANNEL:
            number = int.from_bytes(data[:2], "big")
            peer = way.channels.get(number, "")
            payload = data[4 : 4 + int.from_bytes(data[2:4], "big")]
            self._relay(at, way, self._flow(way, peer, number), way is up, payload, peer)
        elif frozenset((source, destination)) in self.direct:
            self.direct[frozenset((source, destination))][2].carried(source, len(data))

    def _flow(self, way: Way, peer: str, channel: int = 0) -> PeerFlow | None:
        """Return a way's flow with a peer, None where there are too many."""
        key = peer, channel
        if key not in way.flows and self._flows < MOST_FLOWS:
            self._flows += 1
            way.flows[key] = PeerFlow(peer, channel, way.client, way.server)
        return way.flows.get(key)

    def _relay(self, at: float, way: Way, flow: PeerFlow | None, sent: bool, payload: bytes, peer: str) -> None:
        if flow is None:
            return
        if sent:
            flow.sent_first, flow.sent_last, flow.sent = flow.sent_first or at, at, flow.sent + 1
            flow.sent_largest = max(flow.sent_largest, len(payload))
        else:
            flow.received_first, flow.received_last = flow.received_first or at, at
            flow.received += 1
            flow.received_largest = max(flow.received_largest, len(payload))
        checks = way.checks.setdefault(peer, Checks())
        message = messages.read(payload)
        if message is None:
            checks.carried("client" if sent else peer, len(payload))
        elif message.method == "Binding":
            self._check(checks, "client" if sent else peer, f"{id(way)} {peer}", message)

    def _between(self, source: str, destination: str) -> None:
        """Count what goes between a relayed address and a peer, where the capture sees that."""
        for relayed, peer, leaves in ((source, destination, True), (destination, source, False)):
            way = self.relayed.get(relayed)
            flow = self._flow(way, peer) if way else None
            if flow is not None:
                flow.left_relay += leaves
                flow.reached_relay += not leaves

    # Connectivity checks.

    def _is_check_answer(self, message: Message) -> bool:
        return message.method == "Binding" and ("direct", message.transaction.hex()) in self._checks

    def _direct_check(self, source: str, destination: str, message: Message) -> None:
        key = frozenset((source, destination))
        if key not in self.direct and len(self.direct) < MOST_FLOWS:
            self.direct[key] = source, destination, Checks()
        if key not in self.direct:
            return
        self._check(self.direct[key][2], source, "direct", message)
        if messages.ICE_CONTROLLING in message.attributes or messages.ICE_CONTROLLED in message.attributes:
            self.controlling[source] = messages.ICE_CONTROLLING in message.attributes

    def _check(self, checks: Checks, sender: str, scope: str, message: Message) -> None:
        key = scope, message.transaction.hex()
        if message.kind == REQUEST:
            checks.sent[sender] = checks.sent.get(sender, 0) + 1
            checks.nominated = checks.nominated or messages.USE_CANDIDATE in message.attributes
            self._checks[key] = checks, sender
            if len(self._checks) > _MOST_PENDING:
                self._checks.popitem(last=False)
        elif message.code == 200 and key in self._checks:
            asked, who = self._checks[key]
            if who != sender:
                asked.answered[who] = asked.answered.get(who, 0) + 1
        elif message.code == _ROLE_CONFLICT and key in self._checks:
            self._checks[key][0].conflicts += 1
