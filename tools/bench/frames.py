"""The kernel programs of the bench, compiled, loaded and attached; frames that come as if a network card had had them.

Rule 1: frames enter at the far end of a cable and have no socket buffer yet, full checksums and no sender: what is left
        is the path through the relay (BPF_PROG_TEST_RUN with live frames).
Rule 2: what arrives is counted and dropped at the other far end, by a program of the kind that the frame came by: a
        frame without a socket buffer doesn't get one.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, cast

from pyroute2 import IPRoute

from edgeturn.kernel import bpf
from edgeturn.kernel.loader import LoadError, Program, load
from edgeturn.seam import bpf as call
from edgeturn.seam import memory_address
from tools.bench.lab import Interface, Lab, LabError
from tools.bench.process import LOAD_CPU, settled
from tools.bench.turn_client import Address
from tools.program import COMPILER, CompilerFailed, compile_for

SINK, REDIRECT, GENERATE = "sink", "redirect", "generate"
TARGET = "bpfel" if sys.byteorder == "little" else "bpfeb"
TC, XDP = "tc", "xdp"
FILLER = b"\xa5"
HEADERS_SIZE = 48  # as in generate.c
COUNTS_SIZE, COUNTS = 8, 2
BATCH = 64  # frames that enter at once; as many as a driver reads in one go
ENDLESS = (1 << 32) - 1
PROG_TEST_RUN, LIVE_FRAMES = 10, 2
TEST_RUN = "IIIIQQIIIIQQIII"
PRIORITY, HANDLE, CLSACT_INGRESS = 1, 1, 0xFFFFFFF2
XDP_NATIVE = 4


def missing() -> str:
    """Return why the programs can't be made here; nothing where they can."""
    return "" if shutil.which(COMPILER) else f"{COMPILER} is not installed: apt-get install {COMPILER}"


def compiled(name: str, folder: Path) -> Path:
    """Compile a kernel program for this machine and return the object."""
    made = folder / f"{name}.o"
    try:
        compile_for(TARGET, Path(__file__).with_name(f"{name}.c"), made)
    except CompilerFailed as error:
        raise LabError(f"compiling {name}.c failed (is linux-libc-dev installed?): {error}") from error
    return made


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    total: int = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def datagram(source: Address, destination: Address, payload: bytes, hops: int = 64) -> bytes:
    """Return an IPv4 packet with a UDP datagram in it."""
    hosts = socket.inet_aton(source[0]) + socket.inet_aton(destination[0])
    size = 8 + len(payload)
    head = struct.pack("!HHH", source[1], destination[1], size)
    proof = checksum(hosts + struct.pack("!HH", socket.IPPROTO_UDP, size) + head + bytes(2) + payload) or 0xFFFF
    before = struct.pack("!BBHHHBB", 0x45, 0, 20 + size, 1, 0, hops, socket.IPPROTO_UDP)
    packet = before + struct.pack("!H", checksum(before + bytes(2) + hosts)) + hosts
    return packet + head + struct.pack("!H", proof) + payload


def frame(to: Interface, by: Interface, packet: bytes) -> bytes:
    return to.address + by.address + b"\x08\0" + packet


class Maps:
    """The maps of the programs, open."""

    def __init__(self) -> None:
        self.arrived = bpf.create(bpf.PERCPU_ARRAY, 4, COUNTS_SIZE, COUNTS)
        self.headers = bpf.create(bpf.ARRAY, 4, HEADERS_SIZE, 1)
        self.by_name = {"arrived": self.arrived, "headers": self.headers}


class Frames:
    """The compiled programs, their maps, and the sinks, which serve every network."""

    def __init__(self, folder: Path) -> None:
        if reason := missing():
            raise LabError(reason)
        self.objects = {name: compiled(name, folder) for name in (SINK, REDIRECT, GENERATE)}
        self.maps = Maps()
        self.sinks = {hook: self.load(SINK, hook) for hook in (TC, XDP)}

    def load(self, name: str, hook: str, **constants: int) -> Program:
        try:
            return load(hook, cast(Any, self.maps), constants, self.objects[name])
        except LoadError as error:
            raise LabError(str(error)) from error

    def arrived(self) -> tuple[int, int]:
        """Return how many payloads have come alone, and how many behind a ChannelData header."""
        counts = (self.maps.arrived.get(bpf.index(place)) or b"" for place in range(COUNTS))
        alone, behind = (sum(struct.unpack(f"{len(count) // COUNTS_SIZE}Q", count)) for count in counts)
        return alone, behind

    def redirect(self, hook: str, lab: Lab, other: str) -> Program:
        """Load the bare redirect to one side."""
        out, far = lab.interface("relay", f"to-{other}"), lab.interface(other, "to-relay")
        addresses = far.address + out.address
        first, last = (int.from_bytes(part, sys.byteorder) for part in (addresses[:8], addresses[8:]))
        return self.load(REDIRECT, hook, out=out.index, first=first, last=last)

    @contextmanager
    def sending(self, lab: Lab, role: str, packet: bytes, count: int = ENDLESS) -> Iterator[None]:
        """Let frames enter the cable from one side to the relay, so many, or as fast as they are taken."""
        near, far = lab.interface(role, "to-relay"), lab.interface("relay", f"to-{role}")
        data = frame(far, near, packet)
        self.maps.headers.set(bpf.index(0), data[:HEADERS_SIZE])
        program = self.load(GENERATE, XDP, out=near.index)
        child = os.fork()
        if not child:
            run(lab, role, program, data, count)
        try:
            yield
        finally:
            if count == ENDLESS:
                os.kill(child, signal.SIGKILL)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            program.close()
        if code not in (0, -signal.SIGKILL):
            raise LabError(f"frames can't be sent: {os.strerror(code)}")


def run(lab: Lab, role: str, program: Program, data: bytes, count: int) -> NoReturn:
    """Be the process in which the kernel runs a program over frames; what that redirects, leaves."""
    code = errno.EINVAL
    try:
        settled({LOAD_CPU})()
        buffer = bytearray(data)
        numbers = (program.file, 0, len(data), 0, memory_address(buffer), 0, count, 0, 0, 0, 0, 0)
        with lab.inside(role):
            call(PROG_TEST_RUN, bytearray(struct.pack(TEST_RUN, *numbers, LIVE_FRAMES, 0, BATCH)))
        code = 0
    except OSError as error:
        code = error.errno or code
    finally:
        os._exit(code)


def attach(lab: Lab, role: str, device: str, hook: str, program: Program) -> None:
    """Attach a program to what an interface receives; it goes with its namespace, or by `detach`."""
    index = lab.interface(role, device).index
    with lab.inside(role), IPRoute() as route:
        if hook == XDP:
            set_xdp(route, index, program.file)
            return
        route.tc("add", "clsact", index)
        route.tc(
            "add-filter", "bpf", index, fd=program.file, name="bench", parent=CLSACT_INGRESS, direct_action=True,
            prio=PRIORITY, handle=HANDLE,
        )  # fmt: skip


def detach(lab: Lab, role: str, device: str, hook: str) -> None:
    index = lab.interface(role, device).index
    with lab.inside(role), IPRoute() as route:
        if hook == XDP:
            set_xdp(route, index, -1)
        else:
            route.tc("del", "clsact", index)


def set_xdp(route: IPRoute, index: int, file: int) -> None:
    route.link("set", index=index, xdp={"attrs": [("IFLA_XDP_FD", file), ("IFLA_XDP_FLAGS", XDP_NATIVE)]})
