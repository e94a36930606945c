"""PROXY headers of both versions: whole, split, truncated, changed, and what we send ourselves."""

import os

from edgeturn.protocol import address, proxy_header
from edgeturn.protocol.stun import Malformed
from tests.core.dialogue import raises
from tests.fuzz.mutations import Dice

V1 = b"PROXY TCP4 198.51.100.7 192.0.2.1 56324 443\r\n"
V1_IPV6 = b"PROXY TCP6 2001:db8::7 2001:db8::1 56324 443\r\n"
SIGNATURE = b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a"
SOURCE, SOURCE6 = address.parse("198.51.100.7:56324"), address.parse("[2001:db8::7]:56324")
PLACE, PLACE6 = address.parse("192.0.2.1:443"), address.parse("[2001:db8::1]:443")
IPV4 = SOURCE[2:] + PLACE[2:] + SOURCE[:2] + PLACE[:2]
IPV6 = SOURCE6[2:] + PLACE6[2:] + SOURCE6[:2] + PLACE6[:2]
AUTHORITY = b"\x02\0\x0bexample.org"  # PP2_TYPE_AUTHORITY
EMPTY = b"\x04\0\0"  # PP2_TYPE_NOOP
ROUNDS = int(os.getenv("EDGETURN_FUZZ_DATAGRAMS") or 20000) // 2


def v2(kind: int, body: bytes, command: int = 0x21) -> bytes:
    return SIGNATURE + bytes([command, kind]) + len(body).to_bytes(2, "big") + body


GOOD = (
    ("version 1", V1, SOURCE),
    ("version 1, IPv6", V1_IPV6, SOURCE6),
    ("version 1, IPv4 as IPv6", b"PROXY TCP6 ::ffff:198.51.100.7 ::ffff:192.0.2.1 56324 443\r\n", SOURCE),
    ("version 1, nothing known", b"PROXY UNKNOWN\r\n", b""),
    ("version 1, nothing known, whatever follows", b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", b""),
    ("version 1, as long as can be", b"PROXY UNKNOWN " + b"x" * 91 + b"\r\n", b""),
    ("version 2", v2(0x11, IPV4), SOURCE),
    ("version 2, IPv6", v2(0x21, IPV6), SOURCE6),
    ("version 2, IPv4 as IPv6", v2(0x21, bytes(10) + b"\xff\xff" + SOURCE[2:] + IPV6[16:]), SOURCE),
    ("version 2, a datagram's", v2(0x12, IPV4), SOURCE),
    ("version 2, values behind", v2(0x11, IPV4 + AUTHORITY + EMPTY), SOURCE),
    ("version 2, IPv6, values behind", v2(0x21, IPV6 + EMPTY + AUTHORITY), SOURCE6),
    ("version 2, as long as may be", v2(0x11, IPV4 + b"\x04" + (993).to_bytes(2, "big") + bytes(993)), SOURCE),
    ("version 2, a health check of the proxy", v2(0x00, b"", 0x20), b""),
    ("version 2, its own connection with addresses", v2(0x11, IPV4, 0x20), b""),
    ("version 2, no family", v2(0x00, b""), b""),
    ("version 2, no family, but something", v2(0x00, b"?"), b""),
    ("version 2, a Unix socket", v2(0x31, bytes(216)), b""),
    ("version 2, no transport", v2(0x10, IPV4), b""),
)

WRONG = (
    ("a TLS record", b"\x16\x03\x01"),
    ("a STUN message", b"\0\x01\0\0\x21\x12\xa4\x42"),
    ("HTTP", b"GET / HTTP/1.1\r\n"),
    ("another word", b"PROXZ"),
    ("POST", b"PO"),
    ("another protocol", b"PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n"),
    ("small letters", b"PROXY tcp4 1.1.1.1 2.2.2.2 1 2\r\n"),
    ("too few words", b"PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n"),
    ("too many words", b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n"),
    ("two spaces", b"PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n"),
    ("nothing", b"PROXY \r\n"),
    ("families mixed", b"PROXY TCP4 1.1.1.1 ::1 1 2\r\n"),
    ("another family", b"PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n"),
    ("no address", b"PROXY TCP4 1.1.1.256 2.2.2.2 1 2\r\n"),
    ("no port", b"PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n"),
    ("a signed port", b"PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n"),
    ("no text", b"PROXY TCP4 1.1.1.\xff 2.2.2.2 1 2\r\n"),
    ("no end", b"PROXY UNKNOWN " + b"x" * 93),
    ("the end too late", b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n"),
    ("another signature", SIGNATURE[:11] + b"\r"),
    ("version 1 in binary", v2(0x11, IPV4, 0x11)),
    ("another command", v2(0x11, IPV4, 0x22)),
    ("another family in binary", v2(0x41, IPV4)),
    ("another transport", v2(0x13, IPV4)),
    ("a byte missing", v2(0x11, IPV4[:-1])),
    ("IPv4 where IPv6 is said", v2(0x21, IPV4)),
    ("a value that is cut off", v2(0x11, IPV4 + AUTHORITY[:-1])),
    ("a byte too many", v2(0x11, IPV4 + EMPTY + b"\0")),
    ("too long", v2(0x11, IPV4 + b"\x04" + (994).to_bytes(2, "big") + bytes(994))),
    ("much too long, of which only the front is there", SIGNATURE + b"\x21\x11\xff\xff"),
)


def test_what_headers_tell() -> None:
    for what, data, source in GOOD:
        header = proxy_header.read(memoryview(data + b"\x16\x03\x01"))
        assert header is not None, what
        assert (header.size, header.source) == (len(data), source), what


def test_at_every_split_more_is_wanted() -> None:
    for what, data, _ in GOOD:
        for size in range(len(data)):
            assert proxy_header.read(memoryview(data)[:size]) is None, (what, size)


def test_everything_else_is_malformed() -> None:
    for what, data in WRONG:
        assert raises(Malformed, proxy_header.read, data), what


def test_what_we_write_is_what_the_specification_draws() -> None:
    assert proxy_header.encode(SOURCE, PLACE) == v2(0x11, IPV4)
    assert proxy_header.encode(SOURCE6, PLACE6) == v2(0x21, IPV6)


def test_families_that_differ_are_both_written_as_ipv6() -> None:
    mapped = bytes(10) + b"\xff\xff"
    assert proxy_header.encode(SOURCE6, PLACE) == v2(0x21, SOURCE6[2:] + mapped + PLACE[2:] + SOURCE6[:2] + PLACE[:2])
    written = proxy_header.encode(SOURCE, PLACE6)
    header = proxy_header.read(written)
    assert header is not None and (header.size, header.source) == (len(written), SOURCE)


def test_nothing_but_malformed_escapes_whatever_is_changed() -> None:
    dice = Dice(2)
    outcomes: dict[str, int] = {}
    for _ in range(ROUNDS):
        data = bytearray(GOOD[dice.below(len(GOOD))][1])
        for _ in range(1 + dice.below(3)):
            data[dice.below(len(data))] = dice.below(256)
        part = bytes(data[: dice.below(len(data) + 1)]) if dice.once_in(3) else bytes(data)
        try:
            header = proxy_header.read(part)
            outcome = "more" if header is None else "read"
            assert header is None or (header.size <= len(part) and len(header.source) in (0, 6, 18))
        except Malformed:
            outcome = "malformed"
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    assert len(outcomes) == 3, outcomes
