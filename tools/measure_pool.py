"""Measure what a relay's records cost, on the interpreter that runs this.

    python tools/measure_pool.py                          the row of COSTS in edgeturn/relay/plan.py
    micropython -X heapsize=16M tools/measure_pool.py     the same of MicroPython
    … tools/measure_pool.py PERMISSIONS CHANNELS FAMILIES only what one such allocation takes

Whole daemons of different sizes are made in this process and the bytes on the heap compared, so everything counts that
an allocation brings, its sockets included.
"""

import gc
import sys

_ON_CPYTHON = sys.implementation.name == "cpython"


def resident(process: "int | str", kind: str = "VmRSS") -> int:
    """Return the resident bytes of a process, all or those of one kind."""
    with open(f"/proc/{process}/status") as status:
        for line in status:
            if line.startswith(kind + ":"):
                return int(line.split()[1]) * 1024
    return 0


def outside_of_heap() -> int:
    """Return what an empty MicroPython has of its own beside its heap, whose book-keeping takes 3 bytes in 256."""
    taken, free = gc.mem_alloc(), gc.mem_free()  # type: ignore[attr-defined]
    return int(resident("self", "RssAnon") - taken - (taken + free) * 3 // 256)


_OUTSIDE = 0 if _ON_CPYTHON else outside_of_heap()  # before anything else is loaded

sys.path.insert(0, __file__.rpartition("/")[0] + "/.." if "/" in __file__ else "..")

import json  # noqa: E402

import edgeturn.kernel.carrier  # noqa: E402
import edgeturn.relay.main  # noqa: E402, F401  (all the code that a relay loads)
from edgeturn import seam  # noqa: E402
from edgeturn.protocol.limits import ANSWER_ROOM, USUAL_CHANNELS, Limits  # noqa: E402
from edgeturn.protocol.pool import reserve  # noqa: E402
from edgeturn.relay.configuration import Configuration  # noqa: E402
from edgeturn.relay.daemon import Daemon  # noqa: E402

if _ON_CPYTHON:
    import tracemalloc

FEW, MANY = 16, 80
_LARGEST_TABLE = 256
_TEXT = """
config relay
	option max_allocations {allocations}
	option max_permissions {permissions}
	option max_channels {channels}
	list listen 127.0.0.1:0
	list relay_address 127.0.0.1
	{second}
	{streams}
"""


def used() -> int:
    """Return the bytes of all objects."""
    gc.collect()
    if _ON_CPYTHON:
        return tracemalloc.get_traced_memory()[0]
    return gc.mem_alloc()  # type: ignore[attr-defined, no-any-return]


def daemon_bytes(
    allocations: int, permissions: int, channels: int, families: int, connections: int = 0, peers: int = 0
) -> int:
    """Return what a daemon takes."""
    before = used()
    second = "list relay_address ::1" if families == 2 else ""
    streams = f"option max_connections {connections}" if connections else "option tcp 0"
    streams += f"\n\toption tcp_relay 1\n\toption max_tcp_peers {peers}" if peers else ""
    text = _TEXT.format(
        allocations=allocations, permissions=permissions, channels=channels, second=second, streams=streams
    )
    daemon = Daemon(Configuration(text, "measured"))
    seam.settle()
    size = used() - before
    daemon.loop.close()
    if seam.FIRMWARE:  # or this daemon stays until the next one is made; elsewhere it stays for good
        seam.catch_signals((seam.SIGINT, seam.SIGTERM, seam.SIGHUP), print)
    return size


def each(permissions: int, channels: int, families: int) -> int:
    """Return what one more allocation takes."""
    many, few = [daemon_bytes(size, permissions, channels, families) for size in (MANY, FEW)]
    return (many - few) // (MANY - FEW)


def connection_bytes() -> int:
    """Return what one more connection takes, without its buffers."""
    many, few = [daemon_bytes(1, 1, 1, 1, size) for size in (MANY, FEW)]
    limits = Limits()
    buffers = 0 if seam.FIRMWARE else 2 * limits.stream_buffer + ANSWER_ROOM  # there they're outside of the heap
    return (many - few) // (MANY - FEW) - buffers


def tcp_peer_bytes() -> int:
    """Return what one more TCP connection with a peer takes."""
    many, few = [daemon_bytes(1, 1, 1, 1, 1, size) for size in (MANY, FEW)]
    return (many - few) // (MANY - FEW)


def table_bytes(entries: int) -> int:
    """Return what room for so many entries takes in a dictionary."""
    before = used()
    tables: list[dict[int, object]] = [{} for _ in range(32)]
    for table in tables:
        reserve(table, entries)  # type: ignore[arg-type]
    return (used() - before) // 32


def table_steps() -> "list[tuple[int, int]]":
    """Return (entries, bytes) wherever the bytes change."""
    steps: list[tuple[int, int]] = []
    for entries in range(1, _LARGEST_TABLE + 1):
        size = table_bytes(entries)
        if steps and abs(steps[-1][1] - size) * 20 < size:
            steps[-1] = (entries, steps[-1][1])
        else:
            steps.append((entries, size))
    return steps


def measure() -> "dict[str, object]":
    """Return the coefficients."""
    smallest = used() + daemon_bytes(1, 1, 1, 1)
    least = each(1, 1, 1)
    first, usual = table_bytes(1), table_bytes(USUAL_CHANNELS)
    relay = each(1, 1, 2) - least - 2 * first
    channel = (each(1, USUAL_CHANNELS, 1) - least - 2 * (usual - first)) // (USUAL_CHANNELS - 1)
    return {
        "code": 0 if _ON_CPYTHON else smallest - least,
        "allocation": least - relay - 3 * first - channel,
        "relay": relay,
        "channel": channel,
        "process": process_bytes() - least if _ON_CPYTHON else _OUTSIDE + resident("self", "RssFile"),
        "connection": connection_bytes(),
        "tcp_peer": tcp_peer_bytes(),
        "tables": table_steps(),
    }


def process_bytes() -> int:
    """Return the resident bytes of a daemon with the least pools, on CPython."""
    import subprocess
    import tempfile

    text = _TEXT.format(allocations=1, permissions=1, channels=1, second="", streams="option tcp 0")
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(text + f"\toption control {file.name}.sock\n")
        file.flush()
        command = [sys.executable, "-S", "-m", "edgeturn.relay", "-c", file.name]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, env={"PYTHONPATH": sys.path[0]})
        assert process.stderr is not None
        try:
            while b"ready" not in process.stderr.readline():
                pass
            return resident(process.pid)
        finally:
            process.terminate()
            process.wait()


def main(arguments: "list[str]") -> None:
    """Print what is asked for."""
    if _ON_CPYTHON:
        tracemalloc.start()
    if seam.CALLS:
        seam.call("getpid")  # the first call loads something, which is no part of a record
    if arguments:
        print(each(*[int(number) for number in arguments]))
    else:
        print(json.dumps(measure()))


if __name__ == "__main__":
    main(sys.argv[1:])
