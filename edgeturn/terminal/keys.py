"""What keys send, and what they do: a row a key for each mode, from the model to an order.

Rule 1: nothing is ended without a question that was answered with y.
"""

from collections.abc import Callable, Mapping, Sequence

from edgeturn.terminal.picture import User
from edgeturn.terminal.view import (
    DETAIL,
    FILTER,
    HELP,
    LONGEST_FILTER,
    QUESTION,
    TABLE,
    Kick,
    Order,
    Quit,
    Row,
    View,
    chosen_row,
    key_of,
)

PAGE = 10
_FIRST, _LAST = -(10**9), 10**9

# What terminals send (ECMA-48, and xterm's application mode with O).
_SEQUENCES = {
    b"\x1b[A": "up", b"\x1bOA": "up", b"\x1b[B": "down", b"\x1bOB": "down",
    b"\x1b[C": "right", b"\x1bOC": "right", b"\x1b[D": "left", b"\x1bOD": "left",
    b"\x1b[H": "home", b"\x1bOH": "home", b"\x1b[1~": "home", b"\x1b[7~": "home",
    b"\x1b[F": "end", b"\x1bOF": "end", b"\x1b[4~": "end", b"\x1b[8~": "end",
    b"\x1b[5~": "page up", b"\x1b[6~": "page down",
}  # fmt: skip
_LETTERS = {
    b"\t": "tab", b"\r": "enter", b"\n": "enter", b"\x7f": "backspace", b"\x08": "backspace",
    b"\x03": "q", b"\x04": "q", b"\x15": "clear",
}  # fmt: skip
_ESCAPE = 0x1B
_LONGEST_SEQUENCE = 16


def decode(received: bytes, is_all: bool) -> tuple[list[str], bytes]:
    """Return the keys that were pressed, and the rest that isn't whole yet; is_all: nothing more came in time."""
    keys: list[str] = []
    while received:
        size = _size(received)
        if size == 0:
            if not is_all:
                break
            size = 1 if received == b"\x1b" else len(received)
        piece, received = received[:size], received[size:]
        key = _key(piece)
        if key:
            keys.append(key)
    return keys, received


def _size(received: bytes) -> int:
    """Return how long the first key is, 0 where its end isn't there yet."""
    first = received[0]
    if first == _ESCAPE:
        return _size_of_sequence(received)
    size = 1 if first < 0xC0 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    return size if len(received) >= size else 0


def _size_of_sequence(received: bytes) -> int:
    if len(received) == 1:
        return 0
    if received[1] not in b"[O":
        return 1  # the key Escape, and then another
    for at in range(2, min(len(received), _LONGEST_SEQUENCE)):
        if 0x40 <= received[at] <= 0x7E:
            return at + 1
    return _LONGEST_SEQUENCE if len(received) >= _LONGEST_SEQUENCE else 0


def _key(piece: bytes) -> str:
    if piece == b"\x1b":
        return "escape"
    if piece[0] == _ESCAPE:
        return _SEQUENCES.get(piece, "")
    if piece in _LETTERS:
        return _LETTERS[piece]
    text = piece.decode(errors="replace")
    return text if text.isprintable() and text != "\ufffd" else ""


def press(view: View, key: str, shown: Sequence[Row]) -> Order | None:
    """Do what a key means in this mode, with the rows as they are shown; return what is to be done outside."""
    view.note = ""
    action = _MODES[view.mode].get(key)
    if action is not None:
        return action(view, shown)
    if view.mode == FILTER and len(key) == 1 and len(view.filter) < LONGEST_FILTER:
        view.filter += key
    elif view.mode in (HELP, DETAIL, QUESTION):  # any other key goes back
        _back(view, shown)
    return None


Action = Callable[[View, Sequence[Row]], Order | None]


def _quit(view: View, shown: Sequence[Row]) -> Order | None:
    return Quit()


def _into(mode: str) -> Action:
    def into(view: View, shown: Sequence[Row]) -> None:
        view.mode = mode

    return into


def _back(view: View, shown: Sequence[Row]) -> None:
    view.mode, view.question = TABLE, None


def _pause(view: View, shown: Sequence[Row]) -> None:
    view.paused = not view.paused


def _move(by: int) -> Action:
    def move(view: View, shown: Sequence[Row]) -> None:
        if shown:
            at = chosen_row(view, shown)
            there = (0 if by < PAGE else by) if at is None else at + by
            view.index = max(0, min(there, len(shown) - 1))
            view.selected = key_of(shown[view.index])

    return move


def _sort(by: int) -> Action:
    def sort(view: View, shown: Sequence[Row]) -> None:
        heads = [each.head for each in view.columns]
        column = view.columns[(heads.index(view.sorting.head) + by) % len(heads)]
        view.sorting.head, view.sorting.falls = column.head, column.falling

    return sort


def _turn(view: View, shown: Sequence[Row]) -> None:
    view.sorting.falls = not view.sorting.falls


def _other_table(view: View, shown: Sequence[Row]) -> None:
    view.shows_users, view.selected, view.index = not view.shows_users, None, 0


def _chosen(view: View, shown: Sequence[Row]) -> Row | None:
    at = chosen_row(view, shown)
    if at is None:
        view.note = f"Choose one of the {view.noun} first, with the keys up and down."
        return None
    view.index, view.selected = at, key_of(shown[at])
    return shown[at]


def _detail(view: View, shown: Sequence[Row]) -> None:
    if _chosen(view, shown) is not None:
        view.mode = DETAIL


def _kick(view: View, shown: Sequence[Row]) -> None:
    row = _chosen(view, shown)
    if row is None:
        return
    if isinstance(row, User):
        view.question = Kick(user=row.name), f"End all {row.sessions} sessions of user {row.name}?"
    else:
        view.question = Kick(row.number), f"End session {row.number} of {row.user} from {row.told['client']}?"
    view.mode = QUESTION


def _yes(view: View, shown: Sequence[Row]) -> Order | None:
    question = view.question
    _back(view, shown)
    return question[0] if question else None


def _shorten(view: View, shown: Sequence[Row]) -> None:
    view.filter = view.filter[:-1]


def _unfilter(view: View, shown: Sequence[Row]) -> None:
    view.filter, view.mode = "", TABLE


def _clear(view: View, shown: Sequence[Row]) -> None:
    view.filter = ""


def _forget(view: View, shown: Sequence[Row]) -> None:
    view.filter, view.selected, view.index = "", None, 0


_MOVES: dict[str, Action] = {
    "up": _move(-1), "down": _move(1), "page up": _move(-PAGE), "page down": _move(PAGE),
    "home": _move(_FIRST), "end": _move(_LAST),
}  # fmt: skip
_MODES: Mapping[str, Mapping[str, Action]] = {
    TABLE: _MOVES
    | {
        "q": _quit,
        "/": _into(FILTER),
        "?": _into(HELP),
        "h": _into(HELP),
        " ": _pause,
        "p": _pause,
        "s": _sort(1),
        "S": _sort(-1),
        ">": _sort(1),
        "<": _sort(-1),
        "right": _sort(1),
        "left": _sort(-1),
        "r": _turn,
        "k": _kick,
        "tab": _other_table,
        "u": _other_table,
        "enter": _detail,
        "escape": _forget,
    },
    FILTER: _MOVES | {"enter": _back, "escape": _unfilter, "backspace": _shorten, "clear": _clear},
    QUESTION: {"y": _yes, "Y": _yes},
    HELP: {"q": _back},
    DETAIL: _MOVES | {"k": _kick, "q": _back},
}
