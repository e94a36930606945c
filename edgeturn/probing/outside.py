"""What the router in front of this machine calls its own outer address: by NAT-PMP, which most that map ports answer.

Rule 1: silence says nothing; many routers have it switched off.
Rule 2: a router that says it has none (RFC 6886 §3.5, network failure) has no public one: NO_ADDRESS.
"""

import socket
from contextlib import closing

from edgeturn.protocol.address import IPV4_SIZE, join
from edgeturn.protocol.mapping import nat_pmp
from edgeturn.relay import network
from edgeturn.seam import native

NO_ADDRESS = bytes(IPV4_SIZE)
_PORT = 5351  # RFC 6886 §1.1
_WAITS = (0.25, 0.5)  # seconds, RFC 6886 §3.1 in short


def outer_addresses(sources: list[bytes]) -> dict[bytes, bytes]:
    """Return for each IPv4 address of this machine what its router says of its outer address, where it does."""
    found = {ip: _ask(network.gateway(ip)) for ip in sources if len(ip) == IPV4_SIZE}
    return {ip: outer for ip, outer in found.items() if outer}


def _ask(gateway: bytes) -> bytes:
    if not gateway:
        return b""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        for seconds in _WAITS:
            sock.settimeout(seconds)
            try:
                sock.connect(native(join(gateway, _PORT)))
                sock.send(nat_pmp.encode_address())
                answer = nat_pmp.decode(sock.recv(64))
            except OSError:
                continue
            return answer.ip if answer else b""
    return b""
