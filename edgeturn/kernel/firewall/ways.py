"""The ways in: by which interface, to which address and ports clients and peers send; and how they fare there.

Rule 1: where the default route begins, a packet comes from a stranger on the internet; elsewhere from a neighbour.
Rule 2: of a range its first, middle and last port are tried.
Rule 3: clients speak first. Of peers, those that a client has sent to, or connected to, may come in where nobody else
        does.
Rule 4: a way is of one transport: there is one of TCP wherever the relay listens on TCP, or peers connect by it.
"""

import socket
from collections.abc import Sequence
from dataclasses import dataclass

from pyroute2 import IPRoute

from edgeturn.kernel.firewall import own, passage
from edgeturn.kernel.firewall.neighbourhood import Neighbourhood
from edgeturn.kernel.firewall.passage import Obstacle, Packet, Passage
from edgeturn.kernel.firewall.ruleset import Ruleset
from edgeturn.protocol.address import ip_of, parse_ip, port_of
from edgeturn.protocol.listener import TCP, UDP
from edgeturn.relay import listeners, network
from edgeturn.relay.configuration import Configuration

# Somebody on the internet, of each family by the size of its addresses; never contacted.
_STRANGERS = {4: parse_ip("1.1.1.1"), 16: parse_ip("2606:4700::1111")}
_LOOPBACK = "lo"

OPEN, PARTLY, ANSWERS, CLOSED = "open", "partly open", "only answers", "closed"


@dataclass(frozen=True)
class Way:
    """A way in: who sends by it, over which transport, and the packets that stand for all of theirs."""

    purpose: str
    interface: str
    ip: bytes
    ports: tuple[int, int]
    source: bytes
    transport: str = UDP

    def packets(self, answers: bool = False) -> list[Packet]:
        """Return the packets that are tried, as first ones or as answers."""
        first, last = self.ports
        ports = sorted({first, (first + last) // 2, last})
        return [
            Packet(self.interface, self.source, self.ip, port, answers=answers, transport=self.transport)
            for port in ports
        ]


@dataclass(frozen=True)
class Trial:
    """How a way's packets fared."""

    way: Way
    verdict: str
    obstacles: list[Obstacle]
    unsure: set[str]


@dataclass(frozen=True)
class _Place:
    """Where an address lives: the interface, and who else is in its subnet."""

    interface: str
    neighbour: bytes


def find(settings: Configuration) -> list[Way]:
    """Return the ways in of a configuration on this machine, clients' first."""
    places = _places()
    outside = {places[source].interface for source in network.default_sources() if source in places}
    found = []
    for purpose, transport, ip, ports in _wanted(settings):
        place = places.get(ip)
        if place is not None and place.interface not in ("", _LOOPBACK):
            source = _STRANGERS[len(ip)] if place.interface in outside else place.neighbour
            found.append(Way(purpose, place.interface, ip, ports, source, transport))
    return found


def _wanted(settings: Configuration) -> list[tuple[str, str, bytes, tuple[int, int]]]:
    """Return purpose, transport, IP address and ports of each way that a configuration asks for."""
    clients = [
        (own.CLIENTS, transport, ip_of(place), (port_of(place), port_of(place)))
        for place in listeners.addresses(settings, network.interfaces())
        for transport in _transports(listeners.serves_tcp(settings, place))
    ]
    peers = [
        (own.PEERS, transport, ip, relay_ports(settings))
        for ip in relay_ips(settings)
        for transport in _transports(has_tcp_peers(settings))
    ]
    return clients + peers


def _transports(with_tcp: bool) -> tuple[str, ...]:
    return (UDP, TCP) if with_tcp else (UDP,)


def relay_ips(settings: Configuration) -> list[bytes]:
    """Return the addresses that peers send to."""
    return [ip for ip in settings.items("relay_address") if isinstance(ip, bytes)] or network.default_sources()


def relay_ports(settings: Configuration) -> tuple[int, int]:
    """Return the first and last port that peers may send to."""
    bounds = settings.values["relay_ports"]
    assert isinstance(bounds, tuple)
    return bounds


def has_tcp_peers(settings: Configuration) -> bool:
    """Say whether peers come by TCP too (RFC 6062)."""
    return bool(settings.values["tcp_relay"])


def listening_ports(settings: Configuration, transport: str = UDP) -> list[int]:
    """Return the ports that clients who aren't in local networks send to over a transport."""
    places = listeners.wanted(settings) + listeners.addresses(settings, network.interfaces())
    around = Neighbourhood()
    far = [each for each in places if not around.is_local(ip_of(each))]
    return sorted({port_of(each) for each in far if transport == UDP or listeners.serves_tcp(settings, each)})


def has_far_peers(settings: Configuration) -> bool:
    """Say whether peers may be elsewhere than in local networks; without an address yet, they may."""
    around = Neighbourhood()
    return not all([around.is_local(ip) for ip in relay_ips(settings)] or [False])


def opened(settings: Configuration) -> own.Wanted:
    """Return what our table has to accept."""
    ports = [listening_ports(settings, transport) for transport in (UDP, TCP)]
    return own.Wanted(ports[0], ports[1], has_far_peers(settings), has_tcp_peers(settings))


def attempt(ruleset: Ruleset, ways: Sequence[Way]) -> list[Trial]:
    """Return how each way fares."""
    return [_attempt(ruleset, way) for way in ways]


def _attempt(ruleset: Ruleset, way: Way) -> Trial:
    passages = [passage.follow(ruleset, packet) for packet in way.packets()]
    obstacles: list[Obstacle] = []
    for one in passages:
        obstacles += [each for each in one.obstacles if each not in obstacles]
    return Trial(way, _verdict(ruleset, way, passages), obstacles, {text for one in passages for text in one.unsure})


def _verdict(ruleset: Ruleset, way: Way, passages: list[Passage]) -> str:
    closed = [one for one in passages if one.obstacles]
    if not closed:
        return OPEN
    if len(closed) < len(passages):
        return PARTLY
    answers = [passage.follow(ruleset, packet) for packet in way.packets(answers=True)]
    return CLOSED if way.purpose == own.CLIENTS or any(one.obstacles for one in answers) else ANSWERS


def _places() -> dict[bytes, _Place]:
    """Return where each address of this machine lives."""
    found = {}
    with IPRoute() as link:
        for row in link.get_addr():
            remote = row.get_attr("IFA_ADDRESS")
            local = row.get_attr("IFA_LOCAL") or remote
            if local:
                found[parse_ip(local)] = _Place(_name(row["index"]), _neighbour(parse_ip(local), parse_ip(remote)))
    return found


def _name(index: int) -> str:
    try:
        return socket.if_indextoname(index)
    except OSError:  # it went away meanwhile
        return ""


def _neighbour(local: bytes, remote: bytes) -> bytes:
    """Return another address of a subnet: the far end of a link, or the one beside ours."""
    return remote if remote != local else local[:-1] + bytes([local[-1] ^ 1])
