"""
An edgeturn relay in the router's namespace: configured, started, waited for, ended and judged by its end.

A relay that does not end by SIGTERM with exit code 0, or whose log has a traceback, fails the test that used it,
whatever the client thought of it.
"""

import base64
import hmac
import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.network import CLIENTS, PEERS, ROUTER, Namespace, wait_until
from tests.lab.programs import ROOT

PORT = 3478
REALM = "lab.example"
USER = "alice"
PASSWORD = "correct-horse"
SECRET = "battery-staple"
STARTS_WITHIN = 45.0
ENDS_WITHIN = 30.0

Options = dict[str, str | list[str]]


def server(family: int) -> str:
    """Return the address at which clients find the relay."""
    return CLIENTS.address(family, ROUTER)


def relay_address(family: int) -> str:
    """Return the address from which the relay talks to peers."""
    return PEERS.address(family, ROUTER)


def defaults(folder: Path) -> Options:
    """Return what every relay of the lab has; the peer side is documentation addresses, so it is allowed by name."""
    return {
        "realm": REALM,
        "listen": [f"{server(4)}:{PORT}", f"[{server(6)}]:{PORT}"],
        "relay_address": [relay_address(4), relay_address(6)],
        "secret": [SECRET],
        "allow_peer": [PEERS.ipv4_prefix + "0/24", PEERS.ipv6_prefix + "/64"],
        "control": str(folder / "control.sock"),
    }


def configuration(options: Options) -> str:
    """Return a configuration file's text."""
    lines = ["config relay 'main'"]
    for name, value in options.items():
        if isinstance(value, list):
            lines += [f"\tlist {name} '{entry}'" for entry in value]
        else:
            lines.append(f"\toption {name} '{value}'")
    return "\n".join([*lines, "", f"config user '{USER}'", f"\toption password '{PASSWORD}'", ""])


@dataclass
class Relay:
    """A relay process, its folder with configuration, log and control socket."""

    process: subprocess.Popen[str]
    folder: Path

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def is_ready(self) -> bool:
        """Tell whether the relay said so; a relay that ended instead is an error with its last words."""
        assert self.process.poll() is None, f"the relay ended with {self.process.returncode}:\n{self.log}"
        return any(line.startswith("edgeturn ready") for line in self.log.splitlines())

    def ask(self, command: str) -> dict[str, Any]:
        """Ask over the control socket; a Unix socket is reached from any network namespace."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(5)
            connection.connect(str(self.folder / "control.sock"))
            connection.sendall(json.dumps({"command": command}).encode() + b"\n")
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        found: dict[str, Any] = json.loads(answer)
        assert found["ok"] is True, found
        return found

    def sessions(self) -> list[dict[str, Any]]:
        """Return the allocations as the relay lists them."""
        listed: list[dict[str, Any]] = self.ask("sessions")["sessions"]
        return listed

    def end(self) -> None:
        """End it as a supervisor does, and judge how it went."""
        assert self.process.poll() is None, f"the relay ended by itself with {self.process.returncode}:\n{self.log}"
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(ENDS_WITHIN)
        assert code == 0, f"SIGTERM ended the relay with {code}:\n{self.log}"
        assert "Traceback" not in self.log, self.log


@contextmanager
def running(interpreter: Sequence[str], router: Namespace, folder: Path, options: Options) -> Iterator[Relay]:
    """Run a relay for as long as the block lasts."""
    (folder / "edgeturn.conf").write_text(configuration(defaults(folder) | options))
    argv = [*interpreter, "-m", "edgeturn.relay", "-c", str(folder / "edgeturn.conf")]
    with (folder / "log").open("w") as log:
        relay = Relay(router.popen(argv, stdout=log, cwd=str(ROOT)), folder)
    try:
        wait_until(relay.is_ready, f"a line `edgeturn ready` in the log:\n{relay.log}", STARTS_WITHIN)
        yield relay
        relay.end()
    finally:
        relay.process.kill()
        relay.process.wait()


def credentials(name: str = "lab", lifetime: int = 3600) -> tuple[str, str]:
    """Return a time-limited user name and password, made from the shared secret."""
    user = f"{int(time.time()) + lifetime}:{name}"
    return user, base64.b64encode(hmac.digest(SECRET.encode(), user.encode(), "sha1")).decode()
