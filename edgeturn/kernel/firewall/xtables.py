"""Conditions and actions of iptables as they stand in nf_tables, where iptables-nft has put them: C structures.

A row of the table: a match's name, its structure, and what says whether a packet fulfils it; None is unknown.
Source: linux/netfilter/xt_*.h; numbers are in the machine's own order.
"""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from struct import calcsize, unpack_from

HARMLESS = (
    "LOG", "NFLOG", "MARK", "CONNMARK", "TRACE", "CT", "NOTRACK", "AUDIT", "TTL", "HL", "TOS", "DSCP", "ECN", "TCPMSS",
)  # fmt: skip

_UDP = "4HB"  # source ports from, to; destination ports from, to; which of both is inverted
_TCP = "4H4B"  # ports as UDP has them; an option, which flags are looked at, which of them are set, what is inverted
_SOURCE, _DESTINATION, _FLAGS = 1, 2, 4
_MULTIPORT = "BB15H15BB"  # which ports, count, ports, whether one and the next are a range, inverted
_MOST = 15
_CONNTRACK = "128xII5HHHHH"  # addresses; times; protocol and ports; flags, inverted ones, states, status
_STATE, _STATE_ALIAS = 1, 0x2000  # the latter: written as `-m state`
NEW, ESTABLISHED, INVALID, UNTRACKED = 8, 2, 1, 64  # as bits, those of nf_tables
_OTHER_STATES = {UNTRACKED: 256}  # those that have another bit here
_UNTRACKS = 1  # a flag of CT
_ADDRESS_TYPE = "HHI"  # types of source and destination as bits, flags
_UNICAST, _LOCAL = 1 << 1, 1 << 2


@dataclass(frozen=True)
class Ports:
    """What matches ask of a packet: its ports, the state of its connection, its protocol and TCP's flags."""

    source: int
    destination: int
    state: int
    protocol: int = socket.IPPROTO_UDP
    flags: int = 0


def matches(name: str, info: bytes, packet: Ports) -> bool | None:
    """Say whether a packet to this machine fulfils a match; None where that isn't known."""
    layout, function = _MATCHES.get(name, ("", None))
    if function is None or len(info) < calcsize(layout):
        return None
    return function(unpack_from(layout, info), packet)


def untracks(name: str, info: bytes) -> bool:
    """Say whether a target keeps a packet from being tracked."""
    return name == "NOTRACK" or (name == "CT" and len(info) > 1 and bool(unpack_from("H", info)[0] & _UNTRACKS))


def _udp(info: tuple[int, ...], packet: Ports) -> bool:
    return packet.protocol == socket.IPPROTO_UDP and _has_ports(info, info[4], packet)


def _tcp(info: tuple[int, ...], packet: Ports) -> bool | None:
    option, looked_at, are_set, inverted = info[4:8]
    if packet.protocol != socket.IPPROTO_TCP or not _has_ports(info, inverted, packet):
        return False
    if (packet.flags & looked_at == are_set) == bool(inverted & _FLAGS):
        return False
    return None if option else True


def _has_ports(info: tuple[int, ...], inverted: int, packet: Ports) -> bool:
    sources, destinations = info[0:2], info[2:4]
    return (sources[0] <= packet.source <= sources[1]) != bool(inverted & _SOURCE) and (
        destinations[0] <= packet.destination <= destinations[1]
    ) != bool(inverted & _DESTINATION)


def _multiport(info: tuple[int, ...], packet: Ports) -> bool:
    which, count = info[0:2]
    ports, ranges, inverted = info[2 : 2 + _MOST], info[2 + _MOST : 2 + 2 * _MOST], info[2 + 2 * _MOST]
    mine = {0: (packet.source,), 1: (packet.destination,)}.get(which, (packet.source, packet.destination))
    found = any(_has(ports[:count], ranges, port) for port in mine)
    return found != bool(inverted)


def _has(ports: tuple[int, ...], ranges: tuple[int, ...], wanted: int) -> bool:
    for place, port in enumerate(ports):
        last = ports[place + 1] if ranges[place] else port
        if port <= wanted <= last:
            return True
    return False


def _conntrack(info: tuple[int, ...], packet: Ports) -> bool | None:
    flags, inverted, states = info[7:10]
    if flags & ~_STATE_ALIAS != _STATE:
        return None
    return bool(states & _bit(packet)) != bool(inverted & _STATE)


def _state(info: tuple[int, ...], packet: Ports) -> bool:
    return bool(info[0] & _bit(packet))


def _bit(packet: Ports) -> int:
    return _OTHER_STATES.get(packet.state, packet.state)


def _address_type(info: tuple[int, ...], packet: Ports) -> bool:
    wanted_source, wanted_destination, flags = info
    source_fits = not wanted_source or bool(wanted_source & _UNICAST) != bool(flags & _SOURCE)
    destination_fits = not wanted_destination or bool(wanted_destination & _LOCAL) != bool(flags & _DESTINATION)
    return source_fits and destination_fits


def _always(info: tuple[int, ...], packet: Ports) -> bool:
    return True


def _never(info: tuple[int, ...], packet: Ports) -> bool:
    return False


_MATCHES: dict[str, tuple[str, Callable[[tuple[int, ...], Ports], bool | None]]] = {
    "addrtype": (_ADDRESS_TYPE, _address_type),
    "comment": ("", _always),
    "conntrack": (_CONNTRACK, _conntrack),
    "icmp": ("", _never),
    "icmp6": ("", _never),
    "limit": ("", _always),
    "multiport": (_MULTIPORT, _multiport),
    "state": ("I", _state),
    "tcp": (_TCP, _tcp),
    "udp": (_UDP, _udp),
}
