"""What terminals send as keys, and what keys do: choosing, sorting, filtering, the question before ending."""

import pytest

from edgeturn.terminal.keys import decode, press
from edgeturn.terminal.picture import Look
from edgeturn.terminal.view import DETAIL, FILTER, HELP, QUESTION, TABLE, Kick, Order, Quit, View, key_of, rows
from tests.terminal.model import seen, session, status

PICTURE = seen(
    Look(0.0, status(), [session(1), session(2, "bob"), session(3)]),
    Look(
        1.0,
        status(),
        [session(1, packets=50), session(2, "bob", packets=90), session(3, packets=10, tcp_peers=["[2001:db8::9]:80"])],
    ),
).picture


def typed(view: View, *keys: str) -> Order | None:
    """Press keys one after the other; return what the last one orders."""
    order = None
    for key in keys:
        order = press(view, key, rows(view, PICTURE))
    return order


def shown(view: View) -> list[int | str]:
    return [key_of(row) for row in rows(view, PICTURE)]


@pytest.mark.parametrize(
    ("received", "keys"),
    [
        (b"q", ["q"]),
        (b"\x1b[A\x1b[B\x1bOA", ["up", "down", "up"]),
        (b"\x1b[5~\x1b[6~k", ["page up", "page down", "k"]),
        (b"\x1b[1;5A", []),  # with Ctrl: nothing of ours, and no letters of it
        (b"\x1b[200~", []),
        (b"\r\t\x7f ", ["enter", "tab", "backspace", " "]),
        ("ä€😀".encode(), ["ä", "€", "😀"]),
        (b"\xff\xfe\x01", []),
        (b"\x1bq", ["escape", "q"]),
    ],
)
def test_keys_are_read_from_what_terminals_send(received: bytes, keys: list[str]) -> None:
    assert decode(received, True) == (keys, b"")


@pytest.mark.parametrize("whole", [b"\x1b[A", b"\x1b[5~", "€".encode()])
def test_a_key_that_came_in_part_is_waited_for(whole: bytes) -> None:
    for size in range(1, len(whole)):
        assert decode(whole[:size], False) == ([], whole[:size])
    assert decode(b"\x1b", True) == (["escape"], b"")


def test_whatever_comes_is_taken_apart() -> None:
    for first in range(256):
        for second in (0, 27, 91, 200):
            assert decode(bytes((first, second, 91, 49)), True)[1] == b""
    assert decode(b"\x1b[" + b"1" * 100, True)[1] == b""


def test_sorting_goes_through_the_columns_and_turns_round() -> None:
    view = View()
    assert shown(view) == [2, 1, 3]  # who gets most first
    typed(view, "r")
    assert shown(view) == [3, 1, 2]
    typed(view, ">", ">", ">", ">")
    assert view.sorting.head == "PEERS" and shown(view) == [3, 1, 2]
    typed(view, ">", ">")
    assert view.sorting.head == "ID" and shown(view) == [1, 2, 3]
    typed(view, "<")
    assert view.sorting.head == "RELAYED"


def test_every_column_of_both_tables_can_be_sorted_by() -> None:
    for first in ((), ("tab",)):
        view = View()
        typed(view, *first)
        for column in view.columns:
            view.sorting.head = column.head
            assert len(shown(view)) == (2 if first else 3), column.head


@pytest.mark.parametrize(
    ("typing", "found"),
    [("BOB", [2]), ("192.0.2.3", [3]), ("198.51.100.1", [1]), ("2001:db8", [3]), (":49154", [2]), ("nobody", [])],
)
def test_a_filter_looks_at_user_client_relayed_address_and_peers(typing: str, found: list[int]) -> None:
    view = View()
    typed(view, "/", *typing)
    assert view.mode == FILTER and shown(view) == found
    typed(view, "enter")
    assert view.mode == TABLE and shown(view) == found
    typed(view, "escape")
    assert shown(view) == [2, 1, 3]


def test_letters_of_a_filter_are_no_orders() -> None:
    view = View()
    typed(view, "/", "q", "k", "?", "backspace")
    assert (view.mode, view.filter) == (FILTER, "qk")
    typed(view, *("x" * 500))
    assert len(view.filter) == 64
    typed(view, "clear")
    assert view.filter == ""


def test_a_row_stays_chosen_wherever_sorting_moves_it() -> None:
    view = View()
    typed(view, "down", "down")
    assert view.selected == 1
    typed(view, "r", "down")
    assert view.selected == 2
    typed(view, "home", "up")
    assert view.selected == 3
    typed(view, "page down")
    assert view.selected == 2


def test_nothing_is_ended_without_an_answer_of_yes() -> None:
    for keys, order in (
        (("down", "k", "y"), Kick(session=2)),
        (("tab", "down", "k", "Y"), Kick(user="bob")),
        (("down", "k", "n"), None),
        (("down", "k", "enter"), None),
        (("down", "k", "k"), None),
        (("down", "y"), None),
        (("k", "y"), None),  # none is chosen
    ):
        view = View()
        assert typed(view, *keys) == order, keys
        assert view.mode == TABLE and view.question is None


def test_the_question_names_what_would_end() -> None:
    view = View()
    typed(view, "down", "k")
    assert view.mode == QUESTION and view.question is not None
    assert view.question[1] == "End session 2 of bob from 192.0.2.2:50000?"


def test_help_detail_pause_and_quit() -> None:
    view = View()
    assert typed(view, "?") is None and view.mode == HELP
    assert typed(view, "q") is None and view.mode == TABLE
    typed(view, "enter")
    assert view.mode == TABLE and "Choose one" in view.note
    typed(view, "down", "enter")
    assert view.mode == DETAIL
    typed(view, "x", " ")
    assert view.mode == TABLE and view.paused
    assert isinstance(typed(view, "q"), Quit)


def test_on_an_empty_table_no_key_fails() -> None:
    for key in ("up", "down", "end", "home", "k", "enter", "s", "r", "tab", "page down"):
        view = View()
        press(view, key, [])
        assert view.selected is None and view.mode == TABLE
