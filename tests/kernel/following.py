"""The observer of openings on its own, on either interpreter: `python tests/kernel/following.py TABLE`.

It takes events by lines on standard input, and answers each with what was logged, and a line `done`.

    allocated INDEX PORT SECONDS        refreshed INDEX SECONDS        freed INDEX        refill
"""

import sys

from edgeturn import seam
from edgeturn.kernel.openings import Openings
from edgeturn.protocol import stun
from edgeturn.protocol.address import IPV4, join
from edgeturn.protocol.pool import Allocation, Relay

RELAYS = 600


class Message:
    method = stun.REFRESH


class Request:
    """As much of a request as is looked at."""

    def __init__(self, relay: Relay) -> None:
        self.message = Message()
        self.allocation = Allocation(0)
        self.allocation.relays[0] = relay


def handle(openings: Openings, relays: "list[Relay]", words: "list[str]") -> str:
    """Do what a line says; return what it gives."""
    if words[0] == "refill":
        return str(openings.refill(relays))
    numbers = [int(word) for word in words[1:]]
    relay = relays[numbers[0]]
    if words[0] == "freed":
        openings.freed(relay)
        relay.expires = 0
    elif words[0] == "allocated":
        relay.address = join(b"\xc0\0\2\1", numbers[1])
        relay.expires = seam.clock() + numbers[2]
        openings.allocated(relay)
    else:
        relay.expires += numbers[1]
        openings.answered(Request(relay), b"")  # type: ignore[arg-type]
    return ""


def main(table: str) -> None:
    openings = Openings(table, lambda level, text: print(level, text))
    relays = [Relay(index, IPV4) for index in range(RELAYS)]
    while True:
        line = sys.stdin.readline()
        if not line:
            return
        print("done", handle(openings, relays, line.split()))
        if hasattr(sys.stdout, "flush"):
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
