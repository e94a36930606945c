"""A log that nobody reads, or that nobody can read any more, costs lines and never answers."""

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from edgeturn.protocol import stun
from tests.blackbox.relay import DEADLINE, HOST, ROOT, configuration, defaults, free_port

_REQUESTS = 3000  # a pipe holds 64 KB, which is less than their log lines


def answers(port: int, count: int) -> int:
    """Ask what is refused and logged, one after the other; return how often there was an answer."""
    got = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((HOST, port))
        sock.settimeout(DEADLINE)
        for _ in range(count):
            sock.send(stun.encode(stun.BINDING, stun.COOKIE + os.urandom(12), [(0x7777, b"")]))
            got += len(sock.recv(2048)) > 0
    return got


@pytest.mark.parametrize("is_closed", [False, True], ids=["unread", "closed"])
def test_relay_answers_whatever_becomes_of_its_log(interpreter: list[str], tmp_path: Path, is_closed: bool) -> None:
    port = free_port()
    file = tmp_path / "edgeturn.conf"
    file.write_text(configuration(defaults(tmp_path, port)))
    environment = os.environ | {"MICROPYPATH": f"{ROOT}:.frozen"}
    command = [*interpreter, "-m", "edgeturn.relay", "-c", str(file)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, env=environment)
    assert process.stderr is not None
    try:
        assert b"ready" in process.stderr.readline()
        if is_closed:
            process.stderr.close()
        assert answers(port, _REQUESTS) == _REQUESTS
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_a_defect_is_told_only_where_somebody_reads(interpreter: list[str]) -> None:
    told = "from edgeturn import seam\nseam.print_trace(ValueError('defect'))\nprint('goes on')"
    environment = os.environ | {"MICROPYPATH": f"{ROOT}:.frozen"}
    for is_closed in (False, True):
        reader, writer = os.pipe()
        if is_closed:
            os.close(reader)
        done = subprocess.run(
            [*interpreter, "-c", told],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=writer,
            timeout=DEADLINE,
        )
        os.close(writer)
        assert b"goes on" in done.stdout
        if not is_closed:
            assert b"ValueError: defect" in os.read(reader, 65536)
            os.close(reader)
