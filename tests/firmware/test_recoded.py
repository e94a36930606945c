"""Frozen bytecode for another table of names: what MicroPython's compiler made, and each kind of jump."""

import re
import subprocess
import sys

import pytest

from firmware.build.steps import FOLDER, ROOT
from firmware.variant.bytecode import Instruction, assembled, encode_sizes, linked, without
from firmware.variant.recoded import Function, found_functions, recoded

LONGEST = 900
JUMP, JUMP_IF_FALSE, FOR_ITER, UNWIND = 0x42, 0x44, 0x4B, 0x40
LOAD_NAME, POP = 0x11, 0x59


@pytest.fixture(scope="module")
def content() -> str:
    """Frozen_content.c of the firmware, as MicroPython's tool wrote it."""
    built = [sys.executable, "-m", "firmware.build", "x86_64"]
    subprocess.run(built, cwd=ROOT, check=True, capture_output=True, timeout=LONGEST)
    return (FOLDER / "x86_64-tls" / "work" / "frozen_content.c").read_text()


def data(text: str) -> bytes:
    lines = [line.split("//")[0] for line in text.splitlines()[1:-1]]
    return bytes(int(each, 16) for each in re.findall("0x([0-9a-f]{2})", "".join(lines)))


@pytest.mark.timeout(LONGEST)
def test_each_function_for_its_own_table_is_what_the_compiler_made(content: str) -> None:
    same = shorter = 0
    for found, table in found_functions(content):
        places = {name: place for place, name in enumerate(table)}
        made, before = Function(found, table).encoded(places), data(found[0])
        assert made == before or len(made) < len(before), found["name"]
        same += made == before
        shorter += made != before
    assert same > 2000 and shorter < same / 100  # the compiler may take two bytes where a jump just fits in one


@pytest.mark.timeout(LONGEST)
def test_all_share_a_table_and_no_name_is_lost(content: str) -> None:
    made = recoded(content)
    assert "const_qstr_table_data" not in made and made.count(".qstr_table = frozen_table,") > 100
    first = re.findall(r"MP_QSTR_\w*", made.split("frozen_first[] = {")[1].split("};")[0])
    frozen = re.findall(r"MP_QSTR_\w*", content.split("enum {")[1].split("};")[0])
    assert f"#define FIRST {len(first)}\n#define FROZEN {len(frozen)}\n" in made
    named = {name for _, table in found_functions(content) for name in table if not name.endswith("_dot_py")}
    unused = named - set(first) - set(frozen)
    assert unused <= {"MP_QSTR___module__", "MP_QSTR___qualname__", "MP_QSTR___name__", "MP_QSTR__star_"}


def test_another_form_stops_the_build() -> None:
    with pytest.raises(SystemExit, match="doesn't know this form"):
        recoded("enum {\n    MP_QSTR_a = MP_QSTRnumber_of,\n};\nstatic const byte fun_data_a[1] = {\n    0x63,\n};\n")


@pytest.mark.parametrize("opcode", [JUMP, JUMP_IF_FALSE, FOR_ITER])
@pytest.mark.parametrize("between", [0, 1, 62, 63, 64, 126, 127, 128, 129, 5000])
def test_a_jump_forward_leads_where_it_led(opcode: int, between: int) -> None:
    far = between > 63 if opcode != FOR_ITER else between > 127
    assert_leads([jump(opcode, between, far), *[bytes([POP])] * between, bytes([0x63])], 0, between + 1)


@pytest.mark.parametrize("between", [0, 1, 61, 62, 63, 5000])
def test_a_jump_back_leads_where_it_led(between: int) -> None:
    far = between + 2 > 64
    back = -(between + (3 if far else 2))
    assert_leads([*[bytes([POP])] * between, jump(JUMP, back, far)], between, 0)


def test_a_jump_out_of_blocks_counts_from_before_their_number() -> None:
    assert_leads([jump(UNWIND, 2, False) + b"\x01", bytes([POP]), bytes([0x63])], 0, 2)


def test_a_jump_grows_with_what_is_between() -> None:
    names = [f"MP_QSTR_{number}" for number in range(40)]
    pieces = [jump(JUMP, 62, False), *[bytes([LOAD_NAME, number]) for number in range(31)], bytes([0x63])]
    code = linked(pieces, names)
    assert code[0].target == 32
    made = assembled(code, {name: 1000 + place for place, name in enumerate(names)})
    assert made[:3] == jump(JUMP, 93, True) and len(made) == 3 + 31 * 3 + 1


def test_what_goes_takes_no_jump_along() -> None:
    code = linked([jump(JUMP, 2, False), bytes([POP]), bytes([POP]), bytes([0x63])], [])
    with pytest.raises(KeyError):
        without(code, {3})
    left = without(code, {1})
    assert assembled(left, {}) == jump(JUMP, 1, False) + bytes([POP, 0x63])


@pytest.mark.parametrize(("names", "cells", "expected"), [(1, 0, "02"), (2, 1, "05"), (64, 0, "8002"), (1, 2, "8201")])
def test_sizes_of_a_prelude(names: int, cells: int, expected: str) -> None:
    assert encode_sizes(names, cells).hex() == expected


def jump(opcode: int, distance: int, far: bool) -> bytes:
    signed = opcode != FOR_ITER
    if far:
        value = distance + (0x4000 if signed else 0)
        return bytes([opcode, 0x80 | value & 0x7F, value >> 7])
    return bytes([opcode, distance + (0x40 if signed else 0)])


def assert_leads(pieces: list[bytes], origin: int, target: int) -> None:
    code: list[Instruction] = linked(pieces, [])
    assert code[origin].target == target
    assert assembled(code, {}) == b"".join(pieces)
