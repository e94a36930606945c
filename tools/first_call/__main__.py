"""
Measure the first minute: `python -m tools.first_call [--chromium] [pipx|deb …]`, as root; `make first-call` calls it.

An empty Debian container installs edgeturn as the README says and types `edgeturn run`; what that prints for an
application is given to Chromium on another machine, where two sides that may use relayed candidates only call each
other. The clock runs from the first command to the moment at which sound and picture arrive on both sides.

Rule 1: not counted, and said: making the container, building the package, and Chromium, which was there; --chromium
        measures by itself what installing it in the same container takes.
Rule 2: it ends with 1 where a way takes two minutes or more, or where no call comes about.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from tests.lab.network import Namespace
from tests.lab.programs import ROOT, node_modules, program
from tools.first_call.container import SUITE, Container, Failed, container
from tools.first_call.street import street
from tools.first_call.ways import WAYS, Way

ASKED = 120.0  # seconds
_CALL = ROOT / "tests" / "lab"
_PATIENCE = 60.0
_CHROMIUM = "apt-get install -y --no-install-recommends chromium"
_NOT_COUNTED = (
    "Not counted: making the container, building the file that was installed, and installing Chromium, which runs on "
    "another machine and was there."
)


class Clock:
    """Says each step with the seconds since the first one began."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Return the time since the beginning."""
        return time.monotonic() - self._began

    def say(self, step: str) -> None:
        """Print that a step is done."""
        print(f"{self.seconds:7.1f} s  {step}", flush=True)


class Running:
    """The relay in the container, and what it prints."""

    def __init__(self, inside: Container, network: Namespace, typed: str) -> None:
        self.lines: list[str] = []
        self._typed = typed
        words = inside.command(typed, network.name)
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(_PATIENCE)

    def ice_servers(self) -> list[dict[str, Any]]:
        """Wait until it's ready; return what it printed for an application."""
        end = time.monotonic() + _PATIENCE
        while not any("edgeturn ready" in line for line in self.lines):
            if self._process.poll() is not None or time.monotonic() > end:
                raise Failed(f"`{self._typed}` didn't become ready:\n" + "".join(self.lines))
            time.sleep(0.05)
        text = "".join(self.lines)
        found: list[dict[str, Any]] = json.JSONDecoder().raw_decode(text[text.index("{") :])[0]["iceServers"]
        return found

    def _read(self) -> None:
        assert self._process.stdout is not None
        self.lines.extend(self._process.stdout)


def call(caller: Namespace, servers: list[dict[str, Any]], folder: Path) -> str:
    """Make a call; return what kind of Chromium made it, by which candidates."""
    order = {
        "modules": str(node_modules()),
        "chromium": program("chromium"),
        "page": (_CALL / "call.html").as_uri(),
        "screenshot": str(folder / "call.png"),
        "iceServers": servers,
        "seconds": 0,
    }
    done = caller.run([program("node"), str(_CALL / "call.mjs"), json.dumps(order)], _PATIENCE)
    told = json.loads(done.stdout.splitlines()[0])
    if "report" not in told:
        raise Failed(f"the call failed: {told}")
    pairs = {(side["pair"]["local"], side["pair"]["remote"]) for side in told["report"]["start"].values()}
    if pairs != {("relay", "relay")}:
        raise Failed(f"the call wasn't relayed: {pairs}")
    return f"Chromium {told['browser']}: sound and picture arrive on both sides, relay to relay"


def measure(way: Way, with_chromium: bool) -> float:
    """Go one way; return the seconds that it took, which aren't those of installing Chromium."""
    with tempfile.TemporaryDirectory() as name, street() as (relay, caller):
        folder = Path(name)
        file = way.build(folder)
        with container([file]) as inside:
            print(f"{way.name}: an empty container, Debian {SUITE}, with {file.name} in it", flush=True)
            clock = Clock()
            for command in way.commands:
                typed = command.format(file=file.name)
                inside.run(typed)
                clock.say(typed)
            with Running(inside, relay, way.run) as running:
                servers = running.ice_servers()
                clock.say(f"{way.run}: ready, and it printed iceServers")
                clock.say(call(caller, servers, folder))
                seconds = clock.seconds
            if with_chromium:
                alone = Clock()
                inside.run(_CHROMIUM)
                alone.say(f"by itself, in the same container: {_CHROMIUM}")
            return seconds


def main() -> int:
    """Go the ways that are named, or all; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.first_call", description="Measure the first minute.")
    parser.add_argument("--chromium", action="store_true", help="measure by itself what installing Chromium takes")
    parser.add_argument("ways", nargs="*", metavar="WAY", help=", ".join(way.name for way in WAYS))
    asked = parser.parse_args()
    unknown = set(asked.ways) - {way.name for way in WAYS}
    if unknown:
        parser.error(f"there is no way '{unknown.pop()}'; there are {', '.join(way.name for way in WAYS)}")
    if os.geteuid() != 0:
        parser.error("a container needs root: sudo make first-call")
    slow = False
    for way in WAYS:
        if asked.ways and way.name not in asked.ways:
            continue
        try:
            seconds = measure(way, asked.chromium)
        except Failed as failed:
            sys.exit(f"{way.name}: {failed}")
        print(f"{seconds:7.1f} s  from an empty container to a relayed call; asked for is less than {ASKED:.0f} s\n")
        slow = slow or seconds >= ASKED
    print(_NOT_COUNTED)
    return int(slow)


sys.exit(main())
