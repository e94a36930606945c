"""The whole picture: from what was seen and what was chosen to lines, as many and as wide as the terminal is.

Rule 1: a pure function: the same model gives the same lines. Nothing here knows a terminal.
"""

from collections.abc import Sequence

from edgeturn.command.output import counted
from edgeturn.terminal import overlay
from edgeturn.terminal.columns import GAP, Column, chosen
from edgeturn.terminal.header import Scene, header
from edgeturn.terminal.style import CHOSEN, DIM, HEAD, KEY, PLAIN, WARN, Line, cut, fit
from edgeturn.terminal.view import DETAIL, FILTER, HELP, QUESTION, Row, View, chosen_row, rows

_LEAST_ROWS = 5  # of the table, before the lines above it give way
_NO_LIMIT = 1 << 30

_KEYS = (
    ("q", "quit"),
    ("?", "help"),
    ("/", "filter"),
    ("<>", "sort"),
    ("tab", "users"),
    ("k", "kick"),
    ("enter", "detail"),
    ("space", "pause"),
)
_KEYS_IN = {
    FILTER: (("enter", "keep"), ("esc", "clear"), ("letters", "of user, client or peer")),
    HELP: (("any key", "back"),),
    DETAIL: (("any key", "back"), ("k", "kick")),
}


def frame(scene: Scene, view: View, height: int) -> list[Line]:
    """Return the lines of a terminal of so many rows."""
    if height < 2:
        return header(scene, height)[:height]
    body = [cut(line, scene.columns) for line in _body(scene, view, height - 1)]
    return [*_filled(body, height - 1), _foot(scene, view)]


def _body(scene: Scene, view: View, height: int) -> list[Line]:
    shown = rows(view, scene.history.picture)
    if view.mode == HELP:
        return overlay.help_lines(scene)
    if view.mode == DETAIL:
        return overlay.detail_lines(scene, view, shown)
    above = header(scene, height - 2 - _LEAST_ROWS)
    return above + _table(scene, view, shown, height - len(above))


def whole(scene: Scene, view: View) -> list[Line]:
    """Return everything, however many lines that takes, without what only a person at a keyboard needs."""
    shown = rows(view, scene.history.picture)
    return header(scene, _NO_LIMIT) + _table(scene, view, shown, len(shown) + 2)


def _filled(lines: list[Line], height: int) -> list[Line]:
    empty: list[Line] = [[] for _ in range(height - len(lines))]
    return lines[:height] + empty


def _table(scene: Scene, view: View, shown: Sequence[Row], room: int) -> list[Line]:
    """Return a line about the table, its head and the rows around the chosen one."""
    space = max(room - 2, 0)
    at = chosen_row(view, shown)
    first = max(0, min((at or 0) - space // 2, len(shown) - space))
    visible = shown[first : first + space]
    columns = chosen(view.columns, visible, scene.columns)
    lines = [_about(scene, view, shown, first, visible), _head(scene, view, columns)]
    for index, row in enumerate(visible):
        lines.append(_row(scene, columns, row, index + first == at))
    return lines


def _about(scene: Scene, view: View, shown: Sequence[Row], first: int, visible: Sequence[Row]) -> Line:
    seen = scene.history.picture
    every = 0 if seen is None else len(seen.users if view.shows_users else seen.sessions)
    told = f"{len(shown)} of {every} {view.noun}" if view.filter else counted(every, view.noun[:-1])
    if len(visible) < len(shown):
        told += f", here {first + 1} to {first + len(visible)}"
    order = "falling" if view.sorting.falls else "rising"
    pieces: list[Line] = [[(told, DIM)], [(f"by {view.sorting.head} {order}", DIM)]]
    if view.filter or view.mode == FILTER:
        pieces.insert(1, [("filter: ", DIM), (view.filter, WARN), ("_" if view.mode == FILTER else "", WARN)])
    return fit(pieces, scene.columns)


def _head(scene: Scene, view: View, columns: Sequence[tuple[Column, int]]) -> Line:
    mark = scene.glyphs.falling if view.sorting.falls else scene.glyphs.rising
    cells = []
    for column, width in columns:
        head = column.head + (mark if column.head == view.sorting.head else "")
        cells.append(_aligned(column, head, width, scene.glyphs.more))
    return cut([((" " * GAP).join(cells), HEAD)], scene.columns)


def _row(scene: Scene, columns: Sequence[tuple[Column, int]], row: Row, is_chosen: bool) -> Line:
    cells = [_aligned(column, column.text(row), width, scene.glyphs.more) for column, width in columns]
    text = (" " * GAP).join(cells)
    if is_chosen:
        return cut([(f"{text:<{scene.columns}}", CHOSEN)], scene.columns)
    return cut([(text, PLAIN)], scene.columns)


def _aligned(column: Column, text: str, width: int, more: str) -> str:
    if len(text) > width:
        text = text[: width - 1] + more
    return f"{text:>{width}}" if column.to_the_right else f"{text:<{width}}"


def _foot(scene: Scene, view: View) -> Line:
    """Return the last line: a question, what the last order came to, or the keys."""
    if view.mode == QUESTION and view.question:
        return _question(view.question[1], scene.columns)
    if view.note:
        return cut([(view.note, WARN)], scene.columns)
    return fit(_named(_KEYS_IN.get(view.mode, _KEYS)), scene.columns)


def _question(words: str, columns: int) -> Line:
    """Return a question of which the answers are seen however narrow it is."""
    answers = " y / n"
    return [(words[: max(columns - len(answers), 0)], WARN), *cut([(answers, KEY)], columns)]


def _named(keys: Sequence[tuple[str, str]]) -> list[Line]:
    return [[(key, KEY), (f" {what}", PLAIN)] for key, what in keys]
