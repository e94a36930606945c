"""Where clients reach a relay, as servers that `check` and DNS records are about."""

from edgeturn.command.addresses import announced, best, places, tls_name
from edgeturn.probing.server import Server, Trust
from edgeturn.protocol.listener import DTLS, TLS
from edgeturn.relay.configuration import Configuration

__all__ = ["announced", "best", "servers", "tls_name"]


def servers(settings: Configuration, trust: Trust | None = None) -> list[Server]:
    """Return a relay as its clients reach it: for each transport and family the place that most of them use."""
    name = tls_name(settings)
    return [
        Server(place, transport, name if transport in (TLS, DTLS) else "", trust or Trust())
        for transport, place in places(settings)
    ]
