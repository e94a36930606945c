"""
MicroPython's frozen_content.c, without what the program can work out when it starts.

It is called as `python3 -m firmware.variant.denser FROM TO`.

Rule 1: Hashes, lengths and places of the names are made by names.c in memory; their text is frozen, in one piece.
Rule 2: Text and bytecode are read byte by byte, so nothing of them is aligned.
Rule 3: What isn't as expected is an error of the build: a newer MicroPython may write its file in another way.
"""

import re
import sys
from pathlib import Path

from firmware.variant.recoded import recoded

_POOL = re.compile(
    r"const qstr_hash_t mp_qstr_frozen_const_hashes\[\] = \{.*?\};\s+"
    r"const qstr_len_t mp_qstr_frozen_const_lengths\[\] = \{.*?\};\s+"
    r"extern const qstr_pool_t mp_qstr_const_pool;\s+"
    r"const qstr_pool_t mp_qstr_frozen_const_pool = \{.*?    \{\n(.*?)    \},\n\};",
    re.DOTALL,
)
_NAME = re.compile(r'^ +"(.*)",$', re.MULTILINE)
_OBJECT = re.compile(
    r"^(static const mp_obj_str_t \w+ = \{\{&mp_type_(str|bytes)\}), (\d+), (\d+), "
    r'\(const byte\*\)"(.*)"\};$',
    re.MULTILINE,
)
_BYTECODE = re.compile(r"^static const byte (fun_data_\w+\[\d+\]) =", re.MULTILINE)
_ALIGNED = "__attribute__((aligned(1)))"


class Text:
    """All text in one piece; each is there once."""

    def __init__(self) -> None:
        """Begin with none."""
        self.pieces: list[str] = []
        self.size = 0
        self._places: dict[str, int] = {}

    def add(self, escaped: str) -> int:
        """Return where a text begins that is escaped for C."""
        place = self._places.get(escaped)
        if place is None:
            place = self._places[escaped] = self.size
            self.pieces.append(f'"{escaped}\\0"')
            self.size += _size(escaped) + 1
        return place


def _size(escaped: str) -> int:
    """Return the bytes of a text: MicroPython's tool escapes all of them, by four characters each, or none."""
    return len(escaped) // 4 if escaped.startswith("\\") else len(escaped)


def denser(content: str) -> str:
    """Return the content of frozen_content.c, smaller."""
    pool = _POOL.search(content)
    if pool is None or not _BYTECODE.search(content):
        raise SystemExit("denser.py doesn't know this form of frozen_content.c")
    text = Text()
    names = _NAME.findall(pool[1])
    for name in names:
        text.add(name)
    body = _OBJECT.sub(lambda found: _object(found, text), content)
    body = _BYTECODE.sub(rf"static const byte {_ALIGNED} \1 =", body)
    return _POOL.sub(lambda _: _declared(names, text), body)


def _object(found: "re.Match[str]", text: Text) -> str:
    """Return an object that refers to its text; the hash of bytes is worked out where it is asked for.

    A text keeps its own: an exception's that has none is written to (decompress_error_text_maybe).
    """
    declaration, kind, known, size, escaped = found.groups()
    return f"{declaration}, {known if kind == 'str' else 0}, {size}, frozen_text + {text.add(escaped)}}};"


def _declared(names: "list[str]", text: Text) -> str:
    zeros = [f"    {{{index}, {_size(name)}}},\n" for index, name in enumerate(names) if "\\x00" in name]
    return (
        f"static const byte {_ALIGNED} frozen_text[] =\n    {chr(10).join(text.pieces)};\n\n"
        f"#define NAMES {len(names)}\n"
        f"static const struct with_zero names_with_zero[] = {{\n{''.join(zeros)}    {{NAMES, 0}},\n}};\n"
        '#include "names.c"\n'
    )


if __name__ == "__main__":
    Path(sys.argv[2]).write_text('#include "names.h"\n' + denser(recoded(Path(sys.argv[1]).read_text())))
