"""Proof that an attached program is run: a frame of our own is put at an interface's ingress, and is counted.

Rule 1: only what was counted after the question is a proof.

Source: linux/bpf.h, struct __sk_buff.
"""

import select
from struct import pack

from edgeturn.kernel import flows
from edgeturn.kernel.loader import Program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_ROUNDS, _ROUND = 20, 10  # of so many milliseconds; the frame is in the queue when the call comes back
_PAYLOAD = 46  # bytes, of the shortest Ethernet frame
_CONTEXT_SIZE = 256  # more than struct __sk_buff has, for the kernel wants room for all of it


def prove(program: Program, interface: int, seen: "Callable[[], int]") -> bool:
    """Put a frame at the ingress of an interface and return whether it was seen; program: the loaded `probe`."""
    before = seen()
    frame = bytes(12) + flows.PROBE.to_bytes(2, "big") + bytes(_PAYLOAD)
    program.test(frame, pack("III", 0, 0, interface) + bytes(_CONTEXT_SIZE - 12))  # its third field is the mark
    for _ in range(_ROUNDS):
        if seen() != before:
            return True
        select.poll().poll(_ROUND)
    return False
