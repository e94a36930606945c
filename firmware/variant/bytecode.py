"""
MicroPython's bytecode of one function: read from what its tool tells apart, and encoded for another table of names.

Rule 1: A name is a C identifier of MicroPython's, a jump leads to an instruction by its number; bytes are made last.
Rule 2: A jump takes one byte where that's enough, as MicroPython's compiler does it.

Source: py/bc.h, py/bc0.h, py/emitbc.c and tools/mpy-tool.py of MicroPython 1.26.
"""

NAME, OFFSET = 1, 3  # what follows an opcode: a place in the table of names, a distance
_FORMATS = 0x000003A4  # two bits for each 16 opcodes
_UNWIND_JUMP = 0x40
_SIGNED = (_UNWIND_JUMP, 0x42, 0x43, 0x44)  # MP_BC_JUMP, MP_BC_POP_JUMP_IF_TRUE, MP_BC_POP_JUMP_IF_FALSE
_MORE = 0x80


class Instruction:
    """An opcode, and what follows: a name, or where it jumps to; and bytes that stay as they are."""

    def __init__(self, data: bytes, table: list[str]) -> None:
        """Read one instruction; what it names is in a module's table."""
        self.opcode, self.rest = data[0], data[1:]
        self.format = _FORMATS >> 2 * (self.opcode >> 4) & 3
        self.name, self.distance, self.target = "", 0, 0
        if self.format == NAME:
            place, size = number(self.rest)
            self.name, self.rest = table[place], self.rest[size:]
        elif self.format == OFFSET:
            self.distance, size = _distance(self.opcode, self.rest)
            self.rest = self.rest[size:]

    def encoded(self, places: dict[str, int], distance: int, wide: bool) -> bytes:
        """Return its bytes; a distance counts from behind it, and takes two bytes where it's wide."""
        follows = b""
        if self.format == NAME:
            follows = encode_number(places[self.name])
        elif self.format == OFFSET:
            follows = _encode_distance(self.opcode, distance, wide)
        return bytes([self.opcode]) + follows + self.rest

    def is_far(self, distance: int) -> bool:
        """Say whether a distance takes two bytes."""
        return not 0 <= distance + (0x40 if self.opcode in _SIGNED else 0) < _MORE


def number(data: bytes) -> tuple[int, int]:
    """Return a number of any length, and how many bytes it takes."""
    value = 0
    for place, byte in enumerate(data):
        value = value << 7 | byte & 0x7F
        if byte < _MORE:
            return value, place + 1
    raise ValueError("a number without an end")


def encode_number(value: int) -> bytes:
    """Return a number as MicroPython writes it."""
    encoded = [value & 0x7F]
    while value := value >> 7:
        encoded.insert(0, _MORE | value & 0x7F)
    return bytes(encoded)


def _distance(opcode: int, data: bytes) -> tuple[int, int]:
    """Return how far a jump goes from behind its distance, and how many bytes tell it."""
    if data[0] < _MORE:
        return data[0] - (0x40 if opcode in _SIGNED else 0), 1
    return (data[0] & 0x7F | data[1] << 7) - (0x4000 if opcode in _SIGNED else 0), 2


def _encode_distance(opcode: int, distance: int, wide: bool) -> bytes:
    if not wide:
        return bytes([distance + (0x40 if opcode in _SIGNED else 0)])
    value = distance + (0x4000 if opcode in _SIGNED else 0)
    return bytes([_MORE | value & 0x7F, value >> 7])  # an error for what is too far


def linked(pieces: list[bytes], table: list[str]) -> list[Instruction]:
    """Return a function's instructions, in which each jump knows where it leads."""
    code = [Instruction(piece, table) for piece in pieces]
    starts, at = {}, 0
    for index, piece in enumerate(pieces):
        starts[at] = index
        at += len(piece)
    at = 0
    for instruction, piece in zip(code, pieces, strict=True):
        at += len(piece)
        if instruction.format == OFFSET:
            instruction.target = starts[at - len(instruction.rest) + instruction.distance]
    return code


def without(code: list[Instruction], gone: set[int]) -> list[Instruction]:
    """Return a function's code without some instructions, to none of which a jump may lead."""
    kept = [index for index in range(len(code)) if index not in gone]
    now = {index: place for place, index in enumerate(kept)}
    for index in kept:
        if code[index].format == OFFSET:
            code[index].target = now[code[index].target]
    return [code[index] for index in kept]


def assembled(code: list[Instruction], places: dict[str, int]) -> bytes:
    """Return the bytes of a function's code for a table of names."""
    wide: set[int] = set()
    while True:
        ends, at = [], 0  # of opcode, name and distance, from where a distance counts
        starts = []
        for index, each in enumerate(code):
            starts.append(at)
            at += len(each.encoded(places, 0, index in wide))
            ends.append(at - len(each.rest))
        distances = [starts[each.target] - end for each, end in zip(code, ends, strict=True)]
        jumps = [index for index, each in enumerate(code) if each.format == OFFSET and index not in wide]
        grown = {index for index in jumps if code[index].is_far(distances[index])}
        if not grown:
            return b"".join(
                each.encoded(places, distance, index in wide)
                for index, (each, distance) in enumerate(zip(code, distances, strict=True))
            )
        wide |= grown


def encode_sizes(names: int, cells: int) -> bytes:
    """Return how a prelude tells how many bytes names and cells take."""
    encoded = []
    while True:
        byte = (names & 0x3F) << 1 | cells & 1
        names, cells = names >> 6, cells >> 1
        more = names or cells
        encoded.append(byte | _MORE if more else byte)
        if not more:
            return bytes(encoded)
