"""
A machine that runs: QEMU, its console in a file, and a port over which commands are run in it.

Rule 1: The port is a socket that QEMU inherits: nothing of it is left in the file system.
Rule 2: A command is one line; its answer ends with a mark that it can't know. One command runs at a time.
Rule 3: QEMU dies with the program that started it, and `close` ends it whatever it is doing.
"""

import ctypes
import itertools
import secrets
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from firmware.gateway.machines import Machine

_ASKS_AGAIN_AFTER = 5.0  # seconds
_DIE_WITH_PARENT = 1  # prctl(2): PR_SET_PDEATHSIG
_libc = ctypes.CDLL(None, use_errno=True)
_counter = itertools.count()


class MachineError(Exception):
    """The machine ended, or didn't answer in time; the text has the end of its console."""


@dataclass(frozen=True)
class Result:
    """How a command ended and what it printed, standard error included."""

    code: int
    output: str


def _die_with_parent() -> None:
    _libc.prctl(_DIE_WITH_PARENT, signal.SIGKILL)


class Emulator:
    """QEMU with a machine in it; a context manager."""

    def __init__(
        self,
        machine: Machine,
        files: tuple[Path, Path],
        console: Path | None,
        taps: Sequence[str] = (),
        prefix: Sequence[str] = (),
        words: str = "",
    ) -> None:
        """
        Start a kernel with an initial file system, on taps of the namespace into which the prefix leads.

        Without a file for its console, this process's terminal is the console.
        """
        self._console = console
        self._port, theirs = socket.socketpair()
        self._rest = b""
        self._lock = threading.Lock()
        argv = [*prefix, *command_line(machine, files, theirs.fileno(), taps, words)]
        with theirs:
            self.process = self._start(argv, theirs.fileno())

    def _start(self, argv: Sequence[str], port: int) -> "subprocess.Popen[bytes]":
        if self._console is None:
            return subprocess.Popen(argv, pass_fds=[port], preexec_fn=_die_with_parent)
        with self._console.open("wb") as log:
            return subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                pass_fds=[port], preexec_fn=_die_with_parent,
            )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the machine as by pulling its plug."""
        self.process.kill()
        self.process.wait()
        self._port.close()

    @property
    def console(self) -> str:
        """Everything that the machine wrote to its console."""
        return self._console.read_text(errors="replace") if self._console else ""

    def run(self, command: str, timeout: float = 30) -> Result:
        """Run a command in the machine's shell and return how it ended."""
        assert "\n" not in command, command
        mark = f"mark-{next(_counter)}-{secrets.token_hex(4)}"
        with self._lock:
            self._port.sendall(f"{mark} {command}\n".encode())
            return self._answer(mark.encode(), command, time.monotonic() + timeout)

    def told(self, command: str, timeout: float = 30) -> str:
        """Run a command that must succeed and return what it printed."""
        result = self.run(command, timeout)
        if result.code:
            raise MachineError(f"in the machine `{command}` ended with {result.code}:\n{result.output}")
        return result.output

    def reboot(self, timeout: float = 120) -> None:
        """Let the machine start anew, and wait until it takes commands."""
        with self._lock:
            self._port.sendall(b"reboot reboot -f\n")
        deadline = time.monotonic() + timeout
        while True:  # what comes before it is down is lost
            try:
                self.run("true", _ASKS_AGAIN_AFTER)
                return
            except MachineError:
                if time.monotonic() > deadline:
                    raise

    def _answer(self, mark: bytes, command: str, deadline: float) -> Result:
        """Read up to a command's mark."""
        end = b"\n" + mark + b" "
        while end not in self._rest or not self._rest.endswith(b"\n"):
            self._port.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                more = self._port.recv(65536)
            except TimeoutError:
                more = b""
            if not more:
                raise MachineError(f"no answer to `{command}`; the console's end:\n{self.console[-3000:]}")
            self._rest += more
        output, _, code = self._rest.partition(end)
        self._rest = b""
        return Result(int(code), output.decode(errors="replace"))


def command_line(
    machine: Machine, files: tuple[Path, Path], port: int, taps: Sequence[str] = (), words: str = ""
) -> list[str]:
    """Return QEMU's command line: kernel and initial file system, the port's descriptor, a network card a tap."""
    kernel, initial = files
    argv = [
        machine.emulator, *machine.board, "-nographic", "-nodefaults", "-serial", "mon:stdio",
        "-kernel", str(kernel), "-initrd", str(initial),
        # After minutes the Malta board's timer interrupts without a cause, for which the kernel would switch it off.
        "-append", f"console={machine.console} quiet noirqdebug {words}".strip(),
        "-chardev", f"socket,id=commands,fd={port}",
        "-device", f"virtio-serial-{machine.bus}",
        "-device", "virtserialport,chardev=commands,name=commands",
    ]  # fmt: skip
    for number, tap in enumerate(taps):
        argv += ["-netdev", f"tap,id=net{number},ifname={tap},script=no,downscript=no"]
        argv += ["-device", f"virtio-net-{machine.bus},netdev=net{number},mac=52:54:00:00:00:{number + 1:02x}"]
    return argv
