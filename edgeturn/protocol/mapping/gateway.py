"""What a gateway's answer says, whichever protocol it came by, and whether the gateway has forgotten its mappings.

Rule 1: an answer counts for the question that it names: opcode, transport, internal port, with PCP the nonce too.
Rule 2: a gateway counts the seconds since it began to keep mappings; where that count falls behind our clock, the
        mappings are gone (RFC 6887 §8.5; RFC 6886 §3.6 means the same).
"""

UDP, TCP = 17, 6  # IANA protocol numbers

# What a result means for who asked.
GRANTED = "granted"
BUSY = "busy"  # later perhaps: no resources, no WAN address, a conflict
FORBIDDEN = "forbidden"  # switched off, or not for us
UNSUPPORTED = "unsupported"  # it speaks another protocol or version


class Wish:
    """A mapping that is asked for: transport and internal port, and what of the outside would be liked best."""

    __slots__ = ("external", "ip", "nonce", "port", "protocol")

    def __init__(self, protocol: int, port: int, nonce: bytes) -> None:
        """Take UDP or TCP, the internal port, and 12 random bytes that only the gateway hears."""
        self.protocol = protocol
        self.port = port
        self.nonce = nonce
        self.external = port  # liked best
        self.ip = bytes(4)  # external address liked best


class Answer:
    """An answer: what it means, the gateway's count of seconds, and as far as it says so the rest."""

    __slots__ = ("code", "epoch", "external", "ip", "is_lost", "lifetime", "meaning", "nonce", "port", "protocol")

    def __init__(self, meaning: str, code: int, epoch: int) -> None:
        """Take the meaning, the protocol's own code, and the seconds; -1 where the protocol has no such count."""
        self.meaning = meaning
        self.code = code
        self.epoch = epoch
        self.protocol = 0  # 0 where the answer is about no mapping
        self.port = 0  # internal
        self.external = 0
        self.ip = b""  # external address
        self.lifetime = 0
        self.nonce = b""
        self.is_lost = False  # whether it says that a mapping of ours isn't there any longer

    def is_for(self, wish: Wish) -> bool:
        """Say whether this is about a certain mapping."""
        same = (self.protocol, self.port) == (wish.protocol, wish.port)
        return same and self.nonce in (b"", wish.nonce)  # only PCP has one


def announced_epoch(data: bytes) -> int:
    """Return the count of seconds in what a gateway sends to everybody when it begins, -1 where that's something else.

    NAT-PMP: an answer about the external address (RFC 6886 §3.2.1); PCP: one to ANNOUNCE (RFC 6887 §14.1).
    """
    if data[:2] == b"\0\x80" and len(data) >= 12:
        return int.from_bytes(data[4:8], "big")
    if data[:2] == b"\x02\x80" and len(data) >= 24:
        return int.from_bytes(data[8:12], "big")
    return -1


class Epoch:
    """Follows a gateway's count of seconds."""

    def __init__(self) -> None:
        """Begin without a count."""
        self._count = -1
        self._at = 0

    def is_lost(self, count: int, now: int) -> bool:
        """Take the next count; say whether the gateway has begun anew since the last one."""
        before, at = self._count, self._at
        self._count, self._at = count, now
        if before < 0 or count < 0:
            return False
        ours, theirs = now - at, count - before
        if theirs < -1:
            return True
        return theirs + 2 < ours - ours // 16 or ours + 2 < theirs - theirs // 16
