"""A server as `check` is told of it: where, by which transport, and whether it should relay."""

import socket

from edgeturn.command.failure import Wrong
from edgeturn.protocol import address
from edgeturn.protocol.listener import TCP, UDP
from edgeturn.relay.options import DEFAULT_PORT
from edgeturn.seam import address_of

# What stands in front and behind of a URI -> transport, whether it relays (RFC 7064, RFC 7065).
_KINDS = {
    ("stun", ""): (UDP, False),
    ("turn", ""): (UDP, True),
    ("turn", "transport=udp"): (UDP, True),
    ("turn", "transport=tcp"): (TCP, True),
}


class Target:
    """A server at port||ip by one transport."""

    def __init__(self, transport: str, place: bytes, relays: bool = True) -> None:
        """Take transport, port||ip, and whether it should relay."""
        self.transport = transport
        self.place = place
        self.relays = relays


def parse(uri: str) -> Target:
    """Return the server of a URI; Wrong where that is none that can be checked here."""
    scheme, _, rest = uri.partition(":")
    place, _, query = rest.partition("?")
    kind = _KINDS.get((scheme.lower(), query.lower()))
    if kind is None:
        raise Wrong(f"'{uri}' is no URI such as turn:192.0.2.1:3478, turn:turn.example.org?transport=tcp or stun:192.0.2.1.")  # fmt: skip  # noqa: E501
    return Target(kind[0], _resolve(place, uri), kind[1])


def _resolve(place: str, uri: str) -> bytes:
    try:
        return address.parse(place, DEFAULT_PORT)
    except ValueError:
        pass
    host, colon, number = place.partition(":")
    try:
        port = address.parse_port(number) if colon else DEFAULT_PORT
        return address_of(socket.getaddrinfo(host, port)[0][4])
    except ValueError:
        raise Wrong(f"'{uri}' has no host and port such as 192.0.2.1:3478 or [2001:db8::1]:3478.")
    except OSError:
        raise Wrong(f"'{host}' isn't known: give its address, or see whether this machine resolves names.")
