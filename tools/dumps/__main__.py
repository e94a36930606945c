"""Makes the dumps again, all of them or those that are named; see calls.py for what each one is.

    python -m tools.dumps [NAME...]

It needs root, and Debian's chromium, firefox-esr, nodejs and nftables; the tests need none of them.

Rule 1: what is written is what the browser saved; only of its statistics the last value of each series stays, and of
        them those of connections and media.
"""

import gzip
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.lab.network import Namespace
from tests.lab.programs import ROOT, node_modules, program
from tests.lab.relay import running
from tools.dumps.calls import CALLS, PORT, Call
from tools.dumps.street import RELAY, SECOND, Street

OUT = ROOT / "tests" / "diagnose" / "dumps"
_KINDS = (
    "candidate-pair",
    "local-candidate",
    "remote-candidate",
    "transport",
    "inbound-rtp",
    "outbound-rtp",
    "data-channel",
)


def main() -> None:
    """Make what was named."""
    OUT.mkdir(exist_ok=True)
    for call in CALLS:
        if len(sys.argv) == 1 or call.name in sys.argv[1:]:
            try:
                print(call.name, make(call), flush=True)
            except (RuntimeError, AssertionError) as error:
                print(error, flush=True)


def make(call: Call) -> str:
    """Make one call and write both dumps; return how it ended."""
    options = {
        "listen": [f"{RELAY}:{PORT}", f"{SECOND}:{PORT}"], "relay_address": [RELAY], "allow_peer": ["203.0.113.0/24"],
        **call.relay,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as made, Street(call.symmetric, call.carrier) as street:
        folder = Path(made)
        for side, rule in call.drops:
            street.drop(side, rule)
        if call.relay_drops:
            street.chain(street.relay, "output", f"{call.relay_drops} drop")
        with running([sys.executable], street.relay, folder, options):
            said = (_browse_by_firefox if call.firefox else _browse)(call, street, folder)
            if call.firefox:
                return said
        for name in street.clients:
            _keep(call, name, folder)
        return said


def _browse(call: Call, street: Street, folder: Path) -> str:
    order = {
        "modules": str(node_modules()),
        "chromiums": {name: _wrapper(folder, name, node) for name, node in street.clients.items()},
        "out": {name: str(folder / f"{name}.json") for name in street.clients},
        "iceServers": {"alice": call.alice, "bob": call.alice if call.bob is None else call.bob},
        "policy": call.policy, "seconds": call.seconds, "loses": call.loses, "change": call.change,
        "spoils": call.spoils, "camera": call.camera,
        "cut": street.cutting("left", f"{call.cut} drop") if call.cut else None,
    }  # fmt: skip
    done = subprocess.run(
        [program("node"), str(Path(__file__).parent / "call.mjs"), json.dumps(order)],
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{call.name}: {done.stdout}{done.stderr}")
    return done.stdout.strip()


def _browse_by_firefox(call: Call, street: Street, folder: Path) -> str:
    order = {
        "iceServers": call.alice, "policy": call.policy, "seconds": call.seconds, "camera": False,
        "loses": bool(call.loses), "out": str(OUT / call.name),
    }  # fmt: skip
    done = street.clients["alice"].run([sys.executable, "-m", "tools.dumps.firefox", json.dumps(order)], timeout=150)
    if done.returncode:
        raise RuntimeError(f"{call.name}: {done.stdout}")
    return done.stdout.strip()


def _wrapper(folder: Path, name: str, node: Namespace) -> str:
    """Return a program that is Chromium in a namespace."""
    path = folder / f"chromium-{name}"
    path.write_text(f'#!/bin/sh\nexec ip netns exec {node.name} {program("chromium")} "$@"\n')
    path.chmod(0o755)
    return str(path)


def _keep(call: Call, name: str, folder: Path) -> None:
    document = json.loads(_unpacked((folder / f"{name}.json").read_bytes()))
    for connection in document["PeerConnections"].values():
        connection["stats"] = {
            key: _last(series) for key, series in connection.get("stats", {}).items() if series["statsType"] in _KINDS
        }
    (OUT / f"{call.name}.{name}.json").write_text(json.dumps(document, indent=1) + "\n")
    description = json.loads((folder / f"{name}.json.description").read_text())
    if call.sdp:
        (OUT / f"{call.name}.{name}.{description['type']}.sdp").write_text(description["sdp"])


def _unpacked(data: bytes) -> bytes:
    """Return a dump as it was before the newer browsers pack it."""
    return gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data


def _last(series: dict[str, Any]) -> dict[str, Any]:
    values = json.loads(series["values"])
    return {**series, "values": json.dumps(values[-1:])}


if __name__ == "__main__":
    main()
