"""`edgeturn top` in a real terminal (tmux) at a real relay: seen, filtered, ended, resized, restarted; and without one.

tmux, 80x24: edgeturn top -- control socket -- relay -- allocations of alice and bob
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.blackbox.client import CHANNEL, Client, Peer
from tests.blackbox.relay import ROOT, Relay, until
from tests.cli.conftest import Call, call

__all__ = ["call"]
WAIT = 40.0
_TOOL = "from edgeturn.cli import main; main()"


class Terminal:
    """A terminal of tmux in which the tool runs."""

    def __init__(self, folder: Path, file: Path, columns: int = 80, rows: int = 24) -> None:
        self._tmux = ["tmux", "-S", str(folder / "tmux.sock"), "-f", "/dev/null"]
        tool = f"{sys.executable} -c '{_TOOL}' top --interval 0.2 -c {file}; echo ENDED $?; stty -a; exec sleep 60"
        self.run("new-session", "-d", "-x", str(columns), "-y", str(rows), f"cd {ROOT}; {tool}")

    def run(self, *words: str) -> str:
        environment = os.environ | {"LC_ALL": "C.UTF-8", "TERM": "xterm"}
        environment.pop("TMUX", None)
        done = subprocess.run([*self._tmux, *words], env=environment, capture_output=True, text=True, timeout=WAIT)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def lines(self) -> list[str]:
        return self.run("capture-pane", "-p").splitlines()

    def shows(self, *words: str) -> list[str]:
        """Wait until some words are on the screen; return its lines."""
        found: list[str] = []

        def are_there() -> bool:
            found[:] = self.lines()
            return all(word in "\n".join(found) for word in words)

        try:
            until(are_there, f"{words} on the screen", WAIT)
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), *found])) from None
        return found

    def press(self, *keys: str) -> None:
        self.run("send-keys", *keys)

    def close(self) -> None:
        self.run("kill-server")


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def relay(stack: ExitStack, tmp_path: Path) -> Relay:
    return stack.enter_context(Relay([sys.executable], tmp_path, {}))


def session(stack: ExitStack, relay: Relay, user: str) -> Client:
    client, peer = Client(relay.server(), user), Peer()
    stack.callback(client.close)
    stack.callback(peer.close)
    client.allocate()
    assert client.bind(CHANNEL, peer.address) == 0
    return client


def place(client: Client) -> str:
    return "{}:{}".format(*client.address)


@pytest.mark.skipif(shutil.which("tmux") is None, reason="there is no tmux here")
def test_somebody_watches_a_relay_in_a_terminal(stack: ExitStack, relay: Relay, tmp_path: Path) -> None:
    alice, bob = session(stack, relay, "alice"), session(stack, relay, "bob")
    terminal = Terminal(tmp_path, relay.file)
    stack.callback(terminal.close)
    seen = terminal.shows("sessions 2 of 8", place(alice), place(bob), "running", "q quit")
    assert len(seen) == 24 and all(len(line) <= 80 for line in seen)

    def grows() -> bool:
        alice.channel(CHANNEL, bytes(1000))
        return any(line.startswith("up") and "bit/s" in line and " 0 bit/s" not in line for line in terminal.lines())

    until(grows, "a rate", WAIT)

    terminal.press("/", "b", "o")
    assert not any(place(alice) in line for line in terminal.shows("1 of 2 sessions", "filter: bo", place(bob)))
    terminal.press("Enter", "Down", "k")
    terminal.shows("End session 2 of bob from", "y / n")
    terminal.press("y")
    terminal.shows("Ended session 2.", "sessions 1 of 8")
    assert bob.refresh(600).code == 437 and alice.refresh(600).code == 0

    terminal.press("Escape", "Tab")
    terminal.shows("1 user ", "CARRIED")
    terminal.press("Tab")
    terminal.run("resize-window", "-x", "60", "-y", "20")
    seen = terminal.shows("q quit", place(alice))
    assert len(seen) == 20 and all(len(line) <= 60 for line in seen)

    relay.process.terminate()
    relay.ended()
    terminal.shows("NO ANSWER since", "no relay is reached")
    again = Relay([sys.executable], tmp_path, relay.settings)
    with again:
        terminal.shows("started anew", "running", "sessions 0 of 8")
        terminal.press("q")
        seen = terminal.shows("ENDED 0", " icanon")  # the terminal is as it was
        assert not any("edgeturn" in line for line in seen)


def test_one_frame_goes_to_a_pipe(stack: ExitStack, relay: Relay, call: Call) -> None:
    alice = session(stack, relay, "alice")
    words = ("top", "--interval", "0.2", "-c", str(relay.file))
    text = call(*words, "--once")
    assert place(alice) in text and "\x1b" not in text and "sessions 1 of 8" in text
    assert call(*words, "--once", "--ascii").isascii()
    found = json.loads(call(*words, "--json"))
    assert found["sessions"][0]["user"] == "alice" and "up_bits_per_second" in found["rates"]


def test_without_a_terminal_it_says_what_to_do(relay: Relay, call: Call) -> None:
    said = call("top", "-c", str(relay.file), code=2)
    assert "top --once" in said and "no terminal" in said


def test_without_a_relay_it_says_what_to_do(tmp_path: Path, call: Call) -> None:
    file = tmp_path / "edgeturn.conf"
    file.write_text(f"config relay 'main'\n\toption realm 'example.org'\n\toption control '{tmp_path}/none'\n")
    for words in (("--once",), ("--json",)):
        assert "no relay is reached" in call("top", *words, "-c", str(file), code=1)
