"""A program before it's loaded: instructions, and where in them maps and constants are meant.

It comes out of an object (elf.py), or, in the firmware, of a module that was made of one (firmware/build/program.py).
"""

INSTRUCTION_SIZE = 8


class Reference:
    """Where in the code a map or a constant is meant: offset in bytes, its name, and which of both."""

    def __init__(self, offset: int, name: str, is_map: bool) -> None:
        """Take the fields."""
        self.offset = offset
        self.name = name
        self.is_map = is_map


class Code:
    """A program as it stands in a section: name of its function, instructions in a byte order ("<" or ">")."""

    def __init__(self, name: str, order: str, instructions: bytes, references: "tuple[Reference, ...]") -> None:
        """Take the fields."""
        self.name = name
        self.order = order
        self.instructions = instructions
        self.references = references


class Object:
    """The programs of an object by their section, and what their license says."""

    def __init__(self, programs: "dict[str, Code]", license: bytes) -> None:
        """Take the fields."""
        self.programs = programs
        self.license = license
