"""Digests and keyed digests, as STUN uses them: messages so short that copying them costs nothing."""

from edgeturn.seam import hmac_sha1 as _hmac_sha1
from edgeturn.seam import hmac_sha256 as _hmac_sha256
from edgeturn.seam import md5 as _md5
from edgeturn.seam import sha256 as _sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Digest = Callable[[bytes], bytes]
    KeyedDigest = Callable[[bytes, bytes], bytes]

md5: "Digest" = _md5  # 16 bytes
sha256: "Digest" = _sha256  # 32 bytes
hmac_sha1: "KeyedDigest" = _hmac_sha1  # of a key and data, 20 bytes (RFC 2104)
hmac_sha256: "KeyedDigest" = _hmac_sha256  # of a key and data, 32 bytes
