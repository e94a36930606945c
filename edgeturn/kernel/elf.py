"""Objects as clang makes them for BPF: programs by section, what they refer to, and their license.

Rule 1: both byte orders are read, whichever this machine has, and by both interpreters.
Rule 2: a reference is to a map, which is declared in section "maps", or to a constant, which is defined nowhere.
Rule 3: what isn't understood whole is BadObject, and nothing else is raised: lengths are checked before anything is
        unpacked, for a short buffer isn't the same error everywhere.

Source: ELF-64 Object File Format; the kernel's Documentation/bpf/llvm_reloc.rst.
"""

from struct import calcsize, unpack_from

from edgeturn.kernel.code import INSTRUCTION_SIZE, Code, Object, Reference

__all__ = ("INSTRUCTION_SIZE", "LOAD_IMMEDIATE", "BadObject", "Code", "Object", "Reference", "read")

LOAD_IMMEDIATE = 0x18  # of 64 bits, in two instructions: what a reference stands in

_ORDERS = {1: "<", 2: ">"}
_MAGIC = b"\x7fELF\x02"
_HEADER_SIZE = _ROW_SIZE = 64  # of the file, and of a section in the table
_BPF_MACHINE, _RELOCATABLE = 247, 1
_CONTENT, _SYMBOLS, _ADDENDS, _NO_BITS, _RELOCATIONS = 1, 2, 4, 8, 9
_EXECUTABLE = 4
_UNDEFINED = 0
_FUNCTION = 2
_REFERENCE_64 = 1  # R_BPF_64_64


class BadObject(Exception):
    """What isn't as it must be in an object, in words."""


class _Section:
    def __init__(self, name: str, kind: int, flags: int, link: int, info: int, data: bytes) -> None:
        self.name = name
        self.kind = kind
        self.flags = flags
        self.link = link
        self.info = info
        self.data = data


class _Symbol:
    def __init__(self, name: str, kind: int, section: int, value: int) -> None:
        self.name = name
        self.kind = kind
        self.section = section
        self.value = value


def read(data: bytes) -> Object:
    """Read an object."""
    try:
        return _Reader(data).read()
    except (IndexError, ValueError) as wrong:
        raise BadObject(f"the object is damaged: {wrong}")


class _Reader:
    """One object, as it is read."""

    def __init__(self, data: bytes) -> None:
        if data[:5] != _MAGIC or data[5] not in _ORDERS:
            raise BadObject("this isn't a 64-bit ELF object")
        self._data = data
        self._order = _ORDERS[data[5]]
        self._sections = self._read_sections()
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

    def _of_kind(self, kind: int) -> "list[_Section]":
        return [each for each in self._sections if each.kind == kind]

    def _rows(self, layout: str, data: bytes) -> "list[tuple[int, ...]]":
        size = calcsize(self._order + layout)
        if len(data) % size:
            raise BadObject("the object is damaged: a row of a table is cut off")
        return [unpack_from(self._order + layout, data, at) for at in range(0, len(data), size)]

    def _read_sections(self) -> "list[_Section]":
        header = self._part(0, _HEADER_SIZE)
        kind, machine = unpack_from(self._order + "HH", header, 16)
        start = unpack_from(self._order + "Q", header, 40)[0]
        size, count, names_at = unpack_from(self._order + "HHH", header, 58)
        if (kind, machine, size) != (_RELOCATABLE, _BPF_MACHINE, _ROW_SIZE):
            raise BadObject("the object isn't one for BPF")
        rows = self._rows("IIQQQQIIQQ", self._part(start, count * size))
        names = self._part(rows[names_at][4], rows[names_at][5])
        return [self._section(names, row) for row in rows]

    def _section(self, names: bytes, row: "tuple[int, ...]") -> _Section:
        name, kind, flags, _, offset, length, link, info, _, _ = row
        data = b"" if kind in (0, _NO_BITS) else self._part(offset, length)
        return _Section(_text(names, name), kind, flags, link, info, data)

    def _part(self, offset: int, size: int) -> bytes:
        if offset + size > len(self._data):
            raise BadObject("the object is cut off")
        return self._data[offset : offset + size]

    def _read_symbols(self, table: _Section) -> "list[_Symbol]":
        names = self._sections[table.link].data
        return [
            _Symbol(_text(names, name), information & 15, section, value)
            for name, information, _, section, value, _ in self._rows("IBBHQQ", table.data)
        ]

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
        size = len(section.data)
        if information & 0xFFFFFFFF != _REFERENCE_64:
            raise BadObject(f"{where}: a call of another function ({symbol.name}) can't be loaded")
        if offset % INSTRUCTION_SIZE or offset >= size or section.data[offset] != LOAD_IMMEDIATE:
            raise BadObject(f"{where}: there's no reference here")
        if offset + 2 * INSTRUCTION_SIZE > size:
            raise BadObject(f"{where}: the reference is cut off")
        if not symbol.name or not (in_maps or symbol.section == _UNDEFINED):
            raise BadObject(f"{where}: {symbol.name or 'static data'} is neither a map nor a constant")
        return Reference(offset, symbol.name, in_maps)


def _text(names: bytes, offset: int) -> str:
    return names[offset : names.index(b"\0", offset)].decode("ascii")
