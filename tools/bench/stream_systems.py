"""The relays that are compared over TCP and TLS: rows like those of `systems`, with a certificate."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tools.bench.lab import LabError
from tools.bench.systems import HEAP_PER_ALLOCATION, MICROPYTHON, Coturn, Edgeturn, Place

TLS_PORT = 5349
CERTIFICATE, KEY = "certificate.pem", "key.pem"
STREAMS = """\
	list listen_tls '{listen}:{port}'
	option certificate '{folder}/certificate.pem'
	option key '{folder}/key.pem'
	option max_connections '{connections}'
"""
FEW_CONNECTIONS, MOST_CONNECTIONS = 64, 600


def certify(folder: Path) -> None:
    """Make a self-signed P-256 certificate in a folder."""
    files = ["-out", str(folder / CERTIFICATE), "-keyout", str(folder / KEY)]
    kind = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=bench.example"
    done = subprocess.run(("openssl", *kind.split(), *files), capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"openssl made no certificate: {done.stderr.strip()[-200:]}")
    (folder / KEY).chmod(0o644)  # coturn becomes another user


class StreamCoturn(Coturn):
    def command(self, place: Place) -> list[str]:
        certify(place.folder)
        command = [word for word in super().command(place) if word not in ("--no-tls", "--no-tcp")]
        return [
            *command,
            *("--tls-listening-port", str(TLS_PORT)),
            *("--cert", str(place.folder / CERTIFICATE), "--pkey", str(place.folder / KEY)),
        ]


class StreamEdgeturn(Edgeturn):
    def __init__(self, name: str, label: str, interpreter: str, connections: int = MOST_CONNECTIONS) -> None:
        super().__init__(name, label, interpreter)
        self.connections = connections

    def switches(self, allocations: int) -> list[str]:
        """Return a heap on MicroPython that holds the connections, too."""
        if Path(self.interpreter) != MICROPYTHON:
            return super().switches(allocations)
        return ["-X", f"heapsize={(allocations + 4 * self.connections) * HEAP_PER_ALLOCATION}"]

    def command(self, place: Place) -> list[str]:
        certify(place.folder)
        command = super().command(place)
        file = place.folder / "edgeturn.conf"
        more = STREAMS.format(listen=place.listen, port=TLS_PORT, folder=place.folder, connections=self.connections)
        file.write_text(file.read_text().replace("\nconfig user", f"{more}\nconfig user", 1))
        return command


COTURN_STREAMS = StreamCoturn("coturn-streams", "coturn -m 1", 1)
CPYTHON_STREAMS = StreamEdgeturn("cpython-streams", "edgeturn, CPython", sys.executable)
MICRO_STREAMS = StreamEdgeturn("micropython-streams", "edgeturn, MicroPython", str(MICROPYTHON))
SMALL_POOL = {
    system.name: StreamEdgeturn(f"{system.name}-small", system.label, system.interpreter, FEW_CONNECTIONS)
    for system in (CPYTHON_STREAMS, MICRO_STREAMS)
}
