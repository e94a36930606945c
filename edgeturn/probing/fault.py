"""What goes wrong between a client and a server, in words: those that advice is found by."""

from edgeturn import seam
from edgeturn.command.client import Refused, Silent, Untrusted
from edgeturn.command.failure import Failure
from edgeturn.probing.server import NoWay

SILENT = "no answer"
UNTRUSTED = "integrity"
# What error codes are called: RFC 8489 §18.3, RFC 8656 §19.
REASONS = {
    300: "Try Alternate",
    400: "Bad Request",
    401: "Unauthenticated",
    403: "Forbidden",
    420: "Unknown Attribute",
    437: "Allocation Mismatch",
    438: "Stale Nonce",
    440: "Address Family not Supported",
    441: "Wrong Credentials",
    442: "Unsupported Transport Protocol",
    443: "Peer Address Family Mismatch",
    486: "Allocation Quota Reached",
    500: "Server Error",
    508: "Insufficient Capacity",
}
FAULTS = (NoWay, Silent, Refused, Untrusted, OSError)


def happened(error: Exception) -> str:
    """Return the words for an exception; of an error answer its code."""
    if isinstance(error, Refused):
        return str(error.code)
    if isinstance(error, Silent):
        return SILENT
    if isinstance(error, Untrusted):
        return UNTRUSTED
    if isinstance(error, OSError):
        return seam.reason(error)
    return error.message if isinstance(error, Failure) else str(error)
