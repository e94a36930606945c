"""Pieces of text with a style, and the ANSI sequences that show it.

Rule 1: what comes from elsewhere reaches the terminal through `clean` only: letters of one column, no control
        characters, so no name that a stranger chose moves a cursor.
Rule 2: without colours (NO_COLOR, https://no-color.org) bold, dim and reverse remain.
"""

from collections.abc import Sequence

Piece = tuple[str, str]  # text, name of its style
Line = list[Piece]

PLAIN, BOLD, DIM, HEAD, CHOSEN, GOOD, WARN, BAD, GRAPH, KEY = (
    "plain", "bold", "dim", "head", "chosen", "good", "warn", "bad", "graph", "key",
)  # fmt: skip
_CODES = {
    PLAIN: ("", ""),
    BOLD: ("1", "1"),
    DIM: ("2", "2"),
    HEAD: ("1;4", "1;4"),
    CHOSEN: ("7", "7"),
    GOOD: ("32", ""),
    WARN: ("33", "1"),
    BAD: ("1;31", "1"),
    GRAPH: ("36", ""),
    KEY: ("1;36", "1"),
}
_ONE_COLUMN = 0x300  # from here on there are letters of none and of two columns
_OURS = frozenset("▁▂▃▄▅▆▇█▲▼…↑↓—–’")


def clean(text: str) -> str:
    """Return text with one column a letter, ? for all else."""
    return "".join([each if _is_plain(each) else "?" for each in text])


def _is_plain(letter: str) -> bool:
    if letter in _OURS:
        return True
    return letter.isprintable() and letter < chr(_ONE_COLUMN) and letter != "\xad"


def width(line: Line) -> int:
    """Return how many columns a line takes."""
    return sum(len(text) for text, _ in line)


def cut(line: Line, columns: int) -> Line:
    """Return what of a line stands in so many columns."""
    kept: Line = []
    for text, style in line:
        if columns <= 0:
            break
        kept.append((text[:columns], style))
        columns -= len(text)
    return kept


def plain(line: Line) -> str:
    """Return a line without its styles."""
    return clean("".join([text for text, _ in line])).rstrip()


def ansi(line: Line, has_colours: bool) -> str:
    """Return a line with the sequences of its styles."""
    column = 0 if has_colours else 1
    return "".join([_styled(clean(text), _CODES[style][column]) for text, style in line])


def _styled(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if code else text


def fit(pieces: Sequence[Line], columns: int, more: str = "", gap: str = "  ") -> Line:
    """Return the first of some pieces that stand beside each other in so many columns, the very first cut if need be.

    more: what says that others were left out.
    """
    line: Line = []
    for index, piece in enumerate(pieces):
        beside = [(gap, PLAIN), *piece] if line else piece
        reserved = len(more) + 1 if more and index < len(pieces) - 1 else 0
        if line and width(line) + width(beside) + reserved > columns:
            return cut([*line, (f" {more}", DIM)] if more else line, columns)
        line = [*line, *beside]
    return cut(line, columns)
