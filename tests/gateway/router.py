"""
The emulated router as the tests see it: a relay in a machine, asked by the machine's own commands.

Rule 1: What is known of the relay is what the firmware's command says in the machine, or /proc there.
Rule 2: One machine serves all tests: a test leaves the relay as it found it.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware.gateway.emulator import Emulator, MachineError
from tests.blackbox import certificates
from tests.blackbox.client import Client, Peer, TcpClient
from tests.blackbox.relay import REALM
from tests.kernel.lab.topology import Node
from tests.lab.network import PEERS, Host, Network, wait_until
from tests.lab.relay import PASSWORD, PORT, SECRET, USER, server

ANSWERS_WITHIN = 60.0
STARTS_WITHIN = 150.0  # an idle machine needs 15
CONTROL = "/run/edgeturn/control.sock"
OPTIONS: dict[str, str | list[str]] = {
    "realm": REALM,
    "secret": [SECRET],
    "allow_peer": [PEERS.ipv4_prefix + "0/24", PEERS.ipv6_prefix + "/64", "203.0.113.0/24"],
    "kernel": "tc",
    "max_allocations": "64",
    "user_quota": "0",
    "peers_per_minute": "0",
    "wide_channels": "1",
    "user": "edgeturn",
    "log": "syslog",
}


def configuration(options: dict[str, str | list[str]]) -> str:
    """Return the text of /etc/config/edgeturn: the options, and the user of the lab's clients."""
    lines = ["config relay 'main'"]
    for name, value in options.items():
        if isinstance(value, list):
            lines += [f"\tlist {name} '{entry}'" for entry in value]
        else:
            lines.append(f"\toption {name} '{value}'")
    return "\n".join([*lines, f"config user '{USER}'", f"\toption password '{PASSWORD}'", ""])


@dataclass
class Router:
    """The machine, and the network in which it stands."""

    machine: Emulator
    network: Network

    def told(self, command: str, timeout: float = ANSWERS_WITHIN) -> str:
        return self.machine.told(command, timeout)

    def answer(self, command: str) -> Any:
        """Return the document that a command of the firmware prints."""
        return json.loads(self.told(f"edgeturn {command} --json"))

    def sessions(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.answer("sessions")
        return found

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.answer("status")
        return found

    def traffic(self) -> dict[str, Any]:
        """Return what the relay carried since its start, in all and in the kernel."""
        found: dict[str, Any] = self.status()["traffic"]
        return found

    def kick(self) -> None:
        """End every session."""
        for user in {session["user"] for session in self.sessions()}:
            self.machine.run(f"edgeturn kick --user {user}")

    def log(self) -> str:
        """Return the system's log as far as the machine remembers it."""
        return self.told("logread")

    def relay(self) -> int:
        """Return the relay's process id; it is the one that listens for commands."""
        return int(self.told("cat /run/edgeturn.pid 2>/dev/null || pidof edgeturn").split()[0])

    def memory(self) -> int:
        """Return how much memory the relay has that is resident, in kB."""
        found = re.search(r"VmRSS:\s+(\d+) kB", self.told(f"cat /proc/{self.relay()}/status"))
        assert found
        return int(found[1])

    def free(self) -> int:
        """Return how much memory is free, in kB: all files lie in memory, so no more of it can be had."""
        found = re.search(r"MemFree:\s+(\d+) kB", self.told("cat /proc/meminfo"))
        assert found
        return int(found[1])

    def is_ready(self) -> bool:
        return self.machine.run("edgeturn status", ANSWERS_WITHIN).code == 0

    def wait_ready(self) -> None:
        wait_until(self.is_ready, "the relay in the machine answers", STARTS_WITHIN, every=0.5)

    def client(self, family: int = 4, kind: type[Client] = Client, host: Host | None = None) -> Client:
        """Return a client in the LAN, which the caller closes."""
        at = host or self.network.client1
        with Node(at.namespace.name).entered():
            return kind((server(family), PORT), USER, PASSWORD, at.address(family))

    def tcp_client(self, family: int = 4) -> Client:
        return self.client(family, TcpClient)

    def peer(self, place: str) -> Peer:
        """Return a peer in the internet."""
        with Node(self.network.peer.namespace.name).entered():
            return Peer(place)


def assert_well(machine: Emulator) -> None:
    """The kernel has killed nothing for want of memory and has no complaint about itself."""
    try:
        said = machine.told("dmesg")
    except MachineError as error:
        raise AssertionError(str(error)) from error
    for word in ("Out of memory", "oom-kill", "BUG:", "Oops", "Call Trace", "WARNING:"):
        assert word not in said, said[-3000:]


def laid(folder: Path) -> Path:
    """Return a folder to lay over the router's files: the tests' configuration, with a certificate."""
    made = certificates.make(folder.parent, hosts=[server(4), server(6)])
    options = dict(OPTIONS)
    for name, path in made.settings().items():
        options[name] = f"/etc/ssl/turn.{name}"
        _put(folder / f"etc/ssl/turn.{name}", Path(path).read_text())
    _put(folder / "etc/config/edgeturn", configuration(options))
    return folder


def _put(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o600)
