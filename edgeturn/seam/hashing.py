"""Digests and keyed digests of whole messages, which are short, made of the interpreter's own hashes."""

# OpenSSL's take 3.5 MB of resident memory on CPython, and on messages as short as these they are no faster.
try:
    from _md5 import md5 as _md5
    from _sha1 import sha1 as _sha1

    try:
        from _sha2 import sha256 as _sha256
    except ImportError:
        from _sha256 import sha256 as _sha256
    from _operator import _compare_digest as same
except ImportError:
    from hashlib import md5 as _md5
    from hashlib import sha1 as _sha1
    from hashlib import sha256 as _sha256

    def same(left: bytes, right: bytes) -> bool:
        """Compare in a time that depends on the lengths only."""
        if len(left) != len(right):
            return False
        difference = 0
        for index in range(len(left)):
            difference |= left[index] ^ right[index]
        return difference == 0


_BLOCK = 64  # bytes, of all three hashes
_INNER = int.from_bytes(b"\x36" * _BLOCK, "big")
_OUTER = int.from_bytes(b"\x5c" * _BLOCK, "big")


def md5(data: bytes) -> bytes:
    """Return the MD5 digest, 16 bytes."""
    return _md5(data).digest()


def sha1(data: bytes) -> bytes:
    """Return the SHA-1 digest, 20 bytes."""
    return _sha1(data).digest()


def sha256(data: bytes) -> bytes:
    """Return the SHA-256 digest, 32 bytes."""
    return _sha256(data).digest()


def hmac_sha1(key: bytes, data: bytes) -> bytes:
    """Return HMAC-SHA1, 20 bytes."""
    return _hmac(_sha1, key, data)


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    """Return HMAC-SHA256, 32 bytes."""
    return _hmac(_sha256, key, data)


def _hmac(digest, key: bytes, data: bytes) -> bytes:
    """Return the keyed hash of RFC 2104."""
    if len(key) > _BLOCK:
        key = digest(key).digest()
    padded = int.from_bytes(key + bytes(_BLOCK - len(key)), "big")
    inner = digest((padded ^ _INNER).to_bytes(_BLOCK, "big") + data).digest()
    return digest((padded ^ _OUTER).to_bytes(_BLOCK, "big") + inner).digest()
