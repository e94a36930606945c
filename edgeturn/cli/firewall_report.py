"""What `edgeturn firewall` says: what our table accepts, how packets fare in all tables, and what to do."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from edgeturn.cli import firewall_remedies, place
from edgeturn.cli.firewall_remedies import Remedy
from edgeturn.cli.output import bytes_text, counted, print_table, wrapped
from edgeturn.kernel.firewall import own, ways
from edgeturn.kernel.firewall.own import (
    CLIENTS,
    CLIENTS_TCP,
    EVERY,
    LISTENING,
    LISTENING_TCP,
    PEERS,
    PEERS_TCP,
    RANGE,
    RANGE_TCP,
    RULES,
    Opened,
)
from edgeturn.kernel.firewall.passage import Obstacle
from edgeturn.kernel.firewall.ruleset import Ruleset
from edgeturn.kernel.firewall.tables import Tables
from edgeturn.kernel.firewall.ways import ANSWERS, CLOSED, OPEN, PARTLY, Trial
from edgeturn.kernel.maps import instance
from edgeturn.kernel.netfilter import RELAYED
from edgeturn.protocol import address
from edgeturn.protocol.listener import TCP, UDP
from edgeturn.relay.configuration import Configuration

_LEGACY = ("/proc/net/ip_tables_names", "/proc/net/ip6_tables_names")
_MOST_PORTS = 8  # live ones that a table shows


@dataclass(frozen=True)
class Report:
    """What was found: our table, how each way fares, what opens it, and tables that can't be read."""

    table: str
    file: Path
    opened: Opened | None
    trials: list[Trial]
    remedies: list[Remedy]
    legacy: list[str]

    def document(self) -> dict[str, Any]:
        """Return all of it for programs."""
        opened = self.opened
        return {
            "table": self.table,
            "open": opened is not None,
            "listening_ports": opened.listening if opened else [],
            "listening_tcp_ports": opened.listening_tcp if opened else [],
            "relayed_ports": [_live(*each) for each in sorted(opened.relayed.items())] if opened else [],
            "range": opened.ports if opened else None,
            "counters": _counters(opened) if opened else {},
            "ways": [_way(trial) for trial in self.trials],
            "remedies": [asdict(remedy) for remedy in self.remedies],
            "legacy_iptables": self.legacy,
        }

    def print_opened(self, why_not: str) -> None:
        """Print what was opened; why_not: what keeps the relay from following its live ports."""
        assert self.opened is not None
        places = ((UDP, self.opened.listening), (TCP, self.opened.listening_tcp))
        ports = " and ".join(_over(transport, _listed(ports)) for transport, ports in places if ports)
        clients = f"{ports} for clients" if ports else "nothing for clients, who are in local networks only"
        click.echo(f"Open in the table inet {self.table}: {clients},")
        for line in self._opened_for_peers(why_not):
            click.echo(line)

    def _opened_for_peers(self, why_not: str) -> tuple[str, ...]:
        assert self.opened is not None
        if PEERS not in self.opened.counters:
            return ("and nothing for peers, who are in local networks only.",)
        peers = "peers, over UDP and TCP," if PEERS_TCP in self.opened.counters else "peers"
        if self.opened.ports is None:
            live = counted(len(self.opened.relayed), "port")
            return (f"and for {peers} each relayed port while it is given to a client, {live} now.",)
        reason = f"and for {peers} all of {_range(self.opened.ports)}, as the relay can't follow its live ports:"
        return reason, f"{why_not}."

    def print_table(self) -> None:
        """Print what our table accepts and has counted."""
        if self.opened is None:
            click.echo(f"There is no table inet {self.table}; `{place.command('firewall open', self.file)}` makes it.")
            return
        if not self.opened.counters:
            click.echo(f"The table inet {self.table} accepts nothing: only local networks reach the relay.")
            return
        click.echo(f"The table inet {self.table} accepts:\n")
        ports = _ports(self.opened)
        rows = [
            (_SENDERS.get(name, name), ports.get(name, ""), each.packets, bytes_text(each.bytes))
            for name, each in self.opened.counters.items()
        ]
        print_table(("FROM", "PORTS", "PACKETS", "BYTES"), rows)

    def print_ways(self) -> None:
        """Print how packets fare, and what opens the ways that are closed."""
        if not self.trials:
            click.echo("\nOnly the loopback is listened on and relayed from: no firewall matters.")
            return
        click.echo("\nWho gets in, by the rules of all tables:\n")
        print_table(("INTERFACE", "ADDRESS", "FROM", "PORTS", "GETS IN"), [_row(trial) for trial in self.trials])
        click.echo()
        answered = {trial.way.transport for trial in self.trials if trial.verdict == ANSWERS}
        for transport in (each for each in _ONLY_ANSWERS if each in answered):
            click.echo(wrapped(_ONLY_ANSWERS[transport]))
            click.echo()
        for text in sorted({text for trial in self.trials for text in trial.unsure}):
            click.echo(f"Taken as not matching, for it depends on more: {text}.")
        for path in self.legacy:
            program = "ip6tables" if "ip6" in path else "iptables"
            click.echo(f"Rules of {program}-legacy can't be seen here: `{program}-legacy -S` shows them.")
        if self.remedies:
            self._print_remedies()
        else:
            check = place.command("check", self.file)
            click.echo(f"Nothing here is in the way; `{check}` from elsewhere proves the rest.")

    def _print_remedies(self) -> None:
        click.echo("What one table drops no other can let through; open it there, as root:")
        for remedy in self.remedies:
            click.echo(f"\n{remedy.firewall}:\n")
            for command in remedy.commands:
                click.echo(f"  {command}")
            click.echo(f"\n  {remedy.keeps}")


_GETS_IN = {OPEN: "yes", PARTLY: "some ports", ANSWERS: "only answers", CLOSED: "no"}
_ONLY_ANSWERS = {
    UDP: (
        "Only answers: peers that a client has sent to get in, at the port that it sent to. Peers behind a NAT that "
        "gives each destination another port don't: their calls fail, or need a relay of their own as well."
    ),
    TCP: "Only answers over TCP: clients can connect to peers, and peers can't connect to clients.",
}
_SENDERS = {
    CLIENTS: "clients",
    CLIENTS_TCP: "clients",
    PEERS: "peers, live ports",
    PEERS_TCP: "peers, live ports",
    RANGE: "peers, all ports",
    RANGE_TCP: "peers, all ports",
}


def make(link: Tables, settings: Configuration, file: Path) -> Report:
    """Look at everything."""
    table = instance(settings.text("control"))
    trials = ways.attempt(Ruleset(link), ways.find(settings))
    opened = own.read_table(link, table)
    legacy = [path for path in _LEGACY if has_rules(path)]
    return Report(table, file, opened, trials, firewall_remedies.find(trials, table), legacy)


def has_rules(path: str) -> bool:
    """Say whether tables of legacy iptables are loaded."""
    try:
        return bool(Path(path).read_text().split())
    except OSError:
        return False


def _row(trial: Trial) -> tuple[str, ...]:
    way = trial.way
    why = f" ({', '.join(_where(each) for each in trial.obstacles)})" if trial.obstacles else ""
    ports = _over(way.transport, _range(way.ports))
    return way.interface, address.format_ip(way.ip), way.purpose, ports, _GETS_IN[trial.verdict] + why


def _where(obstacle: Obstacle) -> str:
    chain = f"{obstacle.family} {obstacle.table} {obstacle.chain}"
    if obstacle.handle is None:
        return f"{chain}, policy drop"
    return f"{chain}, handle {obstacle.handle} {'rejects' if obstacle.rejects else 'drops'}"


def _way(trial: Trial) -> dict[str, Any]:
    way = trial.way
    return {
        "from": way.purpose,
        "interface": way.interface,
        "address": address.format_ip(way.ip),
        "transport": way.transport,
        "ports": way.ports,
        "verdict": trial.verdict,
        "obstacles": [asdict(each) for each in trial.obstacles],
        "unsure": sorted(trial.unsure),
    }


def _counters(opened: Opened) -> dict[str, dict[str, Any]]:
    """Return what was counted; a rule that isn't ours has no transport."""
    transports = {name: transport for name, (transport, _) in RULES.items()}
    return {name: asdict(each) | {"transport": transports.get(name)} for name, each in opened.counters.items()}


def _ports(opened: Opened) -> dict[str, str]:
    """Return the ports of each rule as text."""
    texts = {
        LISTENING: _listed(opened.listening),
        LISTENING_TCP: _listed(opened.listening_tcp),
        RELAYED: _shortened(sorted(opened.relayed)),
        EVERY: _range(opened.ports) if opened.ports is not None else "",
    }
    return {name: _over(transport, texts[called]) for name, (transport, called) in RULES.items()}


def _over(transport: str, ports: str) -> str:
    return f"{transport.upper()} {ports}" if ports else f"{transport.upper()}, none now"


def _live(port: int, milliseconds: int) -> dict[str, int]:
    return {"port": port, "expires_seconds": milliseconds // 1000}


def _listed(ports: list[int]) -> str:
    return ", ".join(str(port) for port in ports)


def _shortened(ports: list[int]) -> str:
    more = len(ports) - _MOST_PORTS
    return _listed(ports[:_MOST_PORTS]) + (f" and {more} more" if more > 0 else "")


def _range(ports: tuple[int, int]) -> str:
    first, last = ports
    return str(first) if first == last else f"{first}-{last}"
