"""AES-GCM of the firmware's C module, by the test cases of its specification (McGrew and Viega), 4 and 16."""

from binascii import unhexlify
from unittest import SkipTest

from edgeturn import seam

if not (seam.FIRMWARE and seam.AEAD):
    raise SkipTest("this interpreter isn't our firmware with TLS")

from edgeturn.seam.aead import opener

NONCE = "cafebabefacedbaddecaf888"
PLAIN = (
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
)
ASSOCIATED = "feedfacedeadbeeffeedfacedeadbeefabaddad2"

# key, data with its tag
CASES = (
    (
        "feffe9928665731c6d6a8f9467308308",
        (
            "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
            "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091"
            "5bc94fbc3221a5db94fae95ae7121a47"
        ),
    ),
    (
        "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
        (
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
            "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
            "76fc6ece0f4e1768cddf8853bb2d551b"
        ),
    ),
)


def test_what_was_sealed_is_opened() -> None:
    for key, sealed in CASES:
        opened = opener(unhexlify(key))(unhexlify(NONCE), unhexlify(sealed), unhexlify(ASSOCIATED))
        assert opened == unhexlify(PLAIN), key


def test_what_was_forged_is_not() -> None:
    for key, sealed in CASES:
        opens, data = opener(unhexlify(key)), unhexlify(sealed)
        for at in range(len(data)):
            forged = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            assert opens(unhexlify(NONCE), forged, unhexlify(ASSOCIATED)) is None, at
        for end in range(len(data)):
            assert opens(unhexlify(NONCE), data[:end], unhexlify(ASSOCIATED)) is None, end
        assert opens(unhexlify(NONCE), data, b"") is None
