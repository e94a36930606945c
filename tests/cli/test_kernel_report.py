"""What `edgeturn kernel` and `edgeturn run` tell of the kernel path, by what there is: no kernel is asked."""

import sys
from pathlib import Path

import pytest

from edgeturn.cli import kernel_advice, kernel_report
from edgeturn.cli.output import wrapped
from edgeturn.command import kernel
from edgeturn.kernel import flows, hooks
from edgeturn.kernel.attaching.survey import Survey
from edgeturn.kernel.direct.inspection import Inspection, Place
from edgeturn.protocol.address import IPV4, IPV6
from edgeturn.relay.configuration import Configuration


def place(state: int = flows.PROVEN, reason: str = "none", kind: int = flows.TC, number: int = 2) -> Place:
    words = [name for name, _ in flows.HOOK_REASONS]
    return Place(number, "eth0", kind, state, words.index(reason), 7, False, 1, 2, 3)


NOTHING = Survey([], [], {}, [], [], [], {}, [])


def advised(found: Survey, told: dict[str, object] | None = None) -> list[str]:
    settings = Configuration("config relay\n", "test")
    return [each.text for each in kernel_advice.advise(settings, Path("test"), [place()], found, told)]


def test_every_reason_has_a_way_out() -> None:
    assert set(kernel_advice.WAYS_OUT) == {name for name, _ in flows.HOOK_REASONS} - {"none"}


@pytest.mark.parametrize("reason", [name for name, _ in flows.HOOK_REASONS[1:]])
def test_a_hook_that_was_given_up_says_why_and_what_to_do(reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    settings = Configuration("config relay\n", "test")
    places = [place(), place(flows.GIVEN_UP, reason, flows.XDP)]
    (advice,) = kernel_advice.advise(settings, Path("test"), places, NOTHING, None)
    assert "{}" not in advice.text and advice.text.endswith(" tc carries there.") and not advice.short
    report = kernel_report.Report(Inspection(places, 0, 0, {}, {}), [advice])
    report.print_hooks()
    assert f"XDP   given up: {dict(flows.HOOK_REASONS)[reason]}" in capsys.readouterr().out


EVERYTHING = Survey(
    [("gone", flows.TC)], ["losing"], {"x": ["y"]}, ["new"], ["down"], ["joining"],
    {IPV4: ["a", "b"], IPV6: ["c"]}, ["ra"],
)  # fmt: skip


def test_advice_names_the_interfaces() -> None:
    advice = advised(EVERYTHING)
    assert [each.partition(":")[0] for each in advice] == [
        "IPv4 forwarding is off at a, b; IPv6 forwarding is off at c",
        "Before IPv6 forwarding goes on",
        "Somebody took the program away from gone",
        "losing",
        "new",
        "down is down and left out",
        "XDP at x sends nothing out",
        "rx-gro-list is on at joining",
    ]
    assert "net.ipv6.conf.ra.accept_ra=2" in advice[1]


def test_what_is_off_for_both_families_is_said_once() -> None:
    (advice,) = advised(NOTHING._replace(closed={IPV4: ["a"], IPV6: ["a"]}))
    assert advice.startswith("IPv4 and IPv6 forwarding is off at a: what comes in there and goes out by them stays")


@pytest.mark.parametrize("reason", ["permission denied", "operation not permitted"])
def test_a_relay_that_may_not_open_the_maps_is_told_to_be_root(reason: str) -> None:
    told: dict[str, object] = {"state": "failed", "reason": f"can't open the maps: {reason}", "channels": 0}
    advice = advised(EVERYTHING, told)
    assert advice[0].startswith("The maps belong to root: start the relay as root")
    assert not [each for each in advice if "forwarding" in each]


@pytest.mark.parametrize("length", range(20, 120, 7))
def test_lines_end_before_80_and_never_inside_a_command(length: int) -> None:
    command = f"`edgeturn {'word ' * (length // 5)}end`"
    lines = wrapped(f"{'before ' * 13}{command} {'behind ' * 20}", "  - ", "    ").splitlines()
    assert any(command in each for each in lines)
    assert all(len(each) <= 80 or each.strip() == command for each in lines)
    assert lines[0].startswith("  - b") and all(each.startswith("    ") for each in lines[1:])


def test_what_was_not_carried_is_told_by_reason(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = dict.fromkeys([name for name, _ in flows.OUTCOMES], 0)
    outcomes |= {"seen": 9, "carried": 8, "bandwidth": 7, "mtu": 6, "no_flow": 11}
    report = kernel_report.Report(Inspection([place()], 1, 0, outcomes, {}), [])
    report.print_outcomes()
    told = dict(flows.OUTCOMES)
    assert capsys.readouterr().out.splitlines() == [
        "", "Passed to user space since it was attached:",
        f"            11  {told['no_flow']}", f"             6  {told['mtu']}",
        "", "Dropped because a rate is used up: 7 packets.",
    ]  # fmt: skip
    assert report.document()["passed"] == {"no_flow": 11, "mtu": 6} and report.document()["dropped"] == 7


@pytest.mark.parametrize(
    ("unplaced", "expected"),
    [(0, ""), (1, "1 more flow has carried nothing yet."), (4, "4 more flows have carried nothing yet.")],
)
def test_flows_without_an_interface_are_told(unplaced: int, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    report = kernel_report.Report(Inspection([place()], 2, unplaced, {}, {change: [] for change in hooks.CHANGES}), [])
    report.print_relay(None)
    assert capsys.readouterr().out.splitlines()[2:] == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (None, "No relay runs"),
        (
            {"state": "on", "reason": "", "channels": 0, "orphans": 2},
            "the kernel, and 2 of the relay before it.",
        ),
        ({"state": "on", "reason": "", "channels": 1}, "has 1 channel in the kernel"),
        ({"state": "off", "reason": "", "channels": 0}, "option `kernel` was off when it started"),
        ({"state": "failed", "reason": "words", "channels": 0}, "leaves media in Python: words."),
    ],
)
def test_how_the_relay_stands_to_it(told: dict[str, object] | None, expected: str) -> None:
    assert expected in kernel.relay_text(told)


def test_run_says_nothing_of_xdp_that_nobody_asked_for() -> None:
    given_up = place(flows.GIVEN_UP, "native", flows.XDP)
    for hook, expected in (("auto", "."), ("xdp", ", but XDP was given up at eth0: the driver has no native XDP. ")):
        settings = Configuration(f"config relay\n option kernel {hook}\n", "test")
        places = [place(), given_up]
        advice = kernel_advice.advise(settings, Path("test"), places, NOTHING, None)
        (said,) = kernel_report.Report(Inspection(places, 0, 0, {}, {}), advice).summary(Path("test"))
        assert said.startswith(f"Kernel: attached by tc at eth0{expected}")


@pytest.mark.parametrize(
    ("prefix", "base", "expected"),
    [
        ("/usr", "/usr", "the package python3-pyroute2 brings it"),
        ("/home/x/venv", "/usr", "`/here/python -m pip install pyroute2` brings it"),
        ("/usr/local", "/usr/local", "`/here/python -m pip install pyroute2` brings it"),
    ],
)
def test_pyroute2_comes_from_where_this_python_does(
    prefix: str, base: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        for name, value in (("prefix", prefix), ("base_prefix", base), ("executable", "/here/python")):
            patched.setattr(sys, name, value)
        assert kernel_advice.needs_pyroute2().startswith(f"pyroute2 is missing: {expected}")
