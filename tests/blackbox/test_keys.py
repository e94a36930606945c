"""Users by precomputed keys, `option key` and `option key_sha256`, with either algorithm of RFC 8489 §18.5."""

import hashlib

from edgeturn.command.ice import Login
from edgeturn.probing.client import Client, Refused
from edgeturn.probing.server import Server
from edgeturn.protocol import address
from edgeturn.protocol.address import IPV4
from edgeturn.protocol.credentials import MD5, SHA256
from tests.blackbox.conftest import StartRelay
from tests.blackbox.relay import HOST, REALM, Relay

NAME, PASSWORD = "carol", "swordfish"
TEXT = f"{NAME}:{REALM}:{PASSWORD}".encode()
KEY = f"\toption key '{hashlib.md5(TEXT).hexdigest()}'\n"
KEY_SHA256 = f"\toption key_sha256 '{hashlib.sha256(TEXT).hexdigest()}'\n"


def logins(relay: Relay, algorithm: int, password: str = PASSWORD) -> tuple[bool, list[int]]:
    """Log in; return whether that was possible, and the password algorithms that were offered."""
    client = Client(Server(address.parse(f"{HOST}:{relay.port}")), Login(NAME, password), algorithm)
    try:
        client.allocate(IPV4)
        return True, client.offered
    except Refused as refused:
        assert refused.code == 401
        return False, client.offered
    finally:
        client.close()


def add_user(relay: Relay, options: str) -> None:
    relay.file.write_text(relay.file.read_text() + f"config user '{NAME}'\n{options}")
    relay.command("reload")


def test_keys_of_both_algorithms(start: StartRelay) -> None:
    relay = start()
    add_user(relay, KEY + KEY_SHA256)
    assert logins(relay, MD5) == (True, [SHA256, MD5])
    assert logins(relay, SHA256) == (True, [SHA256, MD5])
    assert not logins(relay, SHA256, "wrong")[0]


def test_key_for_md5_alone_means_that_only_md5_is_offered(start: StartRelay) -> None:
    relay = start()
    add_user(relay, KEY)
    assert logins(relay, MD5) == (True, [MD5])
