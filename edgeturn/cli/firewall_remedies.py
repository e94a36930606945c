"""What opens ports in somebody's firewall: the commands of each kind of firewall, as they are typed.

A row of FIREWALLS: its name, what it's known by, the commands, what keeps them over a restart. The first that fits is
told; the last fits always.
Rule 1: a range is opened as a range: another's table can't follow the live ports.
Rule 2: each transport has commands of its own, and ports of its own.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgeturn.kernel.firewall.passage import Obstacle
from edgeturn.kernel.firewall.ways import OPEN, Trial
from edgeturn.protocol.listener import UDP

Ports = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Remedy:
    """How to open ports in a firewall: its name, commands, how long that lasts, and the same as procd data."""

    firewall: str
    commands: list[str]
    keeps: str
    service_data: list[dict[str, str]]


@dataclass(frozen=True)
class _Hole:
    """What is to be opened: at which obstacle, for which transport, and the ports in their order."""

    obstacle: Obstacle
    transport: str
    ports: Ports

    def joined(self, between: str, dash: str) -> str:
        """Return the ports as text."""
        return between.join(_text(bounds, dash) for bounds in self.ports)


def find(trials: Sequence[Trial], table: str) -> list[Remedy]:
    """Return what opens the ways that are closed, for rules that may be named after a table."""
    wanted: dict[tuple[str, ...], tuple[Obstacle, list[tuple[int, int]]]] = {}
    for trial in trials:
        for obstacle in trial.obstacles if trial.verdict != OPEN else ():
            place = *_place(obstacle), trial.way.transport
            _, ports = wanted.setdefault(place, (obstacle, []))
            if trial.way.ports not in ports:
                ports.append(trial.way.ports)
    found: dict[str, Remedy] = {}
    for place, (obstacle, ports) in wanted.items():
        _add(found, _Hole(obstacle, place[-1], tuple(sorted(ports))), table)
    return list(found.values())


def _place(obstacle: Obstacle) -> tuple[str, ...]:
    """Return what one remedy is for: the kernel's chain, and the firewall's zone where it has zones."""
    return obstacle.family, obstacle.table, obstacle.entrance, _zone(obstacle)


def _add(found: dict[str, Remedy], hole: _Hole, table: str) -> None:
    """Add the commands of a firewall to those that are known for it; what they share is done once, at the end."""
    firewall, _, make, keeps = next(row for row in FIREWALLS if row[1](hole.obstacle))
    remedy = found.setdefault(firewall, Remedy(firewall, [], keeps, []))
    commands = remedy.commands + make(hole, table)
    remedy.commands[:] = reversed(dict.fromkeys(reversed(commands)))
    if firewall == FIREWALL4:
        remedy.service_data.append({"type": "rule"} | _rule(hole))


def _text(bounds: tuple[int, int], dash: str) -> str:
    first, last = bounds
    return str(first) if first == last else f"{first}{dash}{last}"


# Zones, by the names of the chains that a packet went through.

_ZONE_CHAINS = {
    "fw4": re.compile(r"input_(.+)"),
    "firewalld": re.compile(r"filter_IN_(?!policy_)(.+?)(?:_(?:pre|log|deny|allow|post))?"),
}


def _zone(obstacle: Obstacle) -> str:
    pattern = _ZONE_CHAINS.get(obstacle.table)
    found = [pattern.fullmatch(chain) for chain in obstacle.visited] if pattern is not None else []
    return next((match[1] for match in found if match), "")


# Commands.


def _rule(hole: _Hole) -> dict[str, str]:
    """Return the options of a rule section of OpenWrt's firewall; without a zone, of all."""
    source = _zone(hole.obstacle) or "*"
    return {"src": source, "proto": hole.transport, "dest_port": hole.joined(" ", "-"), "target": "ACCEPT"}


def _firewall4(hole: _Hole, table: str) -> list[str]:
    last = "" if hole.transport == UDP else f"_{hole.transport}"
    section = re.sub(r"\W", "_", f"{table}_{_zone(hole.obstacle) or 'any'}{last}")
    options = {"name": section} | _rule(hole)
    return [
        f"uci set firewall.{section}=rule",
        *(f"uci set firewall.{section}.{option}='{value}'" for option, value in options.items()),
        "uci commit firewall",
        "/etc/init.d/firewall reload",
    ]


def _firewalld(hole: _Hole, table: str) -> list[str]:
    zone = _zone(hole.obstacle)
    where = f"--zone={zone} " if zone else ""
    ports = " ".join(f"--add-port={_text(bounds, '-')}/{hole.transport}" for bounds in hole.ports)
    return [f"firewall-cmd --permanent {where}{ports}", "firewall-cmd --reload"]


def _ufw(hole: _Hole, table: str) -> list[str]:
    return [f"ufw allow {_text(bounds, ':')}/{hole.transport}" for bounds in hole.ports]


def _iptables(hole: _Hole, table: str) -> list[str]:
    obstacle = hole.obstacle
    program = "iptables" if obstacle.family == "ip" else "ip6tables"
    where = "" if obstacle.table == "filter" else f"-t {obstacle.table} "
    what = f"-p {hole.transport} -m multiport --dports {hole.joined(',', ':')}"
    return [f"{program} {where}-I {obstacle.entrance} {what} -j ACCEPT"]


def _nft(hole: _Hole, table: str) -> list[str]:
    obstacle = hole.obstacle
    place = f"{obstacle.family} {obstacle.table} {obstacle.entrance}"
    what = f"{hole.transport} dport {{ {hole.joined(', ', '-')} }}"
    return [f"nft 'insert rule {place} {what} accept comment \"{table}\"'"]


FIREWALL4 = "OpenWrt's firewall4"
_XTABLES = ("filter", "mangle", "raw", "security")

FIREWALLS: tuple[tuple[str, Callable[[Obstacle], bool], Callable[[_Hole, str], list[str]], str], ...] = (
    (
        FIREWALL4,
        lambda obstacle: obstacle.table == "fw4",
        _firewall4,
        "That stays; a service can publish the same rule as its procd data instead (--json: service_data).",
    ),
    ("firewalld", lambda obstacle: obstacle.table == "firewalld", _firewalld, "That stays."),
    ("ufw", lambda obstacle: any(chain.startswith("ufw") for chain in obstacle.visited), _ufw, "That stays."),
    (
        "iptables",
        lambda obstacle: obstacle.family != "inet" and obstacle.table in _XTABLES and obstacle.entrance.isupper(),
        _iptables,
        "That lasts until the next boot; `netfilter-persistent save` (package iptables-persistent) keeps it.",
    ),
    (
        "nftables",
        lambda obstacle: True,
        _nft,
        (
            "That lasts until the table is loaded again; write the same rule into the file that loads it, often "
            "/etc/nftables.conf."
        ),
    ),
)
