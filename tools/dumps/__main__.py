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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.blackbox import certificates
from tests.lab.network import Namespace, wait_until
from tests.lab.programs import ROOT, node_modules, program
from tests.lab.relay import PASSWORD, REALM, SECRET, USER, Options, running
from tools.dumps.calls import CALLS, PORT, Call
from tools.dumps.street import RELAY, SECOND, Street

LOGINS = (REALM, SECRET, USER, PASSWORD)
COTURN = [
    "turnserver", "-n", "--no-cli", "-L", RELAY, "-E", RELAY, "-r", REALM, "--use-auth-secret",
    "--static-auth-secret", SECRET, "--no-tls", "--no-dtls", "-m", "1", "--pidfile", "", "--log-file", "stdout",
]  # fmt: skip
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
    with tempfile.TemporaryDirectory() as made, Street(call.symmetric, call.carrier, call.open) as street:
        folder = Path(made)
        for side, rule in call.drops:
            street.drop(side, rule)
        if call.relay_drops:
            street.chain(street.relay, "output", f"{call.relay_drops} drop")
        with _served(call, street, folder):
            said = (_browse_by_firefox if call.firefox else _browse)(call, street, folder)
            if call.firefox:
                return said
        for name in street.clients:
            _keep(call, name, folder)
        return said


@contextmanager
def _served(call: Call, street: Street, folder: Path) -> Iterator[None]:
    """Run the relay, or what stands in its place."""
    if call.refuses or call.coturn:
        argv = [sys.executable, "-m", "tools.dumps.refuser", RELAY, str(PORT), str(call.refuses), *LOGINS]
        other = street.relay.popen(COTURN if call.coturn else argv, stdout=subprocess.DEVNULL, cwd=str(ROOT))
        try:
            wait_until(lambda: street.relay.listens(PORT), "the server listens", 20)
            yield
        finally:
            other.kill()
            other.wait()
        return
    options: Options = {
        "listen": [f"{RELAY}:{PORT}", f"{SECOND}:{PORT}"], "relay_address": [RELAY], "allow_peer": ["203.0.113.0/24"],
        **call.relay,
    }  # fmt: skip
    if call.certificate:
        made = certificates.make(folder, hosts=[RELAY])
        options |= {"listen_tls": [f"{RELAY}:443"], **made.settings()}
    with running([sys.executable], street.relay, folder, options):
        yield


def _browse(call: Call, street: Street, folder: Path) -> str:
    order = {
        "modules": str(node_modules()),
        "chromiums": {name: _wrapper(folder, name, node) for name, node in street.clients.items()},
        "out": {name: str(folder / f"{name}.json") for name in street.clients},
        "iceServers": {"alice": call.alice, "bob": call.alice if call.bob is None else call.bob},
        "policy": call.policy, "seconds": call.seconds, "loses": call.loses, "change": call.change,
        "spoils": call.spoils, "stops": call.stops, "crossed": call.crossed, "camera": call.camera,
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
        "loses": bool(call.loses), "stops": call.stops, "out": str(OUT / call.name),
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
    text = json.dumps(document, indent=1) + "\n"
    if call.packed:
        (OUT / f"{call.name}.{name}.json.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    else:
        (OUT / f"{call.name}.{name}.json").write_text(text)
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
