"""Keys that are shared with authorization servers (RFC 7635): the sections `token_key` of a configuration."""

from binascii import a2b_base64, b2a_base64

from edgeturn import seam
from edgeturn.relay.uci import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.protocol.token import Opener, Tokens

KEY_SIZES = {"A256GCM": 32, "A128GCM": 16}
ALGORITHMS = tuple(sorted(KEY_SIZES, reverse=True))  # the stronger one first
_DIGITS = "0123456789abcdef"


def token_key(value: str) -> bytes:
    """Take a key of 16 or 32 bytes in hexadecimal digits or base64."""
    if len(value) in (32, 64) and all(digit in _DIGITS for digit in value.lower()):
        return bytes([int(value[at : at + 2], 16) for at in range(0, len(value), 2)])
    try:
        key = a2b_base64(value)
    except ValueError:
        key = b""
    if len(key) not in (16, 32) or b2a_base64(key)[:-1] != value.encode():
        raise ValueError("must be 16 or 32 bytes in hexadecimal digits or base64")
    return key


def unix_time(value: str) -> int:
    """Take a Unix time."""
    if not 0 < len(value) < 12 or any(digit not in "0123456789" for digit in value):
        raise ValueError("must be a Unix time in seconds")
    return int(value)


class TokenKey:
    """A section `token_key`: its identifier and its values."""

    def __init__(self, file: str, line: int, kid: str, values: "dict[str, object]") -> None:
        """Take a section; ConfigError where it's wrong."""
        self.kid, self.values = kid, values
        self._file, self._line = file, line
        key, algorithm = values["key"], values["algorithm"]
        if not kid:
            raise ConfigError(file, line, "a token_key without an identifier: config token_key 'KID'")
        if not isinstance(key, bytes) or len(key) != KEY_SIZES[str(algorithm)]:
            wanted = KEY_SIZES[str(algorithm)]
            raise ConfigError(file, line, f"token_key '{kid}' needs a key of {wanted} bytes for {algorithm}")

    def is_like(self, other: "TokenKey") -> bool:
        """Say whether two keys are the same."""
        return (self.kid, self.values) == (other.kid, other.values)

    def add_to(self, tokens: "Tokens") -> None:
        """Let a key count; ConfigError where this machine can't open tokens."""
        begins, lifetime, key = self.values["not_before"], self.values["lifetime"], self.values["key"]
        assert isinstance(begins, int) and isinstance(lifetime, int) and isinstance(key, bytes)
        tokens.add(self.kid.encode(), self._opener(key), begins, begins + lifetime if lifetime else 0)

    def _opener(self, key: bytes) -> "Opener":
        if not seam.AEAD:
            hint = "need CPython or the firmware with TLS; this is MicroPython"
            raise ConfigError(self._file, self._line, f"sections of type 'token_key' {hint}")
        try:
            from edgeturn.seam.aead import opener
        except ImportError:
            hint = "pip install cryptography"
            raise ConfigError(
                self._file, self._line, f"sections of type 'token_key' need the Python package cryptography: {hint}"
            )
        made: "Opener" = opener(key)
        return made
