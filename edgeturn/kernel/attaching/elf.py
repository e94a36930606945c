"""Objects as clang makes them for BPF: programs by section, what they refer to, and their license.

Rule 1: both byte orders are read, whichever this machine has.
Rule 2: a reference is to a map, which is declared in section "maps", or to a constant, which is defined nowhere.
Rule 3: what isn't understood whole is BadObject, and nothing else is raised.

Source: ELF-64 Object File Format; the kernel's Documentation/bpf/llvm_reloc.rst.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct, error

INSTRUCTION_SIZE = 8
LOAD_IMMEDIATE = 0x18  # of 64 bits, in two instructions: what a reference stands in

_ORDERS = {1: "<", 2: ">"}
_MAGIC = b"\x7fELF\x02"
_BPF_MACHINE, _RELOCATABLE = 247, 1
_CONTENT, _SYMBOLS, _ADDENDS, _NO_BITS, _RELOCATIONS = 1, 2, 4, 8, 9
_EXECUTABLE = 4
_UNDEFINED = 0
_FUNCTION = 2
_REFERENCE_64 = 1  # R_BPF_64_64


class BadObject(Exception):
    """What isn't as it must be in an object, in words."""


@dataclass(frozen=True)
class Reference:
    """Where in the code a map or a constant is meant: offset in bytes, its name, and which of both."""

    offset: int
    name: str
    is_map: bool


@dataclass(frozen=True)
class Code:
    """A program as it stands in a section: name of its function, instructions in a byte order ("<" or ">")."""

    name: str
    order: str
    instructions: bytes
    references: tuple[Reference, ...]


@dataclass(frozen=True)
class Object:
    """The programs of an object by their section, and what their license says."""

    programs: dict[str, Code]
    license: bytes


@dataclass(frozen=True)
class _Section:
    name: str
    kind: int
    flags: int
    link: int
    info: int
    data: bytes


@dataclass(frozen=True)
class _Symbol:
    name: str
    kind: int
    section: int
    value: int


def read(data: bytes) -> Object:
    """Read an object."""
    try:
        return _Reader(data).read()
    except (error, IndexError, ValueError) as wrong:
        raise BadObject(f"the object is damaged: {wrong}") from wrong


class _Reader:
    """One object, as it is read."""

    def __init__(self, data: bytes) -> None:
        if data[:5] != _MAGIC or data[5] not in _ORDERS:
            raise BadObject("this isn't a 64-bit ELF object")
        self._data = data
        self._order = _ORDERS[data[5]]
        self._sections = list(self._read_sections())
        self._symbols = [symbol for each in self._of_kind(_SYMBOLS) for symbol in self._read_symbols(each)]

    def read(self) -> Object:
        """Return programs and license."""
        licenses = [each.data.rstrip(b"\0") for each in self._sections if each.name == "license"]
        if len(licenses) != 1:
            raise BadObject("the object doesn't say its license")
        programs = {
            section.name: self._read_code(number, section)
            for number, section in enumerate(self._sections)
            if section.kind == _CONTENT and section.flags & _EXECUTABLE and section.data
        }
        return Object(programs, licenses[0])

    def _of_kind(self, kind: int) -> list[_Section]:
        return [each for each in self._sections if each.kind == kind]

    def _rows(self, layout: str, data: bytes) -> Iterator[tuple[int, ...]]:
        return Struct(self._order + layout).iter_unpack(data)

    def _read_sections(self) -> Iterator[_Section]:
        kind, machine = Struct(self._order + "HH").unpack_from(self._data, 16)
        (start,) = Struct(self._order + "Q").unpack_from(self._data, 40)
        size, count, names_at = Struct(self._order + "HHH").unpack_from(self._data, 58)
        if (kind, machine, size) != (_RELOCATABLE, _BPF_MACHINE, 64):
            raise BadObject("the object isn't one for BPF")
        rows = list(self._rows("IIQQQQIIQQ", self._part(start, count * size)))
        names = self._part(rows[names_at][4], rows[names_at][5])
        for name, kind, flags, _, offset, length, link, info, _, _ in rows:
            data = b"" if kind in (0, _NO_BITS) else self._part(offset, length)
            yield _Section(_text(names, name), kind, flags, link, info, data)

    def _part(self, offset: int, size: int) -> bytes:
        if offset + size > len(self._data):
            raise BadObject("the object is cut off")
        return self._data[offset : offset + size]

    def _read_symbols(self, table: _Section) -> Iterator[_Symbol]:
        names = self._sections[table.link].data
        for name, information, _, section, value, _ in self._rows("IBBHQQ", table.data):
            yield _Symbol(_text(names, name), information & 15, section, value)

    def _read_code(self, number: int, section: _Section) -> Code:
        functions = [each for each in self._symbols if (each.section, each.kind) == (number, _FUNCTION)]
        if len(functions) != 1 or functions[0].value or len(section.data) % INSTRUCTION_SIZE:
            raise BadObject(f"section {section.name} isn't one function")
        if any(each.info == number for each in self._of_kind(_ADDENDS)):
            raise BadObject(f"section {section.name} has relocations of another kind")
        references = [
            self._reference(section, offset, information)
            for table in self._of_kind(_RELOCATIONS)
            if table.info == number
            for offset, information in self._rows("QQ", table.data)
        ]
        return Code(functions[0].name, self._order, section.data, tuple(references))

    def _reference(self, section: _Section, offset: int, information: int) -> Reference:
        symbol = self._symbols[information >> 32]
        in_maps = self._sections[symbol.section].name == "maps" if symbol.section else False
        where = f"section {section.name}, byte {offset}"
        if information & 0xFFFFFFFF != _REFERENCE_64:
            raise BadObject(f"{where}: a call of another function ({symbol.name}) can't be loaded")
        if offset % INSTRUCTION_SIZE or section.data[offset : offset + 1] != bytes([LOAD_IMMEDIATE]):
            raise BadObject(f"{where}: there's no reference here")
        if offset + 2 * INSTRUCTION_SIZE > len(section.data):
            raise BadObject(f"{where}: the reference is cut off")
        if not symbol.name or not (in_maps or symbol.section == _UNDEFINED):
            raise BadObject(f"{where}: {symbol.name or 'static data'} is neither a map nor a constant")
        return Reference(offset, symbol.name, in_maps)


def _text(names: bytes, offset: int) -> str:
    return names[offset : names.index(b"\0", offset)].decode("ascii")
