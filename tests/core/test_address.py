"""Addresses in text and as bytes: everything valid both ways, everything else a ValueError."""

from edgeturn.protocol import address
from edgeturn.protocol.address import IPV4, IPV6
from tests.core.dialogue import raises

IPS = (
    ("0.0.0.0", "00000000"),
    ("1.2.3.4", "01020304"),
    ("255.255.255.255", "ffffffff"),
    ("::", "00000000000000000000000000000000"),
    ("::1", "00000000000000000000000000000001"),
    ("1::", "00010000000000000000000000000000"),
    ("2001:db8::1", "20010db8000000000000000000000001"),
    ("2001:db8:0:1:1:1:1:1", "20010db8000000010001000100010001"),
    ("2001:0:0:1::1", "20010000000000010000000000000001"),
    ("2001:db8::1:0:0:1", "20010db8000000000001000000000001"),
    ("1:2:3:4:5:6:7:8", "00010002000300040005000600070008"),
    ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffffffffffffffffffffffffffffffff"),
)

OTHER_SPELLINGS = (
    ("2001:DB8::A", "2001:db8::a"),
    ("2001:0db8:0000::0001", "2001:db8::1"),
    ("::1.2.3.4", "::102:304"),
    ("::ffff:1.2.3.4", "::ffff:102:304"),
    ("64:ff9b::192.0.2.1", "64:ff9b::c000:201"),
    ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"),
    ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
    ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
)

WRONG_IPS = (
    "",
    " ",
    "1",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.",
    ".1.2.3",
    "1..2.3",
    "256.1.1.1",
    "1.2.3.-4",
    "+1.2.3.4",
    "1.2.3.4 ",
    "01.2.3.4",
    "1_0.2.3.4",
    "0x1.2.3.4",
    "1.2.3.a",
    ":",
    ":::",
    "1:",
    ":1",
    "1:2",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "1:2:3:4::5:6:7:8",
    "1::2::3",
    "12345::",
    "g::",
    "::+1",
    "::1%eth0",
    "::1.2.3",
    "::256.2.3.4",
    "1.2.3.4::",
    "1:2.3.4.5::",
    "::1.2.3.4:5",
    "1:2:3:4:5:6:7:1.2.3.4",
    "[::1]",
    "localhost",
)

ADDRESSES = (
    ("1.2.3.4", "000001020304"),
    ("1.2.3.4:0", "000001020304"),
    ("1.2.3.4:65535", "ffff01020304"),
    ("::1", "000000000000000000000000000000000001"),
    ("[::1]", "000000000000000000000000000000000001"),
    ("[::1]:4660", "123400000000000000000000000000000001"),
)

WRONG_ADDRESSES = (
    "",
    "1.2.3.4:",
    "1.2.3.4:65536",
    "1.2.3.4:-1",
    "1.2.3.4:+1",
    "1.2.3.4:1 ",
    "1.2.3.4:http",
    ":80",
    "[::1",
    "[::1]80",
    "[::1]:",
    "[::1]:65536",
    "[]:1",
    "::1]:1",
)


def test_every_ip_is_read_and_written() -> None:
    for text, value in IPS:
        ip = bytes.fromhex(value)
        assert address.parse_ip(text) == ip, text
        assert address.family(ip) == (IPV4 if len(ip) == 4 else IPV6)


def test_rfc5952_4_ipv6_is_written_in_one_way() -> None:
    for text, value in IPS:
        assert address.format_ip(bytes.fromhex(value)) == text, text
    for text, same in OTHER_SPELLINGS:
        assert address.format_ip(address.parse_ip(text)) == same, text


def test_wrong_ips_are_value_errors() -> None:
    for text in WRONG_IPS:
        assert raises(ValueError, address.parse_ip, text), text


def test_addresses_are_port_and_ip() -> None:
    for text, value in ADDRESSES:
        assert address.parse(text) == bytes.fromhex(value), text
    assert address.parse("1.2.3.4", 3478) == bytes.fromhex("0d9601020304")
    assert address.parse("1.2.3.4:1", 3478) == bytes.fromhex("000101020304")
    assert address.parse("::1", 3478)[:2] == address.parse("[::1]", 3478)[:2] == b"\x0d\x96"


def test_wrong_addresses_are_value_errors() -> None:
    for text in WRONG_ADDRESSES:
        assert raises(ValueError, address.parse, text), text


def test_parts_of_an_address() -> None:
    for text in ("1.2.3.4:4660", "[2001:db8::1]:4660"):
        whole = address.parse(text)
        assert address.port_of(whole) == 4660
        assert address.join(address.ip_of(whole), 4660) == whole
        assert address.format(whole) == text


def test_prefixes() -> None:
    rows = (
        ("10.0.0.0/8", "0a000000", 8),
        ("1.2.3.4", "01020304", 32),
        ("1.2.3.4/32", "01020304", 32),
        ("0.0.0.0/0", "00000000", 0),
        ("2001:db8::/32", "20010db8000000000000000000000000", 32),
        ("::1", "00000000000000000000000000000001", 128),
        ("::/0", "00000000000000000000000000000000", 0),
    )
    for text, value, length in rows:
        assert address.parse_prefix(text) == (bytes.fromhex(value), length), text


def test_wrong_prefixes_are_value_errors() -> None:
    rows = (
        "",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "::/129",
        "10.0.0.1/8",
        "10.0.0.0/8/8",
        "10.0.0.0/-1",
        "::1/127",
        "a/8",
    )
    for text in rows:
        assert raises(ValueError, address.parse_prefix, text), text


def test_first_address_of_a_prefix() -> None:
    assert address.network(b"\x0a\x01\x02\x03", 8) == 0x0A000000
    assert address.network(b"\x0a\x01\x02\x03", 32) == 0x0A010203
    assert address.network(b"\x0a\x01\x02\x03", 0) == 0
