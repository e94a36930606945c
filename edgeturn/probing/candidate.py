"""ICE candidates as they are written: foundation, priority, and the line of SDP.

    candidate:842163049 1 udp 1694498815 203.0.113.7 51234 typ srflx raddr 192.168.1.20 rport 51234

Source: RFC 8445 §5.1.1.3 and §5.1.2.1, RFC 8421 §4, RFC 8839 §5.1.
"""

from dataclasses import dataclass
from zlib import crc32

from edgeturn.diagnose.evidence import HOST, PRFLX, RELAY, SRFLX, Candidate
from edgeturn.protocol import address
from edgeturn.protocol.address import IPV4, IPV4_SIZE, format_ip, ip_of, port_of
from edgeturn.protocol.listener import DTLS, TCP, TLS, UDP

TYPE_PREFERENCES = {HOST: 126, PRFLX: 110, SRFLX: 100, RELAY: 0}  # RFC 8445 §5.1.2.2
COMPONENT = 1  # RTP and RTCP share it (RFC 8035)
_HIGHEST_LOCAL = 0xFFFF
_BASE_STEP = 256  # of the local preference, from one base to the next
# What tells relays of one base apart: the fewer layers between, the better.
_WAYS = (UDP, DTLS, TCP, TLS)


@dataclass(frozen=True)
class Gathered:
    """A candidate, its foundation, and the port||ip of its base."""

    candidate: Candidate
    foundation: str
    base: bytes

    def line(self) -> str:
        """Return the candidate attribute of SDP, without `a=`."""
        found = self.candidate
        text = f"candidate:{self.foundation} {found.component} {found.transport} {found.priority}"
        text += f" {found.address} {found.port} typ {found.kind}"
        if not found.related:
            return text
        related = address.parse(found.related)
        return f"{text} raddr {format_ip(ip_of(related))} rport {port_of(related)}"


def priority(kind: str, local_preference: int, component: int = COMPONENT) -> int:
    """Return the priority of a candidate (RFC 8445 §5.1.2.1)."""
    return (TYPE_PREFERENCES[kind] << 24) + (local_preference << 8) + (256 - component)


def local_preference(bases: list[bytes], base_ip: bytes, transport: str = UDP) -> int:
    """Return how one base is preferred to others, best first, and the relays behind it to each other."""
    rank = bases.index(base_ip) if base_ip in bases else len(bases)
    return max(_HIGHEST_LOCAL - _BASE_STEP * rank - _WAYS.index(transport), 0)


def foundation(kind: str, base_ip: bytes, server_ip: bytes = b"", transport: str = UDP) -> str:
    """Return what candidates have in common that share kind, base, server and way to the server (RFC 8445 §5.1.1.3)."""
    return str(crc32(b"/".join([kind.encode(), base_ip.hex().encode(), server_ip.hex().encode(), transport.encode()])))


def preferred(ips: list[bytes], sources: list[bytes]) -> list[bytes]:
    """Return addresses of this machine as ICE prefers them: those that speak to the internet, IPv6 first."""
    return sorted(dict.fromkeys(ips), key=lambda ip: (ip not in sources, len(ip) == IPV4_SIZE))


def family_name(ip: bytes) -> str:
    """Return what people call the family of an IP address."""
    return "IPv4" if address.family(ip) == IPV4 else "IPv6"
