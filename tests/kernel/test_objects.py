"""The program's two objects are what their source compiles to, here and elsewhere, and every kernel can run them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeturn.kernel import elf, loader, maps
from edgeturn.kernel.maps import Maps
from edgeturn.protocol.limits import Limits
from tools import program
from tools.program import SOURCE, TARGETS

both_orders = pytest.mark.parametrize("target", TARGETS)
STRICT_ALIGNMENT = 1  # BPF_F_STRICT_ALIGNMENT
ETHERNET = 14


def committed(target: str) -> bytes:
    return (SOURCE.parent / program.name(target)).read_bytes()


@both_orders
def test_the_source_gives_the_same_bytes(target: str, tmp_path: Path) -> None:
    output = tmp_path / "again.o"
    program.compile_for(target, SOURCE, output)
    assert output.read_bytes() == committed(target), "the objects are older than the source: `make program`"


@both_orders
def test_a_tree_elsewhere_gives_the_same_bytes(target: str, tmp_path: Path) -> None:
    """No path of the machine that compiles gets into an object."""
    elsewhere = tmp_path / "a" / "much" / "longer" / "path" / "kernel"
    shutil.copytree(SOURCE.parent, elsewhere)
    here, there = tmp_path / "here.o", tmp_path / "there.o"
    program.compile_for(target, SOURCE, here)
    program.compile_for(target, elsewhere / SOURCE.name, there)
    assert here.read_bytes() == there.read_bytes()


def test_both_orders_hold_the_same() -> None:
    little, big = (elf.read(committed(target)) for target in TARGETS)
    assert list(little.programs) == list(big.programs) == ["tc", "xdp", "probe"]
    for section, code in little.programs.items():
        other = big.programs[section]
        assert code.name == other.name == f"edgeturn_{section}"
        assert {each.name for each in code.references} == {each.name for each in other.references}


@both_orders
def test_only_known_maps_and_constants_are_meant(target: str) -> None:
    references = {each for code in elf.read(committed(target)).programs.values() for each in code.references}
    assert {each.name for each in references if each.is_map} == {name for name, _, _, _ in maps.TABLE} - {"hooks"}
    assert {each.name for each in references if not each.is_map} == {"hook_slot", "link_size"}


@both_orders
def test_the_license_lets_the_kernel_lend_its_functions(target: str) -> None:
    """The kernel's list is in include/linux/license.h."""
    assert elf.read(committed(target)).license in (b"GPL", b"Dual MIT/GPL")


@pytest.fixture
def opened(pins: Path) -> Iterator[Maps]:
    """A set of maps."""
    made = maps.create_all(str(pins), Limits())
    yield made
    made.close()
    maps.remove_all(str(pins))


@pytest.mark.parametrize(("section", "link_size"), [("tc", ETHERNET), ("tc", 0), ("xdp", ETHERNET), ("probe", 0)])
def test_this_kernel_takes_it(section: str, link_size: int, opened: Maps) -> None:
    constants = {"hook_slot": 63, "link_size": link_size}
    loaded = loader.load(section, opened, constants)
    assert loaded.number > 0
    loaded.close()


@pytest.mark.parametrize("section", ["tc", "xdp"])
def test_a_machine_takes_it_that_can_not_read_words_at_odd_places(section: str, opened: Maps) -> None:
    constants = {"hook_slot": 0, "link_size": ETHERNET}
    loader.load(section, opened, constants, flags=STRICT_ALIGNMENT).close()


def test_what_is_nobodys_is_passed_untouched(opened: Maps) -> None:
    frame = bytes(range(6)) * 2 + b"\x08\x00" + bytes(60)
    tc = loader.load("tc", opened, {"hook_slot": 0, "link_size": ETHERNET}).test(frame)
    assert (tc.code, tc.data) == (-1, frame)
    xdp = loader.load("xdp", opened, {"hook_slot": 0, "link_size": ETHERNET}).test(frame)
    assert (xdp.code, xdp.data) == (2, frame)
