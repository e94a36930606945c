"""The network of the bench: three namespaces in a row.

    client 192.0.2.2 ── 192.0.2.10+n  relay  198.51.100.10+n ── 198.51.100.2 peer

Every relay under test has addresses of its own (n), so that all run at the same time and measurements interleave. What
hooks into the kernel's path has a network of its own, so that nobody else's packets meet it.

Rule 1: names carry the process number; what a killed run has left is removed by the next one.
Rule 2: one thread enters a namespace, makes a socket or a process there, and leaves it again.
"""

from __future__ import annotations

import ctypes
import fcntl
import itertools
import json
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType

CLIENT = "192.0.2.2"
PEER = "198.51.100.2"
PEER_NETWORK = "198.51.100.0/24"
RELAYS = 16
PREFIX = "edgeturn-bench"
FOLDER = "/var/run/netns"
CLONE_NEWNET = 0x40000000
SO_RCVBUFFORCE = 33
SIOCETHTOOL, ETHTOOL_SGRO = 0x8946, 0x2C
SINK_BUFFER_SIZE = 8 << 20

libc = ctypes.CDLL(None, use_errno=True)
numbers = itertools.count()


class LabError(Exception):
    """What the machine lacks, in one sentence."""


def listening_address(index: int) -> str:
    return f"192.0.2.{10 + index}"


def relayed_address(index: int) -> str:
    return f"198.51.100.{10 + index}"


@dataclass(frozen=True)
class Interface:
    """One end of a cable: the kernel's number and the Ethernet address."""

    index: int
    address: bytes


def ip(*arguments: str) -> str:
    done = subprocess.run(("ip", *arguments), capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"'ip {' '.join(arguments)}' failed: {done.stderr.strip()}")
    return done.stdout


def take_frames(device: str) -> None:
    """Let a veth take frames without a socket buffer around them: it does while GRO is on (or XDP is attached)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        value = ctypes.create_string_buffer(struct.pack("II", ETHTOOL_SGRO, 1))
        fcntl.ioctl(handle, SIOCETHTOOL, struct.pack("16sP", device.encode(), ctypes.addressof(value)))


def enter(descriptor: int) -> None:
    if libc.setns(descriptor, CLONE_NEWNET):
        raise LabError(f"entering a network namespace failed: {os.strerror(ctypes.get_errno())}")


def alive(process: str) -> bool:
    return os.path.exists(f"/proc/{process}")


def remove_leftovers() -> None:
    """Remove the namespaces of runs that were killed."""
    for name in os.listdir(FOLDER) if os.path.isdir(FOLDER) else ():
        if name.startswith(PREFIX) and not alive(name.split("-")[2]):
            ip("netns", "del", name)


class Lab:
    """Three namespaces; a context manager that makes and removes them."""

    def __init__(self, relays: int = RELAYS) -> None:
        self.relays = relays
        number = next(numbers)
        self.names = {role: f"{PREFIX}-{os.getpid()}-{number}-{role}" for role in ("client", "relay", "peer")}

    def __enter__(self) -> Lab:
        if os.geteuid() or not shutil.which("ip"):
            raise LabError("the bench needs root and the command 'ip' (package iproute2) for its network namespaces")
        remove_leftovers()
        try:
            self.build()
        except LabError:
            self.remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def build(self) -> None:
        for name in self.names.values():
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        self.connect("client", CLIENT, listening_address)
        self.connect("peer", PEER, relayed_address)
        ip("-n", self.names["client"], "route", "add", "default", "via", listening_address(0))
        ip("-n", self.names["peer"], "route", "add", "default", "via", relayed_address(0))
        with self.inside("relay"), open("/proc/sys/net/ipv4/ip_forward", "w", encoding="ascii") as switch:
            switch.write("1")

    def connect(self, role: str, address: str, relay_address: Callable[[int], str]) -> None:
        """Lay the cable between the relay and one side."""
        relay, side = self.names["relay"], self.names[role]
        ip("link", "add", f"to-{role}", "netns", relay, "type", "veth", "peer", "name", "to-relay", "netns", side)
        ip("-n", side, "address", "add", f"{address}/24", "dev", "to-relay")
        for index in range(self.relays):
            ip("-n", relay, "address", "add", f"{relay_address(index)}/24", "dev", f"to-{role}")
        ip("-n", side, "link", "set", "to-relay", "up")
        ip("-n", relay, "link", "set", f"to-{role}", "up")
        for place, device in (("relay", f"to-{role}"), (role, "to-relay")):
            with self.inside(place):
                take_frames(device)

    def interface(self, role: str, device: str) -> Interface:
        found = json.loads(ip("-n", self.names[role], "-json", "link", "show", "dev", device))[0]
        return Interface(found["ifindex"], bytes.fromhex(found["address"].replace(":", "")))

    def remove(self) -> None:
        for name in self.names.values():
            subprocess.run(("ip", "netns", "del", name), capture_output=True, check=False)

    @contextmanager
    def inside(self, role: str) -> Iterator[None]:
        """Make this thread live in a namespace: sockets and processes that it makes stay there."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        away = os.open(f"{FOLDER}/{self.names[role]}", os.O_RDONLY)
        try:
            enter(away)
            yield
        finally:
            enter(home)
            os.close(home)
            os.close(away)

    def socket(self, role: str, port: int = 0) -> socket.socket:
        """Return a UDP socket of the client or the peer with a deep queue, bound to its address."""
        with self.inside(role):
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, SINK_BUFFER_SIZE)
        made.bind((CLIENT if role == "client" else PEER, port))
        return made
