"""What is kept of strangers: bounded, and gone after its time."""

from edgeturn.web import guard
from edgeturn.web.guard import Guesses, Passing
from edgeturn.web.history import EVERY, POINTS, History


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_sessions_are_few_and_end() -> None:
    clock = Clock()
    sessions = Passing(3, 60, clock)
    issued = [sessions.issue() for _ in range(4)]
    assert [sessions.holds(each) for each in issued] == [False, True, True, True]
    assert sessions.end(issued[1]) and not sessions.end(issued[1]) and not sessions.holds(issued[1])
    clock.now += 61
    assert not sessions.holds(issued[3]) and not sessions.holds("")


def test_guesses_are_counted_by_source_and_forgiven() -> None:
    clock = Clock()
    guesses = Guesses(clock)
    for _ in range(guard.GUESSES):
        assert not guesses.seconds_to_wait("2001:db8::1")
        guesses.note("2001:db8::1")
    assert guesses.seconds_to_wait("2001:db8::ffff") > 0, "the same /64"
    assert not guesses.seconds_to_wait("2001:db8:0:1::1") and not guesses.seconds_to_wait("192.0.2.1")
    clock.now += guard.GUESS_SECONDS + 1
    assert not guesses.seconds_to_wait("2001:db8::1")


def test_many_sources_take_no_memory() -> None:
    guesses = Guesses(Clock())
    for number in range(2 * guard.MOST_SOURCES):
        guesses.note(f"10.0.{number >> 8}.{number & 255}")
    assert len(guesses._wrong) == guard.MOST_SOURCES


def status(up: int, kernel: int = 0, process: int = 1) -> dict[str, object]:
    traffic = {"up_bytes": up, "down_bytes": 0, "kernel_bytes": kernel}
    return {"process": process, "allocations": 2, "traffic": traffic, "refused": {"401": up}, "dropped": {}}


def test_history_tells_rates() -> None:
    history = History()
    history.add(0, status(1000))
    assert history.since(-1) == [], "one total is no rate"
    history.add(5, status(2000, 250))
    (point,) = history.since(0)
    assert point == {"at": 5, "sessions": 2, "up": 1600, "down": 0, "kernel": 25, "refused": 200, "dropped": 0}
    history.add(10, status(2000, 250))
    assert history.since(5)[0]["kernel"] is None, "nothing was relayed"
    history.add(15, None)
    history.add(20, status(7, process=2))
    history.add(25, status(7, process=3))
    assert history.since(10) == [{"at": 15}], "neither a gap nor another relay makes a rate"


def test_history_is_ten_minutes() -> None:
    history = History()
    for number in range(3 * POINTS):
        history.add(number * EVERY, status(number))
    kept = history.since(-1)
    assert len(kept) == POINTS and (kept[-1]["at"] or 0) - (kept[0]["at"] or 0) == 600
