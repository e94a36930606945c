"""
The daemon's observer keeps a set of nftables, in a namespace of its own; nft tells what stands in it.

Both interpreters run the same observer, as a program that is told events by lines.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgeturn import seam
from edgeturn.kernel import netfilter
from edgeturn.kernel.openings import Openings
from edgeturn.protocol.address import IPV4, join
from edgeturn.protocol.pool import Relay
from tests.kernel import following
from tests.kernel.lab.topology import Node, Topology
from tests.lab.network import wait_until
from tests.lab.programs import why_no_namespaces
from tools.suite import MICROPYTHON, ROOT

TABLE = "edgeturn-0badcafe"
SET = f"table inet {TABLE} {{\n set relayed {{ type inet_service; flags timeout; }}\n}}\n"
NOBODY = 65534
INTERPRETERS = {"cpython": [sys.executable], "micropython": [str(MICROPYTHON), "-X", "heapsize=16m"]}

Tell = Callable[[str], list[str]]


class Machine(Topology):
    """One namespace."""

    def build(self) -> None:
        self.machine = self.node("machine")


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    lacking = why_no_namespaces()
    if lacking:
        pytest.skip(lacking)
    with Machine() as made:
        yield made.machine


@pytest.fixture
def machine(node: Node) -> Node:
    """The namespace, with an empty set."""
    node.nft("flush ruleset\n" + SET)
    return node


@pytest.fixture(params=INTERPRETERS)
def tell(request: pytest.FixtureRequest, machine: Node) -> Iterator[Tell]:
    """Tell the observer an event; return the lines that it says."""
    with observer(machine, INTERPRETERS[request.param]) as told:
        yield told


@contextmanager
def observer(machine: Node, interpreter: list[str]) -> Iterator[Tell]:
    paths = {"PYTHONPATH": str(ROOT), "MICROPYPATH": f"{ROOT}:.frozen"}
    command = machine.command([*interpreter, following.__file__, TABLE])
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    process = subprocess.Popen(command, env=os.environ | paths, text=True, **pipes)  # type: ignore[call-overload]

    def told(line: str) -> list[str]:
        process.stdin.write(line + "\n")
        process.stdin.flush()
        said: list[str] = []
        while not said or not said[-1].startswith("done"):
            said.append(process.stdout.readline().rstrip("\n"))
            assert said[-1] or process.poll() is None, said
        return [*said[:-1], said[-1].removeprefix("done").strip()]

    try:
        yield told
    finally:
        process.stdin.close()
        assert process.wait(10) == 0


def ports(machine: Node) -> dict[int, tuple[int, int]]:
    """Return the ports in the set, each with the seconds it was given and those it has left."""
    listed = machine.run(["nft", "-j", "list", "set", "inet", TABLE, "relayed"], 10)
    (found,) = [each["set"] for each in json.loads(listed.stdout)["nftables"] if "set" in each]
    elements = [each["elem"] for each in found.get("elem", [])]
    return {each["val"]: (each["timeout"], each["expires"]) for each in elements}


def test_a_port_is_in_the_set_while_it_is_given_to_a_client(machine: Node, tell: Tell) -> None:
    assert tell("allocated 0 50000 600") == [""]
    ((given, left),) = [ports(machine)[50000]]
    assert given == 600 and 590 <= left <= 600
    tell("allocated 1 50001 30")
    assert sorted(ports(machine)) == [50000, 50001]
    assert tell("freed 0") == [""]
    assert sorted(ports(machine)) == [50001]


def test_a_refresh_extends_and_shortens(machine: Node, tell: Tell) -> None:
    tell("allocated 0 50000 100")
    tell("refreshed 0 500")
    assert ports(machine)[50000][1] > 500
    tell("refreshed 0 -300")
    assert 200 < ports(machine)[50000][1] <= 300


def test_a_request_that_changed_no_time_sends_nothing(machine: Node, tell: Tell) -> None:
    tell("allocated 0 50000 100")
    machine.nft(f"flush set inet {TABLE} relayed")
    tell("refreshed 0 0")
    assert not ports(machine)
    tell("refreshed 0 1")
    assert list(ports(machine)) == [50000]


def test_a_port_ends_by_itself(machine: Node, tell: Tell) -> None:
    tell("allocated 0 50000 4")
    tell("allocated 1 50001 600")
    assert sorted(ports(machine)) == [50000, 50001]
    wait_until(lambda: sorted(ports(machine)) == [50001], "the end of a port", 20)
    assert tell("freed 0") == [""]


def test_a_port_that_somebody_took_out_is_no_trouble(machine: Node, tell: Tell) -> None:
    tell("allocated 0 50000 600")
    machine.nft(f"flush set inet {TABLE} relayed")
    assert tell("freed 0")[-1] == "" and tell("allocated 0 50001 600")[-1] == ""
    assert list(ports(machine)) == [50001]


def test_a_table_that_goes_and_comes_is_followed_again(machine: Node, tell: Tell) -> None:
    machine.nft("flush ruleset")
    missing = f"debug firewall table={TABLE} unfollowed reason='there is no such table'"
    assert tell("allocated 0 50000 600") == [missing, ""]
    assert tell("allocated 1 50001 600") == [""]
    assert tell("refreshed 0 1") == [""]
    machine.nft(SET)
    assert tell("allocated 2 50002 600") == [f"debug firewall table={TABLE} followed", ""]
    assert list(ports(machine)) == [50002]
    assert tell("refreshed 0 1") == [""]
    assert sorted(ports(machine)) == [50000, 50002]
    assert tell("refill")[-1] == "(3, '')"
    assert sorted(ports(machine)) == [50000, 50001, 50002]
    machine.nft("flush ruleset")
    assert tell("refill")[-1] == "(0, 'there is no such table')"


def test_many_ports_are_filled_in(machine: Node, tell: Tell) -> None:
    for index in range(following.RELAYS):
        tell(f"allocated {index} {50000 + index} {600 + index}")
    machine.nft(f"flush set inet {TABLE} relayed")
    assert tell("refill") == [f"({following.RELAYS}, '')"]
    found = ports(machine)
    assert sorted(found) == list(range(50000, 50000 + following.RELAYS))
    assert all(port - 50000 + 590 <= left <= port - 50000 + 600 for port, (_, left) in found.items())


def test_an_empty_refill_says_whether_there_is_a_table(machine: Node, tell: Tell) -> None:
    assert tell("refill")[-1] == "(0, '')"
    machine.nft("flush ruleset")
    assert tell("refill")[-1] == "(0, 'there is no such table')"


class Watched:
    """The observer in this process, what it says, and a relay."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []
        self.openings = Openings(TABLE, lambda level, text: self.said.append((level, text)))
        self.relay = Relay(0, IPV4)
        self.relay.address = join(b"\xc0\0\2\1", 50000)

    def allocate(self) -> None:
        self.relay.expires += seam.clock() + 600
        self.openings.allocated(self.relay)


def test_without_permission_it_is_said_once_and_never_tried_again(
    machine: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched()
    with machine.entered():
        os.seteuid(NOBODY)
        try:
            watched.allocate()
        finally:
            os.seteuid(0)
        assert watched.said == [("debug", f"firewall table={TABLE} unfollowed reason='not permitted'")]
        monkeypatch.setattr(netfilter.Relayed, "_exchange", lambda *_: pytest.fail("tried again"))
        watched.allocate()
        watched.openings.freed(watched.relay)
        monkeypatch.undo()
        assert len(watched.said) == 1 and not ports(machine)
        assert watched.openings.refill([watched.relay]) == (0, "not permitted")


def test_a_kernel_without_nf_tables_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise OSError(93, "Protocol not supported")

    monkeypatch.setattr(socket, "socket", refuse)
    watched = Watched()
    watched.allocate()
    watched.allocate()
    watched.openings.freed(watched.relay)
    assert watched.said == [("debug", f"firewall table={TABLE} unfollowed reason='this kernel has no nf_tables'")]


def test_what_is_not_expected_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise OSError(105, "No buffer space available")

    monkeypatch.setattr(socket, "socket", refuse)
    watched = Watched()
    watched.allocate()
    assert watched.said == [("warning", f"firewall table={TABLE} unfollowed reason='no buffer space available'")]


def test_nothing_large_is_imported() -> None:
    found = "print([name for name in ('pyroute2', 'ctypes', 'click') if name in sys.modules])"
    program = f"import sys, edgeturn.kernel.openings; {found}"
    done = subprocess.run([sys.executable, "-c", program], cwd=Path(ROOT), capture_output=True, text=True, timeout=30)
    assert done.stdout == "[]\n", done.stderr
