"""ClientHellos: those of real programs whole, split and truncated, and whatever else a stranger may send."""

import os

from edgeturn.protocol import client_hello
from edgeturn.protocol.stun import Malformed
from tests.core import hellos
from tests.core.dialogue import raises
from tests.fuzz.mutations import Dice

TYPE_CHECKING = False
if TYPE_CHECKING:
    Read = tuple[bytes, list[bytes]]
    Vector = tuple[str, bytes, bytes, list[bytes]]
    Extensions = tuple[str, bytes | None, bytes, list[bytes]]

HTTP = [b"h2", b"http/1.1"]
REAL: "tuple[Vector, ...]" = (
    ("openssl", hellos.OPENSSL, b"turn.example.org", [b"stun.turn"]),
    ("openssl without a name", hellos.OPENSSL_BARE, b"", []),
    ("python", hellos.PYTHON, b"turn.example.org", [b"stun.turn", b"stun.nat-discovery"]),
    ("curl", hellos.CURL, b"router.lan", HTTP),
    ("Chromium, a page", hellos.CHROMIUM_PAGE, b"router.lan", HTTP),
    ("Chromium, turns:", hellos.CHROMIUM_TURNS, b"router.lan", []),
)
ROUNDS = int(os.getenv("EDGETURN_FUZZ_DATAGRAMS") or 20000) // 4


def vector(size: int, value: bytes) -> bytes:
    return len(value).to_bytes(size, "big") + value


def extension(kind: int, value: bytes) -> bytes:
    return kind.to_bytes(2, "big") + vector(2, value)


def server_name(name: bytes, kind: int = 0) -> bytes:
    return extension(0, vector(2, bytes([kind]) + vector(2, name)))


def alpn(*names: bytes) -> bytes:
    return extension(16, vector(2, b"".join([vector(1, name) for name in names])))


def message(extensions: "bytes | None", behind: bytes = b"") -> bytes:
    """Return a ClientHello; behind stands at its end, inside."""
    body = b"\x03\x03" + bytes(32) + vector(1, b"") + vector(2, b"\x13\x01") + vector(1, b"\0")
    if extensions is not None:
        body += vector(2, extensions)
    return b"\x01" + vector(3, body + behind)


def records(data: bytes, size: int) -> bytes:
    """Return records that each hold so many bytes."""
    return b"".join([b"\x16\x03\x01" + vector(2, data[at : at + size]) for at in range(0, len(data), size)])


def hello(extensions: "bytes | None", behind: bytes = b"") -> bytes:
    return records(message(extensions, behind), 16384)


def read(data: bytes) -> "Read | None":
    found = client_hello.read(memoryview(data))
    return None if found is None else (found.name, found.protocols)


def test_what_real_programs_ask_for() -> None:
    for what, data, name, protocols in REAL:
        assert read(data) == (name, protocols), what


def test_at_every_split_more_is_wanted() -> None:
    for what, data, _, _ in REAL:
        for size in range(len(data)):
            assert client_hello.read(data[:size]) is None, (what, size)


def test_rfc8446_5_1_a_message_may_be_split_over_records() -> None:
    for what, data, name, protocols in REAL:
        for size in (1, 2, 3, 4, 5, 100, len(data) - 6):
            split = records(data[5:], size)
            assert read(split) == (name, protocols), (what, size)
            assert read(split[:-1]) is None, (what, size)


def test_what_comes_behind_the_record_is_left_alone() -> None:
    for what, data, name, protocols in REAL:
        assert read(data + b"\x14\x03\x03\0\x01\x01") == (name, protocols), what
        assert read(data + b"whatever") == (name, protocols), what


def test_rows_of_extensions() -> None:
    both = server_name(b"A.Example") + alpn(b"stun.turn")
    rows: "tuple[Extensions, ...]" = (
        ("none at all", None, b"", []),
        ("an empty list", b"", b"", []),
        ("a name, in lower case", server_name(b"Turn.Example.ORG"), b"turn.example.org", []),
        ("both", both, b"a.example", [b"stun.turn"]),
        ("both the other way", both[18:] + both[:18], b"a.example", [b"stun.turn"]),
        ("another kind of name", server_name(b"a.example", 1), b"", []),
        ("the first name counts", server_name(b"a") + server_name(b"b"), b"a", []),
        ("the first protocols count", alpn(b"a") + alpn(b"b"), b"", [b"a"]),
        ("unknown ones are passed over", extension(0x1A1A, b"?") + both, b"a.example", [b"stun.turn"]),
        ("no protocol", alpn(), b"", []),
    )
    for what, extensions, name, protocols in rows:
        assert read(hello(extensions)) == (name, protocols), what


def test_what_is_no_client_hello_is_malformed() -> None:
    whole = hello(server_name(b"a.example"))
    rows = (
        ("text", b"GET / HTTP/1.1\r\n"),
        ("a STUN message", b"\0\x01\0\0\x21\x12\xa4\x42" + bytes(12)),
        ("the first byte of one", b"\0"),
        ("an alert", b"\x15\x03\x01\0\x02\x02\x28"),
        ("SSL 2", b"\x80\x2e\x01\x03\x01"),
        ("another version", b"\x16\x02"),
        ("an empty record", b"\x16\x03\x01\0\0"),
        ("a record that is too long", b"\x16\x03\x01\x40\x01"),
        ("a ServerHello", b"\x16\x03\x03\0\x01\x02"),
        ("a second record of another kind", records(message(None), 20)[:25] + b"\x17"),
        ("something behind the message in its record", records(message(None) + b"\0", 16384)),
        ("a message that ends in the session id", records(b"\x01" + vector(3, bytes(34) + b"\x20"), 16384)),
        ("an empty message", records(b"\x01\0\0\0", 16384)),
        ("something behind the extensions", hello(b"", b"\0")),
        ("an extension that is cut off", hello(b"\0\0\0")),
        ("an extension longer than all of them", hello(b"\0\0\0\x01")),
        ("a name list longer than its extension", hello(extension(0, b"\0\x05\0"))),
        ("a name longer than its list", hello(extension(0, vector(2, b"\0\0\x09a")))),
        ("something behind the name list", hello(extension(0, vector(2, b"") + b"?"))),
        ("a protocol longer than its list", hello(extension(16, vector(2, b"\x09h2")))),
        ("something behind the protocols", hello(extension(16, vector(2, b"\x02h2") + b"?"))),
    )
    for what, data in rows:
        assert raises(Malformed, client_hello.read, data), what
    assert read(whole) == (b"a.example", [])


def test_nothing_but_malformed_escapes_whatever_is_changed() -> None:
    dice = Dice(8446)
    outcomes: dict[str, int] = {}
    for number in range(ROUNDS):
        data = bytearray(REAL[dice.below(len(REAL))][1])
        for _ in range(1 + dice.below(3)):
            at = dice.below(len(data)) if dice.once_in(2) else dice.below(140)
            data[at] = dice.below(256)
        part = bytes(data[: dice.below(len(data) + 1)]) if dice.once_in(4) else bytes(data)
        try:
            outcome = "more" if client_hello.read(part) is None else "read"
        except Malformed:
            outcome = "malformed"
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
        assert len(outcomes) <= 3, number
    assert len(outcomes) == 3, outcomes


def test_noise_behind_a_good_beginning() -> None:
    dice = Dice(7301)
    for _ in range(ROUNDS):
        noise = hello(dice.data(dice.below(60)))
        try:
            client_hello.read(noise)
        except Malformed:
            pass
