"""The reader of objects: it reads them whole, in both byte orders, or says BadObject, and never anything else."""

import random
import re
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeturn.kernel import elf
from edgeturn.kernel.elf import BadObject
from tests.kernel.objects import BEGIN, THREE, compile_text
from tools.program import COMPILER, TARGETS

both_orders = pytest.mark.parametrize("target", TARGETS)
MUTATIONS = 4000
SECTION_SIZE = 64


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return the object of three programs, for each byte order."""
    folder = tmp_path_factory.mktemp("objects")
    return {target: compile_text(THREE, folder, target).read_bytes() for target in TARGETS}


def refused(data: bytes) -> str:
    with pytest.raises(BadObject) as wrong:
        elf.read(data)
    return str(wrong.value)


@both_orders
def test_programs_by_section(target: str, objects: dict[str, bytes]) -> None:
    found = elf.read(objects[target])
    assert found.license == b"GPL"
    assert {section: code.name for section, code in found.programs.items()} == {
        "tc": "count_packets",
        "probe": "answer",
        "xdp": "longer",
    }
    for code in found.programs.values():
        assert code.order == {"bpfel": "<", "bpfeb": ">"}[target]
        assert code.instructions[-8:] == b"\x95" + bytes(7), "the last instruction is exit"


@both_orders
def test_references(target: str, objects: dict[str, bytes]) -> None:
    programs = elf.read(objects[target]).programs
    named = {section: {(each.name, each.is_map) for each in code.references} for section, code in programs.items()}
    assert named == {
        "tc": {("hook_slot", False), ("tallies", True), ("link_size", False)},
        "probe": set(),
        "xdp": {("hooks", True)},
    }
    for code in programs.values():
        for each in code.references:
            assert code.instructions[each.offset] == elf.LOAD_IMMEDIATE


@both_orders
def test_truncated_at_every_byte(target: str, objects: dict[str, bytes]) -> None:
    whole = objects[target]
    for size in range(len(whole)):
        refused(whole[:size])


def read_or_refuse(data: bytes) -> bool:
    """Say whether an object is read; any other error than BadObject is a failure."""
    try:
        elf.read(data)
    except BadObject:
        return False
    return True


@both_orders
def test_mutated_anywhere(target: str, objects: dict[str, bytes]) -> None:
    chance = random.Random(8656)
    outcomes = set()
    for _ in range(MUTATIONS):
        data = bytearray(objects[target])
        for _ in range(chance.choice((1, 1, 2, 8))):
            data[chance.randrange(len(data))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        outcomes.add(read_or_refuse(bytes(data)))
    assert outcomes == {True, False}


@both_orders
def test_every_number_of_the_headers_at_its_extremes(target: str, objects: dict[str, bytes]) -> None:
    whole = objects[target]
    start = int.from_bytes(whole[40:48], "little" if target == "bpfel" else "big")
    refusals = 0
    for at in [*range(0, SECTION_SIZE, 2), *range(start, len(whole) - 7, 4)]:
        for size in (2, 4, 8):
            for byte in (b"\0", b"\xff", b"\x7f"):
                refusals += not read_or_refuse(whole[:at] + byte * size + whole[at + size :])
    assert refusals > 100


def in_order(number: int, target: str) -> bytes:
    """Return 8 bytes as they stand in an object."""
    return struct.pack({"bpfel": "<Q", "bpfeb": ">Q"}[target], number)


def move_reference(whole: bytes, target: str, change: Callable[[int, int], int]) -> bytes:
    """Let the one reference of the XDP program be elsewhere: change(its offset, the code's size), and look like one."""
    data = bytearray(whole)
    code = elf.read(whole).programs["xdp"]
    offset, start = code.references[0].offset, whole.index(code.instructions)
    row = re.escape(in_order(offset, target)) + (
        rb"\x01\x00\x00\x00...." if target == "bpfel" else rb"....\x00\x00\x00\x01"
    )
    (found,) = re.finditer(row, whole, re.DOTALL)
    moved = change(offset, len(code.instructions))
    data[found.start() : found.start() + 8] = in_order(moved, target)
    if moved < len(code.instructions):
        data[start + moved] = elf.LOAD_IMMEDIATE
    return bytes(data)


@pytest.mark.parametrize(
    ("what", "change", "words"),
    [
        ("behind the end", lambda offset, size: size, "there's no reference here"),
        ("far away", lambda offset, size: 1 << 63, "there's no reference here"),
        ("in the middle of an instruction", lambda offset, size: offset + 9, "there's no reference here"),
        ("in the last instruction", lambda offset, size: size - 8, "the reference is cut off"),
    ],
)
@both_orders
def test_references_where_none_can_be(
    target: str, what: str, change: Callable[[int, int], int], words: str, objects: dict[str, bytes]
) -> None:
    assert words in refused(move_reference(objects[target], target, change)), what


@both_orders
def test_relocations_of_another_kind_are_not_passed_over(target: str, objects: dict[str, bytes]) -> None:
    data = bytearray(objects[target])
    order = {"bpfel": "<", "bpfeb": ">"}[target]
    (start,) = struct.unpack_from(f"{order}Q", data, 40)
    for at in range(start, len(data) - SECTION_SIZE + 1, SECTION_SIZE):
        if struct.unpack_from(f"{order}I", data, at + 4) == (9,):  # SHT_REL
            struct.pack_into(f"{order}I", data, at + 4, 4)  # SHT_RELA
    assert "has relocations of another kind" in refused(bytes(data))


@both_orders
def test_a_section_that_ends_behind_the_file(target: str, objects: dict[str, bytes]) -> None:
    data = bytearray(objects[target])
    code = elf.read(bytes(data)).programs["tc"].instructions
    at = data.index(in_order(data.index(code), target) + in_order(len(code), target))
    data[at + 8 : at + 16] = in_order(len(data) // 8 * 8, target)
    assert "the object is cut off" in refused(bytes(data))


@pytest.mark.parametrize(
    ("what", "data", "words"),
    [
        ("nothing", b"", "isn't a 64-bit ELF object"),
        ("a text", b"#!/bin/sh\n" * 20, "isn't a 64-bit ELF object"),
        ("32 bits", b"\x7fELF\x01\x01\x01" + bytes(100), "isn't a 64-bit ELF object"),
        ("a third byte order", b"\x7fELF\x02\x03\x01" + bytes(100), "isn't a 64-bit ELF object"),
        ("the magic only", b"\x7fELF\x02", "damaged"),
        ("nothing behind the first bytes", b"\x7fELF\x02\x01\x01" + bytes(200), "isn't one for BPF"),
    ],
)
def test_what_is_no_object(what: str, data: bytes, words: str) -> None:
    assert words in refused(data), what


def test_an_object_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "native.c").write_text("int main(void) { return 0; }")
    command = [COMPILER, "-c", str(tmp_path / "native.c"), "-o", str(tmp_path / "native.o")]
    subprocess.run(command, check=True, timeout=60)
    assert "isn't one for BPF" in refused((tmp_path / "native.o").read_bytes())


CALL = """
static __attribute__((noinline)) int other(struct __sk_buff *skb) { return skb->len * skb->mark; }
SEC("tc") int one(struct __sk_buff *skb) { return other(skb); }
"""
TWO = """
SEC("tc") int one(struct __sk_buff *skb) { return skb->len; }
SEC("tc") int two(struct __sk_buff *skb) { return skb->mark; }
"""
DATA = """
int seen = 5;
SEC("tc") int one(struct __sk_buff *skb) { return seen++; }
"""
STATIC = """
static int seen;
SEC("tc") int one(struct __sk_buff *skb) { return seen++; }
"""


UNLOADABLE = {
    "a function that isn't inlined": (CALL, r"section tc, byte \d+: a call of another function"),
    "two programs in a section": (TWO, "section tc isn't one function"),
    "a global variable": (DATA, r"section tc, byte \d+: seen is neither a map nor a constant"),
    "a static variable": (STATIC, r"section tc, byte \d+: .* is neither a map nor a constant"),
}


@pytest.mark.parametrize("what", UNLOADABLE)
@both_orders
def test_what_can_not_be_loaded(target: str, what: str, tmp_path: Path) -> None:
    text, words = UNLOADABLE[what]
    with pytest.raises(BadObject, match=words):
        elf.read(compile_text(text, tmp_path, target).read_bytes())


@both_orders
def test_a_license_must_be_there(target: str, tmp_path: Path) -> None:
    begin = BEGIN.replace('SEC("license")', 'SEC("another")')
    assert "doesn't say its license" in refused(compile_text(THREE, tmp_path, target, begin).read_bytes())
