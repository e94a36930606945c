"""What is drawn: everything at 80x24, and something at every size; names of strangers; silence and trouble."""

import time

import pytest

from edgeturn.terminal.frame import frame, whole
from edgeturn.terminal.glyphs import ASCII, UNICODE, glyphs
from edgeturn.terminal.header import Scene
from edgeturn.terminal.history import History
from edgeturn.terminal.keys import press
from edgeturn.terminal.picture import Look
from edgeturn.terminal.sparkline import sparkline
from edgeturn.terminal.style import ansi, plain, width
from edgeturn.terminal.view import View, rows
from tests.terminal.model import counters, drawn, seen, session, status

ROWS = [("alice", 10, 0), ("bob", 90, 90), ("1763800000:carol", 30, 12)]
HISTORY = seen(
    Look(0.0, status(), [session(at + 1, user) for at, (user, _, _) in enumerate(ROWS)]),
    Look(
        1.0,
        status(traffic=counters(1000, 900), refused={"401": 10, "486": 1}),
        [session(at + 1, user, packets, kernel) for at, (user, packets, kernel) in enumerate(ROWS)],
    ),
)


def test_a_terminal_of_80x24_shows_everything() -> None:
    assert drawn(HISTORY) == [
        "edgeturn 0.1.0  running  up 1 h 2 min  example.org  every 1 s",
        "sessions 3 of 64  so far 9  TCP/TLS 3 of 32  memory 9.0 MB, CPython 3.11.2",
        "kernel attached, carries 2 channels  WAN 203.0.113.7 for 192.168.1.1",
        "up         8 Mbit/s █",
        "down       4 Mbit/s ▅",
        "up         1 kpkt/s █",
        "down      500 pkt/s ▅",
        "kernel         60 % ▆",
        "refused  401 10 +1/s  486 1",
        "dropped  no permission 4",
        "users    bob 1 at 1.1 Mbit/s  carol 1 at 360 kbit/s  alice 1 at 120 kbit/s",
        "3 sessions  by DOWN/s falling",
        " ID  USER              CLIENT           BY    UP/s  DOWN/s▼  PATH     AGE",
        "  2  bob               192.0.2.2:50000  udp   720k     360k  k 67 %  2m0s",
        "  3  1763800000:carol  192.0.2.3:50000  udp   240k     120k  k 27 %  3m0s",
        "  1  alice             192.0.2.1:50000  udp    80k      40k  python  1m0s",
        *[""] * 7,
        "q quit  ? help  / filter  <> sort  tab users  k kick  enter detail  space pause",
    ]


@pytest.mark.parametrize("columns", [1, 2, 7, 20, 40, 60, 80, 120, 300])
@pytest.mark.parametrize("height", [1, 2, 3, 5, 12, 20, 24, 60])
def test_every_size_is_filled_and_none_is_passed(columns: int, height: int) -> None:
    for keys in ((), ("down",), ("tab", "end"), ("?",), ("down", "enter"), ("down", "k"), ("/", "z"), ("k",)):
        view = View()
        for key in keys:
            press(view, key, rows(view, HISTORY.picture))
        for letters in (UNICODE, ASCII):
            lines = frame(Scene(HISTORY, columns, letters, "every 1 s"), view, height)
            assert len(lines) == height and max(width(line) for line in lines) <= columns


def test_a_question_shows_its_answers_however_narrow() -> None:
    view = View()
    for key in ("down", "k"):
        press(view, key, rows(view, HISTORY.picture))
    assert drawn(HISTORY, view)[-1] == "End session 2 of bob from 192.0.2.2:50000? y / n"
    assert drawn(HISTORY, view, 30)[-1].endswith("y / n")


def test_wider_terminals_show_peers_and_relayed_addresses() -> None:
    head = next(line for line in drawn(HISTORY, columns=120) if "CLIENT" in line)
    assert "PEERS" in head and "RELAYED" in head
    assert "CLIENT" not in "".join(drawn(HISTORY, columns=30)) and "USER" in "".join(drawn(HISTORY, columns=30))


def test_low_terminals_keep_the_table() -> None:
    lines = drawn(HISTORY, rows=10)
    assert sum("192.0.2." in line for line in lines) == 3 and lines[0].startswith("edgeturn 0.1.0")
    assert lines[-1].startswith("q quit")


def test_long_tables_show_what_surrounds_the_chosen_row() -> None:
    many = [session(at, "alice", client=f"192.0.2.7:{at}") for at in range(1, 1001)]
    history, view = seen(Look(0.0, status(), many)), View()
    for key in ("s", "s", "s", "s", "s", "s", "s", "end"):
        press(view, key, rows(view, history.picture))
    assert view.sorting.head == "ID" or any("here" in line for line in drawn(history, view))
    assert any(":1000 " in line for line in drawn(history, view))
    assert any("here 991 to 1000" in line for line in drawn(history, view))


def test_names_of_strangers_reach_the_terminal_as_plain_letters() -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\u202e\u0301\u200b漢\x9b31m"
    told = session(1, evil, client=evil, peers=[evil], relayed=[evil], transport=evil)
    history = seen(Look(0.0, status(realm=evil, refused={evil: 1}, dropped={evil: 1}, not_listening=[evil]), [told]))
    for keys in ((), ("tab",), ("down", "enter"), ("down", "k"), ("/", "\u202e")):
        view = View()
        for key in keys:
            press(view, key, rows(view, history.picture))
        for line in frame(Scene(history, 200, UNICODE, evil), view, 40):
            shown = plain(line)
            assert not set(shown) & set(evil[:1] + "\x07\u202e\u0301\u200b漢\x9b"), shown
            assert ansi(line, False).count("\x1b") == sum(
                2 for piece in ansi(line, False).split("\x1b[0m")[:-1] if piece
            )


def test_colours_are_left_out_where_they_are_not_wanted() -> None:
    lines = frame(Scene(HISTORY, 80, UNICODE, ""), View(), 24)
    coloured, without = ("".join(ansi(line, wanted) for line in lines) for wanted in (True, False))
    assert "\x1b[36m" in coloured and "\x1b[32m" in coloured
    assert all(f"\x1b[{code}" not in without for code in ("3", "1;3", "4")) and "\x1b[1m" in without


def test_silence_keeps_the_last_picture_and_says_why() -> None:
    history = seen(Look(0.0, status(), [session(1)]))
    history.miss("no relay is reached: there is no control socket /run/x.", "12:00:05")
    lines = drawn(history)
    assert "NO ANSWER since 12:00:05" in lines[0] and "! no relay is reached" in lines[1]
    assert any("192.0.2.1:50000" in line for line in lines)
    history.see(Look(9.0, status(process=78)), "12:00:09")
    assert "! The relay was started anew, seen at 12:00:09." in drawn(history)


def test_trouble_takes_two_lines_and_no_more() -> None:
    away = [f"192.0.2.{at}" for at in range(5)]
    lines = drawn(seen(Look(0.0, status(addresses_away=away, not_listening=["port 3478 is taken"]))), columns=120)
    assert lines[1] == "! port 3478 is taken; it tries again."
    assert lines[2].endswith("(4 more: `edgeturn status`)")
    assert sum(line.startswith("!") for line in lines) == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"draining": True}, "DRAINING"),
        ({"kernel": {"state": "off", "reason": "", "channels": 0}}, "kernel off, Python carries"),
        ({"dtls": {"sessions": 2, "max_sessions": 16}}, "DTLS 2 of 16"),
        ({"tcp_relay": {"tcp_peers": 1, "max_tcp_peers": 8}}, "TCP peers 1 of 8"),
        ({"reservations": 3}, "reserved 3"),
        (
            {"external": [{"relay_address": "10.0.0.1", "address": "", "problems": []}]},
            "WAN not known yet for 10.0.0.1",
        ),
        ({"external": []}, "kernel attached"),
    ],
)
def test_what_the_relay_is(changes: dict[str, object], said: str) -> None:
    assert said in "\n".join(drawn(seen(Look(0.0, status(**changes))), columns=120))


def test_nothing_seen_yet_is_said() -> None:
    assert drawn(History())[0] == "edgeturn  asking the relay"


@pytest.mark.parametrize(
    ("samples", "columns", "most", "bars"),
    [
        ([0, 1, 4, 7.9, 8], 60, 8, "▁▂▅██"),
        ([8, 0, 8], 2, 8, "▁█"),
        ([None, 5], 9, 5, " █"),
        ([0, 0], 9, 0, "▁▁"),
        ([1], 0, 1, ""),
        ([], 9, 1, ""),
    ],
)
def test_bars_are_as_high_as_their_part_of_the_most(
    samples: list[float | None], columns: int, most: float, bars: str
) -> None:
    assert sparkline(samples, columns, most, UNICODE.bars) == bars


@pytest.mark.parametrize(
    ("encoding", "environment", "found"),
    [
        ("utf-8", {}, UNICODE),
        ("UTF8", {"TERM": "xterm", "LANG": "C"}, UNICODE),
        ("ascii", {}, ASCII),
        ("utf-8", {"TERM": "linux"}, ASCII),
        ("utf-8", {"LC_ALL": "C"}, ASCII),
    ],
)
def test_letters_are_those_that_the_terminal_has(encoding: str, environment: dict[str, str], found: object) -> None:
    assert glyphs(encoding, environment) is found


def test_without_unicode_nothing_but_ascii_is_drawn() -> None:
    for keys in ((), ("?",), ("down", "enter")):
        view = View()
        for key in keys:
            press(view, key, rows(view, HISTORY.picture))
        assert "".join(drawn(HISTORY, view, glyphs=ASCII)).isascii()


def test_one_frame_as_text_has_every_row_and_no_keys() -> None:
    many = [session(at, f"user{at}") for at in range(1, 301)]
    lines = [plain(line) for line in whole(Scene(seen(Look(0.0, status(), many)), 200, UNICODE, "over 1 s"), View())]
    assert sum("198.51.100." in line for line in lines) == 300
    assert not any("quit" in line for line in lines)


def test_thousands_of_sessions_are_drawn_within_a_second() -> None:
    many = [session(at, f"user{at % 500}", packets=at % 77) for at in range(8192)]
    history = seen(Look(0.0, status(), many))
    view, began = View(filter="user4"), time.process_time()
    history.see(Look(1.0, status(), many), "12:00:01")
    assert len(drawn(history, view)) == 24
    assert time.process_time() - began < 1
