"""DTLS datagrams: what is taken for a ClientHello, for whole records, for our cookie, and what isn't."""

import os
from binascii import unhexlify

from edgeturn.protocol import dtls
from edgeturn.protocol.dtls import Cookies, Hello
from tests.fuzz.mutations import Dice

RANDOM = bytes(range(32))
SECRET = b"of this process"
ALICE, MALLORY = b"\x10\x00\x7f\0\0\1", b"\x10\x01\x7f\0\0\1"
ROUNDS = int(os.getenv("EDGETURN_FUZZ_DATAGRAMS") or 20000) // 4
# What OpenSSL 4.0 sends first, with ALPN stun.turn; its random value begins with abaed25e.
OPENSSL = unhexlify(
    "16feff000000000000000000d1010000c500000000000000c5fefdfeabaed25e0bb45b581845c31e542270a9e4ef76691140"
    "2e972897d8b13aa68700000036c02cc030009fcca9cca8ccaac02bc02f009ec024c028006bc023c0270067c00ac0140039c0"
    "09c0130033009d009c003d003c0035002f01000065ff01000100000b00020100000a000c000a001d0017001e001800190023"
    "00000016000000170000000d002a0028040305030603080708080809080a080b080408050806040105010601030303010302"
    "0402050206020010000c000a097374756e2e7475726e"
)


def record(content: bytes, kind: int = 22, version: bytes = b"\xfe\xfd", epoch: int = 0) -> bytes:
    return bytes([kind]) + version + epoch.to_bytes(2, "big") + bytes(6) + len(content).to_bytes(2, "big") + content


def message(body: bytes, kind: int = 1, offset: int = 0, whole: "int | None" = None) -> bytes:
    size = len(body) if whole is None else whole
    return b"".join(
        [
            bytes([kind]),
            size.to_bytes(3, "big"),
            bytes(2),
            offset.to_bytes(3, "big"),
            len(body).to_bytes(3, "big"),
            body,
        ]
    )


def body(cookie: bytes = b"", session: bytes = b"", version: bytes = b"\xfe\xfd") -> bytes:
    front = version + RANDOM + bytes([len(session)]) + session + bytes([len(cookie)]) + cookie
    return front + b"\0\x02\xc0\x2b\x01\0"


def read(data: bytes) -> "tuple[bytes, bytes] | None":
    """Read a hello in the front of a larger buffer, as it is received."""
    found: Hello | None = dtls.read_hello(memoryview(data + b"\x16\xfe\xfd old memory"), len(data))
    return None if found is None else (found.random, found.cookie)


def count(data: bytes) -> int:
    return dtls.count_records(memoryview(data + b"\x17\xfe\xfd old memory"), len(data))


def test_rfc6347_4_2_2_a_client_hello() -> None:
    cookie = bytes(16)
    for what, data, found in (
        ("without a cookie", record(message(body())), (RANDOM, b"")),
        ("with one", record(message(body(cookie))), (RANDOM, cookie)),
        ("with a session id", record(message(body(cookie, bytes(32)))), (RANDOM, cookie)),
        ("the longest cookie", record(message(body(bytes(255)))), (RANDOM, bytes(255))),
        ("version 1.0", record(message(body(cookie, b"", b"\xfe\xff")), 22, b"\xfe\xff"), (RANDOM, cookie)),
        ("OpenSSL", OPENSSL, (OPENSSL[27:59], b"")),
    ):
        assert read(data) == found, what
        for size in range(len(data)):
            assert read(data[:size]) is None, (what, size)


def test_what_is_no_client_hello() -> None:
    whole = message(body())
    for what, data in (
        ("nothing", b""),
        ("STUN", b"\0\x01\0\0\x21\x12\xa4\x42" + bytes(12)),
        ("TLS", record(whole, 22, b"\x03\x03")),
        ("of a version that isn't DTLS", record(message(body(b"", b"", b"\x03\x03")))),
        ("encrypted", record(whole, 22, b"\xfe\xfd", 1)),
        ("an alert", record(b"\x02\x28", 21)),
        ("application data", record(whole, 23)),
        ("a ServerHello", record(message(body(), 2))),
        ("an empty record", record(b"")),
        ("an empty message", record(message(b""))),
        ("a first fragment", record(message(body(), 1, 0, len(body()) + 1))),
        ("a last fragment", record(message(body(), 1, 1))),
        ("something behind it in its record", record(whole + b"\0")),
        ("something behind its record", record(whole) + b"\0"),
        ("a sequence number that no hello has", record(whole[:5] + b"\2" + whole[6:])),
        ("one far from that", record(whole[:4] + b"\1" + whole[5:])),
        ("more than the library reads at once", record(whole) + record(bytes(4096), 23)),
        ("larger than any", record(message(body() + bytes(4096)))),
        ("a session id to the end", record(message(b"\xfe\xfd" + RANDOM + b"\x20" + bytes(32)))),
        ("a cookie that is cut off", record(message(b"\xfe\xfd" + RANDOM + b"\0\x10" + bytes(15)))),
    ):
        assert read(data) is None, what


def test_records_are_counted_to_the_last_byte() -> None:
    media = record(b"media", 23, b"\xfe\xfd", 1)
    for what, data, found, is_media in (
        ("nothing", b"", 0, False),
        ("one", media, 1, True),
        ("two", media + media, 2, False),
        ("of every kind", b"".join([record(b"x", kind) for kind in (20, 21, 22, 23)]), 4, False),
        ("an empty one", record(b"", 23), 1, True),
        ("a kind below", record(b"x", 19), 0, False),
        ("a kind above", record(b"x", 24), 0, False),
        ("another version", media[:1] + b"\x03" + media[2:], 0, False),
        ("cut off", media[:-1], 0, False),
        ("a byte more", media + b"\x17", 0, False),
        ("a header that is cut off", media + media[:12], 0, False),
    ):
        assert count(data) == found, what
        assert dtls.is_media(memoryview(data + media), len(data)) is is_media, what


def test_a_handshake_message_is_modest() -> None:
    finished = record(bytes(40), 22, b"\xfe\xfd", 1)
    for what, data, modest in (
        ("a small one", record(message(bytes(300), 16)), True),
        ("two of a record, and Finished", record(message(b"", 11) + message(bytes(66), 16)) + finished, True),
        ("the largest", record(message(b"", 16, 0, 4096)), True),
        ("larger", record(message(b"", 16, 0, 4097)), False),
        ("larger behind another", record(message(b"x", 11) + message(b"", 16, 0, 65535)), False),
        ("larger in a second record", finished + record(message(b"", 16, 0, 65535)), False),
        ("a header that is cut off", record(message(b"x", 16)[:11]), False),
        ("a fragment that is cut off", record(message(b"xyz", 16)[:-1]), False),
    ):
        assert count(data), what
        assert dtls.is_modest(memoryview(data), len(data)) is modest, what


def test_records_are_gathered_into_datagrams() -> None:
    small, large = record(bytes(87)), record(bytes(487))  # 100 and 500 bytes
    for what, records, found in (
        ("nothing", [], []),
        ("one", [small], [1]),
        ("those that fit", [small, small, small], [3]),
        ("one too many", [small, small, small, small], [3, 1]),
        ("a large one between", [small, large, small], [1, 1, 1]),
        ("a large one first", [large, small, small, small, small], [1, 3, 1]),
    ):
        made = dtls.datagrams(b"".join(records), 300)
        assert b"".join(made) == b"".join(records), what
        assert [count(each) for each in made] == found, what


def test_rfc6347_4_2_1_a_cookie_is_of_its_source_and_time() -> None:
    cookies, others = Cookies(SECRET), Cookies(b"of another process")
    for now in (0, 5, 29, 30, 1000000, 1 << 33):
        cookie = cookies.mint(ALICE, now)
        assert len(cookie) == dtls.COOKIE_SIZE
        assert cookies.is_ours(cookie, ALICE, now) and cookies.is_ours(cookie, ALICE, now + 30)
        assert not cookies.is_ours(cookie, ALICE, now + 60)
        assert not cookies.is_ours(cookie, MALLORY, now)
        assert not others.is_ours(cookie, ALICE, now)
        assert not cookies.is_ours(cookie[:-1] + bytes([cookie[-1] ^ 1]), ALICE, now)
    for forged in (b"", bytes(dtls.COOKIE_SIZE), cookies.mint(ALICE, 0)[:-1], cookies.mint(ALICE, 0) + b"\0"):
        assert not cookies.is_ours(forged, ALICE, 0)


def test_nothing_escapes_whatever_is_changed() -> None:
    dice = Dice(7)
    valid = [OPENSSL, record(message(body(bytes(16)))), record(message(b"x", 11) + message(bytes(66), 16))]
    valid.append(valid[2] + record(bytes(40), 22, b"\xfe\xfd", 1))
    read_at_all = 0
    for _ in range(ROUNDS):
        data = bytearray(valid[dice.below(len(valid))])
        for _ in range(dice.below(4)):
            data[dice.below(len(data))] = dice.below(256)
        size = len(data) - (dice.below(len(data)) if dice.once_in(4) else 0)
        view = memoryview(data)[:size]
        read_at_all += dtls.read_hello(view, size) is not None
        dtls.begins_anew(view, size)
        dtls.is_media(view, size)
        if dtls.count_records(view, size):
            dtls.is_modest(view, size)
            assert b"".join(dtls.datagrams(bytes(view), 100)) == bytes(view)
    assert 0 < read_at_all < ROUNDS
