"""The program holds nothing that a router's JIT can't compile: on 32-bit ARM one such instruction leaves it all to the
interpreter (64-bit division, atomics, calls between functions; the kernel's arch/arm/net/bpf_jit_32.c).
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeturn.kernel import elf

FOLDER = Path(elf.__file__).parent / "program"
OBJECTS = ("program.bpfel.o", "program.bpfeb.o")
SECTIONS = ("probe", "tc", "xdp")
MOST_INSTRUCTIONS = 4096  # what Linux before 5.2 takes, and what a router's cache likes

DIVISIONS = (0x37, 0x3F, 0x97, 0x9F)  # BPF_ALU64, BPF_DIV and BPF_MOD, by number and by register
ATOMICS = (0xC3, 0xDB)  # BPF_STX, BPF_ATOMIC
CALL, OF_FUNCTION = 0x85, 1


def instructions(code: elf.Code) -> Iterator[tuple[int, int]]:
    """Return operation and source register of each instruction; the second half of a long one has operation 0."""
    for at in range(0, len(code.instructions), elf.INSTRUCTION_SIZE):
        registers = code.instructions[at + 1]
        yield code.instructions[at], registers >> 4 if code.order == "<" else registers & 15


def forbidden(code: elf.Code) -> list[tuple[int, int]]:
    return [
        (operation, source)
        for operation, source in instructions(code)
        if operation in DIVISIONS + ATOMICS or (operation, source) == (CALL, OF_FUNCTION)
    ]


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize("section", SECTIONS)
def test_nothing_is_left_to_the_interpreter(name: str, section: str) -> None:
    code = elf.read((FOLDER / name).read_bytes()).programs[section]
    assert len(code.instructions) // elf.INSTRUCTION_SIZE < MOST_INSTRUCTIONS
    assert any(operation == CALL for operation, _ in instructions(code)), "nothing was read"
    assert forbidden(code) == []


def test_what_is_forbidden_is_found() -> None:
    for order, registers in (("<", 0x10), (">", 0x01)):
        for operation in (*DIVISIONS, *ATOMICS, CALL):
            code = elf.Code("one", order, bytes([operation, registers]) + bytes(6), ())
            assert forbidden(code), (order, operation)
