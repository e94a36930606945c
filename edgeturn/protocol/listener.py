"""Listeners: by which way clients come in; the number of one is the `via` of each of its datagrams.

Rule 1: a 5-tuple is a listener and a source, so each transport of an address is a listener of its own (RFC 8656 §3).
Rule 2: over a stream each message comes here whole and by itself, as if it were a datagram.
"""

UDP, DTLS, TCP, TLS = "udp", "dtls", "tcp", "tls"
NOWHERE = "nowhere"  # where allocations wait that lost their stream and may be resumed (RFC 8016)


class Listener:
    """One way in: its number, transport, and the port||ip that clients send to."""

    __slots__ = ("number", "place", "stream", "transport")

    def __init__(self, number: int, transport: str, place: bytes) -> None:
        """Take a row; place is b"" where nobody needs it."""
        self.number = number
        self.transport = transport
        self.place = place
        self.stream = transport in (TCP, TLS)
