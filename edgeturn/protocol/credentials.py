"""Who may use the relay: static users, shared secrets for time-limited credentials and tokens, all at once.

Rule 1: no password is kept, only keys (RFC 8656 §6): MD5 or SHA-256 over username:realm:password
        (RFC 8489 §9.2.2, §18.5.1).
Rule 2: the work for a name doesn't depend on whether it exists: every name has one static key, real or decoy,
        and one key a secret.
Rule 3: a time-limited credential is `expiry` or `expiry:name` with password base64(HMAC-SHA1(secret, username));
        a passed expiry is refused.
"""

from edgeturn.protocol.digests import hmac_sha1, md5, sha256
from edgeturn.protocol.token import Tokens
from edgeturn.seam import base64

MD5 = 0x0001  # RFC 8489 §18.5
SHA256 = 0x0002
KEY_SIZES = {MD5: 16, SHA256: 32}
_KEY_HASHES = {MD5: md5, SHA256: sha256}


def long_term_key(algorithm: int, name: bytes, realm: bytes, password: bytes) -> bytes:
    """Return the long-term key, 16 bytes for MD5 and 32 for SHA256 (RFC 8489 §9.2.2, §18.5.1)."""
    return _KEY_HASHES[algorithm](name + b":" + realm + b":" + password)


def user_hash(name: bytes, realm: bytes) -> bytes:
    """Return the USERHASH of a name, 32 bytes (RFC 8489 §14.4)."""
    return sha256(name + b":" + realm)


def time_limited_password(secret: bytes, username: bytes) -> bytes:
    """Return the password that goes with a time-limited username."""
    return base64(hmac_sha1(secret, username))


def expiry_of(username: bytes) -> int:
    """Return the Unix time at which a time-limited username ends, 0 where it isn't one."""
    digits = username.split(b":", 1)[0]
    if not digits or len(digits) > 12 or any(byte < 0x30 or byte > 0x39 for byte in digits):
        return 0
    return int(digits)


def account_of(username: bytes) -> bytes:
    """Return what quotas are counted by: the name behind a time-limited username's expiry, else the username."""
    if expiry_of(username) and b":" in username:
        return username.split(b":", 1)[1]
    return username


class Credentials:
    """The realm with its users and secrets."""

    def __init__(self, realm: bytes, decoy: bytes) -> None:
        """Take the realm and 32 random bytes that stand in for the key of unknown users."""
        self.realm = realm
        self._decoy = decoy
        self._users: dict[bytes, dict[int, bytes]] = {}
        self._hashes: dict[bytes, bytes] = {}
        self._secrets: list[bytes] = []
        self.tokens = Tokens(realm)

    def add_user(self, name: bytes, password: bytes) -> None:
        """Add a user by password."""
        keys = {algorithm: long_term_key(algorithm, name, self.realm, password) for algorithm in KEY_SIZES}
        self.add_user_keys(name, keys)

    def add_user_keys(self, name: bytes, keys: dict[int, bytes]) -> None:
        """Add a user by precomputed keys, one for each password algorithm that is known."""
        self._users[name] = keys
        self._hashes[user_hash(name, self.realm)] = name

    def add_secret(self, secret: bytes) -> None:
        """Add a shared secret for time-limited credentials."""
        self._secrets.append(secret)

    def algorithms(self) -> "list[int]":
        """Return the password algorithms to offer, the preferred first: SHA-256 only if every user has a key of it."""
        if all(SHA256 in keys for keys in self._users.values()):
            return [SHA256, MD5]
        return [MD5]

    def hides_usernames(self) -> bool:
        """Say whether clients may send USERHASH only: time-limited usernames can't be found by their hash."""
        return not self._secrets

    def name_of(self, hashed: bytes) -> bytes:
        """Return the username behind a USERHASH, or one that nobody can have."""
        return self._hashes.get(hashed, b"\0" + hashed)

    def keys(self, name: bytes, algorithm: int, wall: int) -> "list[tuple[bytes, bool]]":
        """Return all keys that the name could have, each with whether it counts; always as many, whoever asks.

        wall: Unix time.
        """
        known = self._users.get(name, {})
        keys = [(known.get(algorithm, self._decoy[: KEY_SIZES[algorithm]]), algorithm in known)]
        fresh = expiry_of(name) > wall
        for secret in self._secrets:
            key = long_term_key(algorithm, name, self.realm, time_limited_password(secret, name))
            keys.append((key, fresh))
        return keys
