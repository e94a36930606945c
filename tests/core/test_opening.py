"""Who is to have a connection, by its first bytes: each row of the table in opening.py, and at every split."""

from edgeturn.protocol.stun import Malformed
from edgeturn.relay.streams.opening import HTTP, HTTPS, NOBODY, RELAY, RELAY_TLS, UNCLEAR, Rules
from tests.core import hellos
from tests.core.dialogue import raises
from tests.core.test_client_hello import alpn, hello, server_name

NAMES = [b"turn.example.org", b"*.relay.example.org"]
BINDING = b"\0\x01\0\0\x21\x12\xa4\x42" + bytes(12)
METHODS = ("GET", "HEAD", "POST", "PUT", "OPTIONS", "DELETE", "PATCH", "CONNECT", "TRACE", "PRI *")


def choose(rules: Rules, first: bytes, certificate: bool = True) -> str:
    return rules.choose(memoryview(first), certificate)


def test_turn_is_the_relays_whatever_backends_there_are() -> None:
    for backends in (False, True):
        rules = Rules(backends, backends, NAMES)
        for first in (BINDING, BINDING[:1], b"\x01", b"\x03\xff", b"\x40\0\0\x04", b"\x7f\xff\0\0"):
            assert choose(rules, first) == RELAY, first


def test_what_is_nothing_known_is_nobodys() -> None:
    rules = Rules(True, True, NAMES)
    for first in (b"\x04", b"\x15\x03\x03", b"\x17\x03\x03", b"\x20", b"\x80", b"\xff", b"\r\n\r\n"):
        assert choose(rules, first) == NOBODY, first


def test_http_goes_to_its_backend_once_its_method_is_whole() -> None:
    with_backend, without = Rules(False, True, []), Rules(True, False, [])
    for method in METHODS:
        first = (method + " / HTTP/1.1\r\n").encode()
        for size in range(1, len(method) + 1):
            assert choose(with_backend, first[:size]) == UNCLEAR, first[:size]
        for size in range(len(method) + 1, len(first)):
            assert choose(with_backend, first[:size]) == HTTP, first[:size]
            assert choose(without, first[:size]) == NOBODY, first[:size]


def test_what_only_looks_like_http_is_channel_data() -> None:
    for first in (b"GEX", b"GETX", b"POT", b"PRI *\r", b"get /", b"SSH-2.0"):
        assert choose(Rules(False, True, []), first) == RELAY, first


def test_without_a_backend_tls_is_the_relays_at_its_first_byte() -> None:
    assert choose(Rules(False, True, NAMES), b"\x16", False) == RELAY_TLS
    assert choose(Rules(False, True, NAMES), hellos.CURL) == RELAY_TLS


def test_without_a_certificate_tls_is_the_backends_at_its_first_byte() -> None:
    assert choose(Rules(True, False, []), b"\x16", False) == HTTPS
    assert choose(Rules(True, False, []), hellos.OPENSSL, False) == HTTPS


def test_rfc7443_the_protocol_decides_and_then_the_name() -> None:
    ours, other = server_name(b"turn.example.org"), server_name(b"www.example.org")
    rows = (
        ("stun.turn", other + alpn(b"stun.turn"), RELAY_TLS),
        ("stun.nat-discovery", other + alpn(b"stun.nat-discovery"), RELAY_TLS),
        ("RFC 8833", other + alpn(b"webrtc"), RELAY_TLS),
        ("ours among others", other + alpn(b"h2", b"stun.turn"), RELAY_TLS),
        ("HTTP by our own name", ours + alpn(b"h2", b"http/1.1"), HTTPS),
        ("RFC 8737, the other's certificate is renewed", ours + alpn(b"acme-tls/1"), HTTPS),
        ("unknown", ours + alpn(b"\x1a\x1a"), HTTPS),
        ("our name only", ours, RELAY_TLS),
        ("our name in capitals", server_name(b"TURN.Example.org"), RELAY_TLS),
        ("one label for the star", server_name(b"a.relay.example.org"), RELAY_TLS),
        ("two labels for the star", server_name(b"a.b.relay.example.org"), HTTPS),
        ("none for the star", server_name(b"relay.example.org"), HTTPS),
        ("another name only", other, HTTPS),
        ("a name without dots", server_name(b"router"), HTTPS),
        ("nothing", b"", RELAY_TLS),
        ("no extensions", None, RELAY_TLS),
        ("an empty list of protocols", other + alpn(), HTTPS),
    )
    for what, extensions, expected in rows:
        assert choose(Rules(True, True, NAMES), hello(extensions)) == expected, what


def test_without_names_of_its_own_tls_without_protocols_is_the_relays() -> None:
    assert choose(Rules(True, True, []), hello(server_name(b"www.example.org"))) == RELAY_TLS
    assert choose(Rules(True, True, []), hello(server_name(b"www.example.org") + alpn(b"h2"))) == HTTPS


def test_what_real_programs_reach() -> None:
    rules = Rules(True, True, [b"router.lan", b"turn.example.org"])
    rows = (
        (hellos.OPENSSL, RELAY_TLS),
        (hellos.OPENSSL_BARE, RELAY_TLS),
        (hellos.PYTHON, RELAY_TLS),
        (hellos.CURL, HTTPS),
        (hellos.CHROMIUM_PAGE, HTTPS),
        (hellos.CHROMIUM_TURNS, RELAY_TLS),
    )
    for first, expected in rows:
        assert choose(rules, first) == expected
        for size in range(1, len(first), 7):
            assert choose(rules, first[:size]) == UNCLEAR


def test_tls_that_is_none_is_malformed_where_a_backend_asks() -> None:
    assert raises(Malformed, choose, Rules(True, True, NAMES), b"\x16\x03\x01\0\x05\x02\0\0\x01\0")
