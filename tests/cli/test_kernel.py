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
from pathlib import Path

import pytest

from edgeturn.cli import kernel, kernel_advice
from edgeturn.cli import place as place_of_file
from edgeturn.kernel import maps
from edgeturn.kernel.attaching import attachment
from edgeturn.kernel.direct import inspection
from edgeturn.kernel.loader import LoadError
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
        "asleep": [], "unpinned": [],
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
        said = tool("status")
        assert (
            "kernel path     attached; carries 0 channels\n" in said and "of it in kernel 0 packets, 0 bytes\n" in said
        )
        assert "The relay that runs has 0 channels in the kernel." in tool("kernel", "status")
        assert json.loads(tool("kernel", "status", "--json"))["relay"]["state"] == "on"
        assert tool("kernel", "detach") == "Detached from lan, wan.\nThe relay that runs goes on in Python.\n"
        assert relay.status()["kernel"]["state"] == "absent"


def test_forwarding_is_explained_and_switched_on_only_on_demand(tool: Call, line: Line, here: Path) -> None:
    forward(line.relay, False)
    try:
        said = tool("kernel", "attach")
        assert "IPv4 forwarding is off at lan, wan" in said and "IPv6 forwarding" not in said
        assert f"`edgeturn kernel attach --enable-forwarding -c {here}` switches it on there" in joined(said)
        assert forwarding(line) == ["0", "0"]
        said = tool("kernel", "attach", "--enable-forwarding")
        assert forwarding(line) == ["1", "1"] and "forwarding is off" not in said
        assert "Changed until `detach`: IPv4 forwarding switched on at lan, wan." in said
        said = tool("kernel", "detach")
        assert said == "Detached from lan, wan.\nPut back: IPv4 forwarding is off again at lan, wan.\n"
        assert forwarding(line) == ["0", "0"]
        tool("kernel", "attach", "--enable-forwarding")
        assert json.loads(tool("kernel", "detach", "--json")) == {
            "detached": ["lan", "wan"], "undone": {"forwarding_ipv4": ["lan", "wan"]}, "pins_lost": False,
            "relay": None,
        }  # fmt: skip
    finally:
        forward(line.relay, True)


def joined(said: str) -> str:
    """Return what was said without its line ends."""
    return " ".join(said.split())


def forwarding(line: Line) -> list[str]:
    with line.relay.entered():
        return [Path(f"/proc/sys/net/ipv4/conf/{name}/forwarding").read_text().strip() for name in ("lan", "wan")]


def test_fraglists_are_explained(tool: Call, line: Line) -> None:
    line.relay.feature("wan", "rx-gro-list", True)
    said = tool("kernel", "attach")
    assert "rx-gro-list is on at wan: " in said and "costs it more CPU" in joined(said)
    command = next(each for each in said.split("`") if "kernel_gro off" in each)
    assert shlex.split(command)[:4] == ["edgeturn", "config", "set", "kernel_gro"]
    tool("config", "set", "kernel_gro", "off")
    said = tool("kernel", "attach")
    assert "Changed until `detach`: rx-gro-list switched off at wan." in said and "is on at" not in said
    assert "Put back: rx-gro-list is on again at wan." in tool("kernel", "detach")
    assert line.relay.feature("wan", "rx-gro-list", False)


def test_interfaces_that_came_later_are_named(tool: Call, line: Line) -> None:
    tool("kernel", "attach")
    cable(line.relay, "later", line.client, "later")
    try:
        line.relay.ip("address", "add", "192.0.2.1/32", "dev", "later")
        assert "later: not attached, or there only since" in tool("kernel", "status")
    finally:
        line.relay.ip("link", "delete", "later")


def test_interfaces_that_are_down_are_named(tool: Call, line: Line, starting: Callable[[], list[str]]) -> None:
    cable(line.relay, "later", line.client, "later")
    try:
        line.relay.ip("address", "add", "192.0.2.1/32", "dev", "later")
        line.relay.ip("link", "set", "later", "down")
        assert "later is down and left out: `ip link set later up` switches it on; then" in joined(
            tool("kernel", "attach")
        )
        assert starting()[0].startswith("Kernel: attached by tc at lan, wan, but later is down. ")
        tool("kernel", "detach")
        for name in ("lan", "wan"):
            line.relay.ip("link", "set", name, "down")
        assert tool("kernel", "attach") == "Nothing to attach to: lan, wan, later are down.\n"
        assert starting() == ["Kernel: media stays in Python: lan, wan, later are down."]
    finally:
        line.relay.ip("link", "delete", "later")
        for name in ("lan", "wan"):
            line.relay.ip("link", "set", name, "up")
        forward(line.relay, True)


def test_a_program_that_somebody_took_away_is_gone(tool: Call, line: Line) -> None:
    tool("kernel", "attach")
    line.relay.tc("qdisc", "delete", "dev", "lan", "clsact")
    said = tool("kernel", "status")
    assert "lan        tc    gone    " in said and "wan        tc    proven" in said
    assert "Somebody took the program away from lan" in said
    hooks_of = json.loads(tool("kernel", "status", "--json"))["hooks"]
    assert [each["state"] for each in hooks_of] == ["gone", "proven"]


def test_filters_whose_pins_are_gone_are_explained(tool: Call, here: Path) -> None:
    tool("kernel", "attach")
    maps.remove_all(inspection.folder_of(Configuration(here.read_text(), str(here))))
    said = joined(tool("kernel", "status"))
    assert "but filters of this relay are at lan, wan: the pins' file system was unmounted" in said
    assert json.loads(tool("kernel", "status", "--json"))["unpinned"] == ["lan", "wan"]
    said = joined(tool("kernel", "detach"))
    assert said.startswith("Detached from lan, wan. Its pins are gone: what attaching changed isn't known; look at ")
    assert tool("kernel", "detach") == "Nothing was attached.\n"


def test_xdp_that_is_asked_for_and_nowhere_possible_is_a_failure(tool: Call, line: Line) -> None:
    line.relay.ip("tuntap", "add", "mode", "tun", "name", "tunnel")
    try:
        line.relay.ip("link", "set", "tunnel", "up")
        said = tool("kernel", "attach", "--interface", "tunnel", "--hook", "xdp", code=1)
        assert "XDP   given up: the driver has no native XDP" in said
        tool("config", "set", "kernel", "xdp")
        tool("kernel", "attach", "--interface", "tunnel")
    finally:
        line.relay.ip("link", "delete", "tunnel")


def test_a_default_file_that_is_not_there_is_not_proposed_to_be_made(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(place_of_file, "default_file", lambda: tmp_path / "none.conf")
    for command in ("attach", "status", "detach"):
        said = call("kernel", command, code=2)
        assert said == f"Error: {tmp_path}/none.conf: there is no such file; name the relay's own file by `-c FILE`.\n"


def test_files_are_never_hidden_by_pins(tool: Call, tmp_path: Path) -> None:
    (tmp_path / "full" / "edgeturn").mkdir(parents=True)
    (tmp_path / "full" / "file").touch()
    tool("config", "set", "kernel_pins", str(tmp_path / "full"))
    tool("config", "set", "control", "/run/edgeturn/control.sock")  # its folder is the one that is there
    said = tool("kernel", "attach", code=1)
    assert f"kernel_pins names {tmp_path}/full, which has files in it and is no BPF file system: " in said
    assert tool("kernel", "detach") == "Nothing was attached.\n" and (tmp_path / "full" / "edgeturn").is_dir()


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
        (
            OSError(errno.EOPNOTSUPP, "/x isn't in a BPF file system: words"),
            "isn't in a BPF file system: `mount -t bpf bpf /sys/fs/bpf` mounts one.",
        ),
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


def without_pyroute2(patched: pytest.MonkeyPatch) -> None:
    for module in (kernel, kernel_advice):
        patched.setattr(module, "has_pyroute2", lambda: False)


def test_without_pyroute2_tc_is_attached_and_taken_away(tool: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        without_pyroute2(patched)
        assert "lan        tc    proven" in tool("kernel", "attach")
        assert "lan        tc    proven" in tool("kernel", "status") and "XDP" not in tool("kernel", "status")
        assert "Detached from lan, wan." in tool("kernel", "detach")
        assert "Nothing is attached" in tool("kernel", "status")


def test_without_pyroute2_who_wants_xdp_is_told_what_brings_it(tool: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        without_pyroute2(patched)
        said = tool("kernel", "attach", "--hook", "xdp", code=1)
        assert kernel_advice.NEEDS_PYROUTE2 in said and "`--hook tc` does without" in said
        tool("config", "set", "kernel", "xdp")
        assert kernel_advice.NEEDS_PYROUTE2 in joined(tool("kernel", "attach"))
        tool("config", "unset", "kernel")


# `edgeturn run`.


@pytest.fixture
def starting(line: Line, here: Path, tool: Call) -> Callable[[], list[str]]:
    """What `run` does about the kernel before it becomes the daemon, and says of it."""

    def starting() -> list[str]:
        with line.relay.entered():
            return kernel.at_start(Configuration(here.read_text(), str(here)), here)

    return starting


def test_run_attaches(starting: Callable[[], list[str]], tool: Call) -> None:
    assert starting() == ["Kernel: attached by tc at lan, wan."] and "proven" in tool("kernel", "status")
    tool("config", "set", "kernel", "xdp")
    assert starting() == ["Kernel: attached by tc at lan, wan and by XDP at lan, wan."]


def test_run_says_what_is_missing(starting: Callable[[], list[str]], line: Line, here: Path) -> None:
    forward(line.relay, False)
    try:
        (nowhere,) = starting()
        line.relay.setting("ipv4/conf/wan/forwarding", 1)
        (half,) = starting()
    finally:
        forward(line.relay, True)
    hint = f"`edgeturn kernel status -c {here}` says what to do."
    attached = "Kernel: attached by tc at lan, wan, but"
    assert nowhere == f"{attached} forwarding is off there: all media stays in Python. {hint}"
    off = "IPv4 forwarding is off at lan: what comes in there and goes out by it stays in Python"
    assert half == f"{attached} {off}. {hint}"


def test_run_attaches_nothing_where_it_is_off(starting: Callable[[], list[str]], tool: Call) -> None:
    tool("config", "set", "kernel", "off")
    assert starting() == [] and "Nothing is attached" in tool("kernel", "status")


def test_run_attaches_nothing_on_the_loopback(starting: Callable[[], list[str]], tool: Call) -> None:
    for name in HERE:
        tool("config", "set", name, "127.0.0.1")
    assert starting() == ["Kernel: media stays in Python: this relay listens and relays on the loopback only."]


def test_run_without_root_says_so_and_starts(
    starting: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "geteuid", lambda: 1000)
        assert starting() == ["Kernel: media stays in Python; start the relay as root to have the kernel carry it."]


def test_run_without_pyroute2_attaches_by_tc(
    starting: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        without_pyroute2(patched)
        assert starting() == ["Kernel: attached by tc at lan, wan."]


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
        assert "Kernel: attached by tc at lan, wan." in said and said.index("Kernel: ") < said.index("edgeturn ready")
        maps = Path(f"/proc/{process.pid}/maps").read_text()
        assert "pyroute2" not in maps and "_asyncio" not in maps
    finally:
        process.terminate()
        assert process.wait(DEADLINE) == 0
    assert inspection.inspect(inspection.folder_of(Configuration(here.read_text(), str(here))))
