"""Self-contained access tokens of third-party authorization, RFC 7635 §6.2.

    | nonce length 2 | nonce 12 | sealed: | key length 2 | mac_key | timestamp 8 | lifetime 4 | tag 16 |

Rule 1: USERNAME is the identifier of a key that we share with the authorization server; the token is sealed by it, with
        our name as associated data, so that a token for another server opens nothing here.
Rule 2: every length is checked before anything is read by it; what isn't exactly a token is none.
Rule 3: a token counts while |now - timestamp| < lifetime + 5 s (§7); within that it may be used again and again, from
        anywhere, by whoever knows its mac_key.
Rule 4: quotas count per mac_key: the key's identifier is that of all users of an authorization server.
"""

from edgeturn.protocol.digests import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Opener = Callable[[bytes, bytes, bytes], bytes | None]  # nonce, sealed, associated data; None: forged

NONCE_SIZE = 12  # of AES-GCM, RFC 5116 §5.1
TAG_SIZE = 16
KEY_SIZE_LEAST, KEY_SIZE_MOST = 16, 64  # 20 for HMAC-SHA1, 32 for HMAC-SHA256
CLOCK_SLACK = 5  # seconds, §7
_TIMES_SIZE = 8 + 4
_SEALED_AT = 2 + NONCE_SIZE
_LEAST = _SEALED_AT + 2 + KEY_SIZE_LEAST + _TIMES_SIZE + TAG_SIZE
_MOST = _SEALED_AT + 2 + KEY_SIZE_MOST + _TIMES_SIZE + TAG_SIZE


class Token:
    """What a token says: the key of its bearer's messages, and the Unix time at which it ends."""

    def __init__(self, mac_key: bytes, ends: int) -> None:
        """Take both."""
        self.mac_key = mac_key
        self.ends = ends

    def keys(self) -> "list[bytes]":
        """Return what messages may be signed with: coturn and its clients take the first 16 bytes of mac_key only."""
        return [self.mac_key, self.mac_key[:KEY_SIZE_LEAST]]

    def account(self, kid: bytes) -> bytes:
        """Return what quotas are counted by; no username begins so."""
        return b"\0" + kid + b"\0" + sha256(self.mac_key)[:16]


class _Key:
    """A key that is shared with an authorization server, and when it counts, in Unix time."""

    def __init__(self, open_sealed: "Opener", begins: int, ends: int) -> None:
        self.open_sealed = open_sealed
        self.begins = begins
        self.ends = ends


class Tokens:
    """The keys by which tokens are opened; without any, nobody is authorized by a third party."""

    def __init__(self, server: bytes) -> None:
        """Take our name, as authorization servers know it."""
        self.server = server
        self._keys: dict[bytes, _Key] = {}

    def add(self, kid: bytes, open_sealed: "Opener", begins: int = 0, ends: int = 0) -> None:
        """Add a key: its identifier, what opens by it, and the Unix times between which it counts; ends 0: for ever."""
        self._keys[kid] = _Key(open_sealed, begins, ends)

    def are_taken(self) -> bool:
        """Say whether there's a key at all."""
        return bool(self._keys)

    def read(self, kid: bytes, data: bytes, wall: int) -> "Token | None":
        """Return the token in the value of ACCESS-TOKEN, None where it doesn't count; wall: Unix time."""
        key = self._keys.get(kid)
        if key is None or not _LEAST <= len(data) <= _MOST or int.from_bytes(data[:2], "big") != NONCE_SIZE:
            return None
        if wall < key.begins or (key.ends and wall >= key.ends):
            return None
        block = key.open_sealed(data[2:_SEALED_AT], data[_SEALED_AT:], self.server)
        return None if block is None else _read_block(block, wall)


def _read_block(block: bytes, wall: int) -> "Token | None":
    """Return the token in what was sealed, None where it's no such block or its time isn't now."""
    times_at = 2 + int.from_bytes(block[:2], "big")
    if len(block) != times_at + _TIMES_SIZE:
        return None
    since = int.from_bytes(block[times_at : times_at + 8], "big") >> 16  # 48.16 bits of fixed point
    lifetime = int.from_bytes(block[times_at + 8 :], "big") + CLOCK_SLACK
    if abs(wall - since) >= lifetime:
        return None
    return Token(block[2:times_at], since + lifetime)
