"""The commands `capture` and `trace` at a real relay: what they print, how they end, and each mistake one can make."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgeturn.capture.blocks import records
from edgeturn.cli.capture import opened
from edgeturn.cli.failure import Failure
from edgeturn.cli.root import edgeturn
from tests.blackbox.client import Client
from tests.blackbox.relay import DEADLINE, Relay, until
from tests.capture.conftest import Watch


@pytest.fixture
def alone(relay: Relay) -> Client:
    return Client(relay.server())


def test_trace_prints_a_line_a_message(relay: Relay, watch: Watch, alone: Client) -> None:
    text, machine = watch(relay, "trace", "--user", "alice"), watch(relay, "trace", "--json")
    alone.allocate()
    assert alone.permit(("10.0.0.1", 9)) == 403
    until(lambda: relay.log("refused CreatePermission"), "the refusal")
    lines = [text.line() for _ in range(6)]
    assert [line.split()[2:4] for line in lines] == [
        *(["→", "Allocate"], ["←", "Allocate"], ["→", "Allocate"]),
        *(["←", "Allocate"], ["→", "CreatePermission"], ["←", "CreatePermission"]),
    ]
    assert lines[5].endswith("← CreatePermission 403: peer 10.0.0.1: private use\n")
    assert "\x1b" not in "".join(lines)
    text.interrupt()
    events = [json.loads(machine.line())["event"] for _ in range(7)]
    assert sorted(events) == ["allocated", *["message"] * 6]
    assert not machine.interrupt()[0]
    alone.close()


def test_capture_into_a_pipe_ends_with_its_time(relay: Relay, watch: Watch, alone: Client) -> None:
    tool = watch(relay, "capture", "-", "--seconds", "2")
    alone.binding()
    out, said = tool.ended()
    assert len(list(records(out))) == 2
    assert said.startswith("2 messages of 1 client in ") and "wireshark" not in said
    alone.close()


def test_capture_ends_before_it_is_too_long(relay: Relay, watch: Watch, alone: Client) -> None:
    tool = watch(relay, "capture", "--size", "4096")

    def has_ended() -> bool:
        alone.binding()
        return tool.process.poll() is not None

    until(has_ended, "the end")
    out, _ = tool.ended()
    (file,) = relay.folder.glob("edgeturn-2*.pcapng")
    assert 3500 < file.stat().st_size <= 4096 and b"see --size" in out and file.name.encode() in out
    alone.close()


@pytest.mark.parametrize("words", [("trace",), ("capture", "-")])
def test_who_reads_no_more_ends_it(relay: Relay, watch: Watch, words: tuple[str, ...]) -> None:
    tool = watch(relay, *words)
    assert tool.process.stdout is not None
    tool.process.stdout.close()
    assert tool.process.wait(DEADLINE) == 0
    assert tool.process.stderr is not None and b"rror" not in tool.process.stderr.read()


def test_a_capture_that_is_ended_says_what_it_has(relay: Relay, watch: Watch, alone: Client) -> None:
    tool = watch(relay, "capture", "x.pcapng")
    alone.binding()
    until(lambda: len(list(records((relay.folder / "x.pcapng").read_bytes()))) == 2, "the messages")
    tool.process.terminate()
    assert tool.ended()[0].startswith(b"2 messages of 1 client in ")
    alone.close()


def test_what_watches_hears_of_the_relay_s_end(relay: Relay, watch: Watch) -> None:
    trace, capture = watch(relay, "trace"), watch(relay, "capture", "x.pcapng")
    relay.process.terminate()
    relay.ended()
    assert "the relay ended" in trace.ended(1)[1]
    assert b"The relay ended" in capture.ended()[0]


def test_a_reader_that_is_killed_makes_room(relay: Relay, watch: Watch) -> None:
    tools = [watch(relay, "trace"), watch(relay, "trace")]
    third = watch(relay, "trace")
    assert "two others watch the relay already" in third.ended(1)[1]
    for tool in tools:
        tool.process.kill()
        tool.process.wait(DEADLINE)
    until(lambda: relay.status()["taps"] == 0, "no more taps")


def test_a_name_of_our_own_follows_no_link(tmp_path: Path) -> None:
    link, victim = tmp_path / "edgeturn-20260101-000000.pcapng", tmp_path / "victim"
    link.symlink_to(victim)
    with pytest.raises(Failure, match="file exists; name another file"), opened(str(link), named=False):
        pass
    assert not victim.exists()
    with opened(str(link), named=True):  # which somebody has asked for
        pass
    assert victim.stat().st_mode & 0o077 == 0


def called(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(edgeturn, words)
    return result.exit_code, result.output


def test_mistakes(relay: Relay, tmp_path: Path) -> None:
    place = ("-c", str(relay.file))
    for words, code, said in (
        (("capture", "/nowhere/x.pcapng", *place), 1, "/nowhere/x.pcapng: can't be written: no such file"),
        (("capture", str(tmp_path), *place), 1, "can't be written: is a directory; name another file"),
        (("capture", "--size", "100", *place), 2, "--size 100 is too little"),
        (("capture", "--seconds", "0", *place), 2, "1<=x<=3600"),
        (("trace", "--client", "host.example", *place), 1, "'client' is ADDRESS or ADDRESS:PORT"),
        (("trace", "-c", str(tmp_path / "none.conf")), 2, "there is no such file"),
    ):
        found = called(*words)
        assert found[0] == code and said in found[1], (words, found)
    relay.process.terminate()
    relay.ended()
    assert "no relay is reached: there is no control socket" in called("trace", *place)[1]
    assert not list(relay.folder.glob("*.pcapng"))
