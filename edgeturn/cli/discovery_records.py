"""The DNS records by which clients find the relay: SRV and NAPTR (RFC 5928), and DNS-SD (RFC 6763, RFC 8155 §5).

A service is a row: what it's called, its NAPTR service or "", its port. A form writes all of them for one server.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edgeturn.cli import addresses
from edgeturn.protocol.address import format_ip, ip_of, port_of
from edgeturn.protocol.listener import DTLS, TCP, TLS, UDP
from edgeturn.relay.configuration import Configuration

_HOST = "turn"
_INSTANCE = "edgeturn"
# Transport -> (label of TURN, label of STUN, NAPTR service); RFC 5766 §14, RFC 5928 §5, RFC 8489 §17.
_LABELS = {
    UDP: ("_turn._udp", "_stun._udp", "RELAY:turn.udp"),
    TCP: ("_turn._tcp", "_stun._tcp", "RELAY:turn.tcp"),
    TLS: ("_turns._tcp", "_stuns._tcp", "RELAY:turn.tls"),
    DTLS: ("_turns._udp", "_stuns._udp", "RELAY:turn.dtls"),
}


@dataclass(frozen=True)
class Services:
    """What a relay offers: its IP addresses, and the port of each transport, the preferred first."""

    ips: tuple[str, ...]
    ports: tuple[tuple[str, int], ...]


def services(settings: Configuration) -> Services:
    """Return what a configuration offers to clients."""
    found = addresses.servers(settings)
    ports: dict[str, int] = {}
    for each in found:
        ports.setdefault(each.transport, port_of(each.place))
    ips = dict.fromkeys(format_ip(ip_of(each.place)) for each in found)
    return Services(tuple(ips), tuple(ports.items()))


@dataclass(frozen=True)
class Record:
    """A DNS record: its type, its name without the dot at the end, its data; INSTANCE is the SRV of DNS-SD."""

    kind: str
    name: str
    data: tuple[str | int, ...]


def _records(offered: Services, domain: str) -> Iterator[Record]:
    host = f"{_HOST}.{domain}"
    for ip in offered.ips:
        yield Record("AAAA" if ":" in ip else "A", host, (ip,))
    for rank, (transport, port) in enumerate(offered.ports):
        turn, stun, service = _LABELS[transport]
        for label in (turn, stun):
            yield Record("SRV", f"{label}.{domain}", (rank, port, host))
        yield Record("NAPTR", domain, (10 + rank, service, f"{turn}.{domain}"))
        instance = f"{_INSTANCE}.{turn}.{domain}"
        yield Record("PTR", f"{turn}.{domain}", (instance,))
        yield Record("INSTANCE", instance, (rank, port, host))
        yield Record("TXT", instance, ())


# How a form writes each type, from name and data.
_DNSMASQ = {
    "A": "host-record={0},{1}",
    "AAAA": "host-record={0},{1}",
    "SRV": "srv-host={0},{3},{2},{1},0",
    "NAPTR": "naptr-record={0},{1},0,S,{2},,{3}",
    "PTR": "ptr-record={0},{1}",
    "TXT": "txt-record={0}",
    "INSTANCE": "srv-host={0},{3},{2},{1},0",
}
_ZONE = {
    "A": "{0}. IN A {1}",
    "AAAA": "{0}. IN AAAA {1}",
    "SRV": "{0}. IN SRV {1} 0 {2} {3}.",
    "NAPTR": '{0}. IN NAPTR {1} 0 "S" "{2}" "" {3}.',
    "PTR": "{0}. IN PTR {1}.",
    "TXT": '{0}. IN TXT ""',
    "INSTANCE": "{0}. IN SRV {1} 0 {2} {3}.",
}
# OpenWrt's dhcp has no NAPTR and no PTR of services; SRV is what clients ask for first where there's no NAPTR.
_UCI_ADDRESS = "uci add dhcp domain\nuci set dhcp.@domain[-1].name='{0}'\nuci set dhcp.@domain[-1].ip='{1}'"
_UCI = {
    "A": _UCI_ADDRESS,
    "AAAA": _UCI_ADDRESS,
    "SRV": "uci add dhcp srvhost\n"
    + "\n".join(
        f"uci set dhcp.@srvhost[-1].{option}='{value}'"
        for option, value in (("srv", "{0}"), ("target", "{3}"), ("port", "{2}"), ("class", "{1}"), ("weight", "0"))
    ),
}


def _write(patterns: dict[str, str], offered: Services, domain: str) -> list[str]:
    found = [record for record in _records(offered, domain) if record.kind in patterns]
    return [patterns[record.kind].format(record.name, *record.data) for record in found]


def _dnsmasq(offered: Services, domain: str) -> list[str]:
    title = "# edgeturn: how clients of this network find the TURN server (RFC 5928, RFC 8155)"
    return [title, *_write(_DNSMASQ, offered, domain)]


def _uci(offered: Services, domain: str) -> list[str]:
    return [*_write(_UCI, offered, domain), "uci commit dhcp", "service dnsmasq restart"]


def _zone(offered: Services, domain: str) -> list[str]:
    return _write(_ZONE, offered, domain)


FORMS: dict[str, Callable[[Services, str], list[str]]] = {"dnsmasq": _dnsmasq, "uci": _uci, "zone": _zone}
