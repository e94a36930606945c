"""Mutations of datagrams, the same for the same seed on both interpreters.

Rule 1: a mutation takes a Dice, a datagram and the other datagrams, and returns a datagram.
Rule 2: most mutated messages get a length field that fits again, and a right FINGERPRINT now and then: else all of them
        would fail the first check.
"""

from edgeturn.seam import crc32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Rows = list[tuple[int, bytes]]
    Mutation = Callable[["Dice", bytes, list[bytes]], bytes]

HEADER_SIZE = 20
LARGEST = 65507  # what an IPv4 datagram holds
FINGERPRINT = b"\x80\x28\x00\x04"
INTERESTING = (0, 1, 3, 4, 5, 0x14, 0x7F, 0x80, 0xFE, 0xFF)


class Dice:
    """A random source of its own (xorshift, 32 bits): MicroPython's random differs from CPython's."""

    def __init__(self, seed: int) -> None:
        self._state = (seed * 2654435761 + 1) & 0xFFFFFFFF or 1

    def below(self, limit: int) -> int:
        """Return a number from 0 to limit - 1."""
        state = self._state
        state ^= state << 13 & 0xFFFFFFFF
        state ^= state >> 17
        self._state = state = (state ^ state << 5) & 0xFFFFFFFF
        return (state >> 3) % limit

    def once_in(self, times: int) -> bool:
        return self.below(times) == 0

    def data(self, size: int) -> bytes:
        return bytes([self.below(256) for _ in range(size)])


def split(data: bytes) -> "Rows":
    """Return the attributes of what may be a message, as far as they can be read."""
    rows = []
    at = HEADER_SIZE
    while at + 4 <= len(data):
        kind, size = data[at] << 8 | data[at + 1], data[at + 2] << 8 | data[at + 3]
        rows.append((kind, data[at + 4 : at + 4 + size]))
        at += 4 + (size + 3 & ~3)
    return rows


def join(header: bytes, rows: "Rows") -> bytes:
    """Return a message of a header and attributes."""
    body = b""
    for kind, value in rows:
        body += kind.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value + bytes(-len(value) & 3)
    return header[:2] + (len(body) & 0xFFFF).to_bytes(2, "big") + header[4:HEADER_SIZE] + body


def flip_bits(dice: Dice, data: bytes, others: "list[bytes]") -> bytes:
    changed = bytearray(data)
    for _ in range(1 + dice.below(4)):
        changed[dice.below(len(data))] ^= 1 << dice.below(8)
    return bytes(changed)


def set_byte(dice: Dice, data: bytes, others: "list[bytes]") -> bytes:
    at = dice.below(len(data))
    return data[:at] + bytes([INTERESTING[dice.below(len(INTERESTING))]]) + data[at + 1 :]


def truncate(dice: Dice, data: bytes, others: "list[bytes]") -> bytes:
    return data[: dice.below(len(data))]


def extend(dice: Dice, data: bytes, others: "list[bytes]") -> bytes:
    return data + dice.data(1 + dice.below(24))


def lie_about_length(dice: Dice, data: bytes, others: "list[bytes]") -> bytes:
    return data[:2] + (len(data) + dice.below(80) - 60 & 0xFFFF).to_bytes(2, "big") + data[4:]


def lie_about_attribute(dice: Dice, data: bytes, others: "list[bytes]") -> bytes:
    rows = split(data)
    if not rows:
        return data
    at = HEADER_SIZE + 2
    for _, value in rows[: dice.below(len(rows))]:
        at += 4 + (len(value) + 3 & ~3)
    lie = dice.below(64) if dice.once_in(2) else 0xFFFF - dice.below(8)
    return data[:at] + lie.to_bytes(2, "big") + data[at + 2 :]


def duplicate(dice: Dice, data: bytes, others: "list[bytes]") -> bytes:
    rows = split(data)
    if rows:
        kind, value = rows[dice.below(len(rows))]
        rows.insert(dice.below(len(rows) + 1), (kind, flip_bits(dice, value, others) if value else value))
    return join(data, rows)


def drop(dice: Dice, data: bytes, others: "list[bytes]") -> bytes:
    rows = split(data)
    if rows:
        rows.pop(dice.below(len(rows)))
    return join(data, rows)


def swap(dice: Dice, data: bytes, others: "list[bytes]") -> bytes:
    rows = split(data)
    if rows:
        rows.insert(dice.below(len(rows)), rows.pop(dice.below(len(rows))))
    return join(data, rows)


def resize(dice: Dice, data: bytes, others: "list[bytes]") -> bytes:
    """Make an attribute longer or shorter."""
    rows = split(data)
    if rows:
        at = dice.below(len(rows))
        kind, value = rows[at]
        rows[at] = kind, value[: dice.below(len(value) + 1)] if dice.once_in(2) else value + dice.data(dice.below(40))
    return join(data, rows)


def mix(dice: Dice, data: bytes, others: "list[bytes]") -> bytes:
    """Take the attributes of two messages."""
    rows, more = split(data), split(others[dice.below(len(others))])
    at = dice.below(len(rows) + 1)
    return join(data, rows[:at] + more[dice.below(len(more) + 1) :])


def splice(dice: Dice, data: bytes, others: "list[bytes]") -> bytes:
    """Take the bytes of two messages."""
    other = others[dice.below(len(others))]
    return data[: dice.below(len(data))] + other[dice.below(len(other)) :]


def new_attribute(dice: Dice, data: bytes, others: "list[bytes]") -> bytes:
    rows = split(data)
    kind = dice.below(0x30) if dice.once_in(2) else 0x8000 + dice.below(0x30)
    rows.insert(dice.below(len(rows) + 1), (kind, dice.data(dice.below(24))))
    return join(data, rows)


def repeat(dice: Dice, data: bytes, others: "list[bytes]") -> bytes:
    """Repeat an attribute very often."""
    rows = split(data)
    if rows:
        rows += [rows[dice.below(len(rows))]] * dice.below(40)
    return join(data, rows)


MUTATIONS: "tuple[Mutation, ...]" = (
    flip_bits,
    set_byte,
    truncate,
    extend,
    lie_about_length,
    lie_about_attribute,
    duplicate,
    drop,
    swap,
    resize,
    mix,
    splice,
    new_attribute,
    repeat,
)


def mutate(dice: Dice, data: bytes, others: "list[bytes]") -> bytes:
    """Return a datagram after one to three mutations, most of them repaired."""
    for _ in range(1 + dice.below(3)):
        if data:
            data = MUTATIONS[dice.below(len(MUTATIONS))](dice, data, others)
    data = data[:LARGEST]
    return data if dice.once_in(4) else repair(data)


def repair(data: bytes) -> bytes:
    """Make length field and FINGERPRINT of what looks like a message fit again."""
    if len(data) < HEADER_SIZE or data[0] & 0xC0:
        return data
    data = data[: len(data) & ~3]
    data = data[:2] + (len(data) - HEADER_SIZE).to_bytes(2, "big") + data[4:]
    if data[-8:-4] == FINGERPRINT:
        data = data[:-4] + (crc32(data[:-8]) ^ 0x5354554E).to_bytes(4, "big")
    return data
