"""The relays that are compared: one row each, all started and reached the same way.

Rule 1: a system says why it can't run here (`missing`, one sentence) instead of failing.
Rule 2: limits that stop a flood are lifted for every system alike; everything else stays at its default.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tools.bench.frames import TC, XDP
from tools.bench.lab import CLIENT, PEER, PEER_NETWORK, listening_address, relayed_address
from tools.bench.process import RELAY_CPU
from tools.bench.turn_client import Credentials

ROOT = Path(__file__).resolve().parents[2]
MICROPYTHON = ROOT / ".build" / "micropython" / "bin" / "micropython"
CREDENTIALS = Credentials("bench", "relay-figures")
REALM = "bench.example"
PORT = 3478
CLIENT_PORT, PEER_PORT, BARE_PORT = 6000, 7000, 50000
FEW_ALLOCATIONS, MANY_ALLOCATIONS = 64, 1064
NO_PINS = Path("/nonexistent")
HEAP_PER_ALLOCATION = 16 << 10  # MicroPython's heap does not grow: what more than a few allocations may need

CONFIGURATION = """\
config relay 'main'
	option realm '{realm}'
	list listen '{listen}:{port}'
	list relay_address '{relayed}'
	option relay_ports '49152-65535'
	option user_quota '{allocations}'
	option max_allocations '{allocations}'
	option peers_per_minute '65535'
	option unauthenticated_rate '0'
	list allow_peer '{network}'
	option control '{folder}/control.sock'
	option log_level 'error'
	option kernel '{kernel}'
	option kernel_pins '{pins}'

config user '{user}'
	option password '{password}'
"""


@dataclass(frozen=True)
class Place:
    """Where one instance lives: its addresses (by index), its folder, how many allocations it has to hold."""

    index: int
    folder: Path
    allocations: int = FEW_ALLOCATIONS
    pins: Path = NO_PINS
    """A folder in a BPF file system."""

    @property
    def listen(self) -> str:
        return listening_address(self.index)

    @property
    def relayed(self) -> str:
        return relayed_address(self.index)


class System:
    """What the bench has to know about a relay."""

    turn = True
    interpreter = ""
    hook = ""
    """The kernel's hook that carries the media; a system that has one lives in a network of its own."""

    def __init__(self, name: str, label: str, cpus: set[int] | None) -> None:
        self.name = name
        self.label = label
        self.cpus = cpus

    def missing(self) -> str:
        """Return why it can't be measured here; nothing where it can."""
        return ""

    def version(self) -> str:
        return ""

    def command(self, place: Place) -> list[str]:
        raise NotImplementedError

    def empty(self) -> list[str]:
        """Return the command of the same interpreter doing nothing; nothing where there is no interpreter."""
        return []


class Coturn(System):
    def __init__(self, name: str, label: str, threads: int, *options: str) -> None:
        super().__init__(name, label, {RELAY_CPU} if threads else None)
        self.threads = threads
        self.options = options

    def missing(self) -> str:
        return "" if shutil.which("turnserver") else "coturn is not installed: apt-get install coturn"

    def version(self) -> str:
        done = subprocess.run(("turnserver", "--version"), capture_output=True, text=True, check=False)
        found = re.search(r"(\d+\.\d+[.\d]*)", done.stdout + done.stderr)
        return f"coturn {found[1] if found else '(unknown version)'}"

    def command(self, place: Place) -> list[str]:
        given = f"-n -a --no-cli --no-tls --no-dtls --no-tcp -p {PORT} -L {place.listen} -E {place.relayed} -r {REALM}"
        threads = ["-m", str(self.threads)] if self.threads else []
        log = ["--log-file", str(place.folder / "coturn.log"), "--simple-log", "--pidfile", str(place.folder / "pid")]
        user = ["-u", f"{CREDENTIALS.user}:{CREDENTIALS.password}"]
        return ["turnserver", *given.split(), *threads, *log, *user, *self.options]


class Edgeturn(System):
    def __init__(self, name: str, label: str, interpreter: str) -> None:
        super().__init__(name, label, {RELAY_CPU})
        self.interpreter = interpreter

    def missing(self) -> str:
        if not (ROOT / "edgeturn" / "relay" / "__main__.py").exists():
            return "edgeturn/relay can't be started in this tree"
        if not Path(self.interpreter).exists():
            return "MicroPython is not fetched: make micropython"
        return ""

    def version(self) -> str:
        question = "import sys; print('MicroPython', '.'.join(str(n) for n in sys.implementation[1][:3]))"
        if Path(self.interpreter) != MICROPYTHON:
            question = "import platform; print(platform.python_implementation(), platform.python_version())"
        done = subprocess.run((self.interpreter, "-c", question), capture_output=True, text=True, check=False)
        return f"edgeturn on {done.stdout.strip()}"

    def command(self, place: Place) -> list[str]:
        file = place.folder / "edgeturn.conf"
        file.write_text(
            CONFIGURATION.format(
                realm=REALM,
                listen=place.listen,
                port=PORT,
                relayed=place.relayed,
                allocations=place.allocations,
                network=PEER_NETWORK,
                folder=place.folder,
                kernel=self.hook or "off",
                pins=place.pins,
                user=CREDENTIALS.user,
                password=CREDENTIALS.password,
            )
        )
        return [self.interpreter, *self.switches(place.allocations), "-m", "edgeturn.relay", "-c", str(file)]

    def switches(self, allocations: int) -> list[str]:
        """Return -S on CPython, as `edgeturn run` has it, and on MicroPython a heap that holds the allocations."""
        if Path(self.interpreter) != MICROPYTHON:
            return ["-S"]
        if allocations <= FEW_ALLOCATIONS:
            return []
        return ["-X", f"heapsize={allocations * HEAP_PER_ALLOCATION}"]

    def empty(self) -> list[str]:
        return [self.interpreter, *self.switches(0), "-c", "import time; time.sleep(600)"]


class Kernel(Edgeturn):
    """edgeturn whose bound channels the kernel carries."""

    def __init__(self, name: str, label: str, interpreter: str, hook: str) -> None:
        super().__init__(name, label, interpreter)
        self.hook = hook


class Bare(System):
    turn = False

    def __init__(self, name: str, label: str, *options: str) -> None:
        super().__init__(name, label, {RELAY_CPU})
        self.options = options

    def command(self, place: Place) -> list[str]:
        ends = (place.listen, PORT), (place.relayed, BARE_PORT), (CLIENT, CLIENT_PORT), (PEER, PEER_PORT)
        script = str(Path(__file__).with_name("bare.py"))
        return [sys.executable, script, *(f"{host}:{port}" for host, port in ends), *self.options]


COTURN = Coturn("coturn", "coturn -m 1", 1)
COTURN_THREADS = Coturn("coturn-threads", "coturn, own threads", 0)
TERSE = Coturn(
    "coturn-terse",
    "coturn, shortened",
    1,
    *("--no-software-attribute", "--no-rfc5780", "--no-stun-backward-compatibility"),
    "--response-origin-only-with-rfc5780",
)
BARE = Bare("bare", "bare Python loop")
MARKS = Bare("marks", "bare, keeps DSCP/ECN", "--marks")
CPYTHON = Edgeturn("cpython", "edgeturn, CPython", sys.executable)
MICRO = Edgeturn("micropython", "edgeturn, MicroPython", str(MICROPYTHON))
KERNEL_TC = Kernel("kernel-tc", "edgeturn, tc", sys.executable, TC)
KERNEL_XDP = Kernel("kernel-xdp", "edgeturn, XDP", sys.executable, XDP)
KERNEL_MICRO = Kernel("kernel-micropython", "edgeturn, MicroPython, tc", str(MICROPYTHON), TC)
SYSTEM_CPYTHON = Edgeturn("system-cpython", "edgeturn, system CPython", "/usr/bin/python3")
SYSTEMS: tuple[System, ...] = (COTURN, COTURN_THREADS, BARE, CPYTHON, MICRO, MARKS, TERSE)
