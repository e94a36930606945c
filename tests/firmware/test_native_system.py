"""The C module's way to the system: functions by name, polling, signals."""

from unittest import SkipTest

try:
    import _edgeturn as native  # type: ignore[import-not-found]
except ImportError:
    raise SkipTest("this interpreter isn't our firmware")

from edgeturn import seam
from tests.core.dialogue import raises
from tests.firmware.scene import bound


def test_six_arguments_are_the_most() -> None:
    assert raises(TypeError, native.call, "getpid", 0, 0, 0, 0, 0, 0, 0)


def test_poller_says_what_is_ready() -> None:
    (one, first), (other, _) = bound(), bound()
    poller = seam.Poller()
    seen = []
    poller.register(one, lambda events: seen.append(("one", events)))
    poller.register(other, lambda events: seen.append(("other", events)), True, False)
    other.sendto(b"x", seam.native(first))
    for handler, events in poller.wait(1000):
        handler(events)
    assert sorted(seen) == [("one", native.EPOLLIN), ("other", native.EPOLLOUT)]
    poller.register(other, lambda events: None)  # once more, now for what comes
    assert len([events for _, events in poller.wait(0)]) == 1
    poller.unregister(one)
    poller.unregister(one)
    assert [events for _, events in poller.wait(0)] == [] and not poller.wait(0)


def test_what_was_unregistered_meanwhile_is_not_handed_out() -> None:
    socks = [bound() for _ in range(2)]
    poller = seam.Poller()
    calls = []

    def forget_all(events: int) -> None:
        calls.append(events)
        for sock, _ in socks:
            poller.unregister(sock)

    for sock, place in socks:
        poller.register(sock, forget_all)
        sock.sendto(b"x", seam.native(place))
    for handler, events in poller.wait(1000):
        handler(events)
    assert len(calls) == 1


def test_a_socket_that_is_closed_is_no_descriptor() -> None:
    sock, _ = bound()
    sock.close()
    assert raises(OSError, seam.Poller().register, sock, lambda events: None)


def test_signals_are_handled_when_the_wakeup_is_cleared() -> None:
    wakeup, poller = seam.Wakeup(), seam.Poller()
    came: "list[int]" = []
    poller.register(wakeup.sock, lambda events: wakeup.clear())
    seam.catch_signals((seam.SIGHUP, 10), came.append)
    for number in (10, seam.SIGHUP, 10):
        native.call("kill", native.call("getpid"), number)
    assert came == []
    for handler, events in poller.wait(1000):
        handler(events)
    assert came == [seam.SIGHUP, 10] and not poller.wait(0)
    wakeup.wake()
    for handler, events in poller.wait(1000):
        handler(events)
    assert came == [seam.SIGHUP, 10] and not poller.wait(0)


def test_numbers_that_no_signal_has() -> None:
    for number in (0, -1, 64, 1000):
        assert raises(OSError, native.catch_signals, (number,)), number


def test_the_clock_goes_on() -> None:
    with open("/proc/uptime") as file:
        uptime = int(file.read().split(".")[0])
    assert 0 < seam.clock() <= uptime + 1  # which counts suspended time, too
