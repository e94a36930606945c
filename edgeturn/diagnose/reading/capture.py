"""Reading pcap and pcapng: packets become a dialogue, connections and errors of the network, these become sides.

Rule 1: of everything that such a file has, only what belongs to a call is kept: STUN, TURN, what they carry, and the
        connections and ICMP errors of the same addresses.
Rule 2: where edgeturn's own capture says why a request was refused, that is the reason of the exchange.
"""

import re

from edgeturn.capture.blocks import NoCapture, is_capture
from edgeturn.capture.connection import Connection
from edgeturn.capture.packets import FIRST_PIECE, ICMP, LATER_PIECE, TCP, UDP, Packet, host_of, packets
from edgeturn.capture.streams import Streams
from edgeturn.diagnose.evidence import Event, IcmpError, Pieces, Side
from edgeturn.diagnose.reading.dialogue import Dialogue
from edgeturn.diagnose.reading.messages import clean
from edgeturn.diagnose.reading.sides import MOST_SIDES, sides
from edgeturn.diagnose.unreadable import Unreadable

_ENCRYPTED = "TURN inside TLS: what was said in it only the relay shows, by `edgeturn capture` or `diagnose --live`"
_FRESH = (64, 128, 255)  # hops that hosts give their packets: nothing was in between
_MOST_KEPT = 1_000  # ICMP errors, fragmented ways
_WORDS = ("freed", "dropped", "moved")
_ANSWER = re.compile(r"[\w-]+(?: 0x\w+)?: (\d{3}|dropped), (.+)")  # what edgeturn comments of a request it didn't grant
_CHALLENGE = "a challenge"
_TURN_PORTS = (3478, 3479, 5349, 5350)


class _Reading:
    """What a capture has shown so far."""

    def __init__(self) -> None:
        self.dialogue = Dialogue()
        self.streams = Streams()
        self.icmp: list[IcmpError] = []
        self.pieces: dict[tuple[str, str], Pieces] = {}
        self.events: list[tuple[str, Event]] = []  # with the client's place
        self.count = 0

    def take(self, packet: Packet) -> None:
        self.count += 1
        if packet.hops in _FRESH and len(self.dialogue.near) < _MOST_KEPT:
            self.dialogue.near.add(host_of(packet.source))
        elif packet.hops and len(self.dialogue.far) < _MOST_KEPT:
            self.dialogue.far.add(host_of(packet.source))
        if packet.piece != 0:
            self._piece(packet)
        if packet.protocol == ICMP and packet.icmp:
            self._error(packet)
        elif packet.piece == LATER_PIECE:
            return
        elif packet.protocol == UDP:
            self._say(packet, UDP, packet.payload)
        elif packet.protocol == TCP:
            for message in self.streams.take(packet):
                self._say(packet, TCP, message)

    def _say(self, packet: Packet, transport: str, data: bytes) -> None:
        reasons = tuple(filter(None, map(_reason, packet.comments)))
        self.dialogue.take(packet.at, transport, packet.source, packet.destination, data, reasons)
        if not data:
            self._note(packet)

    def _note(self, packet: Packet) -> None:
        """Keep what edgeturn tells of a client by an empty packet: a session that ended, something that was dropped."""
        for comment in packet.comments:
            word = next((each for each in _WORDS if each in comment), "")
            if word and len(self.events) < _MOST_KEPT:
                self.events.append((packet.destination, Event(packet.at, word, comment)))

    def _error(self, packet: Packet) -> None:
        if len(self.icmp) < _MOST_KEPT:
            ends = packet.source, packet.destination
            self.icmp.append(IcmpError(packet.at, packet.icmp, *ends, packet.said_by, packet.mtu))

    def _piece(self, packet: Packet) -> None:
        ends = (packet.source, packet.destination)
        if packet.piece == FIRST_PIECE:
            ends = host_of(ends[0]), host_of(ends[1])
        if ends in self.pieces or len(self.pieces) < _MOST_KEPT:
            counted = self.pieces.setdefault(ends, Pieces(*ends))
            counted.first += packet.piece == FIRST_PIECE
            counted.later += packet.piece == LATER_PIECE


def _reason(comment: str) -> str:
    """Return why something wasn't granted, from a comment that edgeturn made."""
    found = _ANSWER.fullmatch(comment)
    if found is None or found[2].startswith(_CHALLENGE):
        return ""
    return clean((f"dropped: {found[2]}" if found[1] == "dropped" else found[2]).encode())


def recognises(data: bytes) -> bool:
    """Say whether a document is a capture, by its first bytes."""
    return is_capture(data)


def read(name: str, data: bytes) -> list[Side]:
    """Return the sides that a capture shows."""
    reading = _Reading()
    try:
        for packet in packets(data):
            reading.take(packet)
    except NoCapture:
        raise Unreadable(f"{name}: is no capture.") from None
    if not reading.count:
        raise Unreadable(f"{name}: is a capture without a single IP packet that can be read.")
    found = sides(name, "capture", reading.dialogue)
    _add_network(name, found, reading)
    if not found:
        raise Unreadable(
            f"{name}: {reading.count} packets, and neither STUN nor TURN among them. "
            "Capture on the machine of the client or of the relay while the call is tried."
        )
    if reading.dialogue.is_cut:
        found[0].notes.append("the capture is very long: only its first 20000 messages count")
    return found


def _add_network(name: str, found: list[Side], reading: _Reading) -> None:
    """Give each side its connections, errors and fragments; where there's no side, who tries to connect is one."""
    servers = {host_of(exchange.server) for side in found for exchange in side.exchanges}
    connections = reading.streams.connections()
    wanted = [each for each in connections if _is_turn(each, servers)]
    if not wanted and not found:
        wanted = [each for each in connections if not each.opened]
    for connection in wanted:
        _owner(name, found, host_of(connection.client)).connections.append(connection)
    for side in found:
        if any(each.kind == "tls" and each.answered for each in side.connections):
            side.notes.append(_ENCRYPTED)
        hosts = _places(side)
        own = {exchange.client for exchange in side.exchanges}
        side.events = [event for place, event in reading.events if place in own]
        side.icmp = [error for error in reading.icmp if {host_of(error.source), host_of(error.destination)} <= hosts]
        side.pieces = [each for each in reading.pieces.values() if {each.source, each.destination} <= hosts]


def _is_turn(connection: Connection, servers: set[str]) -> bool:
    port = int(connection.server.rpartition(":")[2])
    return connection.kind == "stun" or port in _TURN_PORTS or (host_of(connection.server) in servers)


def _owner(name: str, found: list[Side], host: str) -> Side:
    """Return the side of a host, a new one where it has none."""
    for side in found:
        if any(host_of(exchange.client) == host for exchange in side.exchanges + side.connections):
            return side
    side = Side(f"{name}: {host}", "capture")
    if len(found) < MOST_SIDES:
        found.append(side)
    return side


def _places(side: Side) -> set[str]:
    """Return the addresses that belong to a side: its own, its servers, their relayed addresses, the peers."""
    found = {end for exchange in side.exchanges for end in (exchange.client, exchange.server, exchange.relayed)}
    found |= {end for connection in side.connections for end in (connection.client, connection.server)}
    hosts = {host_of(end) for end in found if end} | {host_of(flow.peer) for flow in side.peer_flows if flow.peer}
    ends = [end for pair in side.pairs for end in (pair.local, pair.remote) if end]
    return hosts | {candidate.address for candidate in ends}
