"""Digests and keyed digests, as STUN uses them: messages so short that copying them costs nothing."""

from edgeturn.seam import md5 as _md5
from edgeturn.seam import sha1 as _sha1
from edgeturn.seam import sha256 as _sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from hashlib import _Hash as Hash

_BLOCK = 64  # bytes, of all three hashes
_INNER = int.from_bytes(b"\x36" * _BLOCK, "big")
_OUTER = int.from_bytes(b"\x5c" * _BLOCK, "big")


def md5(data: bytes) -> bytes:
    """Return the MD5 digest, 16 bytes."""
    return _md5(data).digest()


def sha256(data: bytes) -> bytes:
    """Return the SHA-256 digest, 32 bytes."""
    return _sha256(data).digest()


def hmac_sha1(key: bytes, data: bytes) -> bytes:
    """Return HMAC-SHA1, 20 bytes."""
    return _hmac(_sha1, key, data)


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    """Return HMAC-SHA256, 32 bytes."""
    return _hmac(_sha256, key, data)


def _hmac(digest: "Callable[[bytes], Hash]", key: bytes, data: bytes) -> bytes:
    """Return the keyed hash of RFC 2104."""
    if len(key) > _BLOCK:
        key = digest(key).digest()
    padded = int.from_bytes(key + bytes(_BLOCK - len(key)), "big")
    inner = digest((padded ^ _INNER).to_bytes(_BLOCK, "big") + data).digest()
    return digest((padded ^ _OUTER).to_bytes(_BLOCK, "big") + inner).digest()
