"""Rates of two looks, restarts, silence, and how much is remembered."""

import pytest

from edgeturn.terminal import amounts
from edgeturn.terminal.document import document
from edgeturn.terminal.history import SAMPLES
from edgeturn.terminal.picture import Look, Rates, Session, picture, users
from tests.terminal.model import counters, seen, session, status


def test_rates_are_per_second_and_in_bits() -> None:
    before = Look(10.0, status(traffic=counters(100, 60)), [session(1, packets=100, kernel=60)])
    now = Look(12.0, status(traffic=counters(300, 210)), [session(1, packets=300, kernel=210), session(2, packets=50)])
    found = picture(before, now)
    assert found.rates == Rates(800_000.0, 400_000.0, 100.0, 50.0, 0.5)
    assert [each.rates for each in found.sessions] == [found.rates, Rates()]  # of the new one there's no look before


def test_refusals_and_drops_that_grow_have_a_rate() -> None:
    before = Look(0.0, status(refused={"401": 9}, dropped={}))
    found = picture(before, Look(2.0, status(refused={"401": 13, "486": 2}, dropped={"no permission": 1})))
    assert found.refused == {"401": 2.0, "486": 1.0} and found.dropped == {"no permission": 0.5}


def test_users_are_their_sessions_together_who_carries_most_first() -> None:
    rows = [("alice", 10, 0), ("bob", 90, 90), ("alice", 30, 20)]
    before = Look(0.0, status(), [session(at, user) for at, (user, _, _) in enumerate(rows)])
    now = Look(1.0, status(), [session(at, user, packets, kernel) for at, (user, packets, kernel) in enumerate(rows)])
    bob, alice = picture(before, now).users
    assert (bob.name, bob.sessions, bob.rates.up_packets) == ("bob", 1, 90.0)
    assert (alice.sessions, alice.rates.up_packets, alice.rates.kernel) == (2, 40.0, 20 / 60)
    assert alice.carried_bytes == 60_000


@pytest.mark.parametrize("changes", [{"process": 78}, {"allocated_ever": 1}])
def test_a_relay_that_was_started_anew_is_said_so_and_has_no_rates(changes: dict[str, int]) -> None:
    history = seen(Look(0.0, status(traffic=counters(500))), Look(1.0, status(traffic=counters(900), **changes)))
    assert history.picture is not None and history.picture.rates == Rates()
    assert history.restarted == "12:00:00"
    assert not history.series.up_bits


def test_silence_is_remembered_until_somebody_answers() -> None:
    history = seen(Look(0.0, status()))
    history.miss("no relay is reached.", "12:00:01")
    history.miss("no relay is reached.", "12:00:02")
    assert (history.silent, history.silent_since) == ("no relay is reached.", "12:00:01")
    history.see(Look(3.0, status()), "12:00:03")
    assert (history.silent, history.silent_since, history.restarted) == ("", "", "")


def test_no_more_than_the_last_samples_are_kept() -> None:
    history = seen(*(Look(float(at), status(traffic=counters(10 * at * at))) for at in range(2 * SAMPLES)))
    kept = history.series.up_packets
    assert len(kept) == SAMPLES and kept[-1] == 10 * (2 * (2 * SAMPLES - 1) - 1)


def test_a_counter_that_shrank_stands_still() -> None:
    history = seen(Look(0.0, status(traffic=counters(500))), Look(1.0, status(traffic=counters(400))))
    assert history.picture is not None and history.picture.rates.up_bits == 0


def test_json_has_names_and_units() -> None:
    before = Look(0.0, status(), [session(1)])
    found = document(picture(before, Look(1.0, status(traffic=counters(10)), [session(1, packets=10)])))
    assert found["rates"]["up_bits_per_second"] == 80_000 and found["rates"]["kernel_share"] == 0
    assert found["sessions"][0]["client"] == "192.0.2.1:50000"
    assert found["sessions"][0]["rates"]["up_packets_per_second"] == 10
    assert found["users"] == [
        {
            "user": "alice",
            "sessions": 1,
            "credentials": 1,
            "carried_bytes": 15_000,
            "rates": found["sessions"][0]["rates"],
        }
    ]


def test_the_credentials_of_a_user_go_together() -> None:
    names = [
        "1700000000:alice",
        "1700000600:alice",
        "1700000600:alice",
        "alice",
        "1700000000",
        "x:alice",
        "17:" + "a" * 64,
    ]
    found = users([Session(session(number, name), Rates()) for number, name in enumerate(names)])
    assert [(each.name, each.sessions, each.credentials) for each in found] == [
        ("alice", 4, 3), ("1700000000", 1, 1), ("17:" + "a" * 64, 1, 1), ("x:alice", 1, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("amount", "said"),
    [(0, "0"), (0.04, "0"), (0.3, "0.3"), (7, "7"), (9.96, "10"), (999, "999"), (999.6, "1.0k"), (1234, "1.2k"),
     (12_345, "12k"), (999_600, "1.0M"), (34e6, "34M"), (5e9, "5G"), (2e12, "2000G")],
)  # fmt: skip
def test_amounts_take_five_letters(amount: float, said: str) -> None:
    assert amounts.short(amount) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(-1, "0s"), (0, "0s"), (59, "59s"), (60, "1m0s"), (3723, "1h2m"), (90061, "1d1h")]
)
def test_times_have_their_two_largest_parts(seconds: int, said: str) -> None:
    assert amounts.span(seconds) == said


def test_sessions_of_an_earlier_look_keep_their_rates() -> None:
    first, second = [session(1)], [session(1, packets=10)]
    carried = [(0.0, 0, first, 0.0), (1.0, 5, first, 0.0), (2.0, 9, second, 2.0), (3.0, 9, second, 2.0)]
    looks = [Look(at, status(traffic=counters(packets)), rows, rows_at) for at, packets, rows, rows_at in carried]
    history = seen(*looks)
    assert history.picture is not None and history.picture.sessions[0].rates.up_packets == 5  # 10 in two seconds
    assert list(history.series.up_packets) == [5, 4, 0]
