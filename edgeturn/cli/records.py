"""The DNS records by which clients find the relay: SRV and NAPTR (RFC 5928), and DNS-SD (RFC 6763, RFC 8155 §5).

A service is a row: what it's called, its NAPTR service or "", its port. A form writes all of them for one server.
"""

import ipaddress
from collections.abc import Callable
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


def _dnsmasq(offered: Services, domain: str) -> str:
    host = f"{_HOST}.{domain}"
    lines = ["# edgeturn: how clients of this network find the TURN server (RFC 5928, RFC 8155)"]
    lines.append(f"host-record={host},{','.join(sorted(offered.ips, key=lambda ip: ipaddress.ip_address(ip).version))}")
    for rank, (transport, port) in enumerate(offered.ports):
        turn, stun, service = _LABELS[transport]
        lines += [f"srv-host={label}.{domain},{host},{port},{rank},0" for label in (turn, stun)]
        lines.append(f"naptr-record={domain},{10 + rank},0,S,{service},,{turn}.{domain}")
        instance = f"{_INSTANCE}.{turn}.{domain}"
        lines.append(f"ptr-record={turn}.{domain},{instance}")
        lines.append(f"srv-host={instance},{host},{port},{rank},0")
        lines.append(f"txt-record={instance}")
    return "\n".join(lines) + "\n"


def _uci(offered: Services, domain: str) -> str:
    """OpenWrt's dhcp has no NAPTR and no PTR of services; SRV is what clients ask for first where there's no NAPTR."""
    host = f"{_HOST}.{domain}"
    lines = []
    for ip in offered.ips:
        lines += [
            "uci add dhcp domain",
            f"uci set dhcp.@domain[-1].name='{host}'",
            f"uci set dhcp.@domain[-1].ip='{ip}'",
        ]
    for rank, (transport, port) in enumerate(offered.ports):
        for label in _LABELS[transport][:2]:
            lines.append("uci add dhcp srvhost")
            rows = (("srv", f"{label}.{domain}"), ("target", host), ("port", port), ("class", rank), ("weight", 0))
            lines += [f"uci set dhcp.@srvhost[-1].{name}='{value}'" for name, value in rows]
    return "\n".join([*lines, "uci commit dhcp", "service dnsmasq restart"]) + "\n"


def _zone(offered: Services, domain: str) -> str:
    host = f"{_HOST}.{domain}."
    lines = [f"{host} IN {'AAAA' if ':' in ip else 'A'} {ip}" for ip in offered.ips]
    for rank, (transport, port) in enumerate(offered.ports):
        turn, stun, service = _LABELS[transport]
        lines += [f"{label}.{domain}. IN SRV {rank} 0 {port} {host}" for label in (turn, stun)]
        lines.append(f'{domain}. IN NAPTR {10 + rank} 0 "S" "{service}" "" {turn}.{domain}.')
        instance = f"{_INSTANCE}.{turn}.{domain}."
        lines.append(f"{turn}.{domain}. IN PTR {instance}")
        lines.append(f"{instance} IN SRV {rank} 0 {port} {host}")
        lines.append(f'{instance} IN TXT ""')
    return "\n".join(lines) + "\n"


FORMS: dict[str, Callable[[Services, str], str]] = {"dnsmasq": _dnsmasq, "uci": _uci, "zone": _zone}
