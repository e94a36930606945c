"""The published test vectors: RFC 5769 whole, and RFC 8489 appendix B.1."""

from edgeturn.protocol import stun
from edgeturn.protocol.address import format as as_text
from edgeturn.protocol.address import parse
from edgeturn.protocol.credentials import MD5, SHA256, long_term_key, user_hash
from edgeturn.protocol.digests import hmac_sha1, hmac_sha256
from tests.core.dialogue import Server, raises

SHORT_TERM = b"VOkJxbRl1RmTxUk/WvJxBt"
USER = b"\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9"
PASSWORD = b"TheMatrIX"
REALM = b"example.org"

REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e20746573"
    "7420636c69656e74002400046e0001ff80290008932ff9b151263b3600060009"
    "6576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249"
    "c1b571a280280004e57a3bcf"
)
RESPONSE_IPV4 = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563"
    "746f7220002000080001a147e112a643000800142b91f599fd9e90c38c7489f9"
    "2af9ba53f06be7d780280004c07d4c96"
)
RESPONSE_IPV6 = bytes.fromhex(
    "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563"
    "746f7220002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d900080014"
    "a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c"
)
LONG_TERM = bytes.fromhex(
    "000100602112a44278ad3433c6ad72c029da412e00060012e3839ee38388e383"
    "aae38383e382afe382b900000015001c662f2f3439396b39353464364f4c3334"
    "6f4c394653547679363473410014000b6578616d706c652e6f72670000080014"
    "f67024656dd64a3e02b8e0712e85c9a28ca89666"
)
USERHASH_SHA256 = bytes.fromhex(
    "0001009c2112a44278ad3433c6ad72c029da412e001e00204a3cf38fef6992bd"
    "a952c6780417da0f24819415569e60b205c46e41407f1704001500296f624d61"
    "744a6f733241414143662f2f3439396b39353464364f4c33346f4c3946535476"
    "79363473410000000014000b6578616d706c652e6f726700"
    "001c0020e4686c8f0edeb59013e07090010a93efccbccc544c0a45d9f830aa6d6f735a01"
)


def test_rfc5769_2_1_sample_request() -> None:
    message = stun.Message(REQUEST)
    assert (message.method, message.message_class) == (stun.BINDING, stun.REQUEST)
    assert message.transaction[4:] == bytes.fromhex("b7e7a701bc34d686fa87dfae")
    assert message.attributes[stun.SOFTWARE] == b"STUN test client"
    assert message.attributes[stun.USERNAME] == b"evtj:h6vY"
    assert message.integrity_holds(stun.MESSAGE_INTEGRITY, SHORT_TERM)
    assert not message.integrity_holds(stun.MESSAGE_INTEGRITY, SHORT_TERM + b"x")
    assert message.unknown == [0x0024]  # PRIORITY is of ICE


def test_rfc5769_2_2_sample_ipv4_response() -> None:
    check_response(RESPONSE_IPV4, "192.0.2.1:32853")


def test_rfc5769_2_3_sample_ipv6_response() -> None:
    check_response(RESPONSE_IPV6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853")


def check_response(data: bytes, address: str) -> None:
    message = stun.Message(data)
    assert (message.method, message.message_class) == (stun.BINDING, stun.SUCCESS)
    assert message.attributes[stun.SOFTWARE] == b"test vector"
    decoded = stun.decode_xor_address(message.attributes[stun.XOR_MAPPED_ADDRESS], message.transaction)
    assert decoded is not None and as_text(decoded) == address
    assert message.integrity_holds(stun.MESSAGE_INTEGRITY, SHORT_TERM)


def test_rfc5769_responses_are_encoded_to_the_byte() -> None:
    rows = ((RESPONSE_IPV4, "192.0.2.1"), (RESPONSE_IPV6, "2001:db8:1234:5678:11:2233:4455:6677"))
    for data, ip in rows:
        transaction = data[4:20]
        mapped = stun.encode_xor_address(parse(ip, 32853), transaction)
        kind = stun.BINDING | stun.SUCCESS
        attributes = [(stun.SOFTWARE, b"test vector"), (stun.XOR_MAPPED_ADDRESS, mapped)]
        encoded = stun.encode(kind, transaction, attributes, stun.MESSAGE_INTEGRITY, SHORT_TERM, True)
        # The RFC pads with a space, and padding goes into integrity and fingerprint.
        assert encoded[:20] == data[:20] and encoded[36 : 36 + len(mapped) + 4] == data[36 : 36 + len(mapped) + 4]
        assert len(encoded) == len(data)
        assert stun.Message(encoded).integrity_holds(stun.MESSAGE_INTEGRITY, SHORT_TERM)


def test_rfc5769_2_4_sample_request_with_long_term_authentication() -> None:
    message = stun.Message(LONG_TERM)
    assert message.attributes[stun.USERNAME] == USER
    assert message.attributes[stun.NONCE] == b"f//499k954d6OL34oL9FSTvy64sA"
    assert message.attributes[stun.REALM] == REALM
    key = long_term_key(MD5, USER, REALM, PASSWORD)
    assert message.integrity_holds(stun.MESSAGE_INTEGRITY, key)
    assert not message.integrity_holds(stun.MESSAGE_INTEGRITY, long_term_key(MD5, USER, REALM, b"wrong"))


def test_rfc5769_no_flipped_bit_passes_the_fingerprint() -> None:
    for data in (REQUEST, RESPONSE_IPV4, RESPONSE_IPV6):
        without = 0  # a flip in a type or a length can hide the attribute, and so nothing is checked
        for at in range(8 * len(data)):
            flipped = bytearray(data)
            flipped[at >> 3] ^= 1 << (at & 7)
            try:
                assert stun.FINGERPRINT not in stun.Message(bytes(flipped)).attributes, at
                without += 1
            except stun.Malformed:
                pass
        assert without < 40


def test_rfc5769_every_truncation_is_malformed() -> None:
    for data in (REQUEST, RESPONSE_IPV4, RESPONSE_IPV6, LONG_TERM):
        for end in range(len(data)):
            assert raises(stun.Malformed, stun.Message, data[:end]), end
        for size in range(1, 9):
            assert raises(stun.Malformed, stun.Message, data + bytes(size)), size


def test_rfc5769_request_of_ice_is_answered_with_420_by_this_server() -> None:
    alice = Server().client()
    answer = alice.ask(REQUEST)
    assert answer is not None and answer.code == 420
    assert answer.value(stun.UNKNOWN_ATTRIBUTES) == b"\x00\x24"


def test_rfc8489_b_1_user_hash_and_integrity() -> None:
    """The message length of the vector says 156, its attributes have 136 bytes; its integrity was made with the 156."""
    assert user_hash(USER, REALM) == USERHASH_SHA256[24:56]
    key = long_term_key(SHA256, USER, REALM, PASSWORD)
    assert hmac_sha256(key, USERHASH_SHA256[:-36]) == USERHASH_SHA256[-32:]
    assert raises(stun.Malformed, stun.Message, USERHASH_SHA256)


def test_rfc8489_b_1_with_its_length_mended() -> None:
    data = USERHASH_SHA256[:2] + b"\x00\x88" + USERHASH_SHA256[4:]
    message = stun.Message(data)
    assert message.attributes[stun.USERHASH] == user_hash(USER, REALM)
    assert message.attributes[stun.NONCE] == b"obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA"
    key = long_term_key(SHA256, USER, REALM, PASSWORD)
    mended = hmac_sha256(key, data[:-36])
    assert stun.Message(data[:-32] + mended).integrity_holds(stun.MESSAGE_INTEGRITY_SHA256, key)
    assert not message.integrity_holds(stun.MESSAGE_INTEGRITY_SHA256, key)


HMAC_VECTORS = (
    (hmac_sha1, b"\x0b" * 20, b"Hi There", "b617318655057264e28bc0b6fb378c8ef146be00"),
    (hmac_sha1, b"Jefe", b"what do ya want for nothing?", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
    (
        hmac_sha1,
        b"\xaa" * 80,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "aa4ae5e15272d00e95705637ce8a3b55ed402112",
    ),
    (
        hmac_sha256,
        b"\x0b" * 20,
        b"Hi There",
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    ),
    (
        hmac_sha256,
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
)


def test_rfc2202_and_rfc4231_hmac_of_every_key_length() -> None:
    """The interpreter seam has an HMAC of its own on MicroPython."""
    for keyed, key, data, digest in HMAC_VECTORS:
        assert keyed(key, data) == bytes.fromhex(digest)
