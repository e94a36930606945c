"""Writes pairs of flows into a relay's pinned maps, writes them again and deletes them, on either interpreter.

    python pairs.py FOLDER COUNT         prints the microseconds that each of the three took

The code that makes and writes them is the relay's.
"""

import sys
import time

from edgeturn.kernel import maps
from edgeturn.kernel.flows import Flow, key

CHANNEL = 0x4000
NEVER = 1 << 33
AGAIN = 1 << 30  # where MicroPython's microseconds may begin anew; no work takes as long
LISTENER, RELAYED, PEER = (port.to_bytes(2, "big") + b"\xc0\0\2\1" for port in (3478, 50000, 7000))

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.kernel.bpf import Map


def client(number: int) -> bytes:
    return number.to_bytes(2, "big") + b"\xc6\x33\x64\2"


def microseconds() -> int:
    """Return a time that doesn't go back, but on MicroPython may begin anew at 2^30."""
    ticks = getattr(time, "ticks_us", None)
    return int(ticks() if ticks else time.monotonic_ns() // 1000)


def write(flows: "Map", count: int) -> None:
    for number in range(count):
        other = client(number)
        flows.set(key(LISTENER, other, CHANNEL), Flow(RELAYED, PEER, 0, NEVER, 2 * number).pack())
        flows.set(key(RELAYED, other, 0), Flow(LISTENER, other, CHANNEL, NEVER, 2 * number + 1).pack())


def delete(flows: "Map", count: int) -> None:
    for number in range(count):
        other = client(number)
        flows.delete(key(LISTENER, other, CHANNEL))
        flows.delete(key(RELAYED, other, 0))


def main(folder: str, count: int) -> None:
    flows = maps.open_all(folder).flows
    for work in (write, write, delete):
        start = microseconds()
        work(flows, count)
        print((microseconds() - start) % AGAIN)


main(sys.argv[1], int(sys.argv[2]))
