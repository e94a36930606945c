"""The loader: what it puts into a program is what the program then has, and a refusal is a sentence."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from struct import pack, unpack_from
from typing import Literal

import pytest

from edgeturn.kernel import bpf, elf, flows, loader, maps
from edgeturn.kernel.bpf import index
from edgeturn.kernel.loader import LoadError
from edgeturn.kernel.maps import Maps
from edgeturn.protocol.limits import Limits
from tests.kernel.objects import COUNT, THREE, compile_text
from tools.program import TARGETS

HERE = "bpfel" if sys.byteorder == "little" else "bpfeb"
CONSTANTS = {"hook_slot": 5, "link_size": 14}
PACKET = bytes(60)

UNCHECKED = """
SEC("tc") int unchecked(struct __sk_buff *skb)
{
	return *(int *)(long)skb->data;
}
"""
ODD_PLACE = """
SEC("tc") int odd(struct __sk_buff *skb)
{
	char *data = (char *)(long)skb->data;

	return data + 8 <= (char *)(long)skb->data_end ? *(int *)(data + 1) : 0;
}
"""
STRICT_ALIGNMENT = 1  # BPF_F_STRICT_ALIGNMENT
WIDE = """
extern const char wide[] __attribute__((weak));
SEC("tc") int halves(struct __sk_buff *skb)
{
	unsigned long number = (unsigned long)wide;

	return skb->mark ? number : number >> 32;
}
"""
MORE = """
SEC("tc") int more(struct __sk_buff *skb)
{
	return (int)(unsigned long)(hook_slot + 3);
}
"""
MARK = """
SEC("tc") int marks(struct __sk_buff *skb)
{
	int before = skb->mark;

	skb->mark = 77;
	return before;
}
"""
NOWHERE = """
SEC("tc") int lost(struct __sk_buff *skb)
{
	__u32 zero = 0;

	return look_up(nowhere, &zero) ? 1 : 2;
}
"""


@pytest.fixture
def opened(pins: Path) -> Iterator[Maps]:
    """A set of maps."""
    made = maps.create_all(str(pins), Limits())
    yield made
    made.close()
    maps.remove_all(str(pins))


def load(text: str, folder: Path, opened: Maps, section: str = "tc", **constants: int) -> loader.Program:
    """Compile and load."""
    return loader.load(section, opened, constants or CONSTANTS, compile_text(text, folder, HERE))


def refusal(text: str, folder: Path, opened: Maps) -> LoadError:
    with pytest.raises(LoadError) as refused:
        load(text, folder, opened)
    return refused.value


def test_maps_and_constants_are_put_in(opened: Maps, tmp_path: Path) -> None:
    first = load(COUNT, tmp_path, opened, hook_slot=5, link_size=14)
    second = load(COUNT, tmp_path, opened, hook_slot=6, link_size=0)
    assert first.test(PACKET, repeat=3).code == 14
    assert second.test(PACKET + PACKET).code == 0
    assert flows.read_tally(opened.tallies.get(index(5)) or b"") == (3, 180)
    assert flows.read_tally(opened.tallies.get(index(6)) or b"") == (1, 120)


@pytest.mark.parametrize("number", [0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x123456789ABCDEF0, (1 << 64) - 1])
def test_constants_have_64_bits(number: int, opened: Maps, tmp_path: Path) -> None:
    program = load(WIDE, tmp_path, opened, wide=number)
    low = program.test(PACKET, pack("III", 0, 0, 1)).code
    high = program.test(PACKET, pack("III", 0, 0, 0)).code
    assert (low & 0xFFFFFFFF, high & 0xFFFFFFFF) == (number & 0xFFFFFFFF, number >> 32)


def test_what_the_compiler_adds_to_a_constant_is_kept(opened: Maps, tmp_path: Path) -> None:
    assert load(MORE, tmp_path, opened, hook_slot=5).test(PACKET).code == 8


@pytest.mark.parametrize("target", TARGETS)
def test_linking_in_both_byte_orders(target: str, tmp_path: Path) -> None:
    code = elf.read(compile_text(COUNT, tmp_path, target).read_bytes()).programs["tc"]
    linked = loader.link(code, {"tallies": 0x1234}, {"hook_slot": 0x1122334455667788, "link_size": 14})
    assert len(linked) == len(code.instructions)
    order: Literal["little", "big"] = "little" if target == "bpfel" else "big"
    at = {each.name: each.offset for each in code.references}
    for name, low, high in (("tallies", 0x1234, 0), ("hook_slot", 0x55667788, 0x11223344), ("link_size", 14, 0)):
        place = at[name]
        assert int.from_bytes(linked[place + 4 : place + 8], order) == low
        assert int.from_bytes(linked[place + 12 : place + 16], order) == high
        registers, before = linked[place + 1], code.instructions[place + 1]
        source = registers >> 4 if target == "bpfel" else registers & 15
        assert (source, registers & before) == (1 if name == "tallies" else 0, before)
    changed = {place + each for place in at.values() for each in (1, *range(4, 8), *range(12, 16))}
    assert all(linked[byte] == code.instructions[byte] for byte in range(len(linked)) if byte not in changed)


@pytest.mark.parametrize(("order", "word"), [("<", "little"), (">", "big")])
def test_what_stands_in_the_code_is_added_to_a_constant(order: str, word: Literal["little", "big"]) -> None:
    low, high = (3).to_bytes(4, word), (1).to_bytes(4, word)
    instructions = bytes([elf.LOAD_IMMEDIATE, 0, 0, 0]) + low + bytes(4) + high
    code = elf.Code("one", order, instructions, (elf.Reference(0, "number", False),))
    linked = loader.link(code, {}, {"number": 0xFFFFFFFF})
    assert linked == bytes([elf.LOAD_IMMEDIATE, 0, 0, 0]) + (2).to_bytes(4, word) + bytes(4) + (2).to_bytes(4, word)


def test_words_at_odd_places_are_left_to_the_machine(opened: Maps, tmp_path: Path) -> None:
    load(ODD_PLACE, tmp_path, opened).close()
    with pytest.raises(LoadError, match="misaligned packet access"):
        loader.load("tc", opened, {}, tmp_path / f"small.{HERE}.o", STRICT_ALIGNMENT)


def test_an_answer_below_zero(opened: Maps, tmp_path: Path) -> None:
    assert load(THREE, tmp_path, opened, "probe").test(PACKET).code == -1


def test_a_packet_that_grows(opened: Maps, tmp_path: Path) -> None:
    run = load(THREE, tmp_path, opened, "xdp").test(b"x" * 60)
    assert (run.code, len(run.data), run.data[4:]) == (2, 64, b"x" * 60)


def test_the_context_goes_in_and_comes_out(opened: Maps, tmp_path: Path) -> None:
    run = load(MARK, tmp_path, opened).test(PACKET, pack("III", 0, 0, 33) + bytes(180))
    assert run.code == 33
    assert unpack_from("III", run.context)[2] == 77
    assert run.data == PACKET


def test_name_and_number(opened: Maps, tmp_path: Path) -> None:
    program = load(COUNT, tmp_path, opened)
    information = Path(f"/proc/self/fdinfo/{program.file}").read_text().split()
    assert information[information.index("prog_id:") + 1] == str(program.number)
    assert bpf.information(program.file, 80)[64:] == b"count_packets".ljust(16, b"\0")


def test_closing_twice_closes_nobody_elses_file(opened: Maps, tmp_path: Path) -> None:
    program = load(COUNT, tmp_path, opened)
    number = program.file
    program.close()
    again = os.dup(0)
    try:
        assert again == number
        program.close()
        os.fstat(again)
    finally:
        os.close(again)


def test_the_verifiers_reason_is_told(opened: Maps, tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")
    refused = refusal(UNCHECKED, tmp_path, opened)
    lines = str(refused).splitlines()
    assert lines[0] == "the kernel's verifier refuses the program 'tc' (permission denied):"
    assert len(lines) <= 4
    assert any("invalid access to packet" in line for line in lines)
    assert not any("processed" in line for line in lines)
    assert "processed" in refused.log and "invalid access to packet" in refused.log
    assert os.listdir("/proc/self/fd") == before


def test_a_log_that_does_not_fit_is_asked_for_again(
    opened: Maps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = refusal(UNCHECKED, tmp_path, opened)
    monkeypatch.setattr(loader, "_LOG_SIZES", (128, 1 << 16))
    assert str(refusal(UNCHECKED, tmp_path, opened)) == str(whole)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EPERM, "this takes root, or the capabilities CAP_BPF and CAP_NET_ADMIN"),
        (errno.ENOSYS, "this kernel is built without bpf(2)"),
        (errno.ENOMEM, "there's not enough memory"),
        (errno.EINVAL, "invalid argument"),
    ],
)
def test_refusals_without_a_word_of_the_verifier(
    number: int, words: str, opened: Maps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(command: int, attributes: bytearray) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(bpf, "bpf", refuse)
    assert str(refusal(COUNT, tmp_path, opened)) == f"the kernel refuses the program 'tc': {words}"


@pytest.mark.parametrize(("times", "loads"), [(1, True), (5, True), (6, False)])
def test_a_signal_does_not_end_it(
    times: int, loads: bool, opened: Maps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = bpf.bpf, 0  # type: ignore[attr-defined]

    def interrupt(command: int, attributes: bytearray) -> int:
        nonlocal calls
        calls += 1
        if calls <= times:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return int(real(command, attributes))

    monkeypatch.setattr(bpf, "bpf", interrupt)
    if loads:
        assert load(COUNT, tmp_path, opened).test(PACKET).code == 14
    else:
        assert "resource temporarily unavailable" in str(refusal(COUNT, tmp_path, opened))


UNPRIVILEGED = """
import os, sys
from pathlib import Path
from types import SimpleNamespace
from edgeturn import seam
from edgeturn.kernel import elf, loader
found = loader.read_object(Path(sys.argv[1]))
seam.memory_address(bytearray(1))
os.setgroups([])
os.setuid(65534)
loader.read_object = lambda path: found
try:
    loader.load("probe", SimpleNamespace(by_name={}), {})
except loader.LoadError as error:
    print(error)
"""


def test_a_user_without_rights_is_told_which(opened: Maps, tmp_path: Path) -> None:
    path = compile_text(THREE, tmp_path, HERE)
    done = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    expected = "the kernel refuses the program 'probe': this takes root, or the capabilities CAP_BPF and CAP_NET_ADMIN"
    if Path("/proc/sys/kernel/unprivileged_bpf_disabled").read_text().strip() == "0":
        expected = "the kernel refuses the program 'probe': "  # the kind of program needs a right nevertheless
    assert done.stdout.startswith(expected), done.stdout + done.stderr


def test_a_constant_that_is_not_given(opened: Maps, tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="count_packets: the constant link_size isn't there"):
        load(COUNT, tmp_path, opened, hook_slot=5)


def test_a_map_that_is_not_in_the_table(opened: Maps, tmp_path: Path) -> None:
    assert str(refusal(NOWHERE, tmp_path, opened)) == "lost: the map nowhere isn't there"


def test_a_program_that_is_not_in_the_object(opened: Maps, tmp_path: Path) -> None:
    path = compile_text(COUNT, tmp_path, HERE)
    with pytest.raises(LoadError, match=r"small\.\w+\.o has no program 'xdp'"):
        loader.load("xdp", opened, CONSTANTS, path)


def test_an_object_that_is_not_there_or_damaged(opened: Maps, tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"the program can't be read: .*nowhere\.o"):
        loader.load("tc", opened, CONSTANTS, tmp_path / "nowhere.o")
    (tmp_path / "damaged.o").write_bytes(b"\x7fELF")
    with pytest.raises(LoadError, match=r"damaged\.o: this isn't a 64-bit ELF object"):
        loader.load("tc", opened, CONSTANTS, tmp_path / "damaged.o")
