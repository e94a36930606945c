"""
Third-party authorization (RFC 7635) with coturn's programs: turnutils_oauth makes tokens and reads them, and
turnutils_uclient -J is served by them. The keys of the latter are built in: `north`, `union` and `oldempire`, one at
random for each Allocate and Refresh. They end in a line feed that isn't used.
"""

import base64
import json
import subprocess
import time

import pytest

from edgeturn.protocol.token import Tokens
from edgeturn.seam.cpython_aead import opener
from tests.lab import relay as lab
from tests.lab.conftest import StartRelay
from tests.lab.network import Network
from tests.lab.programs import program
from tests.lab.uclient import LIMITS, TO_PEER4, Row, assert_nothing_lost, uclient

KID, KEY = "north", b"12345678901234567890123456789012"
SERVER = "blackdow.carleon.gov"
MAC_KEY = b"ZksjpweoixXmvn67534mABCDEFGHIJKL"
BUILT_IN = (
    ("north", b"01234567890123456789012345678901", "A256GCM"),
    ("union", b"1234567890123456", "A128GCM"),
    ("oldempire", b"12345678901234567890123456789012", "A256GCM"),
)


def section(kid: str, key: bytes, algorithm: str) -> str:
    return f"config token_key '{kid}'\n\toption key '{text(key)}'\n\toption algorithm '{algorithm}'\n"


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(("algorithm", "key"), [("A256GCM", KEY), ("A128GCM", KEY[:16])])
def test_turnutils_oauth_makes_tokens_that_are_read_here(algorithm: str, key: bytes) -> None:
    now = int(time.time())
    argv = [program("turnutils_oauth"), "-v", "-e", "-i", SERVER, "-j", KID, "-k", text(key), "-l", str(now)]
    argv += ["-m", "3600", "-n", algorithm, "-o", text(b"h4j3k2l2n4b5"), "-p", text(MAC_KEY), "-r", "600"]
    told = json.loads(subprocess.run(argv, capture_output=True, text=True, check=True, timeout=20).stdout)
    tokens = Tokens(SERVER.encode())
    tokens.add(KID.encode(), opener(key))
    found = tokens.read(KID.encode(), base64.b64decode(told["access_token"]), now)
    assert found is not None
    assert found.mac_key == MAC_KEY and now + 600 <= found.ends <= now + 620


def test_turnutils_uclient_is_served_by_a_token(
    network: Network, start_relay: StartRelay, echo: None, interpreter: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if "micropython" in interpreter[0]:
        pytest.skip("MicroPython has no AES-GCM")
    plain, sections = lab.configuration, "".join([section(*row) for row in BUILT_IN])
    monkeypatch.setattr(lab, "configuration", lambda options: plain(options) + sections)
    with start_relay(oauth_server=SERVER, **LIMITS) as relay:
        told = uclient(network.client1, Row(4, 1, ["-J", "-u", "nobody", "-w", "nothing", "-c", *TO_PEER4]))
        assert any(f"user={kid} " in relay.log for kid, _, _ in BUILT_IN), relay.log
    assert_nothing_lost(told, 1)
