"""Nonces (RFC 8489 §9.2): the cookie with the features, bound to a source and a time, forged by nobody."""

from edgeturn.protocol import stun
from edgeturn.protocol.address import parse
from edgeturn.protocol.nonce import Nonces, features_of
from tests.core.dialogue import Answer, Client, Server


def ready(server: Server, source: str = "1.1.1.1:1000", modern: bool = False) -> Client:
    """Return a client that has seen the challenge."""
    client = server.client(source=source)
    client.modern = modern
    client.learn()
    return client


def check_is_stale(answer: Answer) -> None:
    assert answer.code == 438
    kinds = [stun.ERROR_CODE, stun.REALM, stun.NONCE, stun.PASSWORD_ALGORITHMS]
    assert [kind for kind, _ in answer.rows] == kinds


def test_rfc8489_9_2_nonce_cookie_and_security_features() -> None:
    client = ready(Server())
    assert client.nonce[:9] == b"obMatJos2" and len(client.nonce) == 28
    assert features_of(client.nonce) == 0xC0
    assert features_of(ready(Server(secrets=(b"s",))).nonce) == 0x80


def test_rfc8489_9_2_features_of_nonces() -> None:
    rows = (
        (b"", 0),
        (b"obMatJos2", 0),
        (b"obMatJos2gAA", 0),
        (b"obMatJos2gAAA", 0x80),
        (b"obMatJos2QAAA", 0x40),
        (b"obMatJos2wAAAxyz", 0xC0),
        (b"obMatJos2AAAA", 0),
        (b"obMatJos2-AAA", 0),
        (b"obMatJos3gAAA", 0),
    )
    for nonce, features in rows:
        assert features_of(nonce) == features, nonce


def test_rfc8489_9_2_4_expired_nonce_is_438_with_a_new_one() -> None:
    for modern in (False, True):
        server = Server(nonce_lifetime=60, max_lifetime=3600)
        client = ready(server, modern=modern)
        server.wait(59)
        assert client.allocate().code == 0
        server.wait(1)
        answer = client.refresh(600)
        check_is_stale(answer)
        client.take_nonce(answer)
        assert client.refresh(600).code == 0


def test_rfc8489_9_2_4_nonce_of_another_source_is_438() -> None:
    server = Server()
    nonce = ready(server).nonce
    for source in ("1.1.1.1:1001", "1.1.1.2:1000", "[2a05::1]:1000"):
        thief = server.client(source=source)
        thief.nonce = nonce
        check_is_stale(thief.allocate())


def test_rfc8489_9_2_4_forged_nonces_are_438() -> None:
    client = ready(Server(unauthenticated_rate=0))
    right = client.nonce
    letters = 2 * b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/\0\xff="
    for at in range(len(right)):
        for letter in letters[at : at + 9]:
            client.nonce = right[:at] + bytes([letter]) + right[at + 1 :]
            code = client.allocate().code
            assert code == 438 or client.nonce == right, (at, letter)
    for nonce in (right[:1], right[:-1], right + b"A", right + right, b"x" * 28):
        client.nonce = nonce
        assert client.allocate().code == 438


def test_rfc8489_9_2_4_nonces_differ_by_source_and_time() -> None:
    server = Server()
    nonces = {ready(server, f"1.1.1.{number}:1").nonce for number in range(10)}
    nonces |= {ready(server, f"1.1.1.1:{number}").nonce for number in range(2, 10)}
    server.wait(1)
    nonces.add(ready(server, "1.1.1.1:1").nonce)
    assert len(nonces) == 19


def test_rfc8656_5_nonce_is_not_valid_before_it_was_minted() -> None:
    nonces = Nonces(b"secret", 3600)
    source = parse("1.1.1.1:1000")
    for now in (0, 1, 63, 64, 1000, 1 << 29):
        nonce = nonces.mint(source, 0xC0, b"list", now)
        assert nonces.is_fresh(nonce, now) and nonces.is_fresh(nonce, now + nonces.lifetime - 1)
        assert not nonces.is_fresh(nonce, now + nonces.lifetime) and not nonces.is_fresh(nonce, now - 1)
        assert nonces.is_ours(nonce, source, b"list")
        assert not nonces.is_ours(nonce, source, b"lists") and not nonces.is_ours(nonce, source + b"x", b"list")
        assert not Nonces(b"secret of the boot before", 3600).is_ours(nonce, source, b"list")
