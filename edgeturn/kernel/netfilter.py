"""nf_tables messages, packed and taken apart, and the ones that the daemon sends by itself; for both interpreters.

Rule 1: what changes together is one batch, and happens whole or not at all.
Rule 2: an answer is an error number, 0 for none: the kernel answers while it is sent to, nobody waits.

Source: linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h. Headers are in the machine's own order, numbers within
attributes in network order.
"""

import socket
from errno import EADDRINUSE
from struct import pack, unpack_from

from edgeturn import seam

PROTOCOL = 12  # NETLINK_NETFILTER
SUBSYSTEM = 10 << 8  # NFNL_SUBSYS_NFTABLES
BATCH_BEGIN, BATCH_END = 0x10, 0x11
BATCH_FOR = 10  # the subsystem, as the batch's first and last message name it
NEW_ELEMENT, DELETE_ELEMENT = 12, 14
INET = 1  # NFPROTO_INET: IPv4 and IPv6
REQUEST, ACKNOWLEDGE, CREATE = 0x01, 0x04, 0x400

ELEMENTS_TABLE, ELEMENTS_SET, ELEMENTS_LIST = 1, 2, 3
LIST_ITEM = 1
ELEMENT_KEY, ELEMENT_TIMEOUT = 1, 4
VALUE = 1
_NESTED = 0x8000

NOT_PERMITTED, NO_ENTRY = 1, 2
# How a kernel without nf_tables says so: 93, 95, 97, and on MIPS other numbers, as far from each other.
NO_PROTOCOL, NOT_SUPPORTED, NO_FAMILY = EADDRINUSE - 5, EADDRINUSE - 3, EADDRINUSE - 1

RELAYED = "relayed"  # the set of ports that clients have now
_HEADER = "IHHIIBB"
_HEADER_SIZE = 20
_ERROR_AT = 16
_ANSWER_SIZE = 8192


def attribute(kind: int, value: bytes) -> bytes:
    """Return an attribute with a value."""
    return pack("HH", 4 + len(value), kind) + value + bytes(-len(value) & 3)


def nested(kind: int, attributes: "list[bytes]") -> bytes:
    """Return an attribute that holds others."""
    return attribute(kind | _NESTED, b"".join(attributes))


def name(text: str) -> bytes:
    """Return the value of an attribute that is a name."""
    return text.encode() + b"\0"


def attributes(data: bytes) -> "list[tuple[int, bytes]]":
    """Return kind and value of the attributes in a value, in their order; what is cut off is left out."""
    found = []
    at = 0
    while at + 4 <= len(data):
        size, kind = unpack_from("HH", data, at)
        if size < 4 or at + size > len(data):
            break
        found.append((kind & 0x3FFF, data[at + 4 : at + size]))
        at += size + 3 & ~3
    return found


def element(key: bytes, milliseconds: int = 0) -> bytes:
    """Return an element of a set, as an item of a list; 0: it stays for good."""
    parts = [nested(ELEMENT_KEY, [attribute(VALUE, key)])]
    if milliseconds:
        parts.append(attribute(ELEMENT_TIMEOUT, pack("!Q", milliseconds)))
    return nested(LIST_ITEM, parts)


def port(number: int) -> bytes:
    """Return the key of a port."""
    return pack("!H", number)


class Relayed:
    """The set of relayed ports of a table, written to by the daemon."""

    def __init__(self, table: str) -> None:
        """Take the table's name."""
        self._place = attribute(ELEMENTS_TABLE, name(table)) + attribute(ELEMENTS_SET, name(RELAYED))
        self._socket: "seam.Socket | None" = None

    def open(self, ports: "list[tuple[int, int]]") -> int:
        """Put ports in, each for some seconds from now; return the error. OSError where there's nobody to ask.

        An element that is there keeps its timeout on kernels before 6.12, so it's taken out first; and to be taken out
        it must be there.
        """
        items = [element(port(number), 1000 * seconds) for number, seconds in ports]
        return self._exchange(items, ((NEW_ELEMENT, CREATE), (DELETE_ELEMENT, 0), (NEW_ELEMENT, CREATE)))

    def close(self, number: int) -> int:
        """Take a port out; return the error. OSError where there's nobody to ask."""
        return self._exchange([element(port(number))], ((DELETE_ELEMENT, 0),))

    def _exchange(self, items: "list[bytes]", steps: "tuple[tuple[int, int], ...]") -> int:
        """Send the steps with the elements as one batch; return the first error."""
        body = self._place + nested(ELEMENTS_LIST, items)
        batch = _message(BATCH_BEGIN, 0, 0, BATCH_FOR)
        for kind, flags in steps[:-1]:
            batch += _message(SUBSYSTEM | kind, flags, INET, 0, body)
        kind, flags = steps[-1]
        batch += _message(SUBSYSTEM | kind, flags | ACKNOWLEDGE, INET, 0, body)
        link = self._link()
        link.send(batch + _message(BATCH_END, 0, 0, BATCH_FOR))
        return -int(unpack_from("i", _first(link), _ERROR_AT)[0])

    def _link(self) -> "seam.Socket":
        """Return the socket, which stays open: closing one waits 15 ms for what was deleted."""
        if self._socket is None:
            self._socket = socket.socket(seam.AF_NETLINK, socket.SOCK_RAW, PROTOCOL)
            self._socket.setblocking(False)
        return self._socket


def _first(link: "seam.Socket") -> bytes:
    """Return the first answer, and read all others away: each message that failed has one."""
    first: bytes = link.recv(_ANSWER_SIZE)
    try:
        while True:
            link.recv(_ANSWER_SIZE)
    except OSError:
        return first


def _message(kind: int, flags: int, family: int, resource: int, body: bytes = b"") -> bytes:
    header = pack(_HEADER, _HEADER_SIZE + len(body), kind, REQUEST | flags, 1, 0, family, 0)
    return header + pack("!H", resource) + body
