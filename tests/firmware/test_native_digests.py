"""The digests of the firmware's C module, by the vectors of the RFCs; tests/core checks what STUN makes of them."""

from binascii import hexlify
from unittest import SkipTest

try:
    import _edgeturn as native  # type: ignore[import-not-found]
except ImportError:
    raise SkipTest("this interpreter isn't our firmware")

LETTERS = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"
DIGITS = b"1234567890" * 8

# algorithm, message, digest: RFC 1321 §A.5, RFC 3174 §7.3, RFC 6234 §8.5
DIGESTS = (
    ("md5", b"", "d41d8cd98f00b204e9800998ecf8427e"),
    ("md5", b"a", "0cc175b9c0f1b6a831c399e269772661"),
    ("md5", b"abc", "900150983cd24fb0d6963f7d28e17f72"),
    ("md5", b"message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
    ("md5", b"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"),
    ("md5", DIGITS, "57edf4a22be3c955ac49da2e2107b67a"),
    ("sha1", b"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
    ("sha1", LETTERS, "84983e441c3bd26ebaae4aa1f95129e5e54670f1"),
    ("sha1", b"a" * 1000000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f"),
    ("sha1", b"01234567" * 80, "dea356a2cddd90c7a7ecedc5ebb563934f460452"),
    ("sha256", b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ("sha256", LETTERS, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"),
    ("sha256", b"a" * 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
)
LONG_KEY = b"\xaa" * 131
HI, JEFE = (b"\x0b" * 20, b"Hi There"), (b"Jefe", b"what do ya want for nothing?")
FIFTY = (b"\xaa" * 20, b"\xdd" * 50)
LARGER = b"Test Using Larger Than Block-Size Key - Hash Key First"

# algorithm, key, message, code: RFC 2202 §3, RFC 4231 §4
CODES = (
    ("hmac_sha1", HI[0], HI[1], "b617318655057264e28bc0b6fb378c8ef146be00"),
    ("hmac_sha1", JEFE[0], JEFE[1], "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
    ("hmac_sha1", FIFTY[0], FIFTY[1], "125d7342b9ac11cd91a39af48aa17b4f63f175d3"),
    ("hmac_sha1", b"\xaa" * 80, LARGER, "aa4ae5e15272d00e95705637ce8a3b55ed402112"),
    ("hmac_sha256", HI[0], HI[1], "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    ("hmac_sha256", JEFE[0], JEFE[1], "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
    ("hmac_sha256", FIFTY[0], FIFTY[1], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
    ("hmac_sha256", LONG_KEY, LARGER, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
)

# algorithm, digest of the digests of messages of 0 to 259 bytes, by CPython's hashlib
ALL_LENGTHS = (
    ("md5", "e8be310ccb65eb906b1ce0364c6e83d0"),
    ("sha1", "0aca2087a69f32ac15601dbcdcb5812910fa3b19"),
    ("sha256", "b5f76be0a00222035de0219239dc507cab1c0b71992cfac62c9256a1037e7bb1"),
)


def hexadecimal(data: bytes) -> str:
    return hexlify(data).decode()


def test_digests() -> None:
    for name, message, expected in DIGESTS:
        assert hexadecimal(getattr(native, name)(message)) == expected, (name, message[:20])


def test_keyed_digests() -> None:
    for name, key, message, expected in CODES:
        assert hexadecimal(getattr(native, name)(key, message)) == expected, (name, key)


def test_messages_of_every_length_around_the_ends_of_blocks() -> None:
    for name, expected in ALL_LENGTHS:
        digest = getattr(native, name)
        messages = [bytes([size * at & 0xFF for at in range(size)]) for size in range(260)]
        assert hexadecimal(digest(b"".join([digest(message) for message in messages]))) == expected, name


def test_views_and_parts_of_them() -> None:
    whole = bytearray(b"xabcx")
    assert native.sha256(memoryview(whole)[1:4]) == native.sha256(b"abc")
    assert native.hmac_sha1(memoryview(whole)[1:4], memoryview(whole)[1:4]) == native.hmac_sha1(b"abc", b"abc")


def test_sameness() -> None:
    rows = ((b"", b"", True), (b"a", b"a", True), (b"a", b"b", False), (b"a", b"ab", False), (b"ab", b"a", False))
    for left, right, expected in rows:
        assert native.same(left, right) is expected, (left, right)
        assert native.same(bytearray(left), memoryview(right)) is expected
