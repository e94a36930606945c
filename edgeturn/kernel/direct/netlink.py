"""rtnetlink as attaching needs it: requests that change something and are answered, and dumps, on both interpreters.

Netlink and not the binary `tc`: a small router often has none, or one without BPF; it can't be told which filter is
ours but by reading what it prints; and its errors are sentences to guess at.

Rule 1: what the kernel refuses is an OSError with its number.
Rule 2: one request at a time, and its answer is waited for: the kernel gives it before the call comes back.

Source: linux/netlink.h, linux/rtnetlink.h. All header fields are in the machine's own byte order.
"""

import socket
from struct import pack, unpack_from

from edgeturn import seam
from edgeturn.kernel.netfilter import attribute, attributes, name, nested

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("CREATE", "EXCLUSIVE", "REPLACE", "Netlink", "attribute", "attributes", "name", "nested", "number", "text")

CREATE, EXCLUSIVE, REPLACE = 0x400, 0x200, 0x100
_REQUEST, _ACKNOWLEDGE, _DUMP = 0x01, 0x04, 0x300
_ERROR, _DONE = 2, 3
_HEADER = "IHHII"
_HEADER_SIZE = 16
_ANSWER_SIZE = 16384  # the kernel splits a dump to fit


class Netlink:
    """A socket to ask by."""

    def __init__(self) -> None:
        self._socket = socket.socket(seam.AF_NETLINK, socket.SOCK_RAW, 0)
        self._answer = bytearray(_ANSWER_SIZE)

    def __enter__(self) -> "Netlink":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def change(self, kind: int, flags: int, body: bytes) -> None:
        """Have the kernel change something; OSError where it refuses."""
        self._send(kind, flags | _ACKNOWLEDGE, body)
        self._read(lambda kind, body: None)

    def dump(self, kind: int, body: bytes) -> "list[bytes]":
        """Return the bodies of what the kernel has of a kind."""
        found: list[bytes] = []
        self._send(kind, _DUMP, body)
        self._read(lambda kind, body: found.append(body))
        return found

    def _send(self, kind: int, flags: int, body: bytes) -> None:
        self._socket.send(pack(_HEADER, _HEADER_SIZE + len(body), kind, _REQUEST | flags, 1, 0) + body)

    def _read(self, take: "Callable[[int, bytes], None]") -> None:
        """Read until the answer ends."""
        while True:
            data = seam.receive(self._socket, self._answer)
            at = 0
            while at + _HEADER_SIZE <= len(data):
                size, kind = unpack_from("IH", data, at)
                body = bytes(data[at + _HEADER_SIZE : at + size])
                if kind in (_ERROR, _DONE):
                    return _check(body)
                take(kind, body)
                at += size + 3 & ~3


def _check(body: bytes) -> None:
    """Raise what the end of an answer says, if it says an error: old kernels end a dump without a number."""
    error = -unpack_from("i", body)[0] if len(body) >= 4 else 0
    if error > 0:
        raise seam.failure(error)


def number(value: bytes) -> int:
    """Return the number that is an attribute's value."""
    found: int = unpack_from("I", value)[0]
    return found


def text(value: bytes) -> str:
    """Return the text that is an attribute's value; of a name that is no text, a character for each byte."""
    bare = value.rstrip(b"\0")
    try:
        return bare.decode()
    except UnicodeError:
        return "".join([chr(byte) for byte in bare])
