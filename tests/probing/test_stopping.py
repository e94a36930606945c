"""`edgeturn probe` that is stopped: what was found so far is printed, and the exit code is a shell's."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.blackbox.relay import DEADLINE, HOST, ROOT, until
from tests.cli.conftest import StartRelay

LOGIN = ("--user", "alice", "--password", "s3cret")


@pytest.fixture
def silent() -> Iterator[str]:
    """The URI of a server that never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        yield f"turn:{HOST}:{sock.getsockname()[1]}"


def probe(*words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "edgeturn", "probe", *LOGIN, *words],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )  # fmt: skip


def test_what_was_found_is_printed(start: StartRelay, silent: str) -> None:
    process = probe(f"turn:{HOST}:{start().port}", silent)
    assert process.stdout is not None
    for line in process.stdout:
        if "typ relay" in line:
            break
    process.send_signal(signal.SIGTERM)
    said, errors = process.communicate(timeout=DEADLINE)
    assert (process.returncode, errors) == (130, "")
    assert f"Stopped before its end. No answer yet from {silent}." in " ".join(said.split())


def test_what_was_measured_is_printed(start: StartRelay) -> None:
    relay = start()
    process = probe(f"turn:{HOST}:{relay.port}", "--relay-echo", "--seconds", "60", "--json")
    until(lambda: any(each["up_packets"] > 9 for each in relay.sessions()), "packets")
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=DEADLINE)
    (row,) = json.loads(said)["relays"]
    assert process.returncode == 130 and row["stopped"] and 9 < row["received"] <= row["sent"] < 3000


def test_who_reads_no_more_ends_it(silent: str) -> None:
    process = probe(silent)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(DEADLINE) == 130
