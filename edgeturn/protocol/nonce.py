"""Nonces without state (RFC 8489 §9.2, RFC 8656 §5).

    obMatJos2 | security features | time  | authenticator
    9         | 4                 | 5     | 10 characters

Rule 1: the server keeps nothing; the authenticator is an HMAC over all that stands before it, the client's address and
        the list of password algorithms that went with it, under a boot secret.
Rule 2: whoever changes the feature bits or the list of password algorithms to bid the client down breaks the
        authenticator (§9.2.1).
Rule 3: 28 characters: no padding, and as short as the answer to a stranger can be.
"""

from edgeturn.protocol.digests import hmac_sha256
from edgeturn.seam import base64, same

COOKIE = b"obMatJos2"
PASSWORD_ALGORITHMS_BIT = 0x80  # RFC 8489 §18.1, bits of the first of three bytes
USERNAME_ANONYMITY_BIT = 0x40

_FEATURES_END = len(COOKIE) + 4
_TIME_END = _FEATURES_END + 5
_SIZE = _TIME_END + 10
_DIGITS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


class Nonces:
    """Mints nonces and judges them."""

    def __init__(self, secret: bytes, lifetime: int) -> None:
        """Take a random secret of this process and the seconds that a nonce is valid."""
        self._secret = secret
        self.lifetime = lifetime

    def mint(self, source: bytes, features: int, offered: bytes, now: int) -> bytes:
        """Return a nonce for the client at port||ip that goes with features and a list of password algorithms."""
        text = COOKIE + base64(bytes([features, 0, 0])) + _encode_time(now)
        return text + self._authenticator(text, source, offered)

    def is_ours(self, nonce: bytes, source: bytes, offered: bytes) -> bool:
        """Say whether a nonce was minted for the client at port||ip with that list of password algorithms."""
        text = nonce[:_TIME_END]
        return len(nonce) == _SIZE and same(self._authenticator(text, source, offered), nonce[_TIME_END:])

    def is_fresh(self, nonce: bytes, now: int) -> bool:
        """Say whether a nonce of ours was not minted too long ago."""
        return 0 <= now - _decode_time(nonce[_FEATURES_END:_TIME_END]) < self.lifetime

    def _authenticator(self, text: bytes, source: bytes, offered: bytes) -> bytes:
        return base64(hmac_sha256(self._secret, text + source + offered)[:9])[: _SIZE - _TIME_END]


def features_of(nonce: bytes) -> int:
    """Return the first byte of the security features that a nonce claims, 0 where it has no nonce cookie (§9.2)."""
    if not nonce.startswith(COOKIE) or len(nonce) < _FEATURES_END:
        return 0
    high, low = _DIGITS.find(nonce[9:10]), _DIGITS.find(nonce[10:11])
    if high < 0 or low < 0:
        return 0
    return (high << 2 | low >> 4) & 0xFF


def _encode_time(now: int) -> bytes:
    return bytes([_DIGITS[now >> shift & 63] for shift in (24, 18, 12, 6, 0)])


def _decode_time(text: bytes) -> int:
    now = 0
    for byte in text:
        now = now << 6 | _DIGITS.find(bytes([byte]))
    return now
