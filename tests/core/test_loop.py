"""The loop goes on whatever is due by time goes wrong; those who read sockets have their tests in tests/blackbox."""

from edgeturn.relay.loop import Loop


class _Pool:
    pair_taken = False


class _Relays:
    sockets: "list[object]" = []
    worn: "list[int]" = []
    is_behind = False


class _Turn:
    """A core whose tick fails each time."""

    def __init__(self) -> None:
        self.pool, self.due, self.ticks = _Pool(), 1, 0

    def tick(self, now: int) -> int:
        self.ticks += 1
        raise OSError(24)


def running(turn: _Turn) -> Loop:
    return Loop(turn, _Relays())  # type: ignore[arg-type]


def test_what_is_due_before_a_wait_may_fail() -> None:
    made, calls = running(_Turn()), []
    made.turn.due = 0

    def before_wait() -> int:
        calls.append(1)
        if len(calls) > 1:
            made.running = False
            return 0
        made.soon.append(lambda: None)  # so that nothing waits
        raise ValueError("expected")

    made.before_wait = before_wait
    made.run()
    assert len(calls) == 2 and made.failures == 1


def test_what_is_to_be_reclaimed_may_fail_and_is_tried_again_in_a_second() -> None:
    turn = _Turn()
    made = running(turn)

    def before_wait() -> int:
        made.running = False
        return 0

    made.before_wait = before_wait
    made.run()
    assert turn.ticks == 1 and made.failures == 1
    assert turn.due == made.now + 1
