"""
The kernel's program as a module: its code, and where maps and constants go in, without what only a linker reads.

Rule 1: What isn't attached from MicroPython isn't in it: XDP.
Rule 2: All of it is constant, so that it stays where the binary is mapped.
"""

from edgeturn.kernel import elf

_SECTIONS = ("tc", "probe")


def module(data: bytes) -> str:
    """Return the text of the module for an object; edgeturn/kernel/loader.py reads it."""
    found = elf.read(data)
    rows = []
    for section in _SECTIONS:
        code = found.programs[section]
        references = tuple((each.offset, each.name, each.is_map) for each in code.references)
        rows.append((section, code.name, code.instructions, references))
    order = found.programs[_SECTIONS[0]].order
    return f"ORDER = {order!r}\nLICENSE = {found.license!r}\nPROGRAMS = {tuple(rows)!r}\n"
