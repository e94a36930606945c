"""A tap and the core: while one is open it stands in some methods' place, and afterwards the core is as it was."""

from types import SimpleNamespace

from edgeturn.relay.observers import Observers
from edgeturn.relay.tap import HOOKS, Taps
from tests.core.dialogue import Server


def test_closing_the_last_leaves_the_core_as_it_was() -> None:
    turn = Server().turn
    before = dict(vars(turn))
    assert not set(HOOKS) & set(before) and all(callable(getattr(type(turn), name)) for name in HOOKS)
    daemon = SimpleNamespace(turn=turn, watched=False, observers=Observers([]))
    taps = Taps(daemon)  # type: ignore[arg-type]
    opened = [taps.begin({"seconds": 5})["tap"] for _ in range(2)]
    for number, tap in enumerate(opened):
        tap.begin(lambda line: True)  # type: ignore[attr-defined]
        assert len(taps.open) == number + 1 and set(HOOKS) <= set(vars(turn)) and daemon.watched
    for tap in opened:
        assert set(HOOKS) <= set(vars(turn))
        tap.close()  # type: ignore[attr-defined]
    assert vars(turn) == before and not daemon.watched
