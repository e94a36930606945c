"""
Network namespaces, joined by veth, with a router in the middle that does not forward.

    client1  192.0.2.11 ──┐
                          ├── 192.0.2.1  router  198.51.100.1 ──── 198.51.100.11  peer
    client2  192.0.2.12 ──┘

             2001:db8:1::/64                     2001:db8:2::/64, hosts numbered alike
             the client side                     the peer side

Rule 1: IP forwarding is off in the router, and the hosts of a side don't see each other either: what arrives was
        relayed.
Rule 2: Every name carries the process id of its run and a counter, so that runs don't meet and the left-overs of a dead
        run are known as such; the next run removes them.
Rule 3: Nothing waits for a fixed time. Addresses are usable at once (no duplicate address detection); everything
        else is waited for with a deadline.
"""

import atexit
import itertools
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO

PREFIX = "edgeturn-lab"
_NAME = re.compile(rf"{PREFIX}-(\d+)-\d+-\w+")
_counter = itertools.count()


class NetworkError(Exception):
    """A command that builds the network failed; the text is what it said."""


class TimedOut(Exception):
    """What was waited for did not happen before the deadline."""


def wait_until(condition: Callable[[], bool], what: str, seconds: float, every: float = 0.02) -> None:
    """Return as soon as the condition holds; TimedOut after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimedOut(f"not within {seconds} s: {what}")
        time.sleep(every)


def ip(*arguments: str) -> str:
    """Run iproute2's ip and return what it printed."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False, timeout=20)
    if done.returncode:
        raise NetworkError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


@dataclass(frozen=True)
class Namespace:
    """A network namespace by its name, and commands that run in it."""

    name: str

    def ip(self, *arguments: str) -> str:
        return ip("-n", self.name, *arguments)

    def command(self, argv: Sequence[str]) -> list[str]:
        return ["ip", "netns", "exec", self.name, *argv]

    def run(self, argv: Sequence[str], timeout: float) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; its output is text, standard error included."""
        return subprocess.run(
            self.command(argv), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, check=False, timeout=timeout,
        )  # fmt: skip

    def popen(
        self,
        argv: Sequence[str],
        stdin: int | None = subprocess.DEVNULL,
        stdout: int | IO[str] | None = subprocess.PIPE,
        stderr: int | IO[str] | None = subprocess.STDOUT,
        cwd: str | None = None,
    ) -> subprocess.Popen[str]:
        """Start a command; `ip netns exec` replaces itself by it, so the process id is the command's own."""
        return subprocess.Popen(self.command(argv), stdin=stdin, stdout=stdout, stderr=stderr, text=True, cwd=cwd)

    def listens(self, port: int, protocol: str = "udp") -> bool:
        """Tell whether a socket of the namespace is bound to the port."""
        listed = subprocess.run(
            self.command(["cat", f"/proc/net/{protocol}", f"/proc/net/{protocol}6"]),
            capture_output=True, text=True, check=True, timeout=10,
        )  # fmt: skip
        return re.search(rf":\s+\S+:{port:04X}\s", listed.stdout) is not None

    def processes(self) -> list[int]:
        return [int(number) for number in ip("netns", "pids", self.name).split()]

    def remove(self) -> None:
        """End what still runs in the namespace, then delete it and its links."""
        for process in self.processes():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        ip("netns", "delete", self.name)


@dataclass(frozen=True)
class Side:
    """The addresses of one side of the router, made from a host's number."""

    ipv4_prefix: str
    ipv6_prefix: str

    def address(self, family: int, number: int) -> str:
        return f"{self.ipv4_prefix if family == 4 else self.ipv6_prefix}{number}"


CLIENTS = Side("192.0.2.", "2001:db8:1::")
PEERS = Side("198.51.100.", "2001:db8:2::")
ROUTER = 1
CLIENT1, CLIENT2, PEER = 11, 12, 11


@dataclass(frozen=True)
class Host:
    """A client or a peer: its namespace, its side, and its number there."""

    namespace: Namespace
    side: Side
    number: int

    def address(self, family: int) -> str:
        return self.side.address(family, self.number)


def remove_leftovers() -> None:
    """Remove the namespaces of runs whose process is gone."""
    for name in re.findall(r"^\S+", ip("netns", "list"), re.MULTILINE):
        run = _NAME.fullmatch(name)
        if run and not os.path.exists(f"/proc/{run[1]}"):
            Namespace(name).remove()


@dataclass
class Network:
    """The drawn network; a context manager that leaves nothing behind."""

    namespaces: list[Namespace] = field(default_factory=list)

    def __post_init__(self) -> None:
        remove_leftovers()
        atexit.register(self.close)
        try:
            self.router = self._namespace("router")
            self._forbid_forwarding()
            self.client1 = self._host("client1", CLIENTS, CLIENT1)
            self.client2 = self._host("client2", CLIENTS, CLIENT2)
            self.peer = self._host("peer", PEERS, PEER)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Network":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove every namespace; what can't be removed doesn't keep the others."""
        atexit.unregister(self.close)
        while self.namespaces:
            try:
                self.namespaces.pop().remove()
            except NetworkError as error:
                print(f"left behind: {error}")

    def _namespace(self, role: str) -> Namespace:
        namespace = Namespace(f"{PREFIX}-{os.getpid()}-{next(_counter)}-{role}")
        ip("netns", "add", namespace.name)
        self.namespaces.append(namespace)
        namespace.ip("link", "set", "lo", "up")
        return namespace

    def _forbid_forwarding(self) -> None:
        """Switch forwarding off, and see that it is: a new namespace may inherit the machine's setting (rule 1)."""
        for setting in ("/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"):
            switched = self.router.run(["sh", "-c", f"grep -qx 0 {setting} || echo 0 > {setting}"], timeout=10)
            if switched.returncode:
                raise NetworkError(f"forwarding can't be switched off in the router: {switched.stdout.strip()}")

    def _host(self, name: str, side: Side, number: int) -> Host:
        host = Host(self._namespace(name), side, number)
        self._join(host, name)
        return host

    def _join(self, host: Host, link: str) -> None:
        """Lay the cable: the router has the same address at each of them, and a route for one host only (rule 1)."""
        self.router.ip("link", "add", link, "type", "veth", "peer", "name", "uplink", "netns", host.namespace.name)
        self.router.ip("link", "set", link, "up")
        host.namespace.ip("link", "set", "uplink", "up")
        for family, network, single in ((4, "/24", "/32"), (6, "/64", "/128")):
            own, gateway = host.address(family), host.side.address(family, ROUTER)
            self.router.ip("address", "add", gateway + single, "dev", link, "nodad")
            self.router.ip("route", "add", own + single, "dev", link)
            host.namespace.ip("address", "add", own + network, "dev", "uplink", "nodad")
            host.namespace.ip("route", "add", "default", "via", gateway)
