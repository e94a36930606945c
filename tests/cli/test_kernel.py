"""
`edgeturn kernel` and what `edgeturn run` says of it, as a person sees them.

    client ──── lan  router  wan ──── peer        tests/kernel/lab/topology.py: Line; the tool is called in the router
"""

import errno
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgeturn.cli import kernel, kernel_advice, kernel_report
from edgeturn.kernel import flows
from edgeturn.kernel.attaching import attachment, hooks, inspection, survey
from edgeturn.kernel.attaching.inspection import Inspection, Place
from edgeturn.kernel.attaching.loader import LoadError
from edgeturn.kernel.attaching.survey import Survey
from edgeturn.protocol.address import IPV4, IPV6
from edgeturn.relay.configuration import Configuration
from tests.blackbox.relay import DEADLINE, Relay, until
from tests.cli.conftest import Call
from tests.kernel.lab.kernel import bpffs
from tests.kernel.lab.topology import Line, cable, forward
from tests.lab.programs import why_no_namespaces

HERE = {"listen": "192.0.2.1:3478", "relay_address": "198.51.100.1"}


@pytest.fixture(scope="module")
def line() -> Iterator[Line]:
    lacking = why_no_namespaces()
    if lacking:
        pytest.skip(lacking)
    with Line() as made:
        yield made


@pytest.fixture
def here(file: Path, call: Call, tmp_path: Path) -> Iterator[Path]:
    """The configuration of a relay on the router, with pins of its own."""
    for name, value in HERE.items():
        call("config", "add", name, value, "-c", str(file))
    call("config", "set", "control", str(tmp_path / "control.sock"), "-c", str(file))
    with bpffs(tmp_path / "bpf") as folder:
        call("config", "set", "kernel_pins", str(folder / "edgeturn"), "-c", str(file))
        yield file


@pytest.fixture
def tool(line: Line, here: Path, call: Call) -> Iterator[Call]:
    """Calls the tool in the router on the configuration; whatever a test leaves attached is taken away."""

    def tool(*words: str, code: int = 0, given: str = "") -> str:
        with line.relay.entered():
            return call(*words, "-c", str(here), code=code, given=given)

    yield tool
    tool("kernel", "detach")


def test_attach_status_and_detach(tool: Call, here: Path) -> None:
    assert tool("kernel", "status") == f"Nothing is attached; `edgeturn kernel attach -c {here}` does it, as root.\n"
    said = tool("kernel", "attach")
    assert said.splitlines() == [
        "INTERFACE  HOOK  STATE   FLOWS  PACKETS  BYTES",
        "lan        tc    proven  0      0        0 bytes",
        "wan        tc    proven  0      0        0 bytes",
        "",
        "No relay runs with this configuration now; the next one finds what is attached.",
    ]
    assert tool("kernel", "status") == said
    assert tool("kernel", "detach") == "Detached from lan, wan.\n"
    assert tool("kernel", "detach") == "Nothing was attached.\n"
    assert "Nothing is attached" in tool("kernel", "status")


def test_json(tool: Call) -> None:
    empty = json.loads(tool("kernel", "status", "--json"))
    assert empty == {
        "attached": False, "hooks": [], "flows": 0, "passed": {}, "dropped": 0, "to_do": [], "relay": None,
    }  # fmt: skip
    made = json.loads(tool("kernel", "attach", "--json", "--interface", "wan", "--hook", "xdp"))
    assert [(each["interface"], each["hook"], each["state"]) for each in made["hooks"]] == [
        ("wan", "tc", "proven"), ("wan", "xdp", "proven"),
    ]  # fmt: skip
    assert json.loads(tool("kernel", "status", "--json"))["hooks"] == made["hooks"]


def test_the_configured_hook_is_taken_unless_another_is_named(tool: Call) -> None:
    tool("config", "set", "kernel", "xdp")
    assert "XDP" in tool("kernel", "attach", "--interface", "wan")
    assert "XDP" not in tool("kernel", "attach", "--interface", "wan", "--hook", "tc")
    tool("config", "set", "kernel", "off")
    assert "tc" in tool("kernel", "attach", "--interface", "wan")


def test_a_relay_that_runs_is_told(tool: Call, here: Path, line: Line, interpreter: list[str], tmp_path: Path) -> None:
    pins = Configuration(here.read_text(), str(here)).text("kernel_pins")
    with line.relay.entered():
        relay = Relay(interpreter, tmp_path, {**HERE, "listen": ["192.0.2.1:3478"], "relay_address": ["198.51.100.1"],
                                              "kernel_pins": pins})  # fmt: skip
    with relay:
        said = tool("kernel", "attach")
        assert "The relay that runs has 0 channels in the kernel." in said
        assert relay.status()["kernel"]["state"] == "on"
        assert "The relay that runs has 0 channels in the kernel." in tool("kernel", "status")
        assert json.loads(tool("kernel", "status", "--json"))["relay"]["state"] == "on"
        tool("kernel", "detach")
        assert relay.status()["kernel"]["state"] == "absent"


def test_forwarding_is_explained_and_switched_on_only_on_demand(tool: Call, line: Line, here: Path) -> None:
    forward(line.relay, False)
    try:
        said = tool("kernel", "attach")
        assert "IPv4 forwarding is off at lan, wan" in said and "IPv6 forwarding" not in said
        assert f"`edgeturn kernel attach --enable-forwarding -c {here}` switches it on there" in said
        assert forwarding(line) == ["0", "0"]
        said = tool("kernel", "attach", "--enable-forwarding")
        assert forwarding(line) == ["1", "1"] and "forwarding is off" not in said
        assert "Changed until `detach`: IPv4 forwarding switched on at lan, wan." in said
        tool("kernel", "detach")
        assert forwarding(line) == ["0", "0"]
    finally:
        forward(line.relay, True)


def forwarding(line: Line) -> list[str]:
    with line.relay.entered():
        return [Path(f"/proc/sys/net/ipv4/conf/{name}/forwarding").read_text().strip() for name in ("lan", "wan")]


def test_fraglists_are_explained(tool: Call, line: Line) -> None:
    line.relay.feature("wan", "rx-gro-list", True)
    said = tool("kernel", "attach")
    assert "rx-gro-list is on at wan: " in said and "costs it more CPU" in said
    command = next(each for each in said.split("`") if "kernel_gro off" in each)
    assert shlex.split(command)[:4] == ["edgeturn", "config", "set", "kernel_gro"]
    tool("config", "set", "kernel_gro", "off")
    said = tool("kernel", "attach")
    assert "Changed until `detach`: rx-gro-list switched off at wan." in said and "is on at" not in said
    tool("kernel", "detach")
    assert line.relay.feature("wan", "rx-gro-list", False)


def test_interfaces_that_came_later_are_named(tool: Call, line: Line) -> None:
    tool("kernel", "attach")
    cable(line.relay, "later", line.client, "later")
    try:
        line.relay.ip("address", "add", "192.0.2.1/32", "dev", "later")
        assert "later: not attached, or there only since" in tool("kernel", "status")
    finally:
        line.relay.ip("link", "delete", "later")


def test_a_wrong_interface_is_explained(tool: Call) -> None:
    said = tool("kernel", "attach", "--interface", "nope", code=1)
    assert said == "Error: there is no interface nope; there are lan, lo, wan.\n"


def test_a_relay_on_the_loopback_has_nothing_to_attach_to(tool: Call) -> None:
    for name in HERE:
        tool("config", "set", name, "127.0.0.1")
    said = tool("kernel", "attach")
    assert said == "Nothing to attach to: this relay listens and relays on the loopback only.\n"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(errno.EPERM, "no"), "this takes root, or the capabilities CAP_BPF and CAP_NET_ADMIN"),
        (OSError(errno.ENODEV, "no such device"), "there's no BPF file system at "),
        (OSError(errno.ENOSYS, "no"), "this kernel is built without bpf(2)"),
        (OSError(errno.EINVAL, "invalid"), "the kernel refuses: invalid"),
        (
            OSError(errno.EINVAL, "x is of another version"),
            "x is of another version of edgeturn; `edgeturn kernel attach",
        ),
        (LoadError("the verifier's words"), "the verifier's words"),
    ],
)
def test_what_the_kernel_refuses_is_one_sentence(
    tool: Call, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def refuse(*arguments: object, **more: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(attachment, "attach", refuse)
        answer = tool("kernel", "attach", code=1)
    assert said in answer and len(answer.splitlines()) == 1 and answer.endswith(".\n")


def test_a_place_without_a_file_system_for_pins_is_one_sentence(tool: Call) -> None:
    tool("config", "set", "kernel_pins", "/proc/edgeturn")
    said = tool("kernel", "attach", code=1)
    assert "there's no BPF file system at /proc/edgeturn, and none can be mounted" in said
    tool("config", "set", "kernel_pins", "/run/edgeturn-nothing")


def test_without_pyroute2_the_tool_says_what_brings_it(tool: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    tool("kernel", "attach")
    with monkeypatch.context() as patched:
        for module in (kernel, kernel_advice):
            patched.setattr(module, "has_pyroute2", lambda: False)
        for command in ("attach", "detach"):
            assert "pyroute2 is missing: `pip install pyroute2`" in tool("kernel", command, code=1)
        said = tool("kernel", "status")
    assert "lan        tc    proven" in said and "python3-pyroute2" in said


# What is told, by what there is.


def place(state: int = flows.PROVEN, reason: str = "none", kind: int = flows.TC, number: int = 2) -> Place:
    words = [name for name, _ in flows.HOOK_REASONS]
    return Place(number, "eth0", kind, state, words.index(reason), 7, False, 1, 2, 3)


@contextmanager
def surveyed(monkeypatch: pytest.MonkeyPatch, found: Survey) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setattr(survey, "survey", lambda settings, places: found)
        yield


def test_every_reason_has_a_way_out() -> None:
    assert set(kernel_advice.WAYS_OUT) == {name for name, _ in flows.HOOK_REASONS} - {"none"}


@pytest.mark.parametrize("reason", [name for name, _ in flows.HOOK_REASONS[1:]])
def test_a_hook_that_was_given_up_says_why_and_what_to_do(
    reason: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Configuration("config relay\n", "test")
    places = [place(), place(flows.GIVEN_UP, reason, flows.XDP)]
    with surveyed(monkeypatch, Survey([], [], [], [], {}, [])):
        (advice,) = kernel_advice.advise(settings, Path("test"), places)
    assert "{}" not in advice and advice.endswith(" tc carries there.")
    report = kernel_report.Report(Inspection(places, 0, 0, {}, {}), [advice])
    report.print_hooks()
    assert f"XDP   given up: {dict(flows.HOOK_REASONS)[reason]}" in capsys.readouterr().out


def test_advice_names_the_interfaces(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Survey(["gone"], ["losing"], ["new"], ["joining"], {IPV4: ["a", "b"], IPV6: ["c"]}, ["ra"])
    with surveyed(monkeypatch, found):
        advice = kernel_advice.advise(Configuration("config relay\n", "test"), Path("test"), [place()])
    assert [each.partition(":")[0] for each in advice] == [
        "Somebody took the program away from gone",
        "losing",
        "new",
        "IPv4 forwarding is off at a, b",
        "IPv6 forwarding is off at c",
        "Before IPv6 forwarding goes on",
        "rx-gro-list is on at joining",
    ]
    assert "net.ipv6.conf.ra.accept_ra=2" in advice[5]


def test_what_was_not_carried_is_told_by_reason(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = dict.fromkeys([name for name, _ in flows.OUTCOMES], 0)
    outcomes |= {"seen": 9, "carried": 8, "bandwidth": 7, "mtu": 6, "no_flow": 11}
    report = kernel_report.Report(Inspection([place()], 1, 0, outcomes, {}), [])
    report.print_outcomes()
    told = dict(flows.OUTCOMES)
    assert capsys.readouterr().out.splitlines() == [
        "", "Passed to user space:", f"            11  {told['no_flow']}", f"             6  {told['mtu']}",
        "", "Dropped because a rate is used up: 7 packets.",
    ]  # fmt: skip
    assert report.document()["passed"] == {"no_flow": 11, "mtu": 6} and report.document()["dropped"] == 7


@pytest.mark.parametrize(("unplaced", "expected"), [(0, ""), (1, "Besides, 1 flow for which nothing came back yet.")])
def test_flows_without_an_interface_are_told(unplaced: int, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    report = kernel_report.Report(Inspection([place()], 2, unplaced, {}, {change: [] for change in hooks.CHANGES}), [])
    report.print_relay(None)
    assert capsys.readouterr().out.splitlines()[2:] == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (None, "No relay runs"),
        ({"state": "on", "reason": "", "channels": 1}, "has 1 channel in the kernel"),
        ({"state": "off", "reason": "", "channels": 0}, "option `kernel` was off when it started"),
        ({"state": "failed", "reason": "words", "channels": 0}, "leaves media in Python: words."),
    ],
)
def test_how_the_relay_stands_to_it(told: dict[str, object] | None, expected: str) -> None:
    assert expected in kernel_report.relay_text(told)


# `edgeturn run`.


@pytest.fixture
def starting(line: Line, here: Path, tool: Call) -> Callable[[], list[str]]:
    """What `run` does about the kernel before it becomes the daemon, and says of it."""

    def starting() -> list[str]:
        with line.relay.entered():
            return kernel.at_start(Configuration(here.read_text(), str(here)), here)

    return starting


def test_run_attaches(starting: Callable[[], list[str]], tool: Call) -> None:
    assert starting() == ["Kernel: tc at lan, wan."] and "proven" in tool("kernel", "status")
    tool("config", "set", "kernel", "xdp")
    assert starting() == ["Kernel: tc at lan, wan; XDP at lan, wan."]


def test_run_says_what_is_missing(starting: Callable[[], list[str]], line: Line, here: Path) -> None:
    forward(line.relay, False)
    try:
        first, second = starting()
    finally:
        forward(line.relay, True)
    assert first == "Kernel: tc at lan, wan."
    assert second == (
        "Kernel: IPv4 forwarding is off at lan, wan: what comes in there and goes out by IPv4 stays in Python. "
        f"`edgeturn kernel status -c {here}` says what to do."
    )


def test_run_attaches_nothing_where_it_is_off(starting: Callable[[], list[str]], tool: Call) -> None:
    tool("config", "set", "kernel", "off")
    assert starting() == [] and "Nothing is attached" in tool("kernel", "status")


def test_run_attaches_nothing_on_the_loopback(starting: Callable[[], list[str]], tool: Call) -> None:
    for name in HERE:
        tool("config", "set", name, "127.0.0.1")
    assert starting() == ["Kernel: media stays in Python: this relay is on the loopback only."]


def test_run_without_root_says_so_and_starts(
    starting: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "geteuid", lambda: 1000)
        assert starting() == ["Kernel: media stays in Python, for attaching takes root."]


def test_run_without_pyroute2_says_so_and_starts(
    starting: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(kernel, "has_pyroute2", lambda: False)
        (said,) = starting()
    assert said.startswith("Kernel: media stays in Python: pyroute2 is missing: `pip install pyroute2`")


@pytest.mark.parametrize("error", [OSError(errno.EINVAL, "no"), LoadError("no"), ValueError("a defect")])
def test_run_starts_whatever_goes_wrong(
    starting: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*arguments: object, **more: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(attachment, "attach", refuse)
        (said,) = starting()
    assert said.startswith("Kernel: media stays in Python")


def test_a_relay_started_by_run_finds_what_run_attached(tool: Call, here: Path, line: Line, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "edgeturn", "run", "-c", str(here)]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(line.relay.command(words), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        until(lambda: "state=on" in (tmp_path / "log").read_text() or process.poll() is not None, "the kernel path")
        said = (tmp_path / "log").read_text()
        assert "Kernel: tc at lan, wan." in said and said.index("Kernel: ") < said.index("edgeturn ready")
        maps = Path(f"/proc/{process.pid}/maps").read_text()
        assert "pyroute2" not in maps and "_asyncio" not in maps
    finally:
        process.terminate()
        assert process.wait(DEADLINE) == 0
    assert inspection.inspect(inspection.folder_of(Configuration(here.read_text(), str(here))))
