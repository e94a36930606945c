"""The STUN codec and the Binding usage (RFC 8489 §5, §6, §12, §14; classic STUN of RFC 3489)."""

from struct import pack

from edgeturn.protocol import stun
from edgeturn.protocol.address import parse
from edgeturn.seam import crc32
from tests.core.dialogue import (
    OTHER,
    PEER,
    REQUESTED_UDP,
    Answer,
    Server,
    add_fingerprint,
    append,
    attribute,
    encode,
    integrity,
    mask,
    raises,
    unmask,
    with_length,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.core.dialogue import Rows

TRANSACTION = stun.COOKIE + b"transaction!"
BINDING = encode(stun.BINDING, TRANSACTION, [])
UNKNOWN = (0x7ABC, b"what?")
OPTIONAL = (0xFABC, b"what?")
CLASSIC = bytes(range(16))


def ask(data: bytes, source: str = "1.1.1.1:1000") -> "Answer | None":
    """Return the answer that a stranger gets."""
    return Server(max_allocations=1).client(source=source).ask(data)


def is_malformed(data: bytes) -> bool:
    return raises(stun.Malformed, stun.Message, data)


def test_rfc8489_12_binding_returns_the_reflexive_address() -> None:
    for source in ("1.1.1.1:1000", "255.254.253.252:65535", "[2a05:1:2:3:4:5:6:7]:1"):
        answer = ask(BINDING, source)
        assert answer is not None and answer.message_class == stun.SUCCESS
        assert [kind for kind, _ in answer.rows] == [stun.XOR_MAPPED_ADDRESS]
        assert answer.address(stun.XOR_MAPPED_ADDRESS) == source


def test_rfc8489_12_binding_needs_no_credentials_and_ignores_them() -> None:
    rows: Rows = [(stun.USERNAME, b"nobody"), (stun.REALM, b"nowhere"), (stun.NONCE, b"never")]
    answer = ask(encode(stun.BINDING, TRANSACTION, rows, b"wrong", stun.MESSAGE_INTEGRITY))
    assert answer is not None and answer.code == 0


def test_rfc8489_12_answer_to_a_stranger_is_small() -> None:
    for source, size in (("1.1.1.1:1000", 32), ("[2a05::1]:1000", 44)):
        answer = ask(BINDING, source)
        assert answer is not None and len(answer.data) == size


def test_rfc8489_14_7_fingerprint_is_in_the_answer_where_the_request_has_it() -> None:
    answer = ask(add_fingerprint(BINDING))
    assert answer is not None and answer.rows[-1][0] == stun.FINGERPRINT
    assert answer.data == add_fingerprint(with_length(answer.data[:-8], len(answer.data) - 28))
    alice = Server().client()
    allocated = alice.request(stun.ALLOCATE, [REQUESTED_UDP], fingerprint=True)
    assert [kind for kind, _ in allocated.rows][-2:] == [stun.MESSAGE_INTEGRITY, stun.FINGERPRINT]
    assert not alice.refresh(600).has(stun.FINGERPRINT)


def test_rfc8489_14_7_error_answers_have_the_fingerprint_too() -> None:
    answer = ask(add_fingerprint(encode(stun.ALLOCATE, TRANSACTION, [REQUESTED_UDP])))
    assert answer is not None and answer.code == 401 and answer.rows[-1][0] == stun.FINGERPRINT


def test_rfc8489_14_7_wrong_fingerprint_is_dropped() -> None:
    whole = add_fingerprint(BINDING)
    for bit in range(8 * len(whole)):
        if 16 <= bit < 32 or 8 * 20 <= bit < 8 * 24:
            continue  # flips of length and attribute header are judged elsewhere
        flipped = bytearray(whole)
        flipped[bit >> 3] ^= 1 << (bit & 7)
        assert ask(bytes(flipped)) is None, bit
    for value in (b"", b"\0\0", bytes(5), bytes(8)):
        assert ask(append(BINDING, stun.FINGERPRINT, value)) is None


def test_rfc8489_14_7_nothing_stands_behind_the_fingerprint() -> None:
    whole = add_fingerprint(BINDING)
    for row in (stun.SOFTWARE, stun.MESSAGE_INTEGRITY, stun.FINGERPRINT, 0x7FFF):
        assert ask(append(whole, row, b"1234")) is None, row
    assert ask(add_fingerprint(whole)) is None
    longer = append(BINDING, stun.SOFTWARE, b"1234")
    value = crc32(with_length(BINDING, 16)) ^ 0x5354554E  # right for a message that ends behind SOFTWARE
    assert ask(with_length(BINDING, 16) + attribute(stun.FINGERPRINT, pack("!I", value)) + longer[20:]) is None


def test_rfc8489_5_truncated_and_longer_datagrams_are_dropped() -> None:
    for whole in (BINDING, add_fingerprint(BINDING), append(BINDING, stun.SOFTWARE, b"me"), encode(1, CLASSIC, [])):
        for end in range(len(whole)):
            assert ask(whole[:end]) is None, end
        for size in range(1, 9):
            assert ask(whole + bytes(size)) is None, size


def test_rfc8489_5_header() -> None:
    rows = (
        ("first bit", b"\x80\x01" + BINDING[2:]),
        ("second bit", b"\x40\x01" + BINDING[2:]),
        ("both", b"\xc0\x01" + BINDING[2:]),
        ("length too large", with_length(BINDING, 4)),
        ("length too small", with_length(append(BINDING, stun.SOFTWARE, b"1234"), 4)),
        ("length 65535", with_length(BINDING, 0xFFFF)),
        ("length misaligned", with_length(BINDING + b"\0\0", 2)),
        ("length misaligned by one", with_length(BINDING + b"\0", 1)),
        ("attribute without its padding", with_length(BINDING + pack("!HH", stun.SOFTWARE, 2) + b"me", 6)),
    )
    for what, data in rows:
        assert is_malformed(data), what
        assert ask(data) is None, what


def test_rfc8489_14_lying_attribute_lengths_are_dropped() -> None:
    for size in range(4, 0x10000, 997):
        body = pack("!HH", stun.SOFTWARE, size if size > 4 else 5) + b"1234"
        assert is_malformed(with_length(BINDING, len(body)) + body), size
    for size in range(5):
        body = pack("!HH", stun.SOFTWARE, size) + (b"1234" if size else b"")
        assert not is_malformed(with_length(BINDING, len(body)) + body), size


def test_rfc8489_14_padding_is_ignored() -> None:
    body = pack("!HH", stun.SOFTWARE, 1) + b"x\xff\xff\xff" + attribute(stun.USERNAME, b"y")
    message = stun.Message(with_length(BINDING, len(body)) + body)
    assert message.attributes == {stun.SOFTWARE: b"x", stun.USERNAME: b"y"}


def test_rfc8489_14_first_of_duplicated_attributes_counts() -> None:
    rows: Rows = [(stun.USERNAME, b"first"), (stun.USERNAME, b"second"), (stun.LIFETIME, b""), (stun.LIFETIME, b"1234")]
    message = stun.Message(encode(stun.ALLOCATE, TRANSACTION, rows))
    assert message.attributes == {stun.USERNAME: b"first", stun.LIFETIME: b""}


def test_rfc8656_10_2_every_peer_address_is_kept_in_order() -> None:
    rows: Rows = [(stun.XOR_PEER_ADDRESS, PEER), (stun.USERNAME, b"u"), (stun.XOR_PEER_ADDRESS, OTHER)]
    message = stun.Message(encode(stun.CREATE_PERMISSION, TRANSACTION, rows))
    assert [unmask(value, TRANSACTION) for value in message.peers] == [PEER, OTHER]


def test_rfc8489_14_5_behind_the_integrity_only_sha256_and_fingerprint_are_read() -> None:
    key = b"key"
    signed = encode(stun.ALLOCATE, TRANSACTION, [(stun.USERNAME, b"u")], key, stun.MESSAGE_INTEGRITY)
    longer = append(append(signed, stun.LIFETIME, b"1234"), 0x7ABC, b"unknown, but not reported")
    longer = append(append(longer, stun.XOR_PEER_ADDRESS, mask(PEER, TRANSACTION)), stun.MESSAGE_INTEGRITY, bytes(20))
    message = stun.Message(longer)
    assert sorted(message.attributes) == [stun.USERNAME, stun.MESSAGE_INTEGRITY]
    assert message.unknown == [] and message.peers == []
    assert message.integrity_holds(stun.MESSAGE_INTEGRITY, key)


def test_rfc8489_14_6_both_integrities_and_fingerprint_are_read_in_this_order() -> None:
    key = b"key"
    message = encode(stun.ALLOCATE, TRANSACTION, [(stun.USERNAME, b"u")], key, stun.MESSAGE_INTEGRITY)
    both = add_fingerprint(sign_again(message, key))
    read = stun.Message(both)
    assert read.integrity_holds(stun.MESSAGE_INTEGRITY, key)
    assert read.integrity_holds(stun.MESSAGE_INTEGRITY_SHA256, key)
    assert stun.FINGERPRINT in read.attributes


def sign_again(message: bytes, key: bytes) -> bytes:
    """Append MESSAGE-INTEGRITY-SHA256 to a message."""
    value = integrity(stun.MESSAGE_INTEGRITY_SHA256, key, message)
    return append(message, stun.MESSAGE_INTEGRITY_SHA256, value)


def test_rfc8489_14_6_behind_sha256_only_the_fingerprint_is_read() -> None:
    message = sign_again(encode(stun.ALLOCATE, TRANSACTION, [(stun.USERNAME, b"u")]), b"key")
    longer = append(append(message, stun.MESSAGE_INTEGRITY, bytes(20)), stun.NONCE, b"n")
    read = stun.Message(add_fingerprint(longer))
    assert sorted(read.attributes) == [stun.USERNAME, stun.MESSAGE_INTEGRITY_SHA256, stun.FINGERPRINT]


def test_rfc8489_6_3_1_unknown_comprehension_required_is_420_with_the_list() -> None:
    answer = ask(encode(stun.BINDING, TRANSACTION, [UNKNOWN, OPTIONAL, (stun.SOFTWARE, b""), (0x0003, b"1234")]))
    assert answer is not None and answer.code == 420
    assert answer.value(stun.UNKNOWN_ATTRIBUTES) == b"\x7a\xbc\x00\x03"


def test_an_answer_to_very_many_unknown_attributes_keeps_to_its_room() -> None:
    kinds = range(0x7000, 0x7000 + 900)
    answer = ask(encode(stun.BINDING, TRANSACTION, [(kind, b"") for kind in kinds]))
    assert answer is not None and answer.code == 420
    assert answer.value(stun.UNKNOWN_ATTRIBUTES) == b"".join([kind.to_bytes(2, "big") for kind in kinds[:64]])


def test_rfc8489_6_3_1_unknown_attributes_are_judged_after_the_credentials() -> None:
    answer = ask(encode(stun.ALLOCATE, TRANSACTION, [REQUESTED_UDP, UNKNOWN]))
    assert answer is not None and answer.code == 401
    alice = Server().client()
    for method in (stun.ALLOCATE, stun.REFRESH, stun.CREATE_PERMISSION, stun.CHANNEL_BIND):
        answer = alice.request(method, [UNKNOWN])
        assert answer.code == 420 and answer.value(stun.UNKNOWN_ATTRIBUTES) == b"\x7a\xbc"


def test_rfc8489_6_3_1_optional_and_unexpected_attributes_are_ignored() -> None:
    rows: Rows = [OPTIONAL, (stun.XOR_PEER_ADDRESS, b""), (stun.LIFETIME, b""), (stun.ERROR_CODE, b""), (0x8000, b"")]
    answer = ask(encode(stun.BINDING, TRANSACTION, rows))
    assert answer is not None and answer.code == 0


def test_rfc8489_6_3_responses_are_never_answered() -> None:
    server = Server()
    alice = server.client()
    alice.relayed()
    for message_class in (stun.SUCCESS, stun.ERROR):
        for method in range(16):
            assert alice.raw(encode(method | message_class, TRANSACTION, [])) is None
            assert server.client("bob", "1.1.1.2:1").raw(encode(method | message_class, TRANSACTION, [])) is None


def test_rfc8489_6_3_unknown_methods_are_dropped() -> None:
    known = (stun.BINDING, stun.ALLOCATE, stun.REFRESH, stun.CREATE_PERMISSION, stun.CHANNEL_BIND)
    server = Server(unauthenticated_rate=0)
    for method in range(0x1000):
        kind = (method & 0x0F) | (method & 0x70) << 1 | (method & 0xF80) << 2
        answer = server.client().raw(encode(kind, TRANSACTION, []))
        assert (answer is not None) == (method in known), method


def test_rfc3489_binding_without_the_cookie_gets_mapped_address() -> None:
    for source, size in (("1.1.1.1:1000", 32), ("[2a05::1]:1000", 44)):
        sent = Server().client(source=source).raw(encode(stun.BINDING, CLASSIC, []))
        assert sent is not None and len(sent[2]) == size
        answer = Answer(sent[2])
        assert answer.message_class == stun.SUCCESS and answer.transaction == CLASSIC
        assert answer.rows == [(stun.MAPPED_ADDRESS, bytes([0, 1 if size == 32 else 2]) + parse(source))]


def test_rfc3489_change_request_is_420() -> None:
    answer = ask(encode(stun.BINDING, CLASSIC, [(0x0003, bytes(4))]))
    assert answer is not None and answer.code == 420 and answer.value(stun.UNKNOWN_ATTRIBUTES) == b"\x00\x03"


def test_rfc8489_5_without_the_cookie_there_is_nothing_but_binding() -> None:
    for method in (stun.ALLOCATE, stun.REFRESH, stun.CREATE_PERMISSION, stun.CHANNEL_BIND):
        assert ask(encode(method, CLASSIC, [REQUESTED_UDP])) is None
    for message_class in (stun.INDICATION, stun.SUCCESS, stun.ERROR):
        assert ask(encode(stun.BINDING | message_class, CLASSIC, [])) is None
    for at in range(32):
        wrong = bytearray(TRANSACTION)
        wrong[at >> 3] ^= 1 << (at & 7)
        assert ask(encode(stun.ALLOCATE, bytes(wrong), [REQUESTED_UDP])) is None


def test_rfc8489_14_1_and_14_2_addresses_are_encoded() -> None:
    for text in ("0.0.0.0:0", "1.2.3.4:5", "255.255.255.255:65535", "[::]:0", "[2a05:1:2:3:4:5:6:7]:4660"):
        address = parse(text)
        value = stun.encode_xor_address(address, TRANSACTION)
        assert value == mask(text, TRANSACTION) and unmask(value, TRANSACTION) == text
        assert stun.decode_xor_address(value, TRANSACTION) == address
        assert stun.encode_address(address)[2:] == address


def test_rfc8489_14_2_addresses_of_wrong_sizes_are_none() -> None:
    for text in ("1.2.3.4:5", "[2a05::1]:5"):
        value = stun.encode_xor_address(parse(text), TRANSACTION)
        for end in range(len(value)):
            assert stun.decode_xor_address(value[:end], TRANSACTION) is None
        assert stun.decode_xor_address(value + b"\0", TRANSACTION) is None
        for family in (0, 3, 255, 3 - value[1]):
            assert stun.decode_xor_address(bytes([0, family]) + value[2:], TRANSACTION) is None
        assert stun.decode_xor_address(b"\xff" + value[1:], TRANSACTION) == parse(text)


def test_rfc8489_14_8_error_codes() -> None:
    for code in (300, 400, 401, 403, 420, 437, 438, 440, 441, 442, 443, 486, 500, 508):
        assert stun.encode_error(code) == bytes([0, 0, code // 100, code % 100])
    assert stun.encode_error(440, 2) == b"\x02\0\x04\x28"


def test_rfc8489_5_what_is_encoded_is_decoded() -> None:
    server = Server()
    for count in range(40):
        rows = [(0x8100 + size, server.random(size)) for size in range(count % 9)]
        for sign in (0, stun.MESSAGE_INTEGRITY, stun.MESSAGE_INTEGRITY_SHA256):
            for fingerprint in (False, True):
                data = stun.encode(stun.ALLOCATE, TRANSACTION, rows, sign, b"key", fingerprint)
                assert data == encode(stun.ALLOCATE, TRANSACTION, list(rows), b"key", sign, fingerprint)
                message = stun.Message(data)
                assert all(message.attributes[kind] == value for kind, value in rows)
                assert not sign or message.integrity_holds(sign, b"key")


def test_mutated_messages_raise_malformed_and_nothing_else() -> None:
    server = Server()
    alice = server.client()
    alice.relayed()
    whole = alice.signed(stun.CREATE_PERMISSION, [(stun.XOR_PEER_ADDRESS, PEER)], fingerprint=True)
    server.turn.strangers.set_rate(0)
    for at in range(len(whole)):
        for value in (0, 1, 0x7F, 0x80, 0xFF):
            alice.raw(whole[:at] + bytes([value]) + whole[at + 1 :])
    assert alice.permit(PEER) == 0


def test_empty_and_tiny_datagrams_are_dropped() -> None:
    alice = Server().client()
    alice.relayed()
    for first in (0x00, 0x40, 0x80, 0xFF):
        for size in range(24):
            assert alice.raw(bytes([first]) * size) is None
