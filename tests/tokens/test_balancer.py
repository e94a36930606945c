"""Copies behind a balancer that nobody told of each other: any of them mints, and each knows who asks.

curl (127.0.0.9) ──HTTPS──► haproxy ──HTTP, X-Forwarded-For──► edgeturn tokens --plain, twice
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from edgeturn.protocol.credentials import time_limited_password
from tests.blackbox import certificates
from tests.blackbox.relay import HOST, SECRET, free_port, until
from tests.lab.programs import program
from tests.tokens.process import KEY, Tokens, configuration, section

CALLER = "127.0.0.9"
HAPROXY = """\
defaults
    mode http
    timeout connect 30s
    timeout client 30s
    timeout server 30s
frontend https
    bind {host}:{port} ssl crt {pem}
    option forwardfor
    default_backend copies
backend copies
    balance roundrobin
    server one {host}:{one}
    server two {host}:{two}
"""


@contextmanager
def balancer(folder: Path, pem: Path, one: Tokens, two: Tokens) -> Iterator[int]:
    port = free_port()
    file = folder / "haproxy.cfg"
    file.write_text(HAPROXY.format(host=HOST, port=port, pem=pem, one=one.port, two=two.port))
    process = subprocess.Popen([program("haproxy"), "-db", "-q", "-f", str(file)])
    try:
        yield port
    finally:
        process.kill()
        process.wait(10)


def minted(copy: Tokens) -> bool:
    """Say whether a copy has minted its half for who asked."""
    return len(copy.log("minted", f"client={CALLER}")) >= 2


def test_any_copy_mints_and_knows_who_asks(tmp_path: Path) -> None:
    made = certificates.make(tmp_path)
    pem = tmp_path / "both.pem"
    pem.write_bytes(made.certificate.read_bytes() + made.key.read_bytes())
    text = configuration(section(), relay=("list ice_uri 'turn:turn.example.org'", f"list forwarded_from '{HOST}'"))
    copies = [tmp_path / name for name in ("one", "two")]
    for folder in copies:
        folder.mkdir()
    with (
        Tokens(copies[0], text, "--plain") as one,
        Tokens(copies[1], text, "--plain") as two,
        balancer(tmp_path, pem, one, two) as port,
    ):
        words = [program("curl"), "-s", "--max-time", "30", "--interface", CALLER, "--cacert", str(made.certificate)]
        address = f"https://{HOST}:{port}/turn?username=alice&key={KEY}"

        def ask() -> str:
            return subprocess.run([*words, address], capture_output=True, text=True).stdout

        until(ask, "the balancer answers")
        for _ in range(4):
            found = json.loads(ask())
            password = time_limited_password(SECRET.encode(), found["username"].encode())
            assert found["password"] == password.decode() and found["username"].endswith(":shop/alice")
        for each in (one, two):
            until(partial(minted, each), f"what was minted, in {each.lines}")
            assert not each.log(f"client={HOST}")
