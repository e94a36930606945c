"""
MicroPython's frozen_content.c with one table of names for all modules, and without what the program never looks at.

Each module has a table of its names, and says a name by its place there. All tables are a sixth of the bytecode's size,
and the same statement is other bytes in each module, which packs badly. So all share one, in which the most frequent
names come first; names.c makes it when the program starts.

Rule 1: What a program does stays. Left out are the names that an import lists before it takes them one by one, and what
        a class says of the module and the function in which it stands.
Rule 2: What isn't as expected is an error of the build: a newer MicroPython may write its file in another way.

The first name of a module's table is its file's: as they share one, a traceback has functions' names only.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from firmware.variant.bytecode import NAME, Instruction, assembled, encode_number, encode_sizes, linked, number, without

_BYTES = r"[0-9a-fx,]"
_FUNCTION = re.compile(
    r"^static const byte fun_data_(?P<name>\w+)\[\d+\] = \{\n"
    rf" {{4}}(?P<prelude>{_BYTES}+) // prelude\n"
    rf" {{4}}(?P<names>{_BYTES}+) // names: .*\n"
    rf" {{4}}(?P<cells>{_BYTES}*) // code info\n"
    rf"(?P<code>(?: {{4}}{_BYTES}+ // .*\n)+)\}};$",
    re.MULTILINE,
)
_TABLE = re.compile(
    r"^static const qstr_short_t const_qstr_table_data_\w+\[\d+\] = \{\n(.*?)\};\n", re.MULTILINE | re.DOTALL
)
_USE = re.compile(r"\(qstr_short_t \*\)&const_qstr_table_data_\w+")
_FROZEN = re.compile(r"^enum \{\n(.*?)\};$", re.MULTILINE | re.DOTALL)
_MODULE = re.compile(r"^// frozen module \w+$", re.MULTILINE)
_IDENTIFIER = re.compile(r"\bMP_QSTR_\w*")

_LOADS = (0x10, 0x11)  # MP_BC_LOAD_CONST_STRING, MP_BC_LOAD_NAME
_STORE_NAME, _IMPORT_NAME = 0x16, 0x1B
_BUILD_TUPLE, _LOAD_TRUE = 0x2A, b"\x52"
_OF_CLASSES = ("MP_QSTR___module__", "MP_QSTR___qualname__")
_FILE = "MP_QSTR_edgeturn"  # of each function, in a traceback
_SHORT = 128  # places that one byte tells


class Function:
    """One function's bytecode: its own name and its arguments', the cells that it shares with others, instructions."""

    def __init__(self, found: re.Match[str], table: list[str]) -> None:
        """Take it from its part of the file, and the names of its module."""
        prelude, names = _bytes(found["prelude"]), _bytes(found["names"])
        self._signature = prelude[: next(place for place, byte in enumerate(prelude) if byte < 0x80) + 1]
        self._cells = _bytes(found["cells"])
        if encode_sizes(len(names), len(self._cells)) != prelude[len(self._signature) :]:
            raise SystemExit(f"recoded.py doesn't know this form of a function: {found['name']}")
        self.names = []
        while names:
            place, size = number(names)
            self.names.append(table[place])
            names = names[size:]
        pieces = [_bytes(line.split("//")[0]) for line in found["code"].splitlines()]
        self.code = linked(pieces, table)

    def said(self) -> list[str]:
        """Return each name as often as it is there."""
        return self.names + [each.name for each in self.code if each.format == NAME]

    def encoded(self, places: dict[str, int]) -> bytes:
        """Return its bytes for a table that has names at these places."""
        names = b"".join(encode_number(places[name]) for name in self.names)
        sizes = encode_sizes(len(names), len(self._cells))
        return self._signature + sizes + names + self._cells + assembled(self.code, places)


def _bytes(text: str) -> bytes:
    return bytes(int(each, 16) for each in text.replace(" ", "").split(",") if each)


def _lighter(code: list[Instruction]) -> list[Instruction]:
    """Leave out what no program looks at."""
    gone: set[int] = set()
    for index, each in enumerate(code):
        if each.opcode == _IMPORT_NAME and code[index - 1].opcode == _BUILD_TUPLE:
            # MicroPython only looks whether the list of names is None.
            count = number(code[index - 1].rest)[0]
            gone.update(range(index - 1 - count, index - 1))
            code[index - 1] = Instruction(_LOAD_TRUE, [])
        elif each.opcode == _STORE_NAME and each.name in _OF_CLASSES and code[index - 1].opcode in _LOADS:
            gone.update((index - 1, index))
    return without(code, gone)


def recoded(content: str) -> str:
    """Return the content of frozen_content.c with one table of names."""
    frozen = _FROZEN.search(content)
    functions = {found["name"]: Function(found, table) for found, table in found_functions(content)}
    if frozen is None or not functions or len(functions) != content.count("static const byte fun_data_"):
        raise SystemExit("recoded.py doesn't know this form of frozen_content.c")
    for function in functions.values():
        function.code = _lighter(function.code)
    own = _IDENTIFIER.findall(frozen[1])
    first, places = _order(functions.values(), own)
    body = _FUNCTION.sub(lambda found: _written(found["name"], functions[found["name"]].encoded(places)), content)
    declared = frozen[0] + _declared(first, len(own))
    return _USE.sub("frozen_table", _TABLE.sub("", body)).replace(frozen[0], declared, 1)


def found_functions(content: str) -> Iterator[tuple[re.Match[str], list[str]]]:
    """Yield each function, and the table of its module."""
    for text in _MODULE.split(content)[1:]:
        for table in _TABLE.findall(text):
            names = _IDENTIFIER.findall(table)
            yield from ((found, names) for found in _FUNCTION.finditer(text))


def _order(functions: Iterable[Function], frozen: list[str]) -> tuple[list[str], dict[str, int]]:
    """Return what comes before all frozen names in their order, and the place of each name."""
    counts = Counter(name for function in functions for name in function.said())
    own = set(frozen)
    frequent = [name for name, _ in counts.most_common(_SHORT - 1)]
    others = sorted(name for name in counts if name not in own and name not in frequent)
    first = [_FILE, *frequent, *others]
    return first, {name: place for place, name in reversed(list(enumerate(first + frozen)))}


def _written(name: str, data: bytes) -> str:
    lines = [data[at : at + 24] for at in range(0, len(data), 24)]
    body = "".join(f"    {''.join(f'0x{byte:02x},' for byte in line)}\n" for line in lines)
    return f"static const byte fun_data_{name}[{len(data)}] = {{\n{body}}};"


def _declared(first: list[str], frozen: int) -> str:
    names = "".join(f"    {name},\n" for name in first)
    return (
        f"\n\n#define FIRST {len(first)}\n#define FROZEN {frozen}\n"
        f"static const qstr_short_t frozen_first[] = {{\n{names}}};\n"
        "static qstr_short_t frozen_table[FIRST + FROZEN];\n"
    )
