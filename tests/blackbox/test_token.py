"""Third-party authorization (RFC 7635): keys in the configuration, tokens from an authorization server."""

import base64
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from struct import pack
from typing import Protocol

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from edgeturn.protocol import stun
from edgeturn.relay import tokens
from edgeturn.seam.cpython_aead import opener
from tests.blackbox.client import REQUESTED_UDP, Client, Row
from tests.blackbox.conftest import NewPeer, StartRelay
from tests.blackbox.relay import REALM, ROOT, Relay, configuration

KID, KEY, SERVER = "north", bytes(range(32)), "relay.example.org"
MAC_KEY = b"a key of just 20 byt"


@pytest.fixture
def with_aes(interpreter: list[str]) -> None:
    if lacks_aes(interpreter):
        pytest.skip("this MicroPython has no AES-GCM")


def lacks_aes(interpreter: list[str]) -> bool:
    """Say whether it is a MicroPython, but not our firmware with TLS."""
    return "micropython" in interpreter[0] or "-plain/" in interpreter[0]


def section(kid: str = KID, **options: str | int) -> str:
    """Return a section of a configuration."""
    lines = [f"\toption {name} '{value}'" for name, value in options.items()]
    return "\n".join([f"config token_key '{kid}'", *lines, ""])


def seal(mac_key: bytes = MAC_KEY, key: bytes = KEY, server: str = SERVER, lifetime: int = 3600) -> bytes:
    """Return a token as an authorization server makes it."""
    nonce = os.urandom(12)
    block = pack("!H", len(mac_key)) + mac_key + pack("!QI", int(time.time()) << 16, lifetime)
    return pack("!H", 12) + nonce + AESGCM(key).encrypt(nonce, block, server.encode())


class Bearer(Client):
    """A client with a token."""

    def __init__(self, relay: Relay, token: bytes, mac_key: bytes = MAC_KEY) -> None:
        super().__init__(relay.server(), KID)
        self.mac_key = mac_key
        self.token: Row = (stun.ACCESS_TOKEN, token)

    def key(self) -> bytes:
        return self.mac_key


class StartWithKeys(Protocol):
    """Starts a relay with some token keys."""

    def __call__(self, sections: str, **settings: str | int | list[str]) -> Relay: ...


@pytest.fixture
def serving(start: StartRelay, monkeypatch: pytest.MonkeyPatch, with_aes: None) -> StartWithKeys:
    def serve(sections: str, **settings: str | int | list[str]) -> Relay:
        write(monkeypatch, sections)
        return start(oauth_server=SERVER, **settings)

    return serve


def write(monkeypatch: pytest.MonkeyPatch, sections: str) -> None:
    """Let configurations have more sections from now on."""
    monkeypatch.setattr("tests.blackbox.relay.configuration", lambda settings: configuration(settings) + sections)


def bearing(relay: Relay, run: Callable[[Bearer], object], token: bytes, mac_key: bytes = MAC_KEY) -> None:
    """Let a client with a token do something."""
    bearer = Bearer(relay, token, mac_key)
    try:
        run(bearer)
    finally:
        bearer.close()


def code(relay: Relay, token: bytes, mac_key: bytes = MAC_KEY) -> int:
    """Return the code of an Allocate with a token."""
    found: list[int] = []
    bearing(
        relay,
        lambda bearer: found.append(bearer.request(stun.ALLOCATE, REQUESTED_UDP, bearer.token).code),
        token,
        mac_key,
    )
    return found[0]


def test_a_bearer_of_a_token_is_served(serving: StartWithKeys, new_peer: NewPeer) -> None:
    relay, peer = serving(section(key=KEY.hex())), new_peer()

    def talk(bearer: Bearer) -> None:
        challenge = bearer.learn()
        assert challenge.message.attributes[stun.THIRD_PARTY_AUTHORIZATION] == SERVER.encode()
        granted = bearer.request(stun.ALLOCATE, REQUESTED_UDP, bearer.token)
        assert 0 < granted.lifetime <= 600 and bearer.permit(peer.address) == 0
        bearer.send(peer.address, b"by token")
        assert peer.receive() == (b"by token", granted.relayed[0])
        assert relay.sessions()[0]["user"] == KID

    token = seal()
    bearing(relay, talk, token)
    assert not [line for line in relay.lines if token.hex() in line]


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [("A256GCM", KEY.hex()), ("A256GCM", base64.b64encode(KEY).decode()), ("A128GCM", KEY[:16].hex())],
)
def test_keys_and_algorithms(serving: StartWithKeys, algorithm: str, key: str) -> None:
    relay = serving(section(key=key, algorithm=algorithm))
    assert code(relay, seal(key=KEY[: tokens.KEY_SIZES[algorithm]])) == 0


def test_tokens_that_do_not_count_are_401(serving: StartWithKeys) -> None:
    relay = serving(section(key=KEY.hex()))
    assert code(relay, seal(server="elsewhere")) == 401
    assert code(relay, seal(key=bytes(32))) == 401
    assert code(relay, seal(), mac_key=bytes(20)) == 401
    assert code(relay, seal()[:-1]) == 401
    assert code(relay, seal(lifetime=0)) == 0  # five seconds of slack


@pytest.mark.usefixtures("with_aes")
def test_without_a_name_the_realm_is_the_server(start: StartRelay, monkeypatch: pytest.MonkeyPatch) -> None:
    write(monkeypatch, section(key=KEY.hex()))
    assert code(start(), seal(server=REALM)) == 0


def test_an_allocation_lasts_no_longer_than_its_token(serving: StartWithKeys) -> None:
    relay = serving(section(key=KEY.hex()))
    granted: list[int] = []
    bearing(
        relay,
        lambda bearer: granted.append(bearer.request(stun.ALLOCATE, REQUESTED_UDP, bearer.token).lifetime),
        seal(lifetime=60),
    )
    assert 60 <= granted[0] <= 65


def test_not_before_and_lifetime_of_a_key(serving: StartWithKeys) -> None:
    now = int(time.time())
    assert code(serving(section(key=KEY.hex(), not_before=now + 3600)), seal()) == 401
    assert code(serving(section(key=KEY.hex(), not_before=now - 3600, lifetime=3600)), seal()) == 401
    assert code(serving(section(key=KEY.hex(), not_before=now - 3600, lifetime=7200)), seal()) == 0


def test_a_reload_gives_and_takes_keys(serving: StartWithKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    relay = serving("")
    assert code(relay, seal()) == 401
    write(monkeypatch, section(key=KEY.hex()))
    relay.configure()
    assert relay.command("reload")["applied"] == ["token_keys"]
    assert code(relay, seal()) == 0
    write(monkeypatch, "")
    relay.configure()
    relay.command("reload")
    assert code(relay, seal()) == 401


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (section(key="x"), "'key'"),
        (section(), "needs a key of 32 bytes"),
        (section(key=KEY[:16].hex()), "needs a key of 32 bytes"),
        (section(key=KEY.hex(), algorithm="A128GCM"), "needs a key of 16 bytes"),
        (section(key=KEY.hex(), algorithm="rot13"), "'algorithm'"),
        (section(kid="alice", key=KEY.hex()), "stands here twice"),
        (section(key=KEY.hex()) + section(key=KEY.hex()), "stands here twice"),
        (section(key=KEY.hex(), not_before="soon"), "'not_before'"),
        ("config token_key\n\toption key 'x'\n", "'key'"),
    ],
)
def test_wrong_keys_are_refused_and_nothing_changes(
    serving: StartWithKeys, monkeypatch: pytest.MonkeyPatch, wrong: str, words: str
) -> None:
    relay = serving(section(key=KEY.hex()))
    write(monkeypatch, wrong)
    relay.configure()
    answer = relay.control({"command": "reload"})
    assert not answer["ok"] and words in answer["error"], answer
    assert code(relay, seal()) == 0


def test_who_has_no_aes_says_so(interpreter: list[str], tmp_path: Path) -> None:
    """CPython without the package cryptography, and MicroPython; our firmware with TLS has it."""
    if "-tls/" in interpreter[0]:
        pytest.skip("this firmware has AES-GCM")
    file = tmp_path / "edgeturn.conf"
    file.write_text("config relay\n" + section(key=KEY.hex()))
    (tmp_path / "cryptography.py").write_text("raise ImportError\n")
    path = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "MICROPYPATH": f"{ROOT}:.frozen"}
    argv = [*interpreter, "-m", "edgeturn.relay", "-c", str(file)]
    done = subprocess.run(argv, cwd=tmp_path, env=os.environ | path, capture_output=True, text=True, timeout=20)
    wanted = "need CPython" if lacks_aes(interpreter) else "pip install cryptography"
    assert done.returncode == 2 and wanted in done.stderr and "token_key" in done.stderr, done.stderr


def test_without_token_keys_the_package_is_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "edgeturn.conf").write_text("config relay\n")
    program = (
        "import sys; from edgeturn.relay import configuration\n"
        f"configuration.read({str(tmp_path / 'edgeturn.conf')!r}).credentials(bytes)\n"
        "print([name for name in sys.modules if name.startswith('cryptography')])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_rfc7635_appendix_a_sample_token() -> None:
    sample = bytes.fromhex(
        "000c68346a336b326c326e346235617ef134a3d5e44e9a19cc7dc104b0c03d03b2a551d8fdf5cd3b6dca6f10cfb77e5b"
        "2ddec84d293a5c50499359f0c2e26f76"
    )
    block = opener(b"HGkj32KJGiuy098sdfaqbNjOiaz71923")(sample[2:14], sample[14:], b"blackdow.carleon.gov")
    assert block == b"\0\x14ZksjpweoixXmvn67534m" + pack("!QI", 92470300704768, 3600)
